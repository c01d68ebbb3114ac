import fc from 'fast-check'

/** Nothing, or an amount. */
export const msat = (most: number): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.constant(0n),
    fc.integer({ min: 1, max: most }).map((value) => BigInt(value)),
  )

const share = (most: number): fc.Arbitrary<number> =>
  fc.oneof(fc.constant(0), fc.double({ min: 0, max: most, noNaN: true }))

interface Medium {
  readonly fail: number
  readonly hang: number
  readonly repeat: number
  readonly unread: number
  readonly outcomeLost: number
}

/** Shares of the payments with which something goes wrong. */
export const media: fc.Arbitrary<Medium> = fc.record({
  fail: share(0.4),
  hang: share(0.05),
  repeat: share(0.2),
  unread: share(0.05),
  outcomeLost: share(0.1),
})
