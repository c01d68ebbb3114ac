import type { NetworkDescription } from '../../src/backends/sim/description.ts'

/** One point of the matrix: a network, and how much goes wrong in it. */
export interface Setting {
  /** `3h 2s 10%`: hops, median latency, failing payments. */
  readonly name: string
  /** Channels between sender and receiver. */
  readonly hops: Hops
  readonly latency: Latency
  /** Share of payments that fail at a random hop, 0..1. */
  readonly failing: number
}

type Hops = 1 | 3
type Latency = 'fast' | 'slow'

export const SENDER = 'sender'
export const RECEIVER = 'receiver'

export const TRANSFER_BYTES = 10_000_000
/** Sizes of the flood; the best is the baseline. */
export const FLOOD_IN_FLIGHT: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256]
export const SEEDS: readonly string[] = ['1', '2', '3', '4', '5']
/** A payment alone in the network takes this long from `pay` to its outcome: the median, in ms. */
export const MEDIAN_MS: Readonly<Record<Latency, number>> = { fast: 200, slow: 2_000 }
/** Deviation of the logarithm of a hop's way, as in the simulator's 'fast' and 'slow'. */
const SIGMA: Readonly<Record<Latency, number>> = { fast: 0.5, slow: 0.5 }
/**
 * Median way over one hop with which a lone payment takes MEDIAN_MS; the bench measures it and says so where it is off.
 */
const HOP_MS: Readonly<Record<Latency, Readonly<Record<Hops, number>>>> = {
  fast: { 1: 90, 3: 1 },
  slow: { 1: 1_325, 3: 259 },
}
/** One of each kind, for a look between two changes. */
export const QUICK_SETTINGS: readonly string[] = ['1h 0.2s 30%', '1h 2s 0%', '3h 0.2s 0%', '3h 2s 10%']
/**
 * The way over each of the two channels beside the line, so that a blinded answer over both takes MEDIAN_MS as well.
 */
const ASIDE_MS: Readonly<Record<Latency, number>> = { fast: 25, slow: 520 }
/** 10 BTC a channel: what moves in one transfer is a thousandth of it. */
const CAPACITY_MSAT = 1_000_000_000_000

/** All of them, or those whose names hold each of the words of `filter`. */
export function settings(filter = ''): readonly Setting[] {
  const all: Setting[] = []
  for (const hops of [1, 3] as const) {
    for (const latency of ['fast', 'slow'] as const) {
      for (const failing of [0, 0.01, 0.1, 0.3]) {
        all.push({ name: `${hops}h ${MEDIAN_MS[latency] / 1_000}s ${failing * 100}%`, hops, latency, failing })
      }
    }
  }
  const words = filter.split(/[\s,]+/).filter((word) => word !== '')
  return all.filter(({ name }) => words.every((word) => name.split(' ').includes(word)))
}

/**
 * A line of nodes. Blinded answers need an introduction node that is not the payer: over three hops the sender's
 * peer on the line is one; over one hop a third node stands aside, which takes payments to the sender only.
 */
export function network(
  setting: Setting,
  options: { readonly constant?: boolean; readonly noRpcTime?: boolean } = {},
): NetworkDescription {
  const line = setting.hops === 1 ? [SENDER, RECEIVER] : [SENDER, 'relay-1', 'relay-2', RECEIVER]
  const channels = line
    .slice(1)
    .map((name, i) => ({ between: [line[i] as string, name] as const, capacityMsat: CAPACITY_MSAT }))
  const hopMs = ASIDE_MS[setting.latency]
  const aside = [
    { between: [SENDER, 'aside'] as const, capacityMsat: CAPACITY_MSAT, hopMs },
    {
      between: ['aside', RECEIVER] as const,
      capacityMsat: CAPACITY_MSAT,
      hopMs,
      policies: { aside: { maxHtlcMsat: 0 } },
    },
  ]
  const names = setting.hops === 1 ? [...line, 'aside'] : line
  return {
    nodes: names.map((name) => ({ name })),
    channels: setting.hops === 1 ? [...channels, ...aside] : channels,
    latency: {
      hopMs: HOP_MS[setting.latency][setting.hops],
      sigma: options.constant === true ? 0 : SIGMA[setting.latency],
    },
    failure: setting.failing,
    ...(options.noRpcTime === true && { rpc: { findRoutesMs: 0, makePathsMs: 0, sharedSecretMs: 0 } }),
  }
}
