import { publicKey } from '../../src/wire/keys.ts'
import type { PathParts } from '../../src/backends/paths/reply-path.ts'
import type { HopPolicy } from '../../src/backends/lnd/routes/policies.ts'

/** The i-th channel of a route, with a policy as lnd has by default. */
export function hop(i: number, changes: Partial<HopPolicy> = {}): HopPolicy {
  return {
    channel: `${i}x1x0`,
    chanId: String(i),
    from: `n${i}`,
    to: `n${i + 1}`,
    feeBaseMsat: 1_000n,
    feePpm: 1n,
    cltvDelta: 80,
    minHtlcMsat: 1_000n,
    maxHtlcMsat: 1_000_000_000n,
    ...changes,
  }
}

const point = (n: number): Uint8Array => publicKey(new Uint8Array(32).fill(n))

/** A path of two relays and a phantom. */
export const blindedPath: PathParts = {
  introduction: point(1),
  pathKey: point(2),
  blindedIds: [point(3), point(4)],
  data: [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2), new Uint8Array(16).fill(3)],
  totals: { baseFeeMsat: 1_000, feePpm: 100, cltvDelta: 144, minHtlcMsat: 1_000 },
}
