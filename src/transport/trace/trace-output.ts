import { once } from 'node:events'
import { closeSync, createWriteStream, openSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { pause } from '../../floor/clock.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { MAX_TRACE_BUFFER_BYTES, TRACE_END_MS, TRACE_PIECE_CHARACTERS } from './limits.ts'
import { recordText, type TraceRecord } from './qlog.ts'

const FILE_MODE = 0o600

/** Where the records of a trace go. It never throws: what fails is told once, and the trace ends there. */
export interface TraceOutput {
  /** False: a record that is written now would be kept in memory beyond the bound. */
  readonly hasRoom: boolean
  write(record: TraceRecord): void
  /** Resolves when all is written, or cannot be. */
  end(): Promise<void>
}

/** Hears once why there is no trace any more. */
export type TraceFailed = (message: string) => void

/** A function of the application's. */
export class ListenerOutput implements TraceOutput {
  readonly hasRoom = true
  readonly #failed: TraceFailed
  #listener: ((record: TraceRecord) => void) | undefined

  constructor(listener: (record: TraceRecord) => void, failed: TraceFailed) {
    this.#listener = listener
    this.#failed = failed
  }

  write(record: TraceRecord): void {
    try {
      this.#listener?.(record)
    } catch (error) {
      this.#listener = undefined
      this.#failed(messageOf(error))
    }
  }

  async end(): Promise<void> {
    await Promise.resolve()
  }
}

/** A stream: a file, or one of the application's, which it ends itself. */
export class StreamOutput implements TraceOutput {
  readonly #stream: Writable
  readonly #isOwn: boolean
  #isOver = false

  constructor(stream: Writable, isOwn: boolean, header: string, failed: TraceFailed) {
    this.#stream = stream
    this.#isOwn = isOwn
    // It stays, also when the trace has ended: an error that comes then is no reason to end the process.
    stream.on('error', (error: Error) => {
      if (this.#isOver) return
      this.#isOver = true
      failed(error.message)
    })
    if (this.#isWritable) stream.write(header)
  }

  get hasRoom(): boolean {
    return this.#stream.writableLength < MAX_TRACE_BUFFER_BYTES
  }

  get #isWritable(): boolean {
    return !this.#isOver && this.#stream.writable
  }

  write(record: TraceRecord): void {
    if (this.#isWritable) this.#stream.write(recordText(record))
  }

  async end(): Promise<void> {
    if (!this.#isWritable || !this.#isOwn) {
      this.#isOver = true
      return
    }
    this.#stream.end()
    // A disk that hangs does not keep an endpoint from closing.
    await Promise.race([finished(this.#stream).catch(() => undefined), pause(TRACE_END_MS)])
    this.#isOver = true
    this.#stream.destroy()
  }
}

/**
 * A file that is written at once, a piece after the other. For a simulated time, which stands still while the disk
 * works: nothing is dropped, and nobody waits for what the simulation does not see.
 */
export class SteadyFileOutput implements TraceOutput {
  readonly hasRoom = true
  readonly #failed: TraceFailed
  #descriptor: number | undefined
  #text: string

  /** @throws KeysockError ERR_KEYSOCK_TRACE where the file cannot be made */
  constructor(file: string, header: string, failed: TraceFailed) {
    this.#failed = failed
    this.#text = header
    try {
      this.#descriptor = openSync(file, 'w', FILE_MODE)
    } catch (error) {
      throw notWritable(error)
    }
  }

  write(record: TraceRecord): void {
    if (this.#descriptor === undefined) return
    this.#text += recordText(record)
    if (this.#text.length >= TRACE_PIECE_CHARACTERS) this.#flush(this.#descriptor)
  }

  async end(): Promise<void> {
    if (this.#descriptor !== undefined) this.#flush(this.#descriptor)
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    await Promise.resolve()
  }

  #flush(descriptor: number): void {
    try {
      let bytes = Buffer.from(this.#text)
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(descriptor, bytes))
    } catch (error) {
      this.#descriptor = undefined
      this.#failed(messageOf(error))
    }
    this.#text = ''
  }
}

/** A new file, of this user alone. @throws KeysockError ERR_KEYSOCK_TRACE where it cannot be made */
export async function openTraceFile(file: string): Promise<Writable> {
  const stream = createWriteStream(file, { mode: FILE_MODE })
  try {
    await once(stream, 'open')
    return stream
  } catch (error) {
    throw notWritable(error)
  }
}

function notWritable(cause: unknown): KeysockError {
  const message = `no trace can be written: ${messageOf(cause)}; name another file`
  return new KeysockError('ERR_KEYSOCK_TRACE', message, { cause })
}
