/**
 * Over which of its peers a node is introduced (spec §9.12). The rule is public: whether a path fits follows from its
 * introduction node, its number of relays and its class alone, so whoever could have made a path, and it fits, could
 * have chosen it. Which of those that fit it takes follows from an order that only the node knows.
 */
import type { RelayWish } from '../../medium/reply-path.ts'
import { COVER_ONE_IN, GUARD_COST_MSAT, MIN_CROWD, MIN_CROWD_OF_TWO } from './limits.ts'
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

/** Numbers of relays in the order in which paths are looked for. `cover`: 32 bytes that last and only the node knows. */
export function relaysInOrder(wish: RelayWish, cover: Uint8Array): readonly (1 | 2)[] {
  if (wish === 1) return [1]
  const takesTwo = wish === 2 || (cover[0] as number) < 256 / COVER_ONE_IN
  return takesTwo ? [2, 1] : [1, 2]
}

/** What is taken where nothing fits: of what the other side pays, what hides best; two relays where they are asked for. */
export class SecondBest<T extends PathOption> {
  readonly #maxCostMsat: number
  readonly #wish: RelayWish
  #best: T | undefined
  #cheapest: T | undefined

  constructor(maxCostMsat: number, wish: RelayWish) {
    this.#maxCostMsat = maxCostMsat
    this.#wish = wish
  }

  consider(option: T): void {
    const costMsat = packetCostMsat(option.totals)
    if (this.#cheapest === undefined || costMsat < packetCostMsat(this.#cheapest.totals)) this.#cheapest = option
    if (costMsat <= this.#maxCostMsat && (this.#best === undefined || this.#isBetter(option, this.#best)))
      this.#best = option
  }

  get best(): T | undefined {
    return this.#best
  }

  /** Of all that were considered: for the words that say why there is no best one. */
  get cheapest(): T | undefined {
    return this.#cheapest
  }

  #isBetter(option: T, than: T): boolean {
    if (option.relays !== than.relays && this.#wish === 2) return option.relays === 2
    return option.crowd > than.crowd || (option.crowd === than.crowd && option.relays < than.relays)
  }
}
