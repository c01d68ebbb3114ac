/**
 * The fee formulas in whole millisatoshi, exact for the simulator's amounts (up to 10^15 msat) and rates up to 10^6.
 *
 * The contract has amounts as bigint, and `routeFeeMsat` of src/medium/route.ts is its formula. Inside the simulator
 * amounts are numbers: a search for a route computes a fee for every channel that it looks at, and a bigint
 * takes three times as long. test/sim/fees.test.ts holds both to the same results.
 */

/** What a node asks for sending an amount on. */
export interface FeePolicy {
  readonly baseFeeMsat: number
  /** Millionths of the amount. */
  readonly feePpm: number
}

/**
 * What a relay asks at least (BOLT 7 "HTLC Fees"): base + floor(amount x ppm / 10^6). With `inbound`, what it asks for
 * what came in besides (bLIP 18), which may be less than nothing; the sum is not.
 */
export function relayFeeMsat({ baseFeeMsat, feePpm }: FeePolicy, amountMsat: number, inbound?: FeePolicy): number {
  const outboundMsat = outboundFeeMsat(baseFeeMsat, feePpm, amountMsat)
  if (inbound === undefined) return outboundMsat
  return Math.max(0, outboundMsat + inboundFeeMsat(inbound, amountMsat + outboundMsat))
}

/** The same without what it asks for what came in, as plain numbers: for loops over many channels. */
export function outboundFeeMsat(baseFeeMsat: number, feePpm: number, amountMsat: number): number {
  const [whole, rest] = millionths(amountMsat, feePpm)
  return baseFeeMsat + whole + Math.floor(rest)
}

/** What a relay asks for what came in, of the amount that leaves it and its fee for that; negative: a discount. */
export function inboundFeeMsat({ baseFeeMsat, feePpm }: FeePolicy, amountMsat: number): number {
  const [whole, rest] = millionths(amountMsat, feePpm)
  return baseFeeMsat + whole + Math.trunc(rest)
}

/** `routeFeeMsat` in numbers, as a payer computes the fee of a blinded path: base + ceil(amount x ppm / 10^6). */
export function pathFeeMsat({ baseFeeMsat, feePpm }: FeePolicy, amountMsat: number): number {
  const [whole, rest] = millionths(amountMsat, feePpm)
  return baseFeeMsat + whole + Math.ceil(rest)
}

/** What a blinded relay sends on of what came in (BOLT 4 "Route Blinding"): the most that leaves it its fee. */
export function forwardedByBlindedRelay(policy: FeePolicy, incomingMsat: number): number {
  const rest = incomingMsat - policy.baseFeeMsat
  if (rest <= 0) return 0
  let amountMsat = Number(
    (BigInt(rest) * 1_000_000n + 999_999n + BigInt(policy.feePpm)) / BigInt(1_000_000 + policy.feePpm),
  )
  while (amountMsat > 0 && amountMsat + relayFeeMsat(policy, amountMsat) > incomingMsat) amountMsat--
  return amountMsat
}

/**
 * amount x ppm / 10^6 as a whole number and a rest below 10^6: no product exceeds 2^53, and the rest is apart
 * because a sum of both has too few digits for its fraction.
 */
function millionths(amountMsat: number, ppm: number): readonly [number, number] {
  const millions = Math.floor(amountMsat / 1_000_000)
  return [millions * ppm, ((amountMsat - millions * 1_000_000) * ppm) / 1_000_000]
}
