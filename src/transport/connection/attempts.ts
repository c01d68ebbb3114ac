import type { HeapItem } from '../../floor/heap.ts'
import type { Lane } from '../../medium/payment.ts'
import type { WantReason } from './interface.ts'
import type { OutgoingMessage } from './messages.ts'

/** What is remembered of one attempt: what it carried, by reference, and how it stands. */
export interface Sent {
  readonly id: number
  readonly number: number
  readonly reason: WantReason
  readonly lane: Lane
  readonly sentAt: number
  readonly hedgeAfterMs: number
  readonly channels: readonly string[]
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  /** Asks for acknowledgement (spec §8.1). */
  readonly eliciting: boolean
  /** May be copied within the hedge budget (spec §8.9). */
  readonly hedgeable: boolean
  /** Stream bytes: start, end, start, end ... */
  readonly ranges: readonly number[]
  /** Some of it was sent before, and failed or was lost. */
  readonly again: boolean
  /** Control frames and FIN, as a set of `Control` bits. */
  readonly controls: number
  readonly messages: readonly OutgoingMessage[]
  /** What the ACK in it says, for `Acknowledgement`; 0: none. */
  readonly ackNews: number
  readonly creditMsat: bigint
  /** What the peer's credit pays for it, once it is delivered. */
  readonly priceMsat: bigint
  /** An OPEN, or a copy of it. */
  readonly open: boolean
  /** An ANSWER: its settlement tells that the initiator has the keys. */
  readonly answer: boolean
  /** 'flying': no outcome. 'settled': at the peer's node, not acknowledged. 'over': nothing more to wait for. */
  phase: 'flying' | 'settled' | 'over'
  /** Its frames have arrived. */
  delivered: boolean
  /** Packets from this number on were sent after it settled (spec §8.7). */
  settledBefore: number
  settledAt: number
  /** Copies so far within the budget, and rounds of spec §8.6. */
  hedges: number
  stuckRounds: number
  /** `priceMsat` is set aside from the peer's credit. */
  priceHeld: boolean
  /** It is one of the packets that the responder grants without credit. */
  prepaidHeld: boolean
  /** `creditMsat` counts as paid, or on its way, to the peer. */
  creditHeld: boolean
  /** Its place in the overdue queue, when it is the one of its copies whose delay counts. */
  watch: Watch | undefined
  /** It was not heard of for its hedge delay: what it carries is not under way for certain any more. */
  overdue: boolean
  /** All that carry the same frames, this one included; undefined while it is alone. */
  copies: Sent[] | undefined
}

/** A place in the queue of what may become late. */
export interface Watch extends HeapItem {
  readonly sent: Sent
  readonly dueAt: number
}

/** Dead entries that are tolerated in the list by number before it is put in order. */
const SPARE = 32

const NONE: Iterable<Sent> = []

/** All attempts that something is still to be learned about. */
export class Attempts {
  // Without a definite outcome: their money is reserved.
  #byId: Map<number, Sent> | undefined
  // Node lane, eliciting, neither acknowledged nor failed, by number; some may be over.
  #unacknowledged: Sent[] = []
  #over = 0
  // Settled on the node lane, in the order in which they settled; some may be over.
  #settled: Sent[] = []
  #settledLive = 0

  get unresolved(): number {
    return this.#byId?.size ?? 0
  }

  /** Settled on the node lane and not acknowledged. */
  get unconfirmed(): number {
    return this.#settledLive
  }

  /** When the longest waiting of these settled. */
  get unconfirmedSince(): number | undefined {
    this.#trimSettled()
    return this.#settled[0]?.settledAt
  }

  get(id: number): Sent | undefined {
    return this.#byId?.get(id)
  }

  /** Those without a definite outcome. */
  flying(): Iterable<Sent> {
    return this.#byId?.values() ?? NONE
  }

  /** Those settled on the node lane and not acknowledged. */
  settled(): Sent[] {
    return this.#settled.filter((sent) => sent.phase === 'settled')
  }

  add(sent: Sent): void {
    ;(this.#byId ??= new Map()).set(sent.id, sent)
    if (sent.lane === 'node' && sent.eliciting) this.#unacknowledged.push(sent)
  }

  /** Its outcome is known. */
  resolved(sent: Sent): void {
    this.#byId?.delete(sent.id)
  }

  /** At the peer's node; the frames are kept until acknowledged (spec §8.2). */
  settle(sent: Sent, now: number, nextNumber: number): void {
    sent.phase = 'settled'
    sent.settledAt = now
    sent.settledBefore = nextNumber
    this.#settled.push(sent)
    this.#settledLive++
  }

  /** Nothing more is waited for; idempotent. */
  finish(sent: Sent): void {
    if (sent.phase === 'over') return
    if (sent.phase === 'settled') this.#settledLive--
    sent.phase = 'over'
    if (sent.lane !== 'node' || !sent.eliciting) return
    this.#over++
    if (this.#over > SPARE && this.#over * 2 > this.#unacknowledged.length) {
      this.#unacknowledged = this.#unacknowledged.filter((each) => each.phase !== 'over')
      this.#over = 0
    }
  }

  /** Calls `acknowledged` for every attempt whose number lies in [smallest, largest]. */
  within(smallest: number, largest: number, acknowledged: (sent: Sent) => void): void {
    const found: Sent[] = []
    for (let i = this.#search(smallest); i < this.#unacknowledged.length; i++) {
      const sent = this.#unacknowledged[i]
      if (sent === undefined || sent.number > largest) break
      if (sent.phase !== 'over') found.push(sent)
    }
    for (const sent of found) acknowledged(sent)
  }

  #search(number: number): number {
    let low = 0
    let high = this.#unacknowledged.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#unacknowledged[middle]?.number ?? 0) >= number) high = middle
      else low = middle + 1
    }
    return low
  }

  /**
   * After an ACK that covers up to `largest` and whose ranges reach down to `smallest`: takes out and returns
   * what was settled before a packet that is covered was sent, and is not covered itself (spec §8.7).
   */
  takeLost(smallest: number, largest: number, unreachedBefore: number): Sent[] {
    this.#trimSettled()
    const lost: Sent[] = []
    let behind: Sent[] | undefined
    let index = 0
    for (; index < this.#settled.length; index++) {
      const sent = this.#settled[index]
      if (sent === undefined || sent.settledBefore > largest) break
      if (sent.phase !== 'settled') continue
      // Not reached: the ACK is too short to tell, but an old packet it would long have told.
      if (sent.number > smallest || sent.settledAt <= unreachedBefore) lost.push(sent)
      else (behind ??= []).push(sent)
    }
    if (index > 0) this.#settled.splice(0, index, ...(behind ?? []))
    return lost
  }

  #trimSettled(): void {
    let gone = 0
    while (gone < this.#settled.length && this.#settled[gone]?.phase !== 'settled') gone++
    if (gone > 0) this.#settled.splice(0, gone)
  }

  /** Forgets what waits for acknowledgement; what has no outcome stays for the account. */
  clear(): void {
    for (const sent of this.#unacknowledged) sent.phase = 'over'
    this.#unacknowledged = []
    this.#settled = []
    this.#over = 0
    this.#settledLive = 0
  }
}
