/** The bounds of what the command keeps in KEYSOCK_HOME, with their reasons. Times are milliseconds. */

/** A thousand names with four route hints each take a half of it. */
export const MAX_HOME_FILE_BYTES: number = 2 ** 20
/** Names of an address book: as many as a person, or a small company, gives. */
export const MAX_NAMES = 1_000
/** A DNS label (RFC 1035 §2.3.4). */
export const MAX_LABEL_CHARACTERS = 63
/** Another process has the file for some milliseconds: it is tried again every 20 ms for 10 s at least. */
export const LOCK_AGAIN_MS = 20
export const LOCK_TRIES = 500
