import { BoundedSet } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import { NONE, withLast } from '../../floor/light.ts'
import { MESSAGE_ID_BYTES, MAX_MESSAGE_BYTES } from '../../wire/frames.ts'
import { MAX_MESSAGE_IDS, MAX_MESSAGES_WAITING } from './limits.ts'

/** A datagram of the application's on its way (spec §12.8). */
export interface OutgoingMessage {
  readonly id: Uint8Array
  readonly data: Uint8Array
  state: 'due' | 'sent' | 'delivered'
  /** The packet that carried it last. */
  lastNumber: number
}

/** Datagrams in both directions. */
export class Messages {
  #outgoing: OutgoingMessage[] = NONE
  #seen: BoundedSet<string> | undefined

  /** @throws RangeError for one that is too large, or when too many wait. */
  send(id: Uint8Array, data: Uint8Array): void {
    if (id.length !== MESSAGE_ID_BYTES) throw new RangeError(`a message id is ${MESSAGE_ID_BYTES} bytes`)
    if (data.length > MAX_MESSAGE_BYTES) throw new RangeError(`a message is at most ${MAX_MESSAGE_BYTES} bytes`)
    if (this.#outgoing.length >= MAX_MESSAGES_WAITING) throw new RangeError('too many messages wait')
    this.#outgoing = withLast(this.#outgoing, { id, data, state: 'due', lastNumber: -1 })
  }

  get hasDue(): boolean {
    return this.#outgoing.some((message) => message.state === 'due')
  }

  /** Not known to have arrived. */
  get open(): number {
    return this.#outgoing.length
  }

  due(): OutgoingMessage[] {
    return this.#outgoing.filter((message) => message.state === 'due')
  }

  /** Packet `number` carries it. */
  sent(message: OutgoingMessage, number: number): void {
    message.state = 'sent'
    message.lastNumber = number
  }

  /** True when that is news. */
  delivered(messages: readonly OutgoingMessage[]): boolean {
    let news = false
    for (const message of messages) {
      if (message.state === 'delivered') continue
      message.state = 'delivered'
      news = true
    }
    if (news) this.#outgoing = this.#outgoing.filter((message) => message.state !== 'delivered')
    return news
  }

  lost(messages: readonly OutgoingMessage[], number: number): void {
    for (const message of messages) {
      if (message.state === 'sent' && message.lastNumber === number) message.state = 'due'
    }
  }

  /** A message came: false when its id is known (spec §12.8). */
  receive(id: Uint8Array): boolean {
    const seen = (this.#seen ??= new BoundedSet(MAX_MESSAGE_IDS))
    const key = toHex(id)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  }

  clear(): void {
    this.#outgoing = NONE
  }
}
