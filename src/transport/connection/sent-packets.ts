import type { HeapItem } from '../../floor/heap.ts'
import { LightMap, NONE, withLast } from '../../floor/light.ts'
import type { Lane } from '../../medium/payment.ts'
import type { Pace, WantReason } from './interface.ts'
import type { OutgoingMessage } from './messages.ts'
import type { Money } from './money.ts'
import type { Notice, OutgoingPayment } from './payments.ts'

/** Both sides of a price; one of them is there. */
type MoneyParts = Pick<Money, 'buyer' | 'seller'>

/** What a packet carried, by reference, and how it was paid for. */
export interface SentPacketParts {
  /** Of the attempt, unique within the connection. */
  readonly id: number
  readonly number: number
  readonly reason: WantReason
  readonly lane: Lane
  readonly sentAt: number
  readonly hedgeAfterMs: number
  readonly pace?: Pace | undefined
  readonly channels: readonly string[]
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  /** Asks for acknowledgement (spec §8.1). */
  readonly eliciting: boolean
  /** May be copied before it is stuck (spec §8.9). */
  readonly hedgeable: boolean
  /** Stream bytes: start, end, start, end ... */
  readonly ranges: readonly number[]
  /** Some of it was sent before, and failed or was lost. */
  readonly again: boolean
  /** Control frames and FIN, as a set of `Control` bits. */
  readonly controls: number
  readonly messages: readonly OutgoingMessage[]
  /** A PAYMENT, and what of the amount it says; it goes in no copy (spec §8.9). */
  readonly payment: OutgoingPayment | undefined
  readonly paymentMsat: bigint
  readonly notices: readonly Notice[]
  /** The least that the route lets pass. */
  readonly leastMsat: bigint
  /** What the ACK in it says, for `Acknowledgement`; 0: none. */
  readonly ackNews: number
  /** Initiator: what of its amount counts for what the responder asks (spec §12.3). */
  readonly paysMsat: bigint
  /** Its amount is higher for that than the least that has to go. */
  readonly isTopUp: boolean
  /** Responder: it costs something when it arrives (spec §12.3); and its place in the account is taken. */
  readonly costs: boolean
  readonly holdsCost: boolean
  /** An OPEN, or a copy of it. */
  readonly open: boolean
  /** An ANSWER: its settlement tells that the initiator has the keys. */
  readonly answer: boolean
}

/** All packets that carry the same frames: the original, and the copies of it in the order in which they went. */
export class CopyGroup {
  readonly original: SentPacket
  readonly #members: SentPacket[]
  #copies = 0
  #isCharged = false

  constructor(original: SentPacket) {
    this.original = original
    this.#members = [original]
  }

  get members(): readonly SentPacket[] {
    return this.#members
  }

  /** A copy over a route with smaller packets takes several; they are one. */
  get copies(): number {
    return this.#copies
  }

  /** One of them arrived, and costs something. False: so did another before. */
  charge(): boolean {
    const isFirst = !this.#isCharged
    this.#isCharged = true
    return isFirst
  }

  /** `isWhole`: with it, all that the original carries was copied once more. */
  add(copy: SentPacket, isWhole: boolean): void {
    this.#members.push(copy)
    if (isWhole) this.#copies++
  }
}

/** A packet that went out with one attempt, from then on until nothing more is to be learned about it. */
export class SentPacket implements HeapItem {
  readonly parts: SentPacketParts
  #phase: 'flying' | 'settled' | 'over' = 'flying'
  #isDelivered = false
  #settledBefore = 0
  #settledAt = 0
  #isReplaced = false
  #holdsMoney: boolean
  #holdsCost: boolean
  #isPaid = false
  /** It is late, its money does not count, and its outcome is not known. */
  #isRisked = false
  #group: CopyGroup | undefined
  #lateAt = 0
  /** Its place in the overdue queue. */
  heapIndex = -1

  constructor(parts: SentPacketParts) {
    this.parts = parts
    this.#holdsMoney = parts.paysMsat > 0n
    this.#holdsCost = parts.holdsCost
  }

  get id(): number {
    return this.parts.id
  }

  get number(): number {
    return this.parts.number
  }

  /** 'flying': no outcome. 'settled': at the peer's node, not acknowledged. 'over': nothing more to wait for. */
  get phase(): 'flying' | 'settled' | 'over' {
    return this.#phase
  }

  /** Its frames have arrived. */
  get isDelivered(): boolean {
    return this.#isDelivered
  }

  /** Packets from this number on were sent after it settled (spec §8.7). */
  get settledBefore(): number {
    return this.#settledBefore
  }

