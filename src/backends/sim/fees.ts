/** Fees in whole millisatoshi, exact for amounts up to 10^15 msat. */

/** What BOLT 7 calls a policy's fee: base + floor(amount x ppm / 10^6). */
export function fee(policy: { readonly baseFeeMsat: number; readonly feePpm: number }, amountMsat: number): number {
  return policy.baseFeeMsat + Math.floor(millionths(amountMsat, policy.feePpm))
}

/** The fee as a payer of a blinded path computes it: rounded up. */
export function feeRoundedUp(
  policy: { readonly baseFeeMsat: number; readonly feePpm: number },
  amountMsat: number,
): number {
  return policy.baseFeeMsat + Math.ceil(millionths(amountMsat, policy.feePpm))
}

/** What a blinded relay sends on of what came in (bolt04 "Route Blinding"): the most that leaves it its fee. */
export function forwardedByBlindedRelay(
  policy: { readonly baseFeeMsat: number; readonly feePpm: number },
  incomingMsat: number,
): number {
  const rest = incomingMsat - policy.baseFeeMsat
  if (rest <= 0) return 0
  let amountMsat = Number(
    (BigInt(rest) * 1_000_000n + 999_999n + BigInt(policy.feePpm)) / BigInt(1_000_000 + policy.feePpm),
  )
  while (amountMsat > 0 && amountMsat + fee(policy, amountMsat) > incomingMsat) amountMsat--
  return amountMsat
}

/** amount x ppm / 10^6 without a product above 2^53: the whole millions apart from the rest. */
function millionths(amountMsat: number, ppm: number): number {
  const millions = Math.floor(amountMsat / 1_000_000)
  return millions * ppm + ((amountMsat - millions * 1_000_000) * ppm) / 1_000_000
}
