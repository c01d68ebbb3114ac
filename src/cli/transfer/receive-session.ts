import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import { codeOf, ConnectionLost, messageOf, noSpace, TransferError } from './errors.ts'
import { runningHash } from './file-content.ts'
import { FIRST_MESSAGE_MS, IDLE_MS, MAX_PROPOSALS, ROOM_EVERY_BYTES } from './limits.ts'
import { type Content, encodeMessage, malformed, type Message, MessageReader, type TransferOffer } from './messages.ts'
import { type FileCount, ReceiveSet } from './receive-set.ts'
import { sayLast } from './send-session.ts'
import type { Part, Storage } from './storage.ts'
import type { QueuedTransfer, TransferQueue } from './transfer-queue.ts'
import type { Time } from './waiting.ts'

/** Hears how one connection that receives goes on. */
export interface ReceiveWatcher {
  offered(offer: TransferOffer): void
  waits(): void
  /** Bytes from this place on will come; of a set, so many bytes and files of it are there. */
  started(offset: number, files?: FileCount): void
  /** So many bytes of the whole are there. */
  received(bytes: number): void
  /** A file of a set is whole, and on the disk. */
  fileDone(path: string, size: number, files: FileCount): void
}

export interface Received {
  readonly offer: TransferOffer
  /** Where it is now. */
  readonly path: string
  readonly size: number
  readonly sha256: Uint8Array
  /** It was there before, and nothing was sent. */
  readonly wasThere: boolean
  /** Files of a set. */
  readonly files?: number
}

export interface ReceiveOptions {
  readonly storage: Storage
  readonly queue: TransferQueue
  readonly maxSizeBytes: number
  readonly time: Time
  readonly watcher: ReceiveWatcher
  /** The receiver ends: the sender is told, and what comes meanwhile is taken (file-transfer §4.6). */
  readonly ending?: AbortSignal
}

/**
 * Takes one transfer from a connection. Resolves when the file is in its place and DONE is on its way. This side of
 * the connection has ended then; what came of a transfer that did not end is kept.
 * @throws TransferError (either side's last word), ConnectionLost
 */
export async function receiveFrom(socket: Duplex, options: ReceiveOptions): Promise<Received> {
  const session = new ReceiveSession(socket, options)
  try {
    return await session.run()
  } catch (error) {
    if (error instanceof TransferError && !error.isRemote) sayLast(socket, error)
    else socket.destroy()
    throw error
  } finally {
    await session.close()
  }
}

class ReceiveSession implements QueuedTransfer {
  readonly #socket: Duplex
  readonly #options: ReceiveOptions
  readonly #reader: MessageReader
  readonly #over: AbortController = new AbortController()
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers()
  #offer: TransferOffer | undefined
  #part: Part | undefined
  #set: ReceiveSet | undefined
  #lastByteMs: number
  #cancelDeadline: () => void = () => undefined

