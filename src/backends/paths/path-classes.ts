/**
 * What a blinded path publishes of its costs. Exact sums would name the channel
 * that they come from, so they are rounded up to a few classes (spec/lnd.md §5); what
 * is overpaid ends at the path's maker.
 */

/** Paths with a larger total delta are neither offered nor taken (spec §9.6). */
export const MAX_PATH_DELTA_BLOCKS = 288
/**
 * Blocks that a phantom hop needs: lnd offers an HTLC to an interceptor no later than 22 blocks before its expiry, and
 * 10 blocks may be found meanwhile.
 */
export const PHANTOM_DELTA_BLOCKS = 32

/** Amounts in msat, delta in blocks: the same fields as BOLT 4's blinded_payinfo. */
export interface PathTotals {
  readonly baseFeeMsat: number
  readonly feePpm: number
  readonly cltvDelta: number
  readonly minHtlcMsat: number
}

/** The limits of each field's classes, ascending. */
export type PathClasses = Readonly<Record<keyof PathTotals, readonly number[]>>

/**
 * Few and wide where that costs a payer next to nothing: a packet's amount is about 1 sat, of which 2,500 millionths
 * are 3 msat (spec/decisions/0013-guards.md has the numbers).
 */
export const PATH_CLASSES: PathClasses = {
  baseFeeMsat: [0, 1_000, 2_000, 5_000, 10_000, 50_000],
  feePpm: [2_500, 10_000],
  cltvDelta: [216, MAX_PATH_DELTA_BLOCKS],
  minHtlcMsat: [1, 1_000, 10_000, 100_000, 1_000_000],
}

/** The classes of these totals, or undefined where they exceed the largest: such a path is not offered. */
export function classOf(exact: PathTotals, classes: PathClasses = PATH_CLASSES): PathTotals | undefined {
  const baseFeeMsat = roundUp(classes.baseFeeMsat, exact.baseFeeMsat)
  const feePpm = roundUp(classes.feePpm, exact.feePpm)
  const cltvDelta = roundUp(classes.cltvDelta, exact.cltvDelta)
  const minHtlcMsat = roundUp(classes.minHtlcMsat, exact.minHtlcMsat)
  if (baseFeeMsat === undefined || feePpm === undefined || cltvDelta === undefined || minHtlcMsat === undefined)
    return undefined
  return { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat }
}

function roundUp(classes: readonly number[], value: number): number | undefined {
  return classes.find((limit) => value <= limit)
}

/** What a packet costs from the introduction node on, over a path with these totals: its least amount, and the fee. */
export function packetCostMsat({ baseFeeMsat, feePpm, minHtlcMsat }: PathTotals): number {
  const amountMsat = Math.max(1, minHtlcMsat)
  return amountMsat + baseFeeMsat + Math.ceil((amountMsat * feePpm) / 1_000_000)
}

/** What one relay adds: its own policy on the channel to the next hop. */
export type RelayCost = PathTotals

/** What a relay asks for what comes in over a channel (bLIP 18). Amounts in msat. */
export interface InboundCost {
  readonly baseFeeMsat: number
  readonly feePpm: number
}

/**
 * What a relay on a blinded path asks with its inbound fee: the path alone tells it what to keep. A discount is left
 * out, so that it keeps what it asks for whatever the way in.
 */
export function withInboundCost(relay: RelayCost, inbound: InboundCost): RelayCost {
  const baseFeeMsat = Math.max(0, inbound.baseFeeMsat)
  const feePpm = Math.max(0, inbound.feePpm)
  if (baseFeeMsat === 0 && feePpm === 0) return relay
  const onBase = Math.ceil((relay.baseFeeMsat * feePpm) / 1_000_000)
  return {
    ...relay,
    // A relay rounds what it sends on upwards: 1 msat more leaves it its fee.
    baseFeeMsat: relay.baseFeeMsat + onBase + baseFeeMsat + 1,
    feePpm: relay.feePpm + feePpm + Math.ceil((relay.feePpm * feePpm) / 1_000_000),
  }
}

/**
 * What an introduction node asks at most for what comes in to it: nobody knows over which channel a payer comes. Of
 * its channels with others than the next relay, the highest of each part.
 */
export function entranceCost(inbound: Iterable<InboundCost>): InboundCost {
  let baseFeeMsat = 0
  let feePpm = 0
  for (const cost of inbound) {
    baseFeeMsat = Math.max(baseFeeMsat, cost.baseFeeMsat)
    feePpm = Math.max(feePpm, cost.feePpm)
  }
  return { baseFeeMsat, feePpm }
}

/**
 * The exact totals of a chain of relays, first relay first, and the blocks that the
 * last node needs (bolt04 "Route Blinding", aggregation of payment_relay).
 */
export function totalCost(relays: readonly RelayCost[], finalDelta: number): PathTotals {
  let baseFeeMsat = 0
  let feePpm = 0
  let cltvDelta = finalDelta
  let minHtlcMsat = 0
  for (const relay of relays.toReversed()) {
    baseFeeMsat = relay.baseFeeMsat + Math.ceil((baseFeeMsat * (1_000_000 + relay.feePpm)) / 1_000_000)
    feePpm = relay.feePpm + feePpm + Math.ceil((feePpm * relay.feePpm) / 1_000_000)
    cltvDelta += relay.cltvDelta
    minHtlcMsat = Math.max(minHtlcMsat, relay.minHtlcMsat)
  }
  return { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat }
}
