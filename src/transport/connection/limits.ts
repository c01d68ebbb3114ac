/** Every bound and default of the connection machine, with its reason. Times in ms, sizes in bytes. */

// -- stream, spec §7 --

/** Bytes that either side may send before it knows more (spec §7.2). */
export const INITIAL_LIMIT = 262_144
/** A window whose half is read faster than this doubles (spec §7.5). */
export const WINDOW_FAST_MS = 10_000
/** Segments that wait behind a gap (spec §14). */
export const MAX_SEGMENTS = 16_384
/** Neighbouring segments are joined up to this size: few objects for a slow reader, little copying. */
export const JOINED_BYTES = 16_384
/** Writes below this are joined with the one before, so that a million one-byte writes are not a million objects. */
export const SMALL_WRITE_BYTES = 1_024
/** spec §7.6 */
export const MIN_BLOCKED_MS = 5_000
export const MAX_BLOCKED_MS = 60_000
/** spec §10.5 */
export const COALESCE_MS = 2
/**
 * spec §6.3: an answer that takes a moment saves a payment, and who connects waits for a tenth of a round trip at most.
 */
export const ACCEPT_MS = 20
/** Assumed capacity of a packet for stream data until one was built: what two clear relays leave. */
export const ASSUMED_CAPACITY_BYTES = 1_000

// -- acknowledgement, spec §8.4 --

/** Packet number ranges remembered (spec §14). */
export const MAX_NUMBER_RANGES = 256
/** Eliciting packets that make an ACK due by themselves (spec §8.4). */
export const ACK_PACKETS = 128
/** Our ack_delay parameter (spec §5.9). */
export const ACK_DELAY_MS = 30_000
/** With a full packet of data an ACK travels only when this many wait: 64 ranges take an eighth of a packet. */
export const ACK_PIGGYBACK_PACKETS = 16

// -- recovery, spec §8.5 to §8.8 --

/** spec §8.6 */
export const STUCK_MS = 60_000
/** The longest wait for a further copy, spec §8.5: 17 hours, the order of an HTLC's longest life. */
export const MAX_COPY_MS = 61_440_000
/** A hedge that the peer object did not grant is asked for again after this, so that data is not held up by it. */
export const HEDGE_AGAIN_MS = 200
/**
 * spec §8.5: where hardly anything else is to be paid for, at the end of a transfer, or the receiver waits for what was
 * sent in vain already, a copy goes after so many SRTT ...
 */
export const EARLY_ROUND_TRIPS = 1.25
/** ... so much later for what only failed ... */
export const FAILED_FACTOR = 1.3
/** ... but this time at least. */
export const MIN_EARLY_MS = 1_000
/**
 * At the tail of a transfer, where no more than this are under way, each that hangs holds the whole transfer up; of a
 * long one more are copied, as its budget is larger: a 32nd of what was sent, up to the last of these.
 */
export const MIN_TAIL_ATTEMPTS = 16
export const TAIL_DIVISOR = 32
export const MAX_TAIL_ATTEMPTS = 64
/**
 * With no more than this under way, what failed once goes twice at once; more would use up the budget that hangs need.
 */
export const TAIL_FEW = 12
/** spec §8.8, §8.13 */
export const PROBE_SLACK_MS = 10_000
export const NO_SIGN_MS = 60_000
export const MAX_PROBE_MS = 600_000
/** spec §8.7: from then on an ACK of a later packet is enough, whether or not its ranges reach so far down. */
export const LOST_UNREACHED_MS = 60_000
/**
 * Refusals in a row over the whole connection, without anything delivered between, before it waits (spec §8.10): what
 * fails for want of balance behind an introduction node looks the same, and where that is a third of all, fewer would
 * hold up what works. An OPEN waits from the first one on.
 */
export const REFUSALS_IN_A_ROW = 8
export const MIN_REFUSED_MS = 1_000
export const MAX_REFUSED_MS = 60_000
/** Gains of RFC 6298. */
export const ROUND_TRIP_GAIN = 0.125

// -- opening, spec §6 --

/**
 * An OPEN is built this much smaller than its first route's record, as far as early data is concerned, so that its
 * copies fit routes with six hops more: where none but longer ways are left, one that fits no more never arrives.
 */
export const OPEN_SLACK_BYTES = 312
/** Copies of one OPEN: one attempt byte (spec §3.8). */
export const MAX_OPEN_COPIES = 256
/**
 * Copies in a row that meet nobody at the phantom of a node before the connection is refused (spec §6.9): at the delays
 * of §8.10 the last goes after seven seconds, and an interceptor may take five to be back.
 */
export const MAX_UNANSWERED = 4
/**
 * Opening prices that one connect hears before it gives up (spec §6.15): the price may rise while it pays, and each is
 * a round trip without a wait.
 */
