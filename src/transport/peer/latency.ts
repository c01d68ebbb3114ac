import { NONE, withLast } from '../../floor/light.ts'
import {
  BASE_SPAN_MS,
  MIN_MEDIAN_SAMPLES,
  MEDIAN_SAMPLES,
  MAX_QUEUE_OTHERS,
  RIPE_MEDIANS,
  RIPE_SAMPLES,
  MAX_YOUNG_DELIVERIES,
  MIN_SAMPLES_ROOM,
} from './limits.ts'

/**
 * The last `size` samples, kept sorted: a quantile is a look-up, a new sample a binary search and a short copy. It has
 * room for few samples to begin with, since each idle connection has windows of its own.
 */
export class SampleWindow {
  readonly #size: number
  /** The first half: as they came, in a ring. The second: sorted. A typed array would take 200 bytes by itself. */
  #samples: number[] = NONE
  #count = 0
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  get count(): number {
    return this.#count
  }

  add(value: number): void {
    if (this.#count === this.#size) this.#remove(this.#samples[this.#next] ?? 0)
    else if (this.#count === this.#room) this.#grow()
    const room = this.#room
    const at = room + this.#position(value)
    move(this.#samples, at + 1, at, room + this.#count)
    this.#samples[at] = value
    this.#count += 1
    this.#samples[this.#next] = value
    this.#next = (this.#next + 1) % this.#size
  }

  /** The smallest sample that at least `share` of all samples don't exceed; undefined without samples. */
  quantile(share: number): number | undefined {
    if (this.#count === 0) return undefined
    return this.#samples[this.#room + Math.max(0, Math.ceil(share * this.#count) - 1)]
  }

  clear(): void {
    this.#count = 0
    this.#next = 0
  }

  get #room(): number {
    return this.#samples.length / 2
  }

  // The ring has not come round yet, so both halves begin with all there is.
  #grow(): void {
    const more = Math.min(Math.max(this.#room, MIN_SAMPLES_ROOM), this.#size - this.#room)
    const spare = Array.from<number>({ length: more }).fill(0)
    const came = this.#samples.slice(0, this.#room)
    const sorted = this.#samples.slice(this.#room)
    this.#samples = came.concat(spare, sorted, spare)
  }

  #remove(value: number): void {
    const at = this.#room + this.#position(value)
    move(this.#samples, at, at + 1, this.#room + this.#count)
    this.#count -= 1
  }

  /** How many samples are smaller than `value`. */
  #position(value: number): number {
    const room = this.#room
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#samples[room + middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** As `copyWithin`, which for lists is slow. */
function move(list: number[], to: number, from: number, end: number): void {
  if (to < from) for (let at = from; at < end; at++) list[at + to - from] = list[at] ?? 0
  else for (let at = end - 1; at >= from; at--) list[at + to - from] = list[at] ?? 0
}

/** Smoothed round trip and its variation, RFC 6298 §2. */
export class RoundTrip {
  #smoothed: number | undefined
  #variation = 0

  add(sampleMs: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = sampleMs
      this.#variation = sampleMs / 2
      return
    }
    this.#variation += (Math.abs(this.#smoothed - sampleMs) - this.#variation) / 4
    this.#smoothed += (sampleMs - this.#smoothed) / 8
  }

  get smoothedMs(): number | undefined {
    return this.#smoothed
  }

  get variationMs(): number {
    return this.#variation
  }
}

/** A delivery that waits until all that was sent with it has come back. */
interface Young {
  readonly sentAt: number
  /** Without what other peers of this process add to it. */
  readonly ownMs: number
}

/**
 * The latency of now and the base latency. The base is the least *median* over a window of samples:
 * with natural jitter the least sample is far below what payments take on an idle network.
 *
 * While the window grows, what comes back first is what was quick, so its median is too low (by a third at the
 * public network's jitter). So the base is taken from payments by the time when they were *sent*, once the slow
 * ones among them are back as well; until there are such, from whatever came back.
 */
export class Latency {
  readonly #recent: SampleWindow = new SampleWindow(MEDIAN_SAMPLES)
  #young: Young[] = []
  #sinceCandidate = 0
  #spanStart: number | undefined
  #first: number | undefined
  #leastThis: number | undefined
  #leastBefore: number | undefined

  /** `others`: how much longer payments take already because of other peers of this process, 1 for not at all. */
  add(now: number, sampleMs: number, others: number): void {
    this.#recent.add(sampleMs)
    this.#spanStart ??= now
    if (now - this.#spanStart >= BASE_SPAN_MS) {
      this.#leastBefore = this.#leastThis
      this.#leastThis = undefined
      this.#spanStart = now
    }
    const ownMs = sampleMs / Math.max(1, Math.min(others, MAX_QUEUE_OTHERS))
    this.#young = withLast(this.#young, { sentAt: now - sampleMs, ownMs })
    this.#sinceCandidate += 1
    if (this.#sinceCandidate < (this.#first === undefined ? MIN_MEDIAN_SAMPLES : MEDIAN_SAMPLES / 2)) return
    this.#sinceCandidate = 0
    this.#first = Math.min(this.#first ?? Infinity, medianOf(this.#young.slice(-MEDIAN_SAMPLES)))
    this.#ripen(now)
  }

  /** Median of the last MEDIAN_SAMPLES payments; undefined before 8. */
  get medianMs(): number | undefined {
    return this.#recent.count < MIN_MEDIAN_SAMPLES ? undefined : this.#recent.quantile(0.5)
  }

  /** What a payment takes when nothing of ours is queued; undefined before the first median. */
  get baseMs(): number | undefined {
    if (this.#leastThis === undefined) return this.#leastBefore ?? this.#first
    return Math.min(this.#leastThis, this.#leastBefore ?? this.#leastThis)
  }

  /** Other routes, other latencies. */
  forget(): void {
    this.#recent.clear()
    this.#young = []
    this.#sinceCandidate = 0
    this.#spanStart = undefined
    this.#first = undefined
    this.#leastThis = undefined
    this.#leastBefore = undefined
  }

  /** In the order of sending, half a window at a time: the first ones met no queue of ours. */
  #ripen(now: number): void {
    const sentBefore = now - RIPE_MEDIANS * (this.medianMs ?? Infinity)
    const ripe = this.#young.filter((each) => each.sentAt <= sentBefore).toSorted((a, b) => a.sentAt - b.sentAt)
    const whole = ripe.length - (ripe.length % RIPE_SAMPLES)
    for (let from = 0; from < whole; from += RIPE_SAMPLES) {
      this.#leastThis = Math.min(this.#leastThis ?? Infinity, medianOf(ripe.slice(from, from + RIPE_SAMPLES)))
    }
    const rest = this.#young.filter((each) => each.sentAt > sentBefore)
    this.#young = [...ripe.slice(whole), ...rest].slice(-MAX_YOUNG_DELIVERIES)
  }
}

function medianOf(samples: readonly Young[]): number {
  const sorted = samples.map((each) => each.ownMs).toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length / 2) - 1] ?? Infinity
}
