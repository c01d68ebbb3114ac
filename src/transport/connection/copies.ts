import { backOffMs } from '../../floor/back-off.ts'
import { Control } from './controls.ts'
import { MAX_STUCK_ROUND, MIN_TAIL_MS, STUCK_MS, TAIL_ATTEMPTS, TAIL_FEW, TAIL_ROUND_TRIPS } from './limits.ts'
import { OverdueQueue } from './overdue.ts'
import type { Parts } from './parts.ts'
import type { SentPacket } from './sent-packets.ts'
import { earliest, type Timed } from './timed.ts'

const STUCK = { minMs: STUCK_MS, maxMs: STUCK_MS * 2 ** MAX_STUCK_ROUND }

/** A second copy of what `origin` carries, waiting for a grant (spec §8.5, §8.6). */
export class CopyJob {
  readonly origin: SentPacket
  #rest: readonly number[] | undefined

  constructor(origin: SentPacket) {
    this.origin = origin
  }

  /** Stream bytes that still have to be copied: start, end ... */
  get rest(): readonly number[] {
    return this.#rest ?? this.origin.parts.ranges
  }

  /** All bytes are in copies. */
  get isWhole(): boolean {
    return this.#rest === undefined || this.#rest.length === 0
  }

  /** A copy was made; `rest` did not fit. */
  copied(rest: readonly number[]): void {
    this.#rest = rest
  }
}

/** A packet that holds up the end of a transfer, and when it is copied, ms. */
interface Tail {
  readonly packet: SentPacket
  readonly at: number
}

type Needs = 'ack' | 'controls' | 'handshake' | 'life' | 'money' | 'packets' | 'probe' | 'recovery' | 'send'

