import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import { codeOf, ConnectionLost, messageOf, TransferError } from './errors.ts'
import { hashPrefix, runningHash, type RunningHash } from './file-content.ts'
import { DATA_BYTES, MAX_PROPOSALS, PREAMBLE } from './limits.ts'
import { encodeMessage, malformed, type Message, MessageReader } from './messages.ts'
import type { Source } from './source.ts'

/** Hears how one connection that sends goes on, and paces it. */
export interface SendWatcher {
  /** The receiver has the first `offset` bytes; `before` bytes of protocol went over the connection so far. */
  started(offset: number, before: number): void
  /** Resolves when bytes up to here may be written: each costs money, and the other side may be gone. */
  mayWrite(bytes: number): Promise<void>
  /** So many bytes of the whole are written to the connection. */
  sent(bytes: number, ofSet?: SetMark): void
  /** Of a set: this file is next ('': none yet). */
  file?(at: FileAt): void
  /** The same file is being received already (file-transfer §3.5). */
  waits(): void
}

/** How far a set is when so much of the connection is acknowledged. */
export interface SetMark {
  /** Bytes that it took of the connection. */
  readonly ofConnection: number
  /** Files that are there then. */
  readonly files: number
}

/** The file of a set that is sent. */
export interface FileAt {
  readonly path: string
  /** Files that were there before the connection. */
  readonly before: number
  readonly all: number
}

/** What the receiver has now, for certain. */
export interface Sent {
  readonly size: number
  readonly sha256: Uint8Array
  /** What went over this connection. */
  readonly bytes: number
}

/**
 * Offers a source over a connection and sends what the other side does not have. Resolves when it has said DONE.
 * The connection is the caller's to close.
 * @throws TransferError (either side's last word), ConnectionLost
 */
export async function sendOver(
  socket: Duplex,
  source: Source,
  options: { readonly session: Uint8Array; readonly watcher: SendWatcher },
): Promise<Sent> {
  return await runSession(socket, new SendSession(socket, source, options))
}

/** What a connection sends, from its offer to DONE. */
interface Session {
  run(): Promise<Sent>
  /** Ends it, whatever the outcome. */
  end(): void
}

/** Runs a session to its end; the other side hears why, where it is this side that gives up. @throws what it throws */
export async function runSession(socket: Duplex, session: Session): Promise<Sent> {
  try {
    return await session.run()
  } catch (error) {
    if (error instanceof TransferError && !error.isRemote) sayLast(socket, error)
    throw error
  } finally {
    session.end()
  }
}

class SendSession {
  readonly #socket: Duplex
  readonly #source: Source
  readonly #session: Uint8Array
  readonly #watcher: SendWatcher
  readonly #reader: MessageReader
  #written = 0
  #pump: Pump | undefined

  constructor(
    socket: Duplex,
    source: Source,
    options: { readonly session: Uint8Array; readonly watcher: SendWatcher },
  ) {
    this.#socket = socket
    this.#source = source
    this.#session = options.session
    this.#watcher = options.watcher
    this.#reader = new MessageReader(socket, 'receiver')
  }

  async run(): Promise<Sent> {
    const { name, content, attributes } = this.#source
    await this.#write(PREAMBLE)
    await this.#write(encodeMessage({ type: 'offer', name, session: this.#session, content, attributes }))
    let haves = 0
    for (;;) {
      const answer = this.#pump === undefined ? await this.#next() : await this.#pump.nextOr(this.#next())
      switch (answer.type) {
        case 'wait':
          // file-transfer §3.5: WAIT comes only before the first HAVE.
          if (this.#pump !== undefined) throw malformed('to wait after an answer')
          this.#watcher.waits()
          break
        case 'have':
          this.#pump?.stop()
          haves += 1
          if (haves > MAX_PROPOSALS + 1) throw malformed('another beginning')
          this.#pump = await this.#start(answer.offset)
          break
        case 'done':
          return this.#done(this.#pump)
        case 'error':
          throw new TransferError(answer.code, answer.reason, { isRemote: true })
        case 'offer':
        case 'start':
        case 'data':
        case 'end':
        case 'list':
        case 'file':
        case 'skip':
        case 'want':
          throw malformed(answer.type)
      }
    }
  }

  /** Ends it, whatever the outcome: nothing more is read from the source, and the watcher is not asked any more. */
  end(): void {
    this.#pump?.stop()
    this.#reader.discard()
  }

  #done(pump: Pump | undefined): Sent {
    if (pump?.end !== undefined) return { ...pump.end, bytes: pump.end.size - pump.offset }
    const { content } = this.#source
    // file-transfer §2.4: only a whole file can be there before its END.
    if (content === undefined || pump !== undefined) throw malformed('done before the end')
    return { ...content, bytes: 0 }
  }