  constructor(socket: Duplex, options: ReceiveOptions) {
    this.#socket = socket
    this.#options = options
    this.#reader = new MessageReader(socket, 'sender', () => this.#heard())
    this.#lastByteMs = options.time.now()
    options.queue.enter(this)
    options.ending?.addEventListener('abort', this.#tellEnding, { once: true })
    socket.once('close', () => this.#over.abort(this.#lost(socket.errored ?? undefined)))
  }

  get offer(): TransferOffer {
    if (this.#offer === undefined) throw new Error('nothing was offered yet')
    return this.#offer
  }

  get lastByteMs(): number {
    // While the disk is looked at, the sender waits for us.
    return this.#set?.isLooking === true ? this.#options.time.now() : this.#lastByteMs
  }

  async giveWay(): Promise<void> {
    this.#socket.destroy()
    await this.#closed.promise
  }

  async run(): Promise<Received> {
    const { storage, queue, watcher } = this.#options
    const offer = await this.#receiveOffer()
    await queue.waitForTurn(this, { wait: () => this.#wait(), signal: this.#over.signal })
    this.#over.signal.throwIfAborted()
    if (offer.set !== undefined && offer.content !== undefined) return await this.#runSet(offer, offer.content)
    const there = await storage.find(offer, this.#over.signal)
    if (there !== undefined && offer.content !== undefined) {
      this.#finish()
      return { offer, path: there, ...offer.content, wasThere: true }
    }
    const part = await this.#agree(offer)
    watcher.started(part.size)
    const end = await this.#receiveData(part, offer)
    const path = await part.finish(this.#over.signal)
    this.#part = undefined
    this.#finish()
    return { offer, path, ...end, wasThere: false }
  }

  /** file-transfer §7 */
  async #runSet(offer: TransferOffer, content: Content): Promise<Received> {
    const { storage, queue, watcher } = this.#options
    await queue.takeSet(this)
    try {
      this.#set = new ReceiveSet({
        offer,
        storage,
        watcher,
        line: { next: () => this.#next(), write: (message) => this.#write(message), signal: this.#over.signal },
        checkRoom: (neededBytes) => this.#checkRoomFor(neededBytes),
      })
      const { paths, files, wasThere } = await this.#set.run()
      this.#finish()
      return { offer, path: placeOf(paths), ...content, wasThere, files }
    } finally {
      queue.leaveSet(this)
    }
  }

  /** Keeps the part for later and leaves the queue; the connection is left as it is. */
  async close(): Promise<void> {
    this.#cancelDeadline()
    this.#options.ending?.removeEventListener('abort', this.#tellEnding)
    const part = this.#part
    this.#part = undefined
    try {
      await this.#set?.close()
      await part?.suspend()
    } finally {
      // After the part is closed, so that the transfer whose turn is next finds it.
      this.#options.queue.leave(this)
      this.#closed.resolve()
      this.#reader.discard()
    }
  }

  readonly #tellEnding = (): void => {
    const words = 'keysock receive was ended there; what came is kept, and this goes on when it runs again'
    sayLast(this.#socket, new TransferError('BUSY', words))
  }

  #wait(): void {
    this.#write({ type: 'wait' })
    this.#options.watcher.waits()
  }

  async #receiveOffer(): Promise<TransferOffer> {
    const message = await this.#next(FIRST_MESSAGE_MS)
    if (message.type !== 'offer') throw malformed(`${message.type} before an offer`)
    this.#offer = message
    this.#options.watcher.offered(message)
    const { maxSizeBytes } = this.#options
    if (message.content !== undefined && message.content.size > maxSizeBytes) throw tooLarge(maxSizeBytes)
    return message
  }

  /** file-transfer §2.3: what does not fit on the disk is refused before anything is sent. */
  async #checkRoom({ content }: TransferOffer, heldBytes: number): Promise<void> {
    if (content === undefined) return
    await this.#checkRoomFor(content.size - heldBytes)
  }

  async #checkRoomFor(neededBytes: number): Promise<void> {
    const roomBytes = await this.#options.storage.room()
    if (neededBytes > roomBytes) throw noSpace(neededBytes, roomBytes)
  }

  /** file-transfer §3.1, §3.2: proposes parts until the sender has the bytes of one, else a new one. */
  async #agree(offer: TransferOffer): Promise<Part> {
    const { storage } = this.#options
    const maxBytes = offer.content?.size ?? this.#options.maxSizeBytes
    const parts = (await storage.parts(offer)).filter(({ size }) => size > 0 && size <= maxBytes)
    for (const part of parts.slice(0, MAX_PROPOSALS)) {
      await this.#checkRoom(offer, part.size)
      const start = await this.#propose(part.size)
      // The sender does not have the bytes of this part: it sends from the beginning, and its first are under way.
      if (start.offset === 0) {
        await this.#checkRoom(offer, 0)
        return await this.#begin(offer, start)
      }
      if (start.offset !== part.size) throw malformed('a start at another offset than was proposed')
      if (await part.continueFrom(start.offset, start.sha256, this.#over.signal)) return (this.#part = part)
    }
    await this.#checkRoom(offer, 0)
    return await this.#begin(offer, await this.#propose(0))
  }

  async #begin(offer: TransferOffer, start: Extract<Message, { type: 'start' }>): Promise<Part> {
    if (start.offset !== 0 || !equalBytes(start.sha256, runningHash().digest())) {
      throw malformed('a start with the hash of other bytes than none')
    }
    return (this.#part = await this.#options.storage.create(offer))
  }

  /** Sends HAVE and reads the START that answers it. What the sender wrote for an earlier proposal is skipped. */
  async #propose(offset: number): Promise<Extract<Message, { type: 'start' }>> {
    this.#write({ type: 'have', offset })
    for (;;) {
      const message = await this.#next()
      if (message.type === 'start') return message
      if (message.type !== 'data' && message.type !== 'end') throw malformed(`${message.type} before a start`)
    }
  }

  /** file-transfer §3.3: DATA until END, which must tell what arrived. */
  async #receiveData(
    part: Part,
    { content }: TransferOffer,
  ): Promise<{ readonly size: number; readonly sha256: Uint8Array }> {
    const { storage, maxSizeBytes } = this.#options
    const maxBytes = content?.size ?? maxSizeBytes
    let checkedAt = part.size
    for (;;) {
      const message = await this.#next()
      if (message.type === 'data') {
        if (part.size + message.bytes.length > maxBytes) {
          if (content !== undefined) throw malformed('more bytes than were offered')
          await this.#discard(part)
          throw tooLarge(maxBytes)
        }
        if (part.size - checkedAt >= ROOM_EVERY_BYTES) {
          checkedAt = part.size
          // Other transfers, and other programs, fill the disk as well.
          if ((await storage.room()) === 0) throw noSpace(Math.max(0, maxBytes - part.size), 0)
        }
        await part.append(message.bytes, this.#over.signal)
        this.#options.watcher.received(part.size)
      } else if (message.type === 'end') {
        const sha256 = part.digest()
        const isWhole = content === undefined || (content.size === message.size && equalBytes(content.sha256, sha256))
        if (message.size === part.size && equalBytes(message.sha256, sha256) && isWhole)
          return { size: part.size, sha256 }
        await this.#discard(part)
        throw new TransferError('HASH', 'what arrived is not what was promised; it was dropped')
      } else throw malformed(`${message.type} between the data`)
    }
  }

  async #discard(part: Part): Promise<void> {
    this.#part = undefined
    await part.discard()
  }

