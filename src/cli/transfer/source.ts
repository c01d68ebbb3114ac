import { open as openWithCallback, type Stats } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { KeysockError } from '../../index.ts'
import { codeOf, messageOf } from './errors.ts'
import { hashPrefix, readFrom, writeAll } from './file-content.ts'
import { nameComplaint } from './file-name.ts'
import { SPOOL_AHEAD_BYTES } from './limits.ts'
import { type Attributes, type Content, PERMISSIONS } from './messages.ts'

const openDescriptor: (path: string, flags: string) => Promise<number> = promisify(openWithCallback)

/** What is sent: it can be read again from any place before the furthest that was read. */
export interface Source {
  readonly name: string
  /** Undefined for a stream: size and hash are known at its end. */
  readonly content: Content | undefined
  /** Of a file. */
  readonly attributes?: Attributes | undefined
  /** At most so many bytes from a place; none at the end. Waits where a stream has no more yet. */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** @throws KeysockError ERR_CLI_NAME for a name that no receiver takes (file-transfer §2.2) */
export function checkedName(name: string): string {
  const complaint = nameComplaint(name)
  if (complaint === undefined) return name
  throw new KeysockError(
    'ERR_CLI_NAME',
    `no receiver takes the name ${JSON.stringify(name)}: ${complaint}; give another with --name`,
  )
}

export interface OpenFileOptions {
  /** What it is called there; the file's own name unless told. */
  readonly name?: string | undefined
  /** Hears how much of it is hashed. */
  readonly onHashed?: ((bytes: number, size: number) => void) | undefined
  /** Ends the hashing, and closes the file. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A file, hashed as a whole. What cannot be read twice (a pipe, a device) is opened once, as the stream that it is:
 * the writer of a pipe whose reader goes would lose what it wrote.
 * @throws KeysockError ERR_CLI_FILE, ERR_CLI_NAME; the signal's reason
 */
export async function openFile(path: string, options: OpenFileOptions): Promise<Source | Readable> {
  const name = checkedName(options.name ?? basename(path))
  const failed = (error: unknown): never => {
    throw unreadable(path, error)
  }
  if ((await stat(path).catch(failed)).isFIFO()) return await openPipe(path).catch(failed)
  const file = await open(path, 'r').catch(failed)
  try {
    const found = await file.stat()
    if (!found.isFile()) return file.createReadStream()
    // What the system makes up while it is read has no size (/proc), and may be other bytes each time: it is a stream.
    if (found.size === 0 && (await hasBytes(file))) return file.createReadStream({ start: 0 })
    const { size } = found
    const read = readFrom(file)
    const { signal, onHashed } = options
    const hash = await hashPrefix(read, size, { signal, onBytes: (bytes) => onHashed?.(bytes, size) })
    if (hash === undefined) {
      // Files of /sys say a size that they do not have.
      if ((await file.stat()).size === size) return file.createReadStream({ start: 0 })
      throw new KeysockError('ERR_CLI_FILE', `${path} became shorter while it was read`)
    }
    const content = { size, sha256: hash.digest() }
    return { name, content, attributes: attributesOf(found), read, close: () => file.close() }
  } catch (error) {
    await file.close().catch(() => undefined)
    options.signal?.throwIfAborted()
    throw error instanceof KeysockError ? error : unreadable(path, error)
  }
}

/** What is told of a file beside its bytes: no file of before 1970 is told as one. */
export function attributesOf({ mode, mtimeMs }: Pick<Stats, 'mode' | 'mtimeMs'>): Attributes {
  return { mode: mode & PERMISSIONS, mtimeS: Math.max(0, Math.floor(mtimeMs / 1_000)) }
}

async function hasBytes(file: FileHandle): Promise<boolean> {
  return (await readFrom(file)(0, 1)).length > 0
}

/** As a socket, which is let go of also while it waits for a silent writer. */
async function openPipe(path: string): Promise<Readable> {
  return new Socket({ fd: await openDescriptor(path, 'r'), readable: true, writable: false })
}

export function unreadable(path: string, error: unknown): KeysockError {
  const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error)
  return new KeysockError('ERR_CLI_FILE', `cannot read ${path}: ${why}`, { cause: error })
}

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
