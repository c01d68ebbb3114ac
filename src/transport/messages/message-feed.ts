import { KeysockError, messageOf } from '../errors.ts'
import type { Runtime } from '../driver/runtime.ts'
import { Code } from '../../wire/errors.ts'
import type { Inbox } from './inbox.ts'
import { MAX_WAITING } from './limits.ts'
import { KeptMessage, type Message, OfferedMessage } from './message.ts'
import type { MessageReader } from './message-ports.ts'
import type { NoteReceiver } from './note-receiver.ts'
import type { PendingNote } from './pending-note.ts'

/** What feeds and mailboxes read from, and how they begin and end. */
export interface FeedParts {
  readonly runtime: Runtime
  readonly inbox: Inbox
  readonly receiver: NoteReceiver
  readonly maxBytes: number
  /** Resolves when the port is this one's. @throws KeysockError EADDRINUSE */
  readonly claimed: Promise<number>
  /** Gives the port back. */
  readonly release: () => void
}

/**
 * The messages of a port, one after another: `for await (const message of endpoint.messages(port))`. A message on which
 * nothing was said when the loop goes on, or is left, is accepted.
 */
export class MessageFeed implements AsyncIterableIterator<Message>, MessageReader {
  readonly takes = 'asked'
  readonly maxBytes: number
  /** The port, once it is this one's. */
  readonly listening: Promise<number>
  readonly #parts: FeedParts
  readonly #port: number
  #waiting: PendingNote[] = []
  #current: OfferedMessage | undefined
  #wake: (() => void) | undefined
  #isClosed = false
  /** Calls of `next` are served in turn. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(port: number, parts: FeedParts) {
    this.#port = port
    this.#parts = parts
    this.maxBytes = parts.maxBytes
    this.listening = parts.claimed
    // Whoever iterates hears of it.
    this.listening.catch(() => undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    const result = this.#last.then(() => this.#next())
    this.#last = result.catch(() => undefined)
    return result
  }

  /** The loop is left. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Takes no more messages; the port is free. What waits in its payment goes back. Idempotent. */
  async close(): Promise<void> {
    this.stop()
    await this.#finish()
  }

  /** @internal The endpoint closes, or the port is another's: nothing more is said about what was shown. */
  stop(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const pending of this.#waiting) this.#parts.receiver.abandon(pending, Code.NO_LISTENER)
    this.#waiting = []
    this.#parts.release()
    this.#wake?.()
  }

