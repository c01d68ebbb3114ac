import type { Runtime } from '../driver/runtime.ts'
import type { Inbox } from './inbox.ts'
import { KEYSEND_PORT, type WaitingMessage } from './letters.ts'

/** Types of the public registry (satoshisstream/satoshis.stream, TLV_registry.md; bLIP 10 for 7629169). */
export const KEYSEND_RECORDS = {
  /** A note on a tip, or what it is for. */
  tipNote: 7_629_168n,
  /** JSON about a podcast: a boost, a boostagram, a stream of payments (bLIP 10). */
  podcast: 7_629_169n,
  /** The text of a chat (Whatsat). */
  chat: 34_349_334n,
  /** Over sender, recipient, time and text: a signature, which is not checked here. */
  chatSignature: 34_349_337n,
  /** The public key of who says to have sent it. */
  chatSender: 34_349_339n,
  /** Nanoseconds since 1970, 8 bytes. */
  chatTime: 34_349_343n,
} as const

/** A plain keysend that came, as wallets and podcast players send them. */
export interface Keysend {
  /** The hash of its payment, 32 bytes. */
  readonly hash: Uint8Array
  readonly amountMsat: bigint
  /** All custom records but the keysend's own. None of them says for certain who sent it. */
  readonly records: ReadonlyMap<bigint, Uint8Array>
  /** What a person wrote: of a chat, in a boostagram, or on a tip; undefined where nothing is readable. */
  readonly text: string | undefined
  /** The JSON of a podcast player, where it is an object; bLIP 10 has its names. */
  readonly podcast: Readonly<Record<string, unknown>> | undefined
}

/** The plain keysends of an endpoint, one after another. */
export class KeysendFeed implements AsyncIterableIterator<Keysend> {
  readonly #runtime: Runtime
  readonly #inbox: Inbox
  readonly #release: () => void
  #wake: (() => void) | undefined
  #isClosed = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(runtime: Runtime, inbox: Inbox, release: () => void) {
    this.#runtime = runtime
    this.#inbox = inbox
    this.#release = release
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Keysend, undefined>> {
    const result = this.#last.then(() => this.#next())
    this.#last = result.catch(() => undefined)
    return result
  }

  async return(): Promise<IteratorResult<Keysend, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** What comes from now on waits for the next one that reads. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#release()
    this.#wake?.()
  }

  added(): void {
    this.#wake?.()
  }

  async #next(): Promise<IteratorResult<Keysend, undefined>> {
    for (;;) {
      if (this.#isClosed || this.#runtime.isStopped) return { done: true, value: undefined }
      const [first] = this.#inbox.after(KEYSEND_PORT, 0, 1)
      if (first !== undefined) {
        await this.#runtime.store(this.#inbox.read(KEYSEND_PORT, first.serial))
        return { done: false, value: keysendOf(first) }
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
      this.#wake = undefined
    }
  }
}

function keysendOf({ hash, amountMsat, records }: WaitingMessage): Keysend {
  const byType = new Map(records.map(({ type, value }) => [type, value]))
  const podcast = jsonOf(byType.get(KEYSEND_RECORDS.podcast))
  const message = podcast?.['message']
  const said = typeof message === 'string' ? message : undefined
  const text = textOf(byType.get(KEYSEND_RECORDS.chat)) ?? said ?? textOf(byType.get(KEYSEND_RECORDS.tipNote))
  return { hash, amountMsat, records: byType, text, podcast }
}

const strict = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

function jsonOf(bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> | undefined {
  const text = textOf(bytes)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}
