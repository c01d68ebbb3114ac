/**
 * Over which of its peers a node is introduced (spec §9.12). The rule is public: whether a path fits follows from its
 * introduction node, its number of relays and its class alone, so whoever could have made a path, and it fits, could
 * have chosen it. Which of those that fit it takes follows from an order that only the node knows.
 */
import type { RelayWish } from '../../medium/reply-path.ts'
import { COVER_ONE_IN, FEW_CANDIDATES, GUARD_COST_MSAT, MIN_CROWD, MIN_CROWD_OF_TWO } from './limits.ts'
import { packetCostMsat, type PathTotals } from './path-classes.ts'

/** A path that a node could make. */
export interface PathOption {
  readonly relays: 1 | 2
  readonly totals: PathTotals
  /** How many nodes could stand behind it (`crowdBehind`). */
  readonly crowd: number
}

export function fits({ relays, totals, crowd }: PathOption): boolean {
  return packetCostMsat(totals) <= GUARD_COST_MSAT && crowd >= (relays === 1 ? MIN_CROWD : MIN_CROWD_OF_TWO)
}

/** Numbers of relays, in the order of the search for paths. `cover`: 32 bytes that only the node knows, and last. */
export function relaysInOrder(wish: RelayWish, cover: Uint8Array): readonly (1 | 2)[] {
  if (wish === 1) return [1]
  const takesTwo = wish === 2 || (cover[0] as number) < 256 / COVER_ONE_IN
  return takesTwo ? [2, 1] : [1, 2]
}

/**
 * What is taken where nothing fits: of what the other side pays, that which hides best. Two relays only where they are
 * asked for, or where they hide twice as well and from FEW_CANDIDATES on: each costs bytes of every packet.
 */
export class SecondBest<T extends PathOption> {
  readonly #maxCostMsat: number
  readonly #wish: RelayWish
  readonly #best: Partial<Record<1 | 2, T>> = {}
  #cheapest: T | undefined

  constructor(maxCostMsat: number, wish: RelayWish) {
    this.#maxCostMsat = maxCostMsat
    this.#wish = wish
  }

  consider(option: T): void {
    const costMsat = packetCostMsat(option.totals)
    if (this.#cheapest === undefined || costMsat < packetCostMsat(this.#cheapest.totals)) this.#cheapest = option
    const best = this.#best[option.relays]
    if (costMsat <= this.#maxCostMsat && (best === undefined || option.crowd > best.crowd))
      this.#best[option.relays] = option
  }

  get best(): T | undefined {
    const { 1: one, 2: two } = this.#best
    if (one === undefined || two === undefined) return one ?? two
    return this.#wish === 2 || (two.crowd >= FEW_CANDIDATES && two.crowd >= 2 * one.crowd) ? two : one
  }

  /** Where two relays were asked for: two that hide well enough, though not from whoever counts cover alone. */
  get wished(): T | undefined {
    const two = this.#best[2]
    return this.#wish === 2 && two !== undefined && two.crowd >= MIN_CROWD ? two : undefined
  }

  /** Of all that were considered: for the words that say why there is no best one. */
  get cheapest(): T | undefined {
    return this.#cheapest
  }
}
