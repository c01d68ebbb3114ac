import { mkdtemp, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SPOOL_AHEAD_BYTES } from './bounds.ts'
import { checkedName, readFrom, type Source } from './source.ts'
import { writeAll } from './write-all.ts'

/**
 * A stream as a source: what it gave is kept in a file without a name (gone with the process), so that a
 * connection that is lost, or a receiver that has a part, does not need it twice. It is read no further than
 * `SPOOL_AHEAD_BYTES` ahead of what was sent.
 */
export async function openSpool(input: Readable, name: string): Promise<Source> {
  checkedName(name)
  const folder = await mkdtemp(join(tmpdir(), 'keysock-'))
  let file: FileHandle
  try {
    file = await open(join(folder, 'spool'), 'wx+', 0o600)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return new Spool(input, name, file)
}

class Spool implements Source {
  readonly name: string
  readonly content = undefined
  readonly #input: Readable
  readonly #file: FileHandle
  readonly #read: (offset: number, length: number) => Promise<Uint8Array>
  #written = 0
  /** The furthest that was asked for. */
  #wanted = 0
  #ended = false
  #failure: Error | undefined
  #wake: () => void = () => undefined
  #wakeFilling: () => void = () => undefined
  readonly #filling: Promise<void>
  #closed = false

  constructor(input: Readable, name: string, file: FileHandle) {
    this.name = name
    this.#input = input
    this.#file = file
    this.#read = readFrom(file)
    this.#filling = this.#fill()
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#wanted = Math.max(this.#wanted, offset + length)
    this.#wakeFilling()
    while (offset >= this.#written && !this.#ended && !this.#closed) {
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    if (this.#failure !== undefined) throw this.#failure
    return await this.#read(offset, Math.max(0, Math.min(length, this.#written - offset)))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
    this.#wakeFilling()
    this.#input.destroy()
    await this.#filling
    await this.#file.close()
  }

  async #fill(): Promise<void> {
    try {
      for await (const chunk of this.#input as AsyncIterable<Buffer | string>) {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
        await writeAll(this.#file, bytes, this.#written)
        this.#written += bytes.length
        this.#wake()
        while (this.#written > this.#wanted + SPOOL_AHEAD_BYTES && !this.#closed) {
          await new Promise<void>((resolve) => {
            this.#wakeFilling = resolve
          })
        }
        if (this.#closed) break
      }
    } catch (error) {
      if (!this.#closed) this.#failure = error as Error
    }
    this.#ended = true
    this.#wake()
  }
}
