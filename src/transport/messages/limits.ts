/** Every bound and default of messages (spec §18), with its reason. Times are milliseconds. */
import type { BackOffBounds } from '../../floor/back-off.ts'

// ---- Receiving ---------------------------------------------------------------------------------------

/** Messages that wait in their payments for an application that asks for one after another: each holds an HTLC. */
export const MAX_WAITING = 64
/** Keys of senders that are remembered, so that their next message needs no call to the node. */
export const MAX_NOTE_KEYS = 4_096
/** Attempts of a message that wait while its key is agreed on, as for copies of an OPEN, or for its application ... */
export const MAX_WAITING_ATTEMPTS = 8
/** ... of these, where the last came over the phantom lane of this node, for the key (spec §14). */
export const MAX_UNPAID_WAITING_ATTEMPTS = 2
/**
 * Tries to agree on the key of a message that is paid already, with the pauses of `AGAIN`: four minutes in all, in
 * which a node that was started again is back.
 */
export const MAX_KEY_TRIES = 10
/** Paid messages for ports that nobody listens on yet are kept, for a program that starts: so many at most. */
export const MAX_UNCLAIMED_LETTERS = 256
/**
 * Plain keysends of which a process remembers that it took them in, so that none is shown twice: a node that tells
 * arrivals again begins at the latest ones.
 */
export const MAX_KEYSENDS_TAKEN = 4_096
/** A message of which the first height of its stale ones is: as for an OPEN (spec §6.2). */
export const MESSAGE_SEEN_BLOCKS = 156

/** Kept back from a verdict's time, so that a message of which nothing was said is refused for good, ms. */
export const DECIDE_MARGIN_MS = 100

// ---- Contents ----------------------------------------------------------------------------------------

/** The largest message that is taken by default, bytes; it waits in memory, and on disk until it is read. */
export const DEFAULT_MAX_LARGE_MESSAGE_BYTES = 1_048_576
/** The largest that `maxBytes` can ask for: all unread ones together take no more. */
export const MAX_LARGE_MESSAGE_BYTES = 16_777_216
/** Contents that came as a stream, and wait for their payment: */
export const MAX_CONTENTS = 64
/** ... all together, bytes, */
export const MAX_CONTENT_BYTES = 33_554_432
/** ... and for how long: the payment follows at once, and may have to try several routes. */
export const CONTENT_MS = 600_000

// ---- Sending -----------------------------------------------------------------------------------------

/** How long a message may take by default: as a connect (spec §10.2). */
export const DEFAULT_MESSAGE_TIMEOUT_MS = 120_000
/** Routes that are asked for at once: the best, and some to fall back on. */
export const ROUTES_ASKED = 4
/**
 * spec §18.6: a copy may go while another attempt has no outcome only where the amount is no more than one packet may
 * cost: a receiver that lies could take both.
 */
export const MAX_COPIED_MSAT = 10_000n
/** Attempts of one message without an outcome at once. */
export const MAX_COPIES_UNDER_WAY = 4
/** The first copy: the verdict's time, and what a payment takes over a slow channel, for each channel. */
export const COPY_AFTER_MS = { verdict: 3_000, channel: 1_500 } as const
/** After a refusal as busy, or where nothing can be sent now, or the node does not help to read a message. */
export const AGAIN: BackOffBounds = { minMs: 1_000, maxMs: 60_000 }
/** spec §10.2: searches in a row that find no route at any price, and the pauses between them. */
export const ROUTE_SEARCHES = 3
/** Failures in a row at the receiver's node that nobody explained: nobody takes messages there (spec §6.9). */
export const MAX_UNEXPLAINED = 4
/** `maxFee` of a message by default is a hundredth of its amount, where that is more than a packet's. */
export const FEE_SHARE = 100n
/** Receivers to which a sender lets its messages be linked, for a while. */
export const MAX_LINKED = 64
/** ... and for how long, ms: then another key begins. */
export const LINKED_MS = 3_600_000

// ---- Probes ------------------------------------------------------------------------------------------

/** How long a probe may take by default: as long as the verdict of a slow process and a slow way. */
export const DEFAULT_PROBE_TIMEOUT_MS = 30_000
/** Attempts of one probe: each takes another way than those that failed. */
export const MAX_PROBE_ATTEMPTS = 8
