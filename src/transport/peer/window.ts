import type { Latency } from './latency.ts'
import {
  FAILING_CROWDED,
  FAILING_RANDOM,
  GAIN_FORGET,
  GAIN_MEMORY,
  MAX_GAIN_PRIOR,
  GAIN_PRIOR_SPREAD,
  GAIN_STEP,
  GAIN_WORTH,
  IDLE_RESTART_MS,
  MIN_MEDIAN_SAMPLES,
  PROBE_DELIVERIES,
  PROBE_FULL,
  MIN_PROBE_MS,
  MAX_PROBE_MEDIANS,
  PROBE_QUEUED,
  PROBE_RATIO,
  PROBE_RATIO_QUEUED,
  QUEUE_ABSURD,
  QUEUE_LOSS,
  MAX_QUEUE,
  QUEUE_NEUTRAL,
  QUEUE_NONE,
  QUEUE_NONE_GROWTH,
  MAX_SLOWER,
  MIN_SLOWER,
  QUEUE_STEP_DOWN,
  SLOWER_DECAY,
  SLOWER_GAIN,
  START_FULL,
  MIN_START_GAIN,
  START_QUEUE,
  MIN_START_ROUND_MS,
  MIN_WINDOW,
  MAX_WINDOW,
} from './limits.ts'

/** What one stretch of time brought: deliveries, and payments in flight integrated over time. */
interface Span {
  readonly startedAt: number
  delivered: number
  /** Deliveries while window or slots were what held back. */
  full: number
  failed: number
  area: number
}

interface Measured {
  readonly perMs: number
  readonly inFlight: number
  readonly delivered: number
  /** Whether there was more to send nearly all of the time. */
  readonly full: boolean
  /** Share of what was decided, 0..1. */
  readonly failing: number
}

/**
 * How many payments to keep in flight to a peer. It climbs on the delivered rate (spec/decisions/0009).
 *
 * 'start': one more per delivery, which doubles it each round trip, until two rounds in a row bring
 * little more and payments take longer (one alone may be a pause of a node; a round is a round trip or more). 'steady':
 * two sizes are kept
 * in turn, and the window moves by what the larger one delivers more. What latency tells (median over base)
 * is the expectation as long as few payments were compared, and sets the pace: nothing queued means grow, a
 * long queue means shrink.
 *
 * Failed payments are not counted as service. Both ways were measured: where a relay refuses what is too
 * much for it, failures come back fast, and a rate that counts them climbs for ever.
 */
export class WindowControl {
  readonly #latency: Latency
  readonly #first: number
  readonly #growth: number
  #window: number
  #most: number = MAX_WINDOW
  #phase: 'start' | 'steady' = 'start'
  #failures = 0
  #inFlight = 0
  #observedAt: number | undefined
  #usedAt: number | undefined
  #span: Span | undefined
  #rounds = 0
  /** In flight before a round of the slow start that brought little more. */
  #enough: number | undefined
  #before: Measured | undefined
  /** Place in the pattern high, low, low, high: a drift of the medium cancels out. */
  #turn = 0
  #ratio: number = PROBE_RATIO
  #settledAt = 0
  #gainWeight = 0
  #gainSum = 0
  #gainQueue = 1
  /** How many times slower than when the base was taken the medium is by itself: others have its machines. */
  #slower = 1
  #baseMs = 0

  /** `growth`: how many more in flight a delivery brings while the window starts. */
  constructor(first: number, latency: Latency, growth = 1) {
    this.#first = first
    this.#growth = growth
    this.#window = first
    this.#latency = latency
  }

