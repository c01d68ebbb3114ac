import type { LatencyName, LatencyOptions } from './description.ts'

/**
 * How long things take. The numbers are fitted to measurements
 * (three lnd nodes, btcd and Node on two cores); spec/simulator.md has the table
 * of what was measured and what comes out here.
 */

/** HTLCs a second that one node's disk takes. */
export const PAYMENTS_PER_SECOND = 168

/** lnd collects HTLCs for a commitment this long ... */
export const BATCH_MS = 50

/** ... or until there are this many. */
export const BATCH_SIZE = 10

/** Slots that others hold are counted anew after so long: about what a slow payment over the public network takes. */
export const OTHERS_HOLD_MS = 10_000

/** Disk work of a commitment in units of one HTLC: a fixed part, whatever its size. */
export const COMMIT_WORK = 0.9

/** Disk work of an HTLC at its sender and its final node. */
export const END_WORK = 1

/** Disk work at a relay, which writes two channels and a circuit. */
export const RELAY_WORK = 1.4

/** Disk work at a node that hands an HTLC to an interceptor and waits for its verdict. */
export const INTERCEPT_WORK = 2.5
/** The same for one that came without blinding. */
export const CLEAR_INTERCEPT_WORK = 1.7

/** Time at a relay that is not spent on the disk, as a share of the hop's delay that leads to it. */
export const RELAY_DELAY_SHARE = 1.1

/** Delay of a settlement over a hop, as a share of an HTLC's. It needs no commitment to be passed on. */
export const SETTLE_DELAY_SHARE = 0.4

/** A failure is passed on only when committed on both sides: after a batch's wait, the hop's delay and this. */
export const FAIL_DELAY_MS = 10

export const LATENCIES: Readonly<Record<LatencyName, LatencyOptions>> = {
  reference: { hopMs: 11, sigma: 0.05 },
  fast: { hopMs: 16, sigma: 0.5 },
  slow: { hopMs: 415, sigma: 0.7 },
  none: { hopMs: 0, sigma: 0, batchMs: 0 },
}
