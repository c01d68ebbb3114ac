import type { Duplex } from 'node:stream'
import { MAX_LINE_BYTES, MAX_LINE_PIECES, MAX_UNSENT_BYTES } from './limits.ts'
import { MessageError } from './codecs.ts'

const NEWLINE = 0x0a

export interface LinesHandler {
  /** One message, as JSON.parse gives it. Whatever this throws ends the connection. */
  message(json: unknown): void
  /** The connection is gone: once, and nothing comes after it. */
  closed(why: string): void
}

/**
 * Messages over a stream: one JSON text a line, in UTF-8 (spec/daemon.md §3). A side that sends anything else, or
 * does not read what is sent to it, is cut off.
 */
export class Lines {
  readonly #stream: Duplex
  readonly #handler: LinesHandler
  #rest: Buffer[] = []
  #restBytes = 0
  #isOpen = true

  constructor(stream: Duplex, handler: LinesHandler) {
    this.#stream = stream
    this.#handler = handler
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.once('end', () => this.close('the other side hung up'))
    stream.once('close', () => this.close('the connection was closed'))
    stream.on('error', (error) => this.close(error.message))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Sends one message; what is sent after the end goes nowhere. */
  send(json: unknown): void {
    if (!this.#isOpen) return
    this.#stream.write(`${JSON.stringify(json)}\n`)
    if (this.#stream.writableLength > MAX_UNSENT_BYTES) this.close('the other side does not read what it is sent')
  }

  /** Ends the connection, at once or after what was sent before has gone out. */
  close(why: string, after: 'at once' | 'what was sent' = 'at once'): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#rest = []
    if (after === 'at once') this.#stream.destroy()
    else this.#stream.end(() => this.#stream.destroy())
    this.#handler.closed(why)
  }

  #receive(chunk: Buffer): void {
    let start = 0
    while (this.#isOpen) {
      const end = chunk.indexOf(NEWLINE, start)
      if (end < 0) break
      this.#line(chunk.subarray(start, end))
      start = end + 1
    }
    if (!this.#isOpen) return
    this.#keep(chunk.subarray(start))
    if (this.#restBytes > MAX_LINE_BYTES) this.close(`a line is longer than ${MAX_LINE_BYTES} bytes`)
  }

  #line(part: Buffer): void {
    this.#keep(part)
    const [first] = this.#rest
    const line = first !== undefined && this.#rest.length === 1 ? first : Buffer.concat(this.#rest)
    this.#rest = []
    this.#restBytes = 0
    if (line.length > MAX_LINE_BYTES) return this.close(`a line is longer than ${MAX_LINE_BYTES} bytes`)
    try {
      this.#handler.message(parsed(line))
    } catch (error) {
      // Also where the fault is our own: it must not end the process that other programs share.
      this.close(error instanceof Error ? error.message : String(error))
    }
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#rest.push(part)
    this.#restBytes += part.length
    if (this.#rest.length > MAX_LINE_PIECES) this.#rest = [Buffer.concat(this.#rest)]
  }
}

/** @throws MessageError */
function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))
  } catch {
    throw new MessageError('a line is not JSON in UTF-8')
  }
}