  get settledAt(): number {
    return this.#settledAt
  }

  /** It was not heard of for its hedge delay: what it carries is not under way for certain any more. */
  isLate(now: number): boolean {
    return now - this.parts.sentAt >= this.hedgeAfterMs
  }

  /** spec §8.5: where later attempts have a longer delay, all have become slower, and this one is as late as they. */
  get hedgeAfterMs(): number {
    const { hedgeAfterMs, pace } = this.parts
    return Math.max(hedgeAfterMs, pace?.hedgeAfterMs ?? 0)
  }

  /** Without outcome, and what it carries was not begun anew in another packet. */
  get isOut(): boolean {
    return this.#phase === 'flying' && !this.#isReplaced
  }

  /** It and its copies, or what it is a copy of and the others; undefined while it is alone. */
  get group(): CopyGroup | undefined {
    return this.#group
  }

  /** When it counts as late; it stands in the overdue queue when it is the one of its copies whose delay counts. */
  get lateAt(): number {
    return this.#lateAt
  }

  get isWatched(): boolean {
    return this.heapIndex >= 0
  }

  /** Its money counts as paid, or its place in the account as taken. */
  get hasHolds(): boolean {
    return this.#holdsMoney || this.#holdsCost
  }

  lateFrom(atMs: number): void {
    this.#lateAt = atMs
  }

  /** What it carries begins anew: nothing is expected of it any more. */
  replaced(): void {
    this.#isReplaced = true
  }

  /** It is the first copy of what `original` carries, or one more. */
  joinCopies(original: SentPacket, isWhole: boolean): void {
    this.#group = original.#group ??= new CopyGroup(original)
    this.#group.add(this, isWhole)
  }

  settled(now: number, nextNumber: number): void {
    this.#phase = 'settled'
    this.#settledAt = now
    this.#settledBefore = nextNumber
  }

  over(): void {
    this.#phase = 'over'
  }