  offer(pending: PendingNote): boolean {
    if (this.#waiting.length >= MAX_WAITING) this.#clear()
    if (this.#isClosed || this.#waiting.length >= MAX_WAITING) return false
    this.#waiting.push(pending)
    this.added()
    return true
  }

  added(): void {
    this.#wake?.()
  }

  /** What nobody waits for any more makes room. */
  #clear(): void {
    const { receiver } = this.#parts
    for (const pending of this.#waiting) if (pending.live.length === 0) receiver.abandon(pending, Code.BUSY)
    this.#waiting = this.#waiting.filter(({ state }) => state === 'waiting')
  }

  async #next(): Promise<IteratorResult<Message, undefined>> {
    await this.#finish()
    await this.listening
    for (;;) {
      const { runtime } = this.#parts
      if (this.#isClosed || runtime.isStopped) return { done: true, value: undefined }
      const value = (await this.#kept()) ?? (await this.#offered())
      if (value !== undefined) return { done: false, value }
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      if (!this.#hasSome()) await promise
      this.#wake = undefined
    }
  }

  #hasSome(): boolean {
    return this.#waiting.length > 0 || this.#parts.inbox.count(this.#port) > 0 || this.#isClosed
  }

  /** One that is paid. It is read once it is handed out: what was acted on must not come again (spec §18.5). */
  async #kept(): Promise<Message | undefined> {
    const { inbox, runtime } = this.#parts
    const [first] = inbox.after(this.#port, 0, 1)
    if (first === undefined) return undefined
    await runtime.store(inbox.read(this.#port, first.serial))
    return new KeptMessage(first)
  }

  async #offered(): Promise<Message | undefined> {
    const { receiver, runtime } = this.#parts
    for (let pending = this.#waiting.shift(); pending !== undefined; pending = this.#waiting.shift()) {
      if (pending.state !== 'waiting' || !(await receiver.show(pending))) continue
      const message = new OfferedMessage(pending, receiver, runtime)
      // spec §18.7: a locked one waits as long as the lane allows.
      if (message.isLocked) await this.#hold(message)
      this.#current = message
      return message
    }
    return undefined
  }

  /** Where the node cannot be asked now, the message has the time of a verdict, and the loop goes on. */
  async #hold(message: OfferedMessage): Promise<void> {
    try {
      await message.hold()
    } catch (error) {
      this.#parts.runtime.debug({ message: message.id, reason: messageOf(error) }, 'a message could not be held')
    }
  }

  async #finish(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    await current?.leftAlone()
  }
}

/** Some of the messages of a mailbox, and what to ask for next. */
export interface Polled {
  readonly messages: readonly Message[]
  /** Those up to here were handed out: as `after` of the next poll it lets go of them. */
  readonly cursor: string
}

/** A mailbox takes all that has room, and is emptied by asking. */
export class Mailbox implements MessageReader {
  readonly takes = 'all'
  readonly maxBytes: number
  readonly listening: Promise<number>
  readonly #parts: FeedParts
  readonly #port: number
  /** Polls that wait for a message. */
  readonly #wake = new Set<() => void>()
  #isClosed = false

  constructor(port: number, parts: FeedParts) {
    this.#port = port
    this.#parts = parts
    this.maxBytes = parts.maxBytes
    this.listening = parts.claimed
    this.listening.catch(() => undefined)
  }

  /** How many wait. */
  get size(): number {
    return this.#parts.inbox.count(this.#port)
  }

  offer(): boolean {
    return false
  }

  added(): void {
    for (const wake of this.#wake) wake()
  }

  /**
   * The oldest messages after a cursor, `limit` at most. What the cursor names was received for good, and is forgotten;
   * what came after it comes again until a later cursor names it, also in a later process where there is a folder.
   *
   * @param waitMs how long to wait for one where there is none
   * @throws KeysockError EADDRINUSE, ERR_KEYSOCK_ENDPOINT_CLOSED
   */
  async poll({ after = '0', limit = 100, waitMs = 0 }: PollOptions = {}): Promise<Polled> {
    await this.listening
    const { inbox, runtime } = this.#parts
    const serial = serialOf(after)
    await runtime.store(inbox.read(this.#port, serial))
    if (inbox.after(this.#port, serial, 1).length === 0 && waitMs > 0) await this.#some(waitMs)
    if (runtime.isStopped) throw new KeysockError('ERR_KEYSOCK_ENDPOINT_CLOSED', 'the endpoint is closed')
    const messages = inbox.after(this.#port, serial, limit).map((message) => new KeptMessage(message))
    return { messages, cursor: String(messages.at(-1)?.serial ?? serial) }
  }

  /** Takes no more; the port is free. What was taken waits for the next one that reads this port. Idempotent. */
  async close(): Promise<void> {
    this.stop()
  }

  /** @internal The endpoint closes, or the port is another's. */
  stop(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#parts.release()
    this.added()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #some(waitMs: number): Promise<void> {
    const { runtime } = this.#parts
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake.delete(wake)
        runtime.deadlines.set(deadline, undefined)
        resolve()
      }
      const deadline = runtime.deadlines.add(wake)
      runtime.deadlines.set(deadline, runtime.now() + waitMs)
      this.#wake.add(wake)
    })
  }
}

export interface PollOptions {
  /** The cursor of the poll before; absent: from the oldest on. */
  readonly after?: string
  readonly limit?: number
  /** ms; default 0: it is not waited for any. */
  readonly waitMs?: number
}

function serialOf(cursor: string): number {
  const serial = Number(cursor)
  if (typeof cursor === 'string' && Number.isSafeInteger(serial) && serial >= 0) return serial
  throw new KeysockError('ERR_KEYSOCK_INVALID_OPTION', 'after must be a cursor that a poll gave')
}
