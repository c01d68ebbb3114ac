import { FIRST_BIN_MS, MAX_BINS, TIME_CLASS_FACTOR, TIME_CLASSES } from './limits.ts'

/** What happened in a piece of time. Rates are sums over it; levels are as they were at its end. */
export interface Bin {
  /** Bytes that came to the other side's node, and to this process. */
  sent: number
  received: number
  settled: number
  failed: number
  hung: number
  copies: number
  /** Payments by how long they took; see `classOf`. */
  readonly times: Uint32Array
  /** The most that were in flight. Undefined: nothing was told, so it is as before. */
  inFlight: number | undefined
  /** Those that are at its end. */
  inFlightAtEnd: number | undefined
  window: number | undefined
  spentMsat: number | undefined
  feesMsat: number | undefined
  reservedMsat: number | undefined
  receivedMsat: number | undefined
}

type Counted = 'sent' | 'received' | 'settled' | 'failed' | 'hung' | 'copies'
type Level = 'window' | 'spentMsat' | 'feesMsat' | 'reservedMsat' | 'receivedMsat'

/** Time in equal pieces, of which there are never more than a picture has room for. */
export class Bins {
  #widthMs = FIRST_BIN_MS
  #bins: Bin[] = []

  get widthMs(): number {
    return this.#widthMs
  }

  /** In order, from the beginning on. */
  get all(): readonly Bin[] {
    return this.#bins
  }

  /** So much more of something happened. */
  count(timeMs: number, what: Counted, by = 1): void {
    this.#at(timeMs)[what] += by
  }

  /** So much there is of something from now on. */
  set(timeMs: number, what: Level, value: number): void {
    this.#at(timeMs)[what] = value
  }

  /** So many payments are in flight from now on. */
  fly(timeMs: number, count: number): void {
    const bin = this.#at(timeMs)
    bin.inFlight = Math.max(bin.inFlight ?? 0, count)
    bin.inFlightAtEnd = count
  }

  /** A payment that took so long was settled. */
  took(timeMs: number, ms: number): void {
    const { times } = this.#at(timeMs)
    const index = classOf(ms)
    times[index] = (times[index] ?? 0) + 1
  }

  /** The piece that this time lies in. */
  #at(timeMs: number): Bin {
    while (timeMs >= this.#widthMs * MAX_BINS) this.#double()
    const index = Math.floor(timeMs / this.#widthMs)
    while (this.#bins.length <= index) this.#bins.push(emptyBin())
    return this.#bins[index] ?? emptyBin()
  }

  #double(): void {
    this.#widthMs *= 2
    const halves = this.#bins
    this.#bins = []
    for (let i = 0; i < halves.length; i += 2) {
      const [first, second] = halves.slice(i, i + 2)
      if (first !== undefined) this.#bins.push(second === undefined ? first : joined(first, second))
    }
  }
}

function emptyBin(): Bin {
  return {
    sent: 0,
    received: 0,
    settled: 0,
    failed: 0,
    hung: 0,
    copies: 0,
    times: new Uint32Array(TIME_CLASSES),
    inFlight: undefined,
    inFlightAtEnd: undefined,
    window: undefined,
    spentMsat: undefined,
    feesMsat: undefined,
    reservedMsat: undefined,
    receivedMsat: undefined,
  }
}

function joined(first: Bin, second: Bin): Bin {
  const { inFlight = 0 } = first
  return {
    sent: first.sent + second.sent,
    received: first.received + second.received,
    settled: first.settled + second.settled,
    failed: first.failed + second.failed,
    hung: first.hung + second.hung,
    copies: first.copies + second.copies,
    times: first.times.map((count, index) => count + (second.times[index] ?? 0)),
    inFlight: second.inFlight === undefined ? first.inFlight : Math.max(inFlight, second.inFlight),
    inFlightAtEnd: second.inFlightAtEnd ?? first.inFlightAtEnd,
    window: second.window ?? first.window,
    spentMsat: second.spentMsat ?? first.spentMsat,
    feesMsat: second.feesMsat ?? first.feesMsat,
    reservedMsat: second.reservedMsat ?? first.reservedMsat,
    receivedMsat: second.receivedMsat ?? first.receivedMsat,
  }
}

/** The class of a time: its place in `Bin.times`. */
function classOf(ms: number): number {
  const index = ms <= 1 ? 0 : Math.ceil(Math.log(ms) / Math.log(TIME_CLASS_FACTOR))
  return Math.min(index, TIME_CLASSES - 1)
}

/** How long all of them took; see `quantile`. */
export function allTimes(bins: readonly Bin[]): Uint32Array {
  const all = new Uint32Array(TIME_CLASSES)
  for (const { times } of bins) for (const [index, count] of times.entries()) all[index] = (all[index] ?? 0) + count
  return all
}

/** The time that so large a share of those that were counted took at most, ms; undefined: there are none. */
export function quantile(times: Uint32Array, share: number): number | undefined {
  const count = times.reduce((sum, each) => sum + each, 0)
  if (count === 0) return undefined
  let left = Math.ceil(count * share)
  const index = times.findIndex((each) => (left -= each) <= 0)
  return TIME_CLASS_FACTOR ** index
}