  /** What failed, or was lost, neither counts as paid nor as what the peer has to pay for (spec §12.6). */
  dropHolds(money: MoneyParts): void {
    if (this.#holdsMoney) money.buyer?.notPaying(this.parts.paysMsat)
    this.#holdsMoney = false
    this.dropCost(money)
  }

  /** What hangs for long is not what the peer has to pay for. */
  dropCost({ seller }: MoneyParts): void {
    if (this.#holdsCost) seller?.packetGone()
    this.#holdsCost = false
  }

  /** It is late: its money does not count as paid until it settles, so that other money goes (spec §12.6). */
  dropMoney({ buyer }: MoneyParts): void {
    if (!this.#holdsMoney || buyer === undefined) return
    this.#isRisked = buyer.risks(this.parts.paysMsat)
    if (!this.#isRisked) return
    if (this.parts.isTopUp) buyer.givesUp()
    this.#holdsMoney = false
  }

  /** Its outcome is known: whether its money came. */
  #decided({ buyer }: MoneyParts): void {
    if (this.#isRisked) buyer?.risksNoMore(this.parts.paysMsat)
    this.#isRisked = false
  }

  /** Its money is spent. `before`: the next packet, where the other side's process may not have read it yet. */
  paid(money: MoneyParts, before?: number): void {
    const { buyer } = money
    if (this.#isPaid || buyer === undefined) return
    this.#decided(money)
    this.#isPaid = true
    buyer.paid(this.parts, this.#holdsMoney, before)
    this.#holdsMoney = false
  }

  /** It failed, also where it seemed to have arrived. */
  notPaid(money: MoneyParts): void {
    this.#decided(money)
    if (this.#isPaid) money.buyer?.unpaid(this.parts)
    this.#isPaid = false
  }

  /** It settled, and the peer's process never read it: the peer does not know of the money (spec §8.7). */
  lostMoney({ buyer }: MoneyParts): void {
    if (this.#isPaid && buyer?.lost(this.parts) === true) this.#isPaid = false
  }

  // spec §12.3: what several carry costs once.
  #charge({ seller }: MoneyParts): void {
    const isFirst = this.parts.costs && this.#group?.charge() !== false
    if (isFirst) seller?.packetArrived(this.#holdsCost)
    else if (this.#holdsCost) seller?.packetGone()
    this.#holdsCost = false
  }

  /** It arrived. False when that was known. */
  delivered(money: MoneyParts): boolean {
    if (this.#isDelivered) return false
    this.#isDelivered = true
    // An answer does not tell which copy of an OPEN came: each counts as paid when its own payment settles.
    if (!this.parts.open) this.paid(money)
    this.#charge(money)
    return true
  }
}

/** Dead entries that are tolerated in the list by number before it is put in order. */
const SPARE = 32

/** All packets of a connection that something is still to be learned about, and the number of the next one. */
export class SentPackets {
  #nextNumber = 0
  #nextId = 1
  // Without a definite outcome: their money is reserved.
  readonly #byId: LightMap<number, SentPacket> = new LightMap()
  // Node lane, eliciting, neither acknowledged nor failed, by number; some may be over.
  #unacknowledged: SentPacket[] = NONE
  #over = 0
  // Settled on the node lane, in the order in which they settled; some may be over.
  #settled: SentPacket[] = NONE
  #settledLive = 0

  /** Of the next packet that is not a copy of an OPEN. */
  get nextNumber(): number {
    return this.#nextNumber
  }

  /** Of the next attempt. */
  get nextId(): number {
    return this.#nextId
  }

  get unresolved(): number {
    return this.#byId.size
  }

  /** Of these, those that take longer than nearly all of their kind: out for their hedge delay (spec §8.5). */
  hung(now: number): number {
    let count = 0
    for (const packet of this.flying()) if (packet.isLate(now)) count++
    return count
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

  get(id: number): SentPacket | undefined {
    return this.#byId.get(id)
  }

  /** Those without a definite outcome. */
  flying(): Iterable<SentPacket> {
    return this.#byId.values()
  }

  /** Those settled on the node lane and not acknowledged. */
  settled(): SentPacket[] {
    return this.#settled.filter((packet) => packet.phase === 'settled')
  }

  add(packet: SentPacket): void {
    this.#nextId = packet.id + 1
    this.#nextNumber = Math.max(this.#nextNumber, packet.number + 1)
    this.#byId.set(packet.id, packet)
    if (isAcknowledged(packet)) this.#insert(packet)
  }

  // Numbers grow but for copies of an OPEN, which are all number 0.
  #insert(packet: SentPacket): void {
    const list = this.#unacknowledged
    if ((list.at(-1)?.number ?? 0) <= packet.number) this.#unacknowledged = withLast(list, packet)
    else list.splice(this.#search(packet.number + 1), 0, packet)
  }

  /** Its outcome is known. */
  resolved(packet: SentPacket): void {
    this.#byId.delete(packet.id)
  }

  /** At the peer's node; the frames are kept until acknowledged (spec §8.2). */
  settle(packet: SentPacket, now: number): void {
    packet.settled(now, this.#nextNumber)
    this.#settled = withLast(this.#settled, packet)
    this.#settledLive++
  }

  /** Nothing more is waited for; idempotent. */
  finish(packet: SentPacket): void {
    if (packet.phase === 'over') return
    if (packet.phase === 'settled') this.#settledLive--
    // Nothing of an idle connection is kept.
    if (this.#settledLive === 0) this.#settled = NONE
    packet.over()
    if (!isAcknowledged(packet)) return
    this.#over++
    const { length } = this.#unacknowledged
    if (this.#over === length || (this.#over > SPARE && this.#over * 2 > length)) {
      this.#unacknowledged = this.#unacknowledged.filter((each) => each.phase !== 'over')
      this.#over = 0
    }
  }

  /** Calls `acknowledged` for every packet whose number lies in [smallest, largest]. */
  within(smallest: number, largest: number, acknowledged: (packet: SentPacket) => void): void {
    const found: SentPacket[] = []
    for (let i = this.#search(smallest); i < this.#unacknowledged.length; i++) {
      const packet = this.#unacknowledged[i]
      if (packet === undefined || packet.number > largest) break
      if (packet.phase !== 'over') found.push(packet)
    }
    for (const packet of found) acknowledged(packet)
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
  takeLost(smallest: number, largest: number, unreachedBefore: number): SentPacket[] {
    this.#trimSettled()
    const lost: SentPacket[] = []
    let behind: SentPacket[] | undefined
    let index = 0
    for (; index < this.#settled.length; index++) {
      const packet = this.#settled[index]
      if (packet === undefined || packet.settledBefore > largest) break
      if (packet.phase !== 'settled') continue
      // Not reached: the ACK is too short to tell, but an old packet it would long have told.
      if (packet.number > smallest || packet.settledAt <= unreachedBefore) lost.push(packet)
      else (behind ??= []).push(packet)
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
    for (const packet of this.#unacknowledged) packet.over()
    this.#unacknowledged = NONE
    this.#settled = NONE
    this.#over = 0
    this.#settledLive = 0
  }
}

function isAcknowledged({ parts }: SentPacket): boolean {
  return parts.lane === 'node' && parts.eliciting
}
