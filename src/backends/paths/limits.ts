/** Every bound of the choice of guards, with its reason (spec §9.12). Amounts are millisatoshi. */

/**
 * What a packet may cost over a path that fits: its least amount and the fee of its hops. The other side takes 10 sat
 * for the whole way by default, so two thirds are left for the way to the path.
 */
export const GUARD_COST_MSAT = 3_100
/** Nodes that could stand behind a path that fits: half of the public graph's have many more, 95 in 100 have them. */
export const MIN_CROWD = 16
/**
 * One node in so many takes two relays, though one would do: else two would tell that one did not, and leave few of
 * those who could have made the path.
 */
export const COVER_ONE_IN = 8
/** Behind two relays: MIN_CROWD of those who take two for cover alone. */
export const MIN_CROWD_OF_TWO: number = MIN_CROWD * COVER_ONE_IN
/** spec §9.5: where fewer could stand behind a path, its payer can guess, and a person is warned. */
export const FEW_CANDIDATES = 4
/** Chains of two relays that are looked at, at most: where one of these fits, it is most often among the first ten. */
export const MAX_CHAINS_OF_TWO = 64
