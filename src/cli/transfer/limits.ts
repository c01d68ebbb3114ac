/** Every limit and time of file transfers, with its reason. Times are milliseconds. */

// ---- The protocol (file-transfer §1, §2) ---------------------------------------------------------------

/** file-transfer §1.1: the port where nobody names another. */
export const DEFAULT_PORT = 18_004
/** file-transfer §1.3: KSFT and the version, what the sender's stream begins with. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x4b, 0x53, 0x46, 0x54, 1)
export const OFFER_BYTES = 1_024
export const MAX_DATA_BYTES = 32_768
export const REASON_BYTES = 200
/** Leaves room for what §4.1 adds, in the 255 bytes that a file system gives a name. */
export const NAME_BYTES = 200
export const SESSION_BYTES = 16
export const SHA256_BYTES = 32
export const PART_SUFFIX = '.keysock-part'

// ---- Sets (file-transfer §7.10) ------------------------------------------------------------------------

/** Files and folders of a set: more than the source of a large program has. */
export const MAX_ENTRIES = 65_536
/** Folders of the first component: each is looked for, and is another unfinished folder while it comes. */
export const MAX_ROOT_FOLDERS = 256
/** A list of them, some 60 bytes for each of short names. */
export const MAX_LIST_BYTES: number = 8 * 2 ** 20
export const MAX_SET_PATH_BYTES = 1_024
export const MAX_DEPTH = 32
/** What a LIST carries of ours. */
export const LIST_BYTES = 16_384
/** Ranges in a WANT, 16 bytes each. */
export const MAX_RANGES = 2_000
/** How often a file may be wanted: once, and once more where a part or a hash was wrong. */
export const MAX_WANTED = 2
/** Each holds a list in memory. */
export const MAX_SETS = 4
/** Unfinished folders in one folder, */
export const MAX_FOLDER_PARTS = 8
/** and folders, complete or not, that are looked at for files that are there. */
export const MAX_FOLDERS_LOOKED_AT = 4
/** Files of a set that are written to the disk at once: each waits for it some 6 ms. */
export const MAX_FINISHING = 8
/** What a file or folder takes of a disk, and of --max-total, beside its bytes: a block. Empty ones fill it, too. */
export const ENTRY_BYTES = 4_096
/** What is left out of a set is told one by one up to here, */
export const MAX_LEFT_OUT_TOLD = 10

/** The end of the year 9999: what is later is no time of a file. */
export const MAX_MTIME_S = 253_402_300_799

// ---- Both sides ---------------------------------------------------------------------------------------

/** How often a transfer reports how far it is, and looks whether it still goes: four times a second. */
export const TICK_MS = 250
/** The rate that is shown is that of the last ten seconds, */
export const RATE_WINDOW_MS = 10_000
/** as soon as there is half a second to go by, */
export const MIN_RATE_MS = 500
/** from at most so many samples: more than a window of ticks. */
export const MAX_RATE_SAMPLES = 256

// ---- The receiver (file-transfer §4.5) -----------------------------------------------------------------

export const MAX_TRANSFERS = 16
/** Of these, connections that wait for their turn: half, so that who waits for one file does not stop all others. */
export const MAX_WAITING_OFFERS = 8
/** 1 GiB takes two hours at the medium's ceiling. */
export const DEFAULT_MAX_SIZE_BYTES: number = 2 ** 30
export const MAX_PARTS = 64
/** A part that nobody went on with for so long is told of: 30 days. */
export const OLD_PART_MS: number = 30 * 86_400_000
/** How often such parts are looked for where they are deleted. */
export const EXPIRE_EVERY_MS = 3_600_000
/** A drop box that lost its node tries again after so long: it costs nothing, and a node starts within minutes. */
export const KEEP_PAUSES = { minMs: 5_000, maxMs: 300_000 } as const
/** Files of which a drop box remembers that it told of them. */
export const MAX_ANNOUNCED = 1_024
/** Parts that are proposed before a transfer starts from nothing. */
export const MAX_PROPOSALS = 4
/** Copies of one name: `name (2)` to `name (99)`. */
export const MAX_COPIES = 99
/** Hashes of files that are remembered: those of all copies of two names. */
export const MAX_HASHES = 256
/** An offer takes two windows on a slow day; a person would not wait longer. */
export const FIRST_MESSAGE_MS = 120_000
export const SILENT_MS = 20_000
export const IDLE_MS = 600_000
/** A receiver that its user ends takes what is on its way for so long: as long as payments on real nodes take. */
export const ENDING_MS = 5_000
/** After the last word, the other side has this long to end: some round trips of a slow day. */
export const LAST_WORD_MS = 20_000
/** How often a waiting offer looks again whether it is its turn. */
export const TURN_MS = 1_000
/** Kept free on the disk: an answer needs a journal, a log. */
export const DISK_MARGIN_BYTES: number = 16 * 2 ** 20
/** How often a transfer looks at the room that is left: all of them at once stay within the margin. */
export const ROOM_EVERY_BYTES: number = 2 ** 20