  /** file-transfer §3.1: START has the hash of what stands before it, by which the receiver knows its part again. */
  async #start(have: number): Promise<Pump> {
    const { content } = this.#source
    if (content !== undefined && have > content.size) throw malformed('more than the file has')
    const prefix = await hashPrefix((offset, length) => this.#source.read(offset, length), have)
    const offset = prefix === undefined ? 0 : have
    const hash = prefix ?? runningHash()
    await this.#write(encodeMessage({ type: 'start', offset, sha256: hash.digest() }))
    this.#watcher.started(offset, this.#written)
    return new Pump(
      { source: this.#source, watcher: this.#watcher, write: (bytes) => this.#write(bytes) },
      offset,
      hash,
    )
  }

  async #next(): Promise<Message> {
    let message: Message | undefined
    try {
      message = await this.#reader.next()
    } catch (error) {
      throw error instanceof TransferError ? error : lost(error)
    }
    if (message === undefined) throw new ConnectionLost('ECONNRESET', 'the other side ended the connection')
    return message
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await writeTo(this.#socket, bytes)
    this.#written += bytes.length
  }
}

interface PumpOptions {
  readonly source: Source
  readonly watcher: SendWatcher
  readonly write: (bytes: Uint8Array) => Promise<void>
}

/** Sends from an offset to the end, while the session listens to the other side. */
class Pump {
  /** Set when END is written. */
  end: { readonly size: number; readonly sha256: Uint8Array } | undefined
  readonly offset: number
  readonly #options: PumpOptions
  readonly #hash: RunningHash
  readonly #failed: Promise<never>
  #stopped = false

  constructor(options: PumpOptions, offset: number, hash: RunningHash) {
    this.offset = offset
    this.#options = options
    this.#hash = hash
    this.#failed = new Promise((_, reject) => {
      this.#run().catch(reject)
    })
    this.#failed.catch(() => undefined) // whoever asks for the next message hears it
  }

  /** The answer, or why sending failed, whichever is first. */
  nextOr(answer: Promise<Message>): Promise<Message> {
    answer.catch(() => undefined)
    return Promise.race([answer, this.#failed])
  }

  /** Nothing is written after this. */
  stop(): void {
    this.#stopped = true
  }

  /** A method, since the field may have changed during an await. */
  #isStopped(): boolean {
    return this.#stopped
  }

  async #run(): Promise<void> {
    const { source, watcher, write } = this.#options
    let at = this.offset
    for (;;) {
      const bytes = await source.read(at, DATA_BYTES)
      if (this.#isStopped()) return
      if (bytes.length === 0) break
      this.#hash.update(bytes)
      at += bytes.length
      if (source.content !== undefined && at > source.content.size) throw changed(source)
      await watcher.mayWrite(at)
      if (this.#isStopped()) return
      await write(encodeMessage({ type: 'data', bytes }))
      watcher.sent(at)
    }
    const end = { size: at, sha256: this.#hash.digest() }
    if (source.content !== undefined && !equalBytes(end.sha256, source.content.sha256)) throw changed(source)
    this.end = end
    await write(encodeMessage({ type: 'end', ...end }))
  }
}

/** file-transfer §3.4: what is sent must be what was offered. */
function changed({ name }: Source): TransferError {
  return new TransferError('CHANGED', `${name} changed while it was sent; send it again`)
}

export function lost(error: unknown): ConnectionLost {
  return error instanceof ConnectionLost ? error : new ConnectionLost(codeOf(error), messageOf(error), error)
}

/** Resolves when the stream takes more. @throws ConnectionLost */
export async function writeTo(socket: Duplex, bytes: Uint8Array): Promise<void> {
  if (socket.destroyed || !socket.writable) throw lost(socket.errored ?? new Error('the connection is closed'))
  if (socket.write(bytes)) return
  const over = new AbortController()
  try {
    await Promise.race([
      once(socket, 'drain', { signal: over.signal }),
      once(socket, 'close', { signal: over.signal }).then(() => {
        throw lost(socket.errored ?? new Error('the connection is closed'))
      }),
    ])
  } catch (error) {
    throw lost(error)
  } finally {
    over.abort()
  }
}

/** Ends this side of the connection with ERROR; what was written before is still delivered. */
export function sayLast(socket: Duplex, error: TransferError): void {
  if (socket.destroyed || !socket.writable) return
  socket.end(encodeMessage({ type: 'error', code: error.reason, reason: error.message }))
}