  #heard(): void {
    this.#lastByteMs = this.#options.time.now()
    if (this.#offer !== undefined) this.#allow(IDLE_MS)
  }

  /** Ends the connection when so much time has passed. */
  #allow(ms: number): void {
    const { time } = this.#options
    this.#cancelDeadline()
    this.#cancelDeadline = time.schedule(time.now() + ms, () => this.#socket.destroy())
  }

  /** @throws ConnectionLost, TransferError; the sender's own ERROR as well */
  async #next(withinMs: number = IDLE_MS): Promise<Message> {
    this.#allow(withinMs)
    let message: Message | undefined
    try {
      message = await this.#reader.next()
    } catch (error) {
      throw error instanceof TransferError ? error : this.#lost(error)
    } finally {
      this.#cancelDeadline()
    }
    if (message === undefined) throw this.#lost()
    if (message.type !== 'error') return message
    // file-transfer §3.4: the file changed while it was sent, so what came of it is worth nothing.
    if (message.code === 'CHANGED' && this.#part !== undefined) await this.#discard(this.#part)
    throw new TransferError(message.code, message.reason, { isRemote: true })
  }

  #lost(cause?: unknown): ConnectionLost {
    if (cause === undefined) return new ConnectionLost('ECONNRESET', 'the sender ended the connection')
    return new ConnectionLost(codeOf(cause), messageOf(cause), cause)
  }

  #write(message: Message): void {
    if (this.#socket.writable) this.#socket.write(encodeMessage(message))
  }

  /** DONE, and this side's end. */
  #finish(): void {
    if (!this.#socket.writable) return
    this.#socket.end(encodeMessage({ type: 'done' }))
  }
}

/** Where a set is, for a person: its one file or folder, else the folder that all are in. */
function placeOf(paths: readonly string[]): string {
  const [first = '.'] = paths
  return paths.length === 1 ? first : dirname(first)
}

function tooLarge(maxBytes: number): TransferError {
  return new TransferError('TOO_LARGE', `the receiver takes at most ${maxBytes} bytes`)
}
