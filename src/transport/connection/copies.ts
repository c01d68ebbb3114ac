import { backOffMs } from '../../floor/back-off.ts'
import { Control } from './controls.ts'
import { CopyJob, CopyJobs, type CopyReason, type Standing } from './copy-jobs.ts'
import { HeadQueue } from './head-queue.ts'
import {
  EARLY_ROUND_TRIPS,
  FAILED_FACTOR,
  MAX_COPY_MS,
  MAX_TAIL_ATTEMPTS,
  MIN_EARLY_MS,
  MIN_TAIL_ATTEMPTS,
  STUCK_MS,
  TAIL_DIVISOR,
  TAIL_FEW,
} from './limits.ts'
import { OverdueQueue } from './overdue.ts'
import type { OutgoingMessage } from './messages.ts'
import type { Parts } from './parts.ts'
import { RangeSet } from './range-set.ts'
import type { SentPacket } from './sent-packets.ts'
import { earliest, type Timed } from './timed.ts'

/** A packet that is copied before it is late, and when, ms. */
interface Early {
  readonly packet: SentPacket
  readonly at: number
  /** Until then within the budget for what is not late. */
  readonly lateAt: number
}

const NO_WAIT: Readonly<Record<CopyReason, number>> = { urgent: 0, hedge: 0, early: 0 }

type Needs =
  | 'ack'
  | 'controls'
  | 'handshake'
  | 'life'
  | 'money'
  | 'packets'
  | 'payments'
  | 'probe'
  | 'recovery'
  | 'send'

/** Which packets are late, or hold the receiver up, and the copies that are made of them (spec §8.5, §8.6). */
export class Copies implements Timed {
  readonly #parts: Pick<Parts, Needs>
  /** Undefined while there is none, as all of these: an idle connection stays small. */
  #overdue: OverdueQueue | undefined
  #jobs: CopyJobs | undefined
  #heads: HeadQueue | undefined
  /** Bytes that hung, and whose copies failed: they begin anew. */
  #hung: RangeSet | undefined
  /** Bytes that failed, and failed again: the third packet with them has a copy at once where it is the head. */
  #failedTwice: RangeSet | undefined
  /** By reason: the peer controller granted none, so something else goes first until then. */
  #waitUntil: Readonly<Record<CopyReason, number>> = NO_WAIT
  #copies = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  /** Copies made so far. */
  get count(): number {
    return this.#copies
  }

  /** Packets that are to be copied. */
  get waiting(): number {
    return this.#jobs?.size ?? 0
  }

  /** When the next of what is under way is late, ms. What is past would hide what is not. */
  get nextLateAt(): number | undefined {
    return this.#overdue?.dueAt
  }

