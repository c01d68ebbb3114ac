import {
  GROWTH_ROUNDS,
  GROWTH_WORTH,
  MAX_ROUTES_WANTED,
  MIN_MEDIAN_SAMPLES,
  MIN_START_ROUND_MS,
  ROUTES_WANTED,
  START_FULL,
} from './limits.ts'

/** What one round trip brought. */
interface Round {
  readonly startedAt: number
  delivered: number
  /** Deliveries while more was to be sent than window and slots let go. */
  held: number
}

/**
 * How many routes to ask for: more, as long as there is more to send and those of the last answer brought more.
 *
 * 'watching': the routes there are may be enough. 'wanting': they are not. 'asked': an answer is due. 'trying': new
 * routes are there, and have some round trips to show what they bring. 'enough': they brought nothing, or there were
 * none; it is looked again when routes are renewed.
 */
export class RouteGrowth {
  #wanted: number = ROUTES_WANTED
  #state: 'watching' | 'wanting' | 'asked' | 'trying' | 'enough' = 'watching'
  #round: Round | undefined
  #rounds = 0
  /** Deliveries per ms of the last round that was held back, and of the one before new routes were asked for. */
  #perMs = 0
  #perMsBefore = 0

  /** Routes to ask for. */
  get wanted(): number {
    return this.#wanted
  }

  get wantsMore(): boolean {
    return this.#state === 'wanting'
  }

  /** Slots are taken on all routes: each further route brings its own. */
  slotsTaken(): void {
    if (this.#state !== 'watching' || this.#wanted === MAX_ROUTES_WANTED) return
    this.#state = 'wanting'
    this.#wanted = MAX_ROUTES_WANTED
  }

  /** A payment was delivered. `held`: there was more to send than window and slots let go. */
  delivered(now: number, held: boolean, medianMs: number | undefined): void {
    const round = (this.#round ??= { startedAt: now, delivered: 0, held: 0 })
    round.delivered += 1
    if (held) round.held += 1
    const length = now - round.startedAt
    if (medianMs === undefined || round.delivered < MIN_MEDIAN_SAMPLES || length < medianMs) return
    if (length < MIN_START_ROUND_MS) return
    this.#round = undefined
    if (round.held < START_FULL * round.delivered) return
    this.#perMs = round.delivered / length
    this.#rounds += 1
    this.#judge()
  }

  /** Routes are being looked for. */
  asked(): void {
    if (this.#state !== 'wanting') return
    this.#state = 'asked'
    this.#perMsBefore = this.#perMs
  }

  /** An answer, with so many routes that were not known. */
  found(fresh: number): void {
    this.#rounds = 0
    this.#round = undefined
    // Some time has passed since there were enough: they may bring more now.
    if (fresh > 0) this.#state = this.#state === 'asked' ? 'trying' : 'watching'
    else if (this.#state === 'asked') this.#state = 'enough'
  }

  failed(): void {
    if (this.#state === 'asked') this.#state = 'enough'
  }

  /** What is looked for has changed: other routes. */
  restart(): void {
    this.#wanted = ROUTES_WANTED
    this.#state = 'watching'
    this.#round = undefined
    this.#rounds = 0
    this.#perMs = 0
  }

  #judge(): void {
    if (this.#state === 'watching') {
      if (this.#wanted === MAX_ROUTES_WANTED) return
      this.#state = 'wanting'
      this.#wanted = Math.min(2 * this.#wanted, MAX_ROUTES_WANTED)
    } else if (this.#state === 'trying' && this.#rounds >= GROWTH_ROUNDS) {
      this.#state = this.#perMs >= GROWTH_WORTH * this.#perMsBefore ? 'watching' : 'enough'
    }
  }
}