  /** Payments to keep in flight now. */
  get size(): number {
    let size = this.#window
    // At its bound with nothing queued there is nothing to find out.
    const pinned = size >= this.#most && this.queue < QUEUE_NONE
    if (this.#phase === 'steady' && !pinned) size *= this.#high ? Math.sqrt(this.#ratio) : 1 / Math.sqrt(this.#ratio)
    return Math.max(MIN_WINDOW, Math.min(Math.round(size), this.#most))
  }

  get phase(): 'start' | 'steady' {
    return this.#phase
  }

  /** Median over base latency; 1 as long as it is unknown. */
  get queue(): number {
    const median = this.#latency.medianMs
    const base = this.#latency.baseMs
    return median === undefined || base === undefined || base <= 0 ? 1 : median / base
  }

  /** The part of it that is our doing: others who take a machine's time make payments slower, too. */
  get #ownQueue(): number {
    return this.queue / this.#slower
  }

  /** What the channels admit in all: the window is never larger. */
  limitTo(most: number): void {
    this.#most = Math.max(MIN_WINDOW, Math.min(most, MAX_WINDOW))
    this.#window = Math.min(this.#window, this.#most)
  }

  /** The number of payments in flight has changed (attempts that left the window left out). */
  observe(now: number, inFlight: number): void {
    if (this.#span !== undefined && this.#observedAt !== undefined) {
      const from = Math.max(this.#observedAt, this.#span.startedAt)
      if (now > from) this.#span.area += this.#inFlight * (now - from)
    }
    if (inFlight > this.#inFlight) this.#use(now)
    this.#observedAt = now
    this.#inFlight = inFlight
  }

  /** A payment failed on its way. Its place is free again; the window does not shrink for it. */
  failed(): void {
    this.#failures = Math.min(this.#failures + 1, this.#window)
    if (this.#span !== undefined) this.#span.failed += 1
  }

  /**
   * A payment was delivered; its latency has been added already. `full`: the window was what held back. `heldBack`: the
   * window or the slots were.
   */
  delivered(now: number, { full, heldBack }: { readonly full: boolean; readonly heldBack: boolean }): void {
    const span = (this.#span ??= emptySpan(now))
    span.delivered += 1
    if (heldBack) span.full += 1
    if (this.#phase === 'start') {
      if (full) this.#grow()
      this.#endRound(now, span)
    } else {
      this.#endMeasurement(now, span)
    }
  }

  /** Other routes: what was learnt does not hold for them. */
  restart(): void {
    this.#phase = 'start'
    this.#forget()
  }

  /**
   * A delivery makes room for more; a failure since the last one is made up for as well, so that failing payments
   * don't slow the start.
   */
  #grow(): void {
    const madeUp = Math.min(this.#failures, 1)
    this.#failures -= madeUp
    this.#window = Math.min(this.#window + this.#growth + madeUp, this.#most)
  }

  #use(now: number): void {
    if (this.#usedAt !== undefined && now - this.#usedAt >= IDLE_RESTART_MS) {
      this.#window = Math.min(this.#window, Math.max(this.#first, this.#window / 2))
      this.restart()
    }
    this.#usedAt = now
  }

  #forget(): void {
    this.#span = undefined
    this.#before = undefined
    this.#rounds = 0
    this.#enough = undefined
    this.#gainWeight = 0
    this.#gainSum = 0
  }

  #endRound(now: number, span: Span): void {
    const median = this.#latency.medianMs
    if (median === undefined || span.delivered < MIN_MEDIAN_SAMPLES || now - span.startedAt < median) return
    const round = measure(now, span)
    // Shorter than a pause of a node it tells little, unless a relay may have no slots left.
    if (now - span.startedAt < MIN_START_ROUND_MS && round.failing < FAILING_RANDOM) return
    const before = this.#before
    // A sender that ran out of data, or of the receiver's window, in this round or the one before tells nothing.
    const judged = this.#rounds >= 2 && before?.full === true && round.full
    if (before !== undefined && before.full && round.full) this.#notice(before, round)
    this.#rounds += 1
    this.#before = round
    this.#span = emptySpan(now)
    if (!judged || round.perMs >= MIN_START_GAIN * before.perMs || !this.#isCrowded(round)) {
      this.#enough = undefined
      return
    }
    const isFirst = this.#enough === undefined
    // What was in flight a round trip ago is what brought this rate.
    this.#enough ??= before.inFlight
    // A node may have paused for a moment; what fails does not look like that.
    if (isFirst && round.failing < FAILING_CROWDED) return
    // Half of the way back: where the rate bends slowly, the whole of it would take a minute to climb again.
    const back = round.failing < FAILING_CROWDED ? Math.sqrt(this.#enough * this.#window) : this.#enough
    this.#window = Math.max(MIN_WINDOW, Math.min(back, this.#most))
    this.#phase = 'steady'
    this.#forget()
    this.#nextMeasurement(now, median)
  }

  /** Too much in flight shows as a queue, or as failures where a relay has too few slots. */
  #isCrowded(round: Measured): boolean {
    return this.queue >= START_QUEUE || round.failing >= FAILING_CROWDED
  }

  get #high(): boolean {
    return this.#turn === 0 || this.#turn === 3
  }

  #nextMeasurement(now: number, median: number): void {
    this.#turn = (this.#turn + 1) % 4
    this.#settledAt = now + median
    this.#span = undefined
  }

  #endMeasurement(now: number, span: Span): void {
    const median = this.#latency.medianMs
    if (median === undefined) return
    if (now < this.#settledAt) {
      // What is delivered now was sent under the size before.
      this.#span = emptySpan(now)
      return
    }
    const length = now - span.startedAt
    if (length < MIN_PROBE_MS || length < median) return
    if (span.delivered < PROBE_DELIVERIES && length < MAX_PROBE_MEDIANS * median) return
    const measured = measure(now, span)
    if (measured.inFlight < PROBE_FULL * this.size) {
      // There was less to send than the window allows: it says nothing about the window.
      this.#before = undefined
    } else {
      this.#judge(measured)
    }
    this.#nextMeasurement(now, median)
  }