  dueAt(after: number): number | undefined {
    const { urgent, hedge, early } = this.#waitUntil
    const due = earliest(after, this.nextLateAt, this.#early()?.at)
    if (!this.#parts.life.isLive || this.#jobs === undefined) return due
    return earliest(after, due, urgent, hedge, early)
  }

  #watch(packet: SentPacket, lateAtMs: number): void {
    ;(this.#overdue ??= new OverdueQueue()).watch(packet, lateAtMs)
  }

  #unwatch(packet: SentPacket): void {
    this.#overdue?.unwatch(packet)
    if (this.#overdue?.dueAt === undefined) this.#overdue = undefined
  }

  /** Packets whose delay is over: spec §8.5 and §8.6. */
  run(now: number): void {
    for (let packet = this.#overdue?.take(now); packet !== undefined; packet = this.#overdue?.take(now)) {
      if (packet.phase === 'flying') this.#late(now, packet)
    }
  }

  #late(now: number, packet: SentPacket): void {
    const { ack, controls, life, money, payments } = this.#parts
    const { parts } = packet
    if (parts.ackNews > 0) ack.fail(now, parts.ackNews)
    payments.noticesLost(parts.notices, packet.number)
    if (life.repeatsReset) controls.lost(parts.controls, packet.number)
    const stuckAt = parts.sentAt + STUCK_MS
    // spec §12.6: other money goes in the place of what is late, at distances that double.
    const { hedgeAfterMs } = packet
    const delayMs = parts.isTopUp ? money.buyer?.lateAfterMs(hedgeAfterMs) : undefined
    const moneyAt = parts.sentAt + (delayMs ?? hedgeAfterMs)
    if (now >= moneyAt) packet.dropMoney(money)
    if (now >= stuckAt) packet.dropCost(money)
    const original = originalOf(packet)
    const isNewest = newestOf(original) === packet
    const copyAt = parts.hedgeable ? lateAt(packet) : Math.max(lateAt(packet), stuckAt)
    // Money for which too much is late already (spec §12.6) is asked about again later.
    const dropsAt = now < moneyAt ? Math.min(moneyAt, stuckAt) : stuckAt
    const letsGoAt = now < dropsAt ? dropsAt : now + STUCK_MS
    const next = Math.min(packet.hasHolds ? letsGoAt : Infinity, isNewest && now < copyAt ? copyAt : Infinity)
    if (next < Infinity) this.#watch(packet, next)
    if (!isNewest || now < copyAt || !this.#isWaiting(original)) return
    this.#want(now, original, now)
  }

  #want(now: number, original: SentPacket, lateAtMs: number): void {
    const jobs = (this.#jobs ??= new CopyJobs())
    if (jobs.get(original) !== undefined) return
    const job = new CopyJob(original, lateAtMs)
    jobs.put(job, this.#standingOf(now, job))
  }

  #drop(original: SentPacket): void {
    this.#jobs?.delete(original)
    if (this.#jobs?.size === 0) this.#jobs = undefined
  }

  /** Whether it is late, and urgent by itself, wherever the head is. */
  #standingOf(now: number, job: CopyJob): Standing {
    if (now < job.lateAt) return { row: 'early', untilMs: job.lateAt }
    const { origin } = job
    const stuckAt = (newestOf(origin)?.parts.sentAt ?? now) + STUCK_MS
    if (origin.parts.open || this.waitingControls(origin) !== 0 || now >= stuckAt) {
      return { row: 'urgent', untilMs: Infinity }
    }
    return { row: 'hedge', untilMs: stuckAt }
  }

  /** What holds the receiver up is copied before it is late (spec §8.5). */
  settle(now: number): void {
    for (let early = this.#early(); early !== undefined && early.at <= now; early = this.#early()) {
      this.#want(now, early.packet, early.lateAt)
    }
  }

  stop(): void {
    this.#overdue?.clear()
    this.#overdue = undefined
    this.#jobs = undefined
    this.#heads = undefined
    this.#hung = undefined
    this.#failedTwice = undefined
  }

  /** The original of what the receiver waits for in order; undefined: nothing that is under way. */
  get #head(): SentPacket | undefined {
    const first = this.#heads?.first((packet) => this.#waitingFrom(packet))
    if (first === undefined) this.#heads = undefined
    return first === undefined ? undefined : originalOf(first)
  }

  #early(): Early | undefined {
    const isTail = this.#isTail
    if (this.#heads === undefined && !isTail) return undefined
    const { life, packets, probe, recovery } = this.#parts
    const { roundTripMs } = recovery
    if (roundTripMs === undefined || packets.unresolved === 0) return undefined
    if (life.isOpening || !life.isLive || probe.hasNoSign) return undefined
    const delayMs = Math.max(MIN_EARLY_MS, Math.ceil(EARLY_ROUND_TRIPS * roundTripMs))
    const head = this.#againHead(delayMs)
    const tail = isTail ? this.#tail(delayMs) : undefined
    return head === undefined || (tail !== undefined && tail.at < head.at) ? tail : head
  }

  // What came after it has arrived, and it was sent before in vain: the receiver waits for long already.
  #againHead(delayMs: number): Early | undefined {
    const packet = this.#head
    if (packet === undefined || !packet.parts.hedgeable || this.#jobs?.get(packet) !== undefined) return undefined
    const copies = packet.group?.copies ?? 0
    if (copies === 0 && !packet.parts.again) return undefined
    const newest = newestOf(packet)
    const start = packet.parts.ranges[0] ?? Infinity
    if (newest === undefined || start >= this.#parts.send.buffer.arrivedEnd) return undefined
    const { sentAt } = newest.parts
    // What hangs may have a slow copy, or one that fails, and what failed twice is waited for as long: two at once,
    // where that is within the budget, else a little later.
    // At the tail that budget is for all that is left to arrive.
    const isAlone = copies === 0 ? this.#failedTwice?.has(start) === true : copiesOut(packet) < 2
    if (copies === 1 || (isAlone && !this.#isTail)) {
      return { packet, at: sentAt, lateAt: Math.min(lateAt(newest), sentAt + delayMs) }
    }
    // What failed is quickly back, and nearly always comes then: so much of it is not paid for twice.
    const at = sentAt + (copies === 0 ? FAILED_FACTOR * delayMs : spaced(delayMs, copies))
    return at < lateAt(newest) ? { packet, at, lateAt: at } : undefined
  }

  // The next copy at the tail of a transfer: nothing else waits to be sent, so each packet holds all up.
  #tail(delayMs: number): Early | undefined {
    const { controls, packets, send } = this.#parts
    if (send.buffer.buffered === 0 && !controls.isOpen(Control.FIN)) return undefined
    let late: SentPacket | undefined
    let again: SentPacket | undefined
    let fresh = 0
    for (const packet of packets.flying()) {
      const { parts } = packet
      if (packet.group !== undefined || !parts.hedgeable) continue
      if (parts.ranges.length === 0 && (parts.controls & Control.FIN) === 0) continue
      if (this.#jobs?.get(packet) !== undefined || !this.#isWaiting(packet)) continue
      fresh++
      if (late === undefined && delayMs < packet.hedgeAfterMs) late = packet
      if (parts.again) again ??= packet
    }
    // The very end: what failed before goes twice at once, or chains of failures take a round trip each.
    if (again !== undefined && fresh <= TAIL_FEW)
      return { packet: again, at: again.parts.sentAt, lateAt: lateAt(again) }
    return late === undefined ? undefined : { packet: late, at: late.parts.sentAt + delayMs, lateAt: lateAt(late) }
  }

  // Whether something that `original` carries is still to arrive.
  #isWaiting(original: SentPacket): boolean {
    const members = membersOf(original)
    if (!members.some(({ isOut }) => isOut)) return false
    const { handshake, life } = this.#parts
    const { parts } = original
    if (parts.open) {
      const { opening } = handshake
      return life.isOpening && opening?.hasArrived !== true && opening?.isAwaited !== true
    }
    if (members.some((each) => this.#waitingFrom(each) !== undefined)) return true
    return this.waitingControls(original) !== 0 || this.waitingMessages(original).length > 0
  }

  /** The lowest byte that `packet`, which has no outcome, carries and that is not at the peer's node yet. */
  #waitingFrom(packet: SentPacket): number | undefined {
    if (!packet.isOut) return undefined
    const { controls, ranges } = packet.parts
    const { buffer } = this.#parts.send
    for (let i = 0; i < ranges.length; i += 2) {
      const from = buffer.firstMissing(ranges[i] ?? 0, ranges[i + 1] ?? 0)
      if (from !== undefined) return from
    }
    return (this.waitingControls(packet) & controls & Control.FIN) === 0 ? undefined : buffer.written
  }

  /** The controls of `packet` that it, or a copy of it, carried last and that still have to arrive. */
  waitingControls(packet: SentPacket): number {
    const { controls } = this.#parts
    let waiting = 0
    for (const { number, isOut } of membersOf(packet)) {
      if (isOut) waiting |= controls.waiting(packet.parts.controls, number)
    }
    return waiting
  }

  /** The messages of `packet` that are not at the peer's node yet. */
  waitingMessages(packet: SentPacket): readonly OutgoingMessage[] {
    const settled = membersOf(packet).filter(({ phase }) => phase === 'settled')
    return packet.parts.messages.filter(
      (message) => message.state === 'sent' && !settled.some(({ parts }) => parts.messages.includes(message)),
    )
  }

  /** The next copy that still makes sense and is allowed now, and why it goes. */
  next(now: number): { readonly job: CopyJob; readonly reason: CopyReason } | undefined {
    const { life, probe } = this.#parts
    for (let job = this.#jobs?.changed(now); job !== undefined; job = this.#jobs?.changed(now)) {
      this.#jobs?.put(job, this.#standingOf(now, job))
    }
    if (!life.isLive || probe.hasNoSign || this.#jobs === undefined) return undefined
    const hedge = this.#first(now, 'hedge')
    const urgent = lower(this.#first(now, 'urgent'), this.#isTail ? hedge : this.#headJob(now))
    if (urgent !== undefined && this.#waitUntil.urgent <= now) return { job: urgent, reason: 'urgent' }
    if (hedge !== undefined && this.#waitUntil.hedge <= now) return { job: hedge, reason: 'hedge' }
    const early = this.#first(now, 'early')
    return early !== undefined && this.#waitUntil.early <= now ? { job: early, reason: 'early' } : undefined
  }

  /** The lowest of a row that still waits, and still belongs there. */
  #first(now: number, row: CopyReason): CopyJob | undefined {
    for (let job = this.#jobs?.first(row); job !== undefined; job = this.#jobs?.first(row)) {
      if (!this.#isWaiting(job.origin)) {
        this.#drop(job.origin)
        continue
      }
      const standing = this.#standingOf(now, job)
      if (standing.row === row) return job
      this.#jobs?.put(job, standing)
    }
    return undefined
  }

  #headJob(now: number): CopyJob | undefined {
    const head = this.#head
    const job = head === undefined ? undefined : this.#jobs?.get(head)
    return job === undefined || now < job.lateAt ? undefined : job
  }

  /** Nothing else waits to be sent, and little is under way: each packet holds the end of the transfer up. */
  get #isTail(): boolean {
    const { packets, recovery, send } = this.#parts
    const { buffer } = send
    if (buffer.unsent > 0 || buffer.hasAgain) return false
    const most = Math.min(Math.max(MIN_TAIL_ATTEMPTS, recovery.counts.sent / TAIL_DIVISOR), MAX_TAIL_ATTEMPTS)
    return packets.unresolved <= most
  }

  /** Of all that carry what `job` is for and have no outcome: copies go around them. */
  avoid(job: CopyJob): readonly string[] {
    return membersOf(job.origin).flatMap(({ isOut, parts }) => (isOut ? parts.channels : []))
  }

  /** None was granted for this reason. */
  waitUntil(reason: CopyReason, atMs: number): void {
    this.#waitUntil = { ...this.#waitUntil, [reason]: atMs }
  }

  /** A packet goes out; `job`: it is the copy that this asks for. */
  sent(now: number, packet: SentPacket, job: CopyJob | undefined): void {
    const { controls, ranges } = packet.parts
    const start = ranges[0] ?? ((controls & Control.FIN) === 0 ? undefined : this.#parts.send.buffer.written)
    if (start !== undefined) (this.#heads ??= new HeadQueue()).add(packet, start)
    if (job !== undefined) {
      this.#copies++
      packet.joinCopies(job.origin, job.isWhole)
      if (job.isWhole) this.#drop(job.origin)
      for (const each of membersOf(packet)) if (each !== packet) this.#superseded(now, each)
    }
    this.#watch(packet, Math.max(Math.min(lateAt(packet), packet.parts.sentAt + STUCK_MS), now + 1))
    // It hung, and its copy failed: the receiver has waited long enough for two at once.
    if (job === undefined && this.#takeHung(packet)) this.#want(now, packet, now)
  }

  // A newer copy is watched in its place; what is set aside for it is not kept for ever all the same.
  #superseded(now: number, packet: SentPacket): void {
    if (packet.phase === 'flying' && packet.hasHolds)
      this.#watch(packet, Math.max(packet.parts.sentAt + STUCK_MS, now + 1))
    else this.#unwatch(packet)
  }

  /** Whether what `packet` carries goes again, should neither it nor any copy of it have an outcome. */
  minds(packet: SentPacket): boolean {
    const original = originalOf(packet)
    return newestOf(original)?.isWatched === true || this.#jobs?.get(original) !== undefined
  }

  /** It has an outcome, or arrived: what it does not bring is expected of the newest of the others. */
  unwatch(now: number, packet: SentPacket): void {
    this.#unwatch(packet)
    const original = originalOf(packet)
    if (this.#jobs?.get(original) !== undefined && !this.#isWaiting(original)) this.#drop(original)
    if (packet.group === undefined) return
    const heir = packet.group.members.findLast((each) => each !== packet && each.isOut)
    if (heir !== undefined) this.#watch(heir, Math.max(lateAt(heir), now + 1))
  }

  /** It failed, and none of the others is expected any more: what they carry begins anew in a new packet. */
  restarts(packet: SentPacket): void {
    const { parts } = packet
    const original = originalOf(packet)
    this.#drop(original)
    if (packet.group !== undefined) addAll((this.#hung ??= new RangeSet()), original.parts.ranges)
    else if (parts.again) {
      const twice = (this.#failedTwice ??= new RangeSet())
      twice.remove(0, this.#parts.send.buffer.delivered)
      addAll(twice, parts.ranges)
    }
  }

  /** Some of what `packet` carries hung before. It is forgotten then: the next one is as any other. */
  #takeHung({ parts }: SentPacket): boolean {
    if (this.#hung === undefined || !parts.again) return false
    const { ranges } = parts
    let was = false
    for (let i = 0; i < ranges.length; i += 2) {
      const start = ranges[i] ?? 0
      const end = ranges[i + 1] ?? 0
      const rest = this.#hung.missing(start, end)
      was ||= rest.length !== 2 || rest[0] !== start || rest[1] !== end
      this.#hung.remove(start, end)
    }
    this.#hung.remove(0, this.#parts.send.buffer.delivered)
    if (this.#hung.isEmpty) this.#hung = undefined
    return was
  }
}

/** Which comes first in the stream. */
function lower(a: CopyJob | undefined, b: CopyJob | undefined): CopyJob | undefined {
  return a === undefined || (b !== undefined && b.from < a.from) ? b : a
}

function originalOf(packet: SentPacket): SentPacket {
  return packet.group?.original ?? packet
}

function membersOf(packet: SentPacket): readonly SentPacket[] {
  return packet.group?.members ?? [packet]
}

/** How many copies of it have no outcome: they are expected, where the original is late. */
function copiesOut(original: SentPacket): number {
  return membersOf(original).filter((each) => each !== original && each.isOut).length
}

function addAll(set: RangeSet, ranges: readonly number[]): void {
  for (let i = 0; i < ranges.length; i += 2) set.add(ranges[i] ?? 0, ranges[i + 1] ?? 0)
}

/** The last that was sent of those without outcome. */
function newestOf(packet: SentPacket): SentPacket | undefined {
  return membersOf(packet).findLast(({ isOut }) => isOut)
}

/** When the next copy goes, if this one has no outcome by then (spec §8.5). */
function lateAt(packet: SentPacket): number {
  return packet.parts.sentAt + spaced(packet.hedgeAfterMs, packet.group?.copies ?? 0)
}

// The first copy after the delay, the second as long after the first, each further one after twice the wait before.
function spaced(delayMs: number, copies: number): number {
  return backOffMs({ minMs: delayMs, maxMs: Math.max(delayMs, MAX_COPY_MS) }, Math.max(0, copies - 1))
}
