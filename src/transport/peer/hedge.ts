import type { WantReason } from '../connection/interface.ts'
import { NONE, withLast } from '../../floor/light.ts'
import { RoundTrip, SampleWindow } from './latency.ts'
import {
  EARLY_SHARE,
  HANG_MEMORY,
  HANG_PRIOR_PAYMENTS,
  HANG_PRIOR_SHARE,
  HEDGE_CALM_FACTOR,
  HEDGE_FACTOR,
  HEDGE_HANG_FACTOR,
  HEDGE_HANGS,
  HEDGE_P99_FACTOR,
  HEDGE_SAMPLES,
  HEDGE_SHARE,
  HEDGE_SMOOTHED_FACTOR,
  HEDGE_START,
  HEDGE_UNKNOWN_HOP_MS,
  MAX_HEDGE_MS,
  MAX_HEDGE_UNKNOWN_MS,
  MAX_HEDGE_TAIL,
  MIN_HEDGE_MS,
  MIN_HEDGE_SAMPLES,
  MIN_HEDGE_TAIL,
  MIN_HEDGE_UNKNOWN_MS,
  MIN_OVERDUE_MS,
  MIN_ROUTE_SAMPLES,
  OVERDUE_FACTOR,
  STUCK_AFTER_MS,
} from './limits.ts'

/** The reasons of a copy (spec §8.5). */
export type CopyReason = Extract<WantReason, 'early' | 'hedge' | 'urgent'>

export function isCopy(reason: WantReason): reason is CopyReason {
  return reason === 'urgent' || reason === 'hedge' || reason === 'early'
}

/** Times from sending to settlement. */
class Times {
  readonly #roundTrip: RoundTrip = new RoundTrip()
  readonly #samples: SampleWindow = new SampleWindow(HEDGE_SAMPLES)

  add(ageMs: number): void {
    this.#roundTrip.add(ageMs)
    this.#samples.add(ageMs)
  }

  get count(): number {
    return this.#samples.count
  }

  get smoothedMs(): number | undefined {
    return this.#roundTrip.smoothedMs
  }

  /** What hardly more exceed than hang; undefined before the first sample. */
  usualMs(hangShare: number): number | undefined {
    const known = this.#samples.quantile(
      1 - Math.min(Math.max(HEDGE_HANGS * hangShare, MIN_HEDGE_TAIL), MAX_HEDGE_TAIL),
    )
    if (this.count >= MIN_HEDGE_SAMPLES && known !== undefined) {
      return known * (HEDGE_FACTOR + HEDGE_CALM_FACTOR * Math.max(0, 1 - hangShare / HANG_PRIOR_SHARE))
    }
    // Few samples have no tail yet: the deviation stands in for it, which the first ones make too large.
    const { smoothedMs } = this.#roundTrip
    return smoothedMs === undefined
      ? undefined
      : Math.min(this.#deviatedMs ?? Infinity, HEDGE_SMOOTHED_FACTOR * smoothedMs)
  }

  /** What hardly any takes longer than; undefined before the first sample. */
  get tailMs(): number | undefined {
    const p99 = this.#samples.quantile(0.99)
    const deviated = this.#deviatedMs
    return deviated === undefined || p99 === undefined ? undefined : Math.max(deviated, HEDGE_P99_FACTOR * p99)
  }

  get #deviatedMs(): number | undefined {
    const { smoothedMs, variationMs } = this.#roundTrip
    return smoothedMs === undefined ? undefined : smoothedMs + 4 * variationMs
  }
}

/** The times of one route: but listed while they are too few to count, as an idle connection has one or two. */
export class RouteTimes {
  #listedMs: number[] = NONE
  #times: Times | undefined

