/**
 * Every fault that the simulator knows, as one table of plain data. Each can be
 * caused by name (`sim.fault({ name, ... }, atMs)`) or left to chance in a
 * network's description (`faults: [{ name, chance | perHour, with }]`).
 */

/** payment: drawn for each payment; offer, verdict: drawn for each; time: drawn per hour. */
export type FaultScope = 'payment' | 'offer' | 'verdict' | 'time'

/**
 * Arguments: node names, channel ids, milliseconds, millisatoshi, counts. `count` (default 1) is how many payments,
 * offers or verdicts it hits.
 */
export interface FaultArguments {
  /**
   * A payment fails at `channel`, at the channel with index `hop` (the destination after the last), or at a random one.
   */
  'payment-fails': { from?: string; to?: string; channel?: string; hop?: number; count?: number }
  /**
   * A payment hangs at node `hop` of its route (1 is the first peer) or a random one, for `forMs` (default 1 h), then
   * fails or lands.
   */
  'payment-hangs': { from?: string; to?: string; hop?: number; forMs?: number; end?: 'fail' | 'land'; count?: number }
  /** A relay keeps `msat` (default 1) of what it should pass on. */
  'relay-keeps': { from?: string; to?: string; node?: string; msat?: number; count?: number }
  /** The node goes away; its process is told. It comes back after `forMs`, or by 'node-online'. */
  'node-offline': { node?: string; forMs?: number }
  'node-online': { node?: string }
  /** Offline for `forMs` (default 3 s); offers held are lost or offered again as its interceptor has it. */
  'node-restart': { node?: string; forMs?: number }
  /** The process is gone without a word: its promises stay open for ever, its offers are let go. */
  'process-crash': { node?: string }
  /** All balance of `from` (default: either end) moves to the other end. */
  'channel-drained': { channel?: string; from?: string }
  /** HTLCs under way are decided, new ones fail. */
  'channel-closed': { channel?: string }
  /**
   * Ended on chain: HTLCs under way over it that are settled are paid 6 blocks later, all others fail at their expiry;
   * what is held is offered again.
   */
  'channel-force-closed': { channel?: string }
  /**
   * The sending node of this direction asks for something else from now on. Default: a base fee 1 sat higher, from 20
   * sat on back to 0.
   */
  'policy-change': { channel?: string; from?: string; policy?: PolicyChange }
  /** The interceptor's stream is lost for `forMs` (default 50 ms). */
  'interceptor-drops': { node?: string; forMs?: number }
  /**
   * A settle was written and lost: the payer is told 'failed'; or a relay is paid and the maker isn't; or the HTLC is
   * offered again. Default payer-fails.
   */
  'verdict-lost': { node?: string; end?: 'payer-fails' | 'relay-keeps' | 'offered-again'; count?: number }
  /** An HTLC is offered twice at once, under two offer ids. */
  'duplicate-offer': { node?: string; count?: number }
  /** A settled HTLC is offered again `afterMs` (default 1 min) later: lnd's zombies. */
  'offered-again': { node?: string; afterMs?: number; count?: number }
  /** A settled HTLC is offered again each time that the interceptor's stream is opened: zombies that stay. */
  'zombie-offers': { node?: string; count?: number }
  /**
   * A settle is written, and the node is killed `afterMs` (default 0) later, for `forMs` (default 3 s). Before 5 ms
   * nobody is paid, before 50 ms the relay before it keeps the money, from then on nothing is lost.
   */
  'killed-after-settle': { node?: string; afterMs?: number; forMs?: number; count?: number }
  /**
   * A payment is sent, and its node is killed `afterMs` (default 10) later, for `forMs` (default 3 s). Before 6 ms it
   * was never sent; up to 50 ms it stays in flight at its node although no channel holds it, until the backend sees
   * that after `ghostMs` (default 15 s); later it goes on.
   */
  'killed-after-send': { from?: string; afterMs?: number; forMs?: number; ghostMs?: number; count?: number }
  /**
   * The process does nothing for `forMs` (default 5 min): events, answers and timers reach it afterwards. What runs in
   * the interceptor's thread goes on.
   */
  'process-blocked': { node?: string; forMs?: number }
  /**
   * `count` (default 200) payments of others within `overMs` (default 1 min), `msat` (default 10,000) each, between
   * these nodes or random ones.
   */
  'foreign-payments': { from?: string; to?: string; msat?: number; count?: number; overMs?: number }
  /**
   * `count` (default 1000) keysends within `overMs` (default 1 min) with bytes under our type that are no packet:
   * random, former ones of this node cut, changed or whole (default: by turns); or to the phantom of the node.
   */
  'foreign-bytes': {
    from?: string
    node?: string
    kind?: Forgery
    lane?: 'node' | 'phantom'
    count?: number
    overMs?: number
  }
  /** The process loses its node's streams for `forMs` (default 5 s); payments go on unseen. */
  'stream-lost': { node?: string; forMs?: number }
  /** The last `count` arrivals come again, with the same settle indexes. */
  'arrivals-replayed': { node?: string; count?: number }
  /** The node forgets its pinned routes: 'route-gone'. */
  'routes-forgotten': { node?: string }
  /** Somebody pays over a channel: `msat` (default: half of the balance) moves. */
  'liquidity-shift': { channel?: string; from?: string; msat?: number }
  /** `count` blocks at once. */
  'blocks-found': { count?: number }
  /** Blocks come at this mean interval from now on. */
  'block-interval': { intervalMs?: number }
}

/** What strangers put under our type. */
export type Forgery = 'random' | 'truncated' | 'altered' | 'replayed'

export interface PolicyChange {
  baseFeeMsat?: number
  feePpm?: number
  cltvDelta?: number
  minHtlcMsat?: number
  maxHtlcMsat?: number
  maxHtlcs?: number
  maxInFlightMsat?: number
  othersHtlcs?: number
  disabled?: boolean
}

export type FaultName = keyof FaultArguments

/** A fault by name, with its arguments. Plain data. */
export type Fault = { [Name in FaultName]: { readonly name: Name } & Readonly<FaultArguments[Name]> }[FaultName]

/** All names, and what a fault of each name hangs on. */
export const FAULTS: Readonly<Record<FaultName, FaultScope>> = {
  'payment-fails': 'payment',
  'payment-hangs': 'payment',
  'relay-keeps': 'payment',
  'duplicate-offer': 'offer',
  'verdict-lost': 'verdict',
  'offered-again': 'verdict',
  'zombie-offers': 'verdict',
  'killed-after-settle': 'verdict',
  'killed-after-send': 'payment',
  'node-offline': 'time',
  'node-online': 'time',
  'node-restart': 'time',
  'process-crash': 'time',
  'process-blocked': 'time',
  'foreign-payments': 'time',
  'foreign-bytes': 'time',
  'channel-drained': 'time',
  'channel-closed': 'time',
  'channel-force-closed': 'time',
  'policy-change': 'time',
  'interceptor-drops': 'time',
  'stream-lost': 'time',
  'arrivals-replayed': 'time',
  'routes-forgotten': 'time',
  'liquidity-shift': 'time',
  'blocks-found': 'time',
  'block-interval': 'time',
}