export const MAX_OPENING_PRICES = 8
/**
 * EARLY packets that may be under way, or have settled, before the OPEN has: a responder keeps 64 (spec §14). A few
 * less, since OPENs that failed are taken for EARLY packets that did.
 */
export const EARLY_PACKETS = 60
/** An OPEN that settled but was not answered is sent again after this, doubling: the process may not have read it. */
export const OPEN_AGAIN_MS = 30_000

// -- paths, spec §9 --

/** Paths in one REPLY_PATHS of ours (spec §9.1): two fit an OPEN with room for early data. */
export const OWN_PATHS = 2
/** Paths and generations of the peer's that are kept (spec §9.2, §14). */
export const MAX_PEER_PATHS = 8
export const MAX_PEER_GENERATIONS = 2
/** Generations that a replaced path of ours keeps working for (spec §9.3). */
export const OWN_GENERATIONS = 2
/**
 * Generations of ours that are open at once (spec §9.3): else a peer that pays over the first one alone makes them grow
 * by one a minute.
 */
export const MAX_OWN_GENERATIONS = 4
/** spec §9.3 */
export const PATH_DRAIN_MS = 60_000
/** spec §9.4 */
export const MIN_SILENCE_MS = 60_000
export const MAX_SILENCE_MS = 600_000
/** A wish for paths that failed is repeated after this, doubling to MIN_SILENCE_MS. */
export const PATHS_AGAIN_MS = 5_000

// -- money, spec §12 --

/**
 * Most bytes of stream that are asked or paid for ahead (spec §12.5, §12.6): what is under way in a round trip, and as
 * much again while a payment for it fails and goes again, at the rate of the medium. With a quarter of it a tariff cost
 * a quarter of the goodput.
 */
export const MAX_AHEAD_BYTES = 1_048_576
/** Most packets that are paid for ahead: that many bytes in packets half full (spec §12.6). */
export const MAX_AHEAD_PACKETS = 2_048
/** Most time that is paid for ahead, ms: a bill for time goes once in a while, not every second (spec §12.6). */
export const MAX_AHEAD_MS = 60_000
/** What is paid for ahead is this many times what was served, and one packet's worth to begin with (spec §12.6). */
export const AHEAD_FACTOR = 16
/**
 * What does not count as paid though it may have come, being late or lost at the responder's process, is at most this
 * part of what was paid, or so many of the largest payment (spec §12.6).
 */
export const RISK_DIVISOR = 8
export const RISKED_PAYMENTS = 2
/** Packets that brought nothing new, as late copies do, and are paid for: these, or a sixteenth of the others. */
export const SPARE_PACKETS = 4
/** Of what a cap leaves, so many packets that carry no money are kept for AGREE, MAX_DATA and the end (spec §12.6). */
export const SPARE_CONTROLS = 4n
/** One packet's worth: no packet holds more (spec §2.8); and no less of time than a packet needs for its way, ms. */
export const FIRST_AHEAD_BYTES = 1_300
export const FIRST_AHEAD_MS = 2_000
/** A BILL goes when it asks for this part more of what can be asked ahead: 1 in so many (spec §12.5). */
export const BILL_PARTS = 4n
/** A BILL that was not paid goes again after this, doubling (spec §12.5). */
export const MIN_BILL_MS = 5_000
export const MAX_BILL_MS = 60_000
/** Time that passes is billed no more often than this (spec §12.5). */
export const TIME_BILL_MS = 10_000
/** A responder that asks more, and sent nothing for so long though all that it may have was paid, is left (§12.6). */
export const UNSERVED_MS = 30_000
/** ... of which so much counts at most between two packets that ask. */
export const MAX_BILL_GAP_MS = 10_000
/** An initiator that has not paid for its time for so long is left (spec §12.6). */
export const ARREARS_MS = 60_000
/** What OPEN pays, in answers of the cost that its sender expects: the ANSWER, and a copy of it (spec §12.11). */
export const ANSWERS_OF_OPEN = 2n
/**
 * What a packet costs over a reply path from its beginning on, where the backend does not say, and what the responder's
 * way to there is taken to cost: a relay with default fees (spec §12.11).
 */
export const EXPECTED_PATH_MSAT = 2_000n
export const EXPECTED_WAY_MSAT = 1_000n
/** The least that an answer to a key is taken to cost: the least amount of nearly all channels, and a relay's fee. */
export const EXPECTED_DIRECT_MSAT = 2_000n
/** A PING pays for its answer where its sender counts no more than so many paid for: no COST follows it then. */
export const ANSWERS_KEPT_PAID = 3
/**
 * Packets that are billed for beyond what is queued: what is copied, and what has to be said besides (spec §12.11); and
 * where nothing is queued, so that not each packet is followed by a COST and its payment.
 */