/** Which packets are late, and the second copies that are made of them (spec §8.5, §8.6). */
export class Copies implements Timed {
  readonly #parts: Pick<Parts, Needs>
  readonly #overdue: OverdueQueue = new OverdueQueue()
  /** Undefined while there is none: an idle connection stays small. */
  #hedges: CopyJob[] | undefined
  #stuck: CopyJob[] | undefined
  /** The peer controller granted none: data goes first until then. */
  #waitUntil = 0
  /** Copies made within the hedge budget. */
  #hedged = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  get hedged(): number {
    return this.#hedged
  }

  /** Of the packet whose copy is the next of its kind. */
  avoid(kind: 'hedge' | 'stuck'): readonly string[] {
    return (kind === 'stuck' ? this.#stuck : this.#hedges)?.[0]?.origin.parts.channels ?? []
  }

  dueAt(after: number): number | undefined {
    const { life } = this.#parts
    const waits = life.isLive && (this.#hedges !== undefined || this.#stuck !== undefined)
    return earliest(after, this.#overdue.dueAt, waits ? this.#waitUntil : undefined, this.#tail()?.at)
  }

  /** Packets whose delay is over: spec §8.5 and §8.6. */
  run(now: number): void {
    for (let packet = this.#overdue.take(now); packet !== undefined; packet = this.#overdue.take(now)) {
      if (packet.phase === 'flying') this.#late(now, packet)
    }
  }

  #late(now: number, packet: SentPacket): void {
    const { ack, money } = this.#parts
    for (const each of packet.copies ?? [packet]) {
      if (now - each.parts.sentAt >= each.parts.hedgeAfterMs) each.overdue()
    }
    const { ackNews } = packet.parts
    if (ackNews > 0) ack.fail(now, ackNews)
    const isStuck = now >= stuckAt(packet)
    if (isStuck) packet.dropHolds(money)
    if (!this.#isWaiting(packet)) {
      if (!isStuck && packet.hasHolds) this.#overdue.watch(packet, stuckAt(packet))
    } else if (isStuck) {
      this.#hedges = without(this.#hedges, (job) => job.origin === packet)
      ;(this.#stuck ??= []).push(new CopyJob(packet))
    } else {
      if (packet.canHedge) (this.#hedges ??= []).push(new CopyJob(packet))
      this.#overdue.watch(packet, stuckAt(packet))
    }
  }

  /** What is late at the tail of a transfer is copied (spec §8.5). */
  settle(now: number): void {
    for (let tail = this.#tail(); tail !== undefined && tail.at <= now; tail = this.#tail()) {
      tail.packet.overdue()
      ;(this.#hedges ??= []).push(new CopyJob(tail.packet))
    }
  }

  stop(): void {
    this.#overdue.clear()
    this.#hedges = undefined
    this.#stuck = undefined
  }

  // The next copy at the tail of a transfer (spec §8.5): nothing else waits to be sent, so what is late holds all up.
  #tail(): Tail | undefined {
    const { controls, life, packets, probe, recovery, send } = this.#parts
    const { roundTripMs } = recovery
    const { buffer } = send
    if (roundTripMs === undefined || packets.unresolved === 0 || packets.unresolved > TAIL_ATTEMPTS) return undefined
    if (life.isOpening || !life.isLive || probe.hasNoSign) return undefined
    if (buffer.unsent > 0 || buffer.hasAgain || (buffer.buffered === 0 && !controls.isOpen(Control.FIN))) {
      return undefined
    }
    const delayMs = Math.max(MIN_TAIL_MS, Math.ceil(TAIL_ROUND_TRIPS * roundTripMs))
    let late: SentPacket | undefined
    let again: SentPacket | undefined
    let fresh = 0
    for (const packet of packets.flying()) {
      const { parts } = packet
      if (!packet.isWatched || !parts.hedgeable || packet.hedges > 0 || packet.isOverdue) continue
      if (parts.ranges.length === 0 && (parts.controls & Control.FIN) === 0) continue
      if (!this.#isWaiting(packet)) continue
      fresh++
      if (late === undefined && delayMs < parts.hedgeAfterMs) late = packet
      if (parts.again) again ??= packet
    }
    // The very end: what failed before goes twice at once, or chains of failures take a round trip each.
    if (again !== undefined && fresh <= TAIL_FEW) return { packet: again, at: again.parts.sentAt }
    return late === undefined ? undefined : { packet: late, at: late.parts.sentAt + delayMs }
  }

  // Whether something that `packet` carries is still to arrive, and no newer packet took it over.
  #isWaiting(packet: SentPacket): boolean {
    if (packet.phase !== 'flying' || packet.isDelivered) return false
    const { handshake, life, send } = this.#parts
    const { parts } = packet
    if (parts.open) return life.isOpening && handshake.opening?.hasArrived !== true
    for (let i = 0; i < parts.ranges.length; i += 2) {
      if (send.buffer.undelivered(parts.ranges[i] ?? 0, parts.ranges[i + 1] ?? 0).length > 0) return true
    }
    if (this.waitingControls(packet) !== 0) return true
    return parts.messages.some((message) => message.state === 'sent')
  }

  /** The controls of `packet` that it, or a copy of it, carried last and that still have to arrive. */
  waitingControls(packet: SentPacket): number {
    const { controls } = this.#parts
    let waiting = 0
    for (const { number } of packet.copies ?? [packet]) waiting |= controls.waiting(packet.parts.controls, number)
    return waiting
  }

  /** The next copy of its kind that still makes sense, and is allowed now. */
  next(now: number, kind: 'hedge' | 'stuck'): CopyJob | undefined {
    const { life, money, probe } = this.#parts
    const jobs = kind === 'stuck' ? this.#stuck : this.#hedges
    if (jobs === undefined) return undefined
    while (jobs[0] !== undefined && !this.#isWaiting(jobs[0].origin)) jobs.shift()
    if (jobs.length === 0) this.#dropEmpty()
    if (!life.isLive || probe.hasNoSign || this.#waitUntil > now) return undefined
    if (money.allowsStream) return jobs[0]
    // spec §12.5: what asks for credit, above all, must not wait for it.
    if (!money.allowsControl) return undefined
    return jobs.find(({ origin }) => origin.parts.ranges.length === 0 && this.#isWaiting(origin))
  }

  #dropEmpty(): void {
    if (this.#hedges?.length === 0) this.#hedges = undefined
    if (this.#stuck?.length === 0) this.#stuck = undefined
  }

  waitUntil(atMs: number): void {
    this.#waitUntil = atMs
  }

  /** A packet goes out; `job`: it is the copy that this asks for. */
  sent(now: number, packet: SentPacket, job: CopyJob | undefined): void {
    this.#watch(now, packet)
    if (job !== undefined) this.#link(now, packet, job)
  }

  #watch(now: number, packet: SentPacket): void {
    const { ackNews, hedgeAfterMs, sentAt } = packet.parts
    const late = stuckAt(packet)
    const lateAt = packet.canHedge || ackNews > 0 ? Math.min(late, sentAt + hedgeAfterMs) : late
    this.#overdue.watch(packet, Math.max(lateAt, now + 1))
  }

  // `copy` carries what `job.origin` carries.
  #link(now: number, copy: SentPacket, job: CopyJob): void {
    const { origin } = job
    copy.joinCopies(origin)
    if (job.isWhole) {
      this.#hedges = without(this.#hedges, (each) => each === job)
      this.#stuck = without(this.#stuck, (each) => each === job)
    }
    if (copy.parts.reason === 'stuck') {
      // spec §8.6: from now on the new copy's delays count.
      this.#overdue.unwatch(origin)
      return
    }
    this.#hedged++
    // A copy over a route with smaller packets takes several; they are one hedge (spec §8.5).
    if (job.isWhole) origin.hedged()
    const next = origin.canHedge ? now + copy.parts.hedgeAfterMs : Infinity
    this.#overdue.watch(origin, Math.min(next, stuckAt(origin)))
  }

  /** It has an outcome, or arrived. */
  unwatch(packet: SentPacket): void {
    this.#overdue.unwatch(packet)
  }

  /** It failed: another copy takes its place as what may be hedged. */
  lost(now: number, packet: SentPacket): void {
    const heir = packet.copies?.findLast((each) => each !== packet && each.phase === 'flying')
    if (heir?.succeed(packet) === true) this.#watch(now, heir)
  }
}

function without(jobs: CopyJob[] | undefined, isGone: (job: CopyJob) => boolean): CopyJob[] | undefined {
  const left = jobs?.filter((job) => !isGone(job))
  return left?.length === 0 ? undefined : left
}

function stuckAt({ parts }: SentPacket): number {
  return parts.sentAt + backOffMs(STUCK, parts.stuckRounds)
}
