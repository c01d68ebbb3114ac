import { TokenBucket } from './token-bucket.ts'

/** Of things of one kind. */
interface AdmissionLane {
  /** How many of all kinds may be under way or wait where one of this kind comes. */
  readonly max: number
  /** Beyond the rate it waits for its turn; else there is no place for it. */
  readonly waits: boolean
}

interface AdmissionOptions<Kind extends string> {
  readonly perSecond: number
  readonly burst: number
  readonly lanes: Readonly<Record<Kind, AdmissionLane>>
  readonly now: () => number
  /** To call `wake` at `atMs`; undefined: not any more. */
  readonly wakeAt: (atMs: number | undefined) => void
}

/**
 * Lets things begin at a rate for each kind, and a bounded number of all be under way. What may wait waits in order,
 * within that number.
 */
export class Admission<Kind extends string> {
  readonly #options: AdmissionOptions<Kind>
  readonly #buckets: ReadonlyMap<Kind, TokenBucket>
  readonly #waiting = new Map<Kind, (() => void)[]>()
  #underWay = 0

  constructor(options: AdmissionOptions<Kind>) {
    this.#options = options
    const { perSecond, burst, lanes } = options
    const now = options.now()
    const kinds = Object.keys(lanes) as Kind[]
    this.#buckets = new Map(kinds.map((kind) => [kind, new TokenBucket({ perSecond, burst, now })]))
  }

  /** All that have a place and did not `leave`, those that wait included. */
  get underWay(): number {
    return this.#underWay
  }

  /** Those that wait for their turn. */
  get waiting(): number {
    let count = 0
    for (const line of this.#waiting.values()) count += line.length
    return count
  }

  /** A place, to be given back by `leave`: 'now', or when the promise resolves. Undefined: there is none. */
  enter(kind: Kind): 'now' | Promise<void> | undefined {
    const { max, waits } = this.#options.lanes[kind]
    if (this.#underWay >= max) return undefined
    const line = this.#waiting.get(kind) ?? []
    const hasTurn = line.length === 0 && this.#buckets.get(kind)?.take(this.#options.now()) === true
    if (!hasTurn && !waits) return undefined
    this.#underWay += 1
    if (hasTurn) return 'now'
    this.#waiting.set(kind, line)
    return new Promise((resolve) => {
      line.push(resolve)
      this.wake()
    })
  }

  leave(): void {
    this.#underWay -= 1
  }

  /** Gives the turns that have come. */
  wake(): void {
    const now = this.#options.now()
    let atMs: number | undefined
    for (const [kind, line] of this.#waiting) {
      const bucket = this.#buckets.get(kind)
      while (line.length > 0 && bucket?.take(now) === true) line.shift()?.()
      if (line.length > 0 && bucket !== undefined) atMs = Math.min(atMs ?? Infinity, now + bucket.waitMs(now))
    }
    this.#options.wakeAt(atMs)
  }
}