export const SPARE_ANSWERS = 2n
export const IDLE_ANSWERS = 5n
/** Data goes only where this many packets are paid for, itself included: COST and ACK go with less (spec §12.11). */
export const KEPT_ANSWERS = 2n
/** Answers are billed ahead: so many, and so many times those that went, up to the last of these (spec §12.11). */
export const FIRST_ANSWERS_BILLED = 16
export const ANSWERS_FACTOR = 8
export const MAX_ANSWERS_BILLED = 512
/** A COST goes when it asks for this part more of what is billed ahead, 1 in so many (spec §12.11). */
export const ANSWERS_BILL_PARTS = 8n
/** ... and for this many packets; and one that is not paid asks for so many more each time. */
export const LEAST_ANSWERS_BILLED = 3n
export const MISSING_ANSWERS = 4n
/** Copies that are wanted are billed ahead, so many at most: not all of them are made. */
export const COPIES_BILLED = 8
/**
 * Of what is under way 1 in so many goes again (spec §12.11): at the end of a stream, where nothing more is queued, its
 * copies would take the money of the last packets, which would wait for a COST and its payment.
 */
export const ANSWERS_AGAIN_PART = 8
/** Answers that an initiator pays ahead at least, and once the stream is complete (spec §12.11). */
export const FIRST_ANSWERS_AHEAD = 4
/** How long an end waits for what is still to be paid or given back (spec §12.10), ms. */
export const MAX_SETTLING_MS = 10_000
/** The same, where what came is not given to the application before it is paid: payments may hang, ms. */
export const MAX_UNPAID_END_MS = 60_000
/** How long an end waits for PAYMENTs that were made before it: longer than any but what hangs (spec §12.9), ms. */
export const PAYMENTS_FIRST_MS = 60_000
/** Largest amount of a frame, msat (spec §1.3). */
export const MAX_FRAME_MSAT: bigint = BigInt(Number.MAX_SAFE_INTEGER)
/** Tariffs that hold for different parts of the stream, of which bytes may still come (spec §12.4). */
export const MAX_STRETCHES = 16
/** Ids of PAYMENT and REQUEST that came are kept as ranges, at most so many (spec §14). */
export const MAX_PAYMENT_RANGES = 256
/** Packets with PAYMENTs whose money is not confirmed, and how long money may be (spec §12.1, §12.9), ms. */
export const MAX_UNCONFIRMED_PAYMENTS = 64
export const CONFIRM_MS = 60_000
/** REQUESTs without an answer, in each direction (spec §14). */
export const MAX_REQUESTS = 64
/**
 * DECLINEs that are not known to have arrived: a side that has heard of those before asks for no more than MAX_REQUESTS
 * again, and the word of what arrived may be some round trips late.
 */
export const MAX_DECLINES: number = 256
/** A surplus below this costs more to give back than it is worth: a packet each way (spec §12.10), msat. */
export const LEAST_SURPLUS_MSAT = 3_000n
/** What its own count leaves at the end, and nobody asked for, is paid from this on: a packet (spec §12.10), msat. */
export const LEAST_LAST_MSAT = 1_000n
/** Datagrams that wait until they are paid for (spec §12.4). */
export const MAX_UNPAID_MESSAGES = 1_024

// -- messages, spec §12.8 --

/** Ids that a receiver remembers. */
export const MAX_MESSAGE_IDS = 1_024
/** Own messages that wait or are unacknowledged; beyond it `sendMessage` throws. */
export const MAX_MESSAGES_WAITING = 1_024

// -- ending, spec §6.1, §13 --

/** Longer than the longest wait of a peer that is refused or finds no route: a minute for each (§8.10). */
export const LINGER_MS = 180_000
export const MAX_LINGER_MS = 360_000
export const RESET_MS = 60_000
/** spec §4.7: 2^36 */
export const MAX_WRONG_TAGS = 68_719_476_736
/** The last packet number (spec §3.4): 2^53 - 1 is the largest whole number that is exact. */
export const LAST_PACKET_NUMBER: number = Number.MAX_SAFE_INTEGER
/**
 * A connection that wants to send and is granted nothing looks up again after this: no state without a timer (spec
 * §10.1).
 */
export const NUDGE_MS = 60_000

/**
 * Unsent bytes from which on a connection takes no more: two seconds of the medium's ceiling of about 130 kB/s. Where
 * they are sold it is MAX_AHEAD_BYTES, since no more than what was written is asked for ahead (spec §12.5).
 */
export const SEND_AHEAD_BYTES = 262_144
/** 'writable' is reported when this little is unsent: about a second at the medium's ceiling. */
export const SEND_LOW_BYTES = 131_072

/**
 * A connection with so many attempts under way or fewer does not wait behind those that send much (spec §8.14): one
 * whose message has arrived, and is not back yet, and a copy of it.
 */
export const MAX_ALONE_ATTEMPTS: number = 2
