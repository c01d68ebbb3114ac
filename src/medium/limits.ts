/** Limits of the contract between transport and backends, and of what every backend does alike. */
import type { Lane } from './payment.ts'

/** A verdict about an offer falls within this time, else the backend refuses by itself (spec §2.5). */
export const VERDICT_MS = 3_000
/**
 * `maxFee` of a packet by default, msat: 10 sat passes ten relays of the usual 1 sat; above that, the route is a bad
 * one. Also what the other side is taken to pay for each answer (spec §9.6).
 */
export const DEFAULT_MAX_FEE_MSAT = 10_000n
/** Routes of one `RouteRequest`, at most. */
export const MAX_ROUTES_PER_REQUEST = 16
/** Paths of one `PathRequest`, at most. */
export const MAX_PATHS_PER_REQUEST = 8
/** Pinned routes that one process may hold; one that goes answers 'route-gone'. */
export const MAX_PINNED_ROUTES = 4_096
/** Blinded paths that one process may hold open: eight for each of 512 connections. */
export const MAX_OPEN_PATHS = 4_096
/** Offers held at once: lnd's 483 slots of one channel, on eight channels. */
export const MAX_HELD_OFFERS = 4_096
/** Blocks that may be found while a payment is under way: added to every final expiry. */
export const EXPIRY_MARGIN_BLOCKS = 10
/**
 * lnd's default final CLTV delta for keysend is 80; it takes keysends with 18 blocks or more to go, and 40 leaves room.
 */
export const FINAL_DELTA_BLOCKS = 40
/**
 * A payment that the node does not know is looked at again after this time before it counts as failed: the node may be
 * about to send it.
 */
export const GHOST_MS = 15_000
/** How long a reply path may be asked to work, in blocks: two weeks, as an HTLC cannot be longer. */
export const MAX_PATH_LIFETIME_BLOCKS = 2_016
/** An offer that its application asked to hold longer is refused after this time (spec §18.7): enough for a swap. */
export const MAX_HOLD_MS = 600_000
/** Offers held so at once: each takes a slot of a channel, ours and of everybody on its way. */
export const MAX_LONG_HOLDS = 64
/** ... and refused so many blocks before the node would fail them by itself, which is 19 before they expire. */
export const HOLD_MARGIN_BLOCKS = 3
/** Records of a plain keysend at most: an onion has room for more only where they are nearly empty. */
export const MAX_KEYSEND_RECORDS = 16
/** OPENs whose key is being agreed on, or that wait for it (spec §14): at 20 a second, some 13 s of them. */
const MAX_KEY_AGREEMENTS = 256
/** Of these, for OPENs on the phantom lane of this node: refused ones cost their sender nothing. */
const MAX_UNPAID_KEY_AGREEMENTS = 128
/** A key agreement costs the node 11 ms: a fifth of its time, at most, on each lane ... */
const KEY_AGREEMENTS_PER_SECOND = 20
/** ... and about a second of it after a rest. */
export const KEY_AGREEMENT_BURST = 100
/** Of an endpoint as of a daemon (spec §14): what is paid for waits beyond the rate, an offer has no time to. */
export const KEY_AGREEMENTS: {
  readonly perSecond: number
  readonly burst: number
  readonly lanes: Readonly<Record<Lane, { readonly max: number; readonly waits: boolean }>>
} = {
  perSecond: KEY_AGREEMENTS_PER_SECOND,
  burst: KEY_AGREEMENT_BURST,
  lanes: {
    node: { max: MAX_KEY_AGREEMENTS, waits: true },
    phantom: { max: MAX_UNPAID_KEY_AGREEMENTS, waits: false },
  },
}
