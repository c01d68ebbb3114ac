import { open as openWithCallback } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { KeysockError } from '../../index.ts'
import { codeOf, messageOf } from './errors.ts'
import { nameComplaint } from './file-name.ts'
import { hashPrefix } from './hashing.ts'
import type { Content } from './messages.ts'

const openDescriptor: (path: string, flags: string) => Promise<number> = promisify(openWithCallback)

/** What is sent: it can be read again from any place before the furthest that was read. */
export interface Source {
  readonly name: string
  /** Undefined for a stream: size and hash are known at its end. */
  readonly content: Content | undefined
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
    if (found.isDirectory()) {
      throw new KeysockError(
        'ERR_CLI_FILE',
        `${path} is a folder; send an archive of it: tar c ${path} | keysock send - PUBKEY --name ${name}.tar`,
      )
    }
    if (!found.isFile()) return file.createReadStream()
    const { size } = found
    const read = readFrom(file)
    const { signal, onHashed } = options
    const hash = await hashPrefix(read, size, { signal, onBytes: (bytes) => onHashed?.(bytes, size) })
    if (hash === undefined) throw new KeysockError('ERR_CLI_FILE', `${path} became shorter while it was read`)
    return { name, content: { size, sha256: hash.digest() }, read, close: () => file.close() }
  } catch (error) {
    await file.close().catch(() => undefined)
    options.signal?.throwIfAborted()
    throw error instanceof KeysockError ? error : unreadable(path, error)
  }
}

/** As a socket, which is let go of also while it waits for a silent writer. */
async function openPipe(path: string): Promise<Readable> {
  return new Socket({ fd: await openDescriptor(path, 'r'), readable: true, writable: false })
}

function unreadable(path: string, error: unknown): KeysockError {
  const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error)
  return new KeysockError('ERR_CLI_FILE', `cannot read ${path}: ${why}`, { cause: error })
}

/** Reads of a file at any place. */
export function readFrom(file: FileHandle): (offset: number, length: number) => Promise<Uint8Array> {
  return async (offset, length) => {
    const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }
}
