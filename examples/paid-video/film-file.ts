/**
 * A film on disk, whole or in part: segments lie where they belong in the file, each checked against its hash when it
 * comes, and all of them again when a later process opens the file. So nothing is bought twice.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type FilmIndex, FilmError, spanOf } from './film.ts'

/** The header, before the first segment. */
export const HEADER = -1

export class FilmFile {
  readonly index: FilmIndex
  readonly #folder: string
  readonly #file: number
  readonly #has: Set<number> = new Set()
  #isWhole = false

  /** @param folder where the viewer keeps films */
  constructor(folder: string, index: FilmIndex) {
    this.index = index
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const path = existsSync(this.path) ? this.path : this.#partPath
    this.#file = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600)
    for (let segment = HEADER; segment < index.segments.length; segment++) {
      if (fits(index, segment, this.#readAt(segment))) this.#has.add(segment)
    }
    this.#look()
  }

  /** Where the film is when all of it is there. */
  get path(): string {
    return join(this.#folder, `${this.index.id}.mp4`)
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  get bytes(): number {
    return [...this.#has].reduce((sum, segment) => sum + lengthOf(this.index, segment), 0)
  }

  has(segment: number): boolean {
    return this.#has.has(segment)
  }

  read(segment: number): Buffer | undefined {
    return this.#has.has(segment) ? this.#readAt(segment) : undefined
  }

  /** @throws FilmError 'wrong-bytes': it is not the segment that was promised */
  write(segment: number, bytes: Buffer): void {
    if (!fits(this.index, segment, bytes))
      throw new FilmError('wrong-bytes', 'the publisher sent something else than it promised')
    writeSync(this.#file, bytes, 0, bytes.length, spanOf(this.index, segment).from)
    this.#has.add(segment)
    this.#look()
  }

  close(): void {
    closeSync(this.#file)
  }

  get #partPath(): string {
    return join(this.#folder, `${this.index.id}.part`)
  }

  #readAt(segment: number): Buffer {
    const { from, to } = spanOf(this.index, segment)
    const bytes = Buffer.alloc(to - from)
    return bytes.subarray(0, readSync(this.#file, bytes, 0, bytes.length, from))
  }

  /** With its last segment it becomes a file under its own name. */
  #look(): void {
    const { segments } = this.index
    if (this.#isWhole || this.#has.size <= segments.length) return
    const { to } = spanOf(this.index, segments.length - 1)
    ftruncateSync(this.#file, to)
    this.#isWhole = true
    if (existsSync(this.#partPath)) renameSync(this.#partPath, this.path)
  }
}

function lengthOf(index: FilmIndex, segment: number): number {
  return segment === HEADER ? index.header.bytes : (index.segments[segment]?.bytes ?? 0)
}

function fits(index: FilmIndex, segment: number, bytes: Buffer): boolean {
  const { sha256 } = segment === HEADER ? index.header : (index.segments[segment] ?? { sha256: '' })
  return bytes.length === lengthOf(index, segment) && createHash('sha256').update(bytes).digest('hex') === sha256
}