/** What a person loses at most to senders that pay less than their answers cost, msat: what an endpoint advances. */
export const ADVANCE_MSAT = 100_000n
/** It is filled up by such a part of all that comes in, which may be spent as well. */
export const ADVANCE_PARTS = 10n

// ---- The sender (file-transfer §5) --------------------------------------------------------------------

/** Least and longest pause between two tries to connect; each try is a payment. */
export const RETRY_MS = 2_000
export const RETRY_MAX_MS = 30_000
/** Between these, a pause is this share of the time without progress. */
export const SILENCE_SHARE: number = 1 / 8
/** A try beside the first one: it ends before the copy of its OPEN would go (spec §6.11), which the next try is. */
export const AGAIN_TRY_MS = 30_000
/** As many tries as begin in AGAIN_TRY_MS in the first minute, and the first one. */
export const MAX_TRIES_AT_ONCE = 8
/** How long a person waits for an answer without hearing so. */
export const NO_ANSWER_MS = 15_000
/** A transfer that did not go forward for so long says what it waits for. */
export const QUIET_MS = 3_000
/** One try to connect: as long as the library's own. */
export const CONNECT_MS = 120_000
/** However little a person waits, one try is long enough for a route and a first answer. */
export const MIN_TRY_MS = 10_000
/**
 * Bytes that are paid for and not acknowledged, at most: what is lost when the receiver dies. Two rounds of
 * acknowledgements (spec §8.4) on top of a hundred packets in flight, or what was acknowledged in the last seconds.
 */
export const UNACKNOWLEDGED_BYTES = 262_144
export const UNACKNOWLEDGED_SECONDS = 8
/** A receiver acknowledges within 30 s (spec §8.4); without a sign for so long, another connection is made. */
export const DEAD_MS = 45_000
/** With the cost cap reached, what is under way has this long to bring an answer or room. */
export const CAP_REACHED_MS = 10_000
/** A DATA message of ours: some ten packets, so that its head weighs nothing, and the receiver sees steps of it. */
export const DATA_BYTES = 8_192
/** Messages of a set go together, as many as this: some ten packets, too. */
export const HEADS_BYTES = 8_192
/** What the protocol adds to a small file of a set: the heads of FILE and DATA. */
export const FILE_HEAD_BYTES = 10
/** Receivers that are sent to at once where there are several, unless told; the node's slots are shared by all. */
export const PARALLEL = 4
export const MAX_PARALLEL = 32
/** Receivers of one command: each has a connection and a line of its own. */
export const MAX_RECEIVERS = 1_000
/** A command to go on names receivers one by one up to here; above that it names all, of which the others are asked. */
export const MAX_RESUME_RECEIVERS = 8
/** A file with receivers, a line each, is no longer. */
export const MAX_RECEIVERS_BYTES: number = 2 ** 20
/** Files that changed while they were sent are told by name up to here. */
export const MAX_CHANGED_TOLD = 3
/** Bytes of standard input that are taken ahead of what was sent. */
export const SPOOL_AHEAD_BYTES: number = 2 ** 20
