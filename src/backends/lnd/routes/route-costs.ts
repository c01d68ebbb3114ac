import { routeFeeMsat, type Route } from '../../../medium/route.ts'
import { MAX_MSAT } from '../../../wire/bolt4/integers.ts'
import { HOP_PAYLOADS_BYTES } from '../../../wire/bolt4/onion.ts'
import { largestRecord, onionBytes, type HopSize } from '../../../wire/bolt4/onion-size.ts'
import type { PathTotals } from '../../paths/path-classes.ts'
import { EXPIRY_MARGIN_BLOCKS, FINAL_DELTA_BLOCKS } from '../../../medium/limits.ts'
import { MAX_SHADOW_BLOCKS } from '../limits.ts'
import type { HopPolicy, InboundFee } from './policies.ts'
import type { PathParts } from '../../paths/reply-path.ts'

/** Amounts, expiries and sizes of a route, from the policies of its channels. Pure. */

/**
 * What the amounts, expiries and sizes of a route follow from. The payer's own channel comes first; it asks nothing of
 * itself.
 */
export interface RoutePlan {
  readonly hops: readonly HopPolicy[]
  /** The path behind the last of `hops`, on the phantom lane. */
  readonly blinded?: PathParts
  /** The last of `hops` leads to the phantom of a node (spec §2.9). */
  readonly phantom?: boolean
  /** Blocks that the final expiry is later than it needs to be; the most, until a payment over it has its own. */
  readonly shadowBlocks: number
}

/** The plan for one payment: later than needed by as much as all payments of its connection are. */
export function shadowed(plan: RoutePlan, shadowSeed: number | undefined): RoutePlan {
  return shadowSeed === undefined ? plan : { ...plan, shadowBlocks: shadowSeed % (MAX_SHADOW_BLOCKS + 1) }
}

const MILLION = 1_000_000n
const SQUARE = MILLION * MILLION
const NO_INBOUND_FEE: InboundFee = { baseMsat: 0n, ppm: 0n }

/** Whether the process behind the last node decides, and derives the preimage (spec §2.3). */
export function endsAtPhantom({ blinded, phantom }: RoutePlan): boolean {
  return phantom === true || blinded !== undefined
}

/** What a node asks at its two channels. */
interface RelayTerms {
  readonly inbound: InboundFee | undefined
  readonly outbound: Pick<HopPolicy, 'feeBaseMsat' | 'feePpm'>
}

/** What each clear channel carries, so that `amountMsat` arrives. */
export function amountsFor({ hops, blinded }: RoutePlan, amountMsat: bigint): bigint[] {
  const amounts: bigint[] = []
  let amount = amountMsat + (blinded === undefined ? 0n : blindedFee(blinded.totals, amountMsat))
  for (const [i, hop] of [...hops.entries()].toReversed()) {
    amounts.unshift(amount)
    if (i > 0) amount += relayFee(amount, { inbound: hops[i - 1]?.inbound, outbound: hop })
  }
  return amounts
}

/** The fee of a node for an amount that leaves it, as bLIP 18 and lnd reckon it: never below zero. */
function relayFee(amountMsat: bigint, { inbound, outbound }: RelayTerms): bigint {
  const outboundMsat = outbound.feeBaseMsat + (amountMsat * outbound.feePpm) / MILLION
  if (inbound === undefined) return outboundMsat
  // A discount is rounded up, as bigints are: towards zero.
  const fee = outboundMsat + inbound.baseMsat + ((amountMsat + outboundMsat) * inbound.ppm) / MILLION
  return fee > 0n ? fee : 0n
}

/** Rounded up, as a payer of a blinded path computes it. */
function blindedFee(totals: PathTotals, amountMsat: bigint): bigint {
  return routeFeeMsat({ feeBaseMsat: BigInt(totals.baseFeeMsat), feePpm: totals.feePpm }, amountMsat)
}

/** What the payload of the last hop says: the least expiry of what comes in there. */
export function finalExpiry({ blinded, phantom, shadowBlocks }: RoutePlan, height: number): number {
  const finalDelta = blinded === undefined && phantom !== true ? FINAL_DELTA_BLOCKS : 0
  return height + EXPIRY_MARGIN_BLOCKS + shadowBlocks + finalDelta
}

/** The expiry of the HTLC on each clear channel. */
export function expiriesFor(plan: RoutePlan, height: number): number[] {
  const expiries: number[] = []
  let expiry = finalExpiry(plan, height) + (plan.blinded?.totals.cltvDelta ?? 0)
  for (const [i, hop] of [...plan.hops.entries()].toReversed()) {
    expiries.unshift(expiry)
    if (i > 0) expiry += hop.cltvDelta
  }
  return expiries
}