  add(ageMs: number): void {
    if (this.#times !== undefined) return this.#times.add(ageMs)
    this.#listedMs = withLast(this.#listedMs, ageMs)
    if (this.#listedMs.length < MIN_ROUTE_SAMPLES) return
    this.#times = new Times()
    for (const listedMs of this.#listedMs) this.#times.add(listedMs)
    this.#listedMs = NONE
  }

  /** Undefined: too few. */
  get known(): Times | undefined {
    return this.#times
  }
}

/** What a delay needs of a route. */
interface TimedRoute {
  readonly times: RouteTimes
}

/** When what was sent over a route counts as late: nearly all of its kind were back by then (spec §8.5). */
export class HedgeDelay {
  readonly #all: Times = new Times()
  /** A settlement over `route`, `ageMs` after sending. Those of stuck attempts are no samples. */
  settled({ times }: TimedRoute, ageMs: number): void {
    if (ageMs >= STUCK_AFTER_MS) return
    this.#all.add(ageMs)
    times.add(ageMs)
  }

  /**
   * How long to wait for an attempt over `route`, undefined for one that is not known, before a copy is sent; it has so
   * many channels. As many are slow then as hang: where nothing hangs, hardly anything is copied.
   */
  after(route: TimedRoute | undefined, channels: number, hangShare: number): number {
    const known = route?.times.known ?? this.#all
    const usual = known.usualMs(hangShare)
    if (usual === undefined) {
      return Math.min(Math.max(channels * HEDGE_UNKNOWN_HOP_MS, MIN_HEDGE_UNKNOWN_MS), MAX_HEDGE_UNKNOWN_MS)
    }
    return Math.min(Math.max(usual, MIN_HEDGE_MS), MAX_HEDGE_MS)
  }

  /** Beyond this an attempt that was overtaken is not counted as service in progress any more. */
  get overdueMs(): number {
    const tail = this.#all.tailMs
    if (tail === undefined) return MAX_HEDGE_UNKNOWN_MS
    return Math.min(Math.max(OVERDUE_FACTOR * tail, MIN_OVERDUE_MS), STUCK_AFTER_MS)
  }

  get smoothedMs(): number | undefined {
    return this.#all.smoothedMs
  }
}

/** Payments, and what they cost. */
interface Tally {
  payments: number
  msat: bigint
}

const NOTHING: Readonly<Tally> = { payments: 0, msat: 0n }

/** How many attempts that were sent in one second are decided. */
interface Decided {
  readonly second: number
  count: number
}

/**
 * How many copies may be sent, in payments and in money: a share of what was sent otherwise, which grows with the share
 * that hangs (spec §8.5). What is copied before it is late has a share of its own, so that neither uses up the other's.
 */
export class HedgeBudget {
  readonly #packets: Tally = { payments: 0, msat: 0n }
  /** By reason; undefined before the first copy. */
  #copied: Partial<Record<CopyReason, Tally>> | undefined
  /** Decided attempts that others sent with them may still outlive. */
  #young: Decided[] = []
  #ripenedTo = 0
  // Decided lately, and hanging ones of them; what is long ago fades.
  #decided = HANG_PRIOR_PAYMENTS
  #hangs = HANG_PRIOR_PAYMENTS * HANG_PRIOR_SHARE

  /** A packet was granted that costs this much: a copy takes from the budget, any other adds to it. */
  take(reason: WantReason, costMsat: bigint): void {
    const tally = this.#tallyOf(reason)
    tally.payments += 1
    tally.msat += costMsat
  }

  /** A grant was given back. */
  giveBack(reason: WantReason, costMsat: bigint): void {
    const tally = this.#tallyOf(reason)
    tally.payments -= 1
    tally.msat -= costMsat
  }

  #tallyOf(reason: WantReason): Tally {
    if (!isCopy(reason)) return this.#packets
    const copied = (this.#copied ??= {})
    return (copied[reason] ??= { ...NOTHING })
  }

  /** An attempt that was sent at `sentAt` was decided in time. */
  decided(sentAt: number): void {
    const second = Math.floor(sentAt / 1_000)
    const known = this.#young.findLast((each) => each.second === second)
    if (known === undefined) this.#young = withLast(this.#young, { second, count: 1 })
    else known.count += 1
  }

  /**
   * What was sent with them and hangs has been told of by now, `hungAfterMs` after sending. False: that was so at the
   * last call already.
   */
  ripen(now: number, hungAfterMs: number): boolean {
    const before = Math.floor((now - hungAfterMs) / 1_000)
    if (before === this.#ripenedTo) return false
    this.#ripenedTo = before
    for (const { second, count } of this.#young) {
      if (second >= before) continue
      this.#decided = this.#decided * HANG_MEMORY ** count + count
      this.#hangs *= HANG_MEMORY ** count
    }
    this.#young = this.#young.filter(({ second }) => second >= before)
    return true
  }

  /** So many attempts hang. */
  hung(count: number): void {
    this.#decided += count
    this.#hangs += count
  }

  /** What seemed to hang came back within a minute: it was only slow. */
  cameBack(): void {
    this.#hangs = Math.max(0, this.#hangs - 1)
  }

  /** Share of the attempts that hang, 0..1. */
  get hangShare(): number {
    return this.#hangs / this.#decided
  }

  /** Whether a copy that costs this much may go now. */
  allows(reason: CopyReason, costMsat: bigint): boolean {
    // What the receiver waits for is few packets, and their copies keep growing distances.
    if (reason === 'urgent') return true
    const packets = this.#packets
    const { payments, msat } = this.#copied?.[reason] ?? NOTHING
    const share = this.#shareOf(reason)
    if (payments + 1 > HEDGE_START + share * packets.payments) return false
    const mostMsat = BigInt(HEDGE_START) * costMsat + (BigInt(Math.ceil(share * 1_000)) * packets.msat) / 1_000n
    return msat + costMsat <= mostMsat
  }

  /** Copies of what is late that may be sent now, by their number. */
  get left(): number {
    const { payments } = this.#copied?.hedge ?? NOTHING
    return Math.max(0, Math.floor(HEDGE_START + this.#shareOf('hedge') * this.#packets.payments - payments))
  }

  // What hangs takes more than one copy: some of them fail, hang as well or are slow.
  #shareOf(reason: 'early' | 'hedge'): number {
    return reason === 'early' ? EARLY_SHARE : HEDGE_SHARE + HEDGE_HANG_FACTOR * this.hangShare
  }

  /** Copies sent so far. */
  get copies(): number {
    return Object.values(this.#copied ?? {}).reduce((sum, { payments }) => sum + payments, 0)
  }
}
