/** Every bound of the gateway, with its reason. */

/** How far a timestamp may be from the gateway's clock, either way: a slow connection, and clocks that differ. */
export const WINDOW_MS = 60_000
/** Requests, their answers and ids are remembered so long, and at least twice the window. */
export const RETENTION_MS = 86_400_000
/** Requests that are remembered at once, some 1 kB each; more are refused until old ones are forgotten. */
export const MAX_REQUESTS = 50_000
/** Signatures of one window that are remembered to know a replay, 100 bytes each. */
export const MAX_SEEN = 100_000
/** Requests that are worked on at once; lnd takes 483 HTLCs a channel. */
export const MAX_UNDER_WAY = 256
/** Invoices that wait to be paid. */
export const MAX_INVOICES = 50_000
/** Events that are kept for those who were away, and for how long. */
export const MAX_EVENTS = 10_000
export const EVENT_RETENTION_MS = 604_800_000
/** An invoice is forgotten so long after its expiry: a payment that was held may settle late. */
export const INVOICE_GRACE_MS = 86_400_000
/** A line of the journal, and a line from a caller; a BOLT 11 invoice has 7,089 characters at most. */
export const MAX_LINE_BYTES = 16_384
/** The journal is written anew when it has this many lines more than its state needs. */
export const SPARE_LINES = 4_096
/** A larger journal is not read: it is none of ours. */
export const MAX_JOURNAL_BYTES = 268_435_456
/** Letters of an id, of a key's name, of a description (BOLT 11 takes 639 bytes). */
export const MAX_ID = 64
export const MAX_DESCRIPTION_BYTES = 639
/** How long a request waits for its payment, unless it says otherwise: least, default, most. */
export const TIMEOUT_MS = { least: 1_000, default: 60_000, most: 600_000 } as const
/** The node's own word on a timeout comes first. */
export const ANSWER_GRACE_MS = 1_500
/** An invoice's lifetime, seconds. */
export const EXPIRY_S = { least: 1, default: 3_600, most: 31_536_000 } as const
/** The most that an invoice may ask: all bitcoin there will be, in msat. */
export const MAX_MSAT = 2_100_000_000_000_000_000n
/** Without a word of the caller a payment costs a hundredth in fees at most, and 10 sat where that is more. */
export const FEE_SHARE = 100n
export const LEAST_MAX_FEE_MSAT = 10_000n
/** Between two looks at a node, a broker or a gateway that is away. */
export const RETRY_MS = { least: 250, most: 5_000 } as const
/** A client that hears nothing asks again, each time later, and then over another connection. */
export const ASK_AGAIN_MS = { least: 3_000, most: 24_000 } as const
/** A client that listens for events looks so often whether the gateway is there; each time costs a payment. */
export const KEEP_ALIVE_MS = 60_000
/** A call to the node that should answer at once. */
export const CALL_MS = 10_000
/** Connections to the gateway at once. */
export const MAX_CONNECTIONS = 64
/** Callers whose answers nobody reads are cut off here, bytes. */
export const MAX_UNSENT_BYTES = 1_048_576
/** Keys in a file. */
export const MAX_KEYS = 1_000
/** An HMAC key that is shorter could be guessed, bytes. */
export const LEAST_SECRET_BYTES = 16
/** A reader of the topic that says nothing for so long is out; Kafka takes 6 s at least. */
export const KAFKA_SESSION_MS = 10_000
/** Ids whose records a client on Kafka remembers, to send the same bytes again. */
export const MAX_KAFKA_IDS = 1_000
/** A payment that lnd lost looks so every time: a commitment that is under way is for a moment in none of its lists. */
export const LOST_LOOKS = { count: 3, everyMs: 10_000 } as const
/**
 * What the endpoint of a gateway, and one connection of a shop, may cost at most, msat: 10 million sat. They run for
 * months; what bounds them is a day's limit, or the caps of the shop's endpoint.
 */
export const MAX_CONNECTION_MSAT = 10_000_000_000n
/** What a gateway's own packets may cost on a day, and what a command of the shop may cost in all, unless told, sat. */
export const DAY_SAT = 100_000