  /** What our own payments queue changes as their number does: a rate that falls at once is not our doing. */
  #notice(before: Measured, measured: Measured): void {
    const base = this.#latency.baseMs ?? 0
    // A base that is taken anew has what was slower in it.
    if (base > this.#baseMs) this.#slower = Math.max(1, (this.#slower * this.#baseMs) / base)
    this.#baseMs = base
    const ownRatio = (measured.inFlight / before.inFlight) ** SLOWER_GAIN
    const slower = (before.perMs * ownRatio) / measured.perMs
    if (Math.max(slower, 1 / slower) < MIN_SLOWER) return
    this.#slower = Math.max(1, Math.min(this.#slower * slower, MAX_SLOWER))
  }

  #judge(measured: Measured): void {
    this.#slower += (1 - this.#slower) * SLOWER_DECAY
    if (this.#before !== undefined) this.#notice(this.#before, measured)
    const queue = this.queue
    if (Math.max(queue / this.#gainQueue, this.#gainQueue / queue) > GAIN_FORGET) {
      // Another state of the medium: what was learnt in the old one would be held against it.
      this.#gainWeight = 0
      this.#gainSum = 0
      this.#before = undefined
    }
    this.#gainQueue = queue
    const before = this.#before
    this.#before = measured
    if (this.#ownQueue > MAX_QUEUE) {
      if (before !== undefined) this.#learn(before, measured)
      if (this.#ownQueue > QUEUE_ABSURD || this.#expected(measured, queue) < QUEUE_LOSS) this.#move(QUEUE_STEP_DOWN)
    } else if (queue < QUEUE_NONE && measured.failing < FAILING_RANDOM) {
      this.#move(QUEUE_NONE_GROWTH)
    } else if (before !== undefined) {
      this.#compare(before, measured, queue)
    }
    this.#ratio = queue >= PROBE_QUEUED ? PROBE_RATIO_QUEUED : PROBE_RATIO
  }

  #compare(before: Measured, measured: Measured, queue: number): void {
    if (!this.#learn(before, measured)) return
    const step = GAIN_STEP * (Math.min(this.#expected(measured, queue), 1) - GAIN_WORTH)
    // Far in the queue without gain: the longer the queue, the longer the step back.
    this.#move(Math.exp(step < 0 ? Math.max(step * Math.max(1, this.#ownQueue - 1), Math.log(QUEUE_STEP_DOWN)) : step))
  }

  /** Two sizes and what they brought: d ln(rate) / d ln(in flight). False where the sizes are too close to tell. */
  #learn(before: Measured, measured: Measured): boolean {
    const apart = Math.log(measured.inFlight / before.inFlight)
    if (Math.abs(apart) < Math.log(PROBE_RATIO) / 2) return false
    const gain = Math.log(measured.perMs / before.perMs) / apart
    // Counting n deliveries is good to 1/sqrt(n): the variance of the gain, and its weight.
    const weight = (apart * apart) / (1 / measured.delivered + 1 / before.delivered)
    this.#gainWeight = this.#gainWeight * GAIN_MEMORY + weight
    this.#gainSum = this.#gainSum * GAIN_MEMORY + weight * gain
    return true
  }

  /** The gain to expect of more in flight: what was compared and what the latency tells, by their weights. */
  #expected(measured: Measured, queue: number): number {
    // The latency says nothing where failures come back fast instead of queueing.
    const prior = priorGain(queue) * (1 - measured.failing) ** 2
    const priorWeight = 1 / (GAIN_PRIOR_SPREAD * GAIN_PRIOR_SPREAD)
    return (this.#gainSum + priorWeight * prior) / (this.#gainWeight + priorWeight)
  }

  #move(factor: number): void {
    this.#window = Math.max(MIN_WINDOW, Math.min(this.#window * factor, this.#most))
  }
}

function emptySpan(startedAt: number): Span {
  return { startedAt, delivered: 0, full: 0, failed: 0, area: 0 }
}

function measure(now: number, span: Span): Measured {
  const length = Math.max(now - span.startedAt, 1)
  const { delivered, failed, area } = span
  const full = span.full >= START_FULL * delivered
  return { perMs: delivered / length, inFlight: area / length, delivered, full, failing: failed / (failed + delivered) }
}

/** What to expect of more in flight from the latency alone: little at a long queue, much without one. */
function priorGain(queue: number): number {
  return Math.max(0, Math.min(GAIN_WORTH + (QUEUE_NEUTRAL - queue) / 2, MAX_GAIN_PRIOR))
}