/** The payloads of the route's onion, the payer's first peer first. */
function hopSizes(plan: RoutePlan, amountMsat: bigint, height: number): HopSize[] {
  const amounts = amountsFor(plan, amountMsat)
  const expiries = expiriesFor(plan, height)
  const sizes: HopSize[] = []
  for (let i = 1; i < plan.hops.length; i++)
    sizes.push({ kind: 'clear', amountMsat: Number(amounts[i]), expiry: expiries[i] ?? 0 })
  const expiry = finalExpiry(plan, height)
  if (plan.blinded === undefined)
    return [
      ...sizes,
      { kind: plan.phantom === true ? 'clear-phantom' : 'keysend', amountMsat: Number(amountMsat), expiry },
    ]
  const { data } = plan.blinded
  for (const [i, { length: encryptedBytes }] of data.entries()) {
    if (i < data.length - 1) sizes.push({ kind: 'blinded', encryptedBytes, introduction: i === 0 })
    else sizes.push({ kind: 'phantom', amountMsat: Number(amountMsat), expiry, encryptedBytes })
  }
  return sizes
}

/** The largest record for amounts up to this, in bytes; -1 where the route has room for none. */
export function recordRoom(plan: RoutePlan, amountMsat: bigint, height: number): number {
  return largestRecord(hopSizes(plan, amountMsat, height))
}

export function recordFits(plan: RoutePlan, amountMsat: bigint, height: number, recordBytes: number): boolean {
  return onionBytes(hopSizes(plan, amountMsat, height), recordBytes) <= HOP_PAYLOADS_BYTES
}

/** Blocks until an attempt that is sent now has expired. */
export function totalDelta(plan: RoutePlan): number {
  return expiriesFor(plan, 0)[0] ?? 0
}

/** A bound on the sum of all fees, as one linear function of the amount: exact fractions, rounded up once. */
export function wholeFee({ hops, blinded }: RoutePlan): Pick<Route, 'feeBaseMsat' | 'feePpm'> {
  // amount -> (amount x factor + base) / scale
  let scale = 1n
  let factor = 1n
  let base = 0n
  const add = ({ inbound, outbound }: RelayTerms): void => {
    const { baseMsat: inboundMsat, ppm: inboundPpm } = inbound ?? NO_INBOUND_FEE
    // One node's: amount x ratio + sum, over a million squared. A discount is rounded up by less than 1 msat.
    const ratio = (MILLION + outbound.feePpm) * (MILLION + inboundPpm)
    const least = inboundMsat + (inboundPpm < 0n ? 1n : 0n)
    const sum = outbound.feeBaseMsat * MILLION * (MILLION + inboundPpm) + least * SQUARE
    const nodeFactor = ratio > SQUARE ? ratio : SQUARE
    factor *= nodeFactor
    base = base * nodeFactor + (sum > 0n ? sum : 0n) * scale
    scale *= SQUARE
  }
  if (blinded !== undefined) {
    const { baseFeeMsat, feePpm } = blinded.totals
    // The payer rounds a blinded fee up by less than 1 msat.
    const outbound = { feeBaseMsat: BigInt(baseFeeMsat) + (feePpm > 0 ? 1n : 0n), feePpm: BigInt(feePpm) }
    add({ inbound: undefined, outbound })
  }
  for (const [i, outbound] of [...hops.entries()].slice(1).toReversed())
    add({ inbound: hops[i - 1]?.inbound, outbound })
  return { feeBaseMsat: (base + scale - 1n) / scale, feePpm: Number(((factor - scale) * MILLION + scale - 1n) / scale) }
}

/** The least and the greatest amount to deliver that every policy on the way lets pass. */
export function amountRange(plan: RoutePlan): { readonly min: bigint; readonly max: bigint } {
  const { hops, blinded } = plan
  const lowest = BigInt(Math.max(1, blinded?.totals.minHtlcMsat ?? 1))
  const fits = (amount: bigint, within: (sum: bigint, hop: HopPolicy) => boolean): boolean =>
    amountsFor(plan, amount).every((sum, i) => within(sum, hops[i] as HopPolicy))
  const min = firstWhere(lowest, (amount) => fits(amount, (sum, hop) => sum >= hop.minHtlcMsat))
  const tooMuch = firstWhere(1n, (amount) => !fits(amount, (sum, hop) => sum <= hop.maxHtlcMsat))
  return { min, max: tooMuch - 1n }
}

/** The least number from `from` on for which a monotonous condition holds. */
function firstWhere(from: bigint, holds: (value: bigint) => boolean): bigint {
  let low = from
  let high = MAX_MSAT
  while (low < high) {
    const middle = (low + high) / 2n
    if (holds(middle)) high = middle
    else low = middle + 1n
  }
  return low
}
