/** Every bound of a chat (spec/chat.md), with its reason. Times are milliseconds. */

/** spec/chat.md §1.1: beside those of files and messages; nobody has registered any of them. */
export const DEFAULT_CHAT_PORT = 18_006
/** spec/chat.md §1.1: the code for who calls while another one is there; "busy here" of SIP. */
export const BUSY_CODE = 486
/** spec/chat.md §2.1: the largest text, all of it escaped, and its field. */
export const MAX_CHAT_LINE_BYTES = 8_192
/** spec/chat.md §2.3: what a person reads as one line; it takes some ten packets. */
export const MAX_TEXT_CHARACTERS = 2_000
/** spec/chat.md §2.3 */
export const MAX_CHAT_NAME_CHARACTERS = 32
/** Lines that were typed and are not sent yet, in bytes: somebody pasted a book. */
export const MAX_UNSENT_BYTES_OF_CHAT = 65_536
/** A line that is not acknowledged after so long is told of: a delivery takes seconds. */
export const UNHEARD_MS = 30_000
/** How often it is looked for that. */
export const LOOK_MS = 5_000
/** What a chat costs at most unless told: some hundred lines. */
export const DEFAULT_CHAT_COST_MSAT = 500_000n
/** Lines that the arrow keys bring back. */
export const HISTORY_LINES = 100
/** How long the end of a chat waits until the other side has all of it. */
export const FAREWELL_MS = 10_000
/** Somebody may think for long; a node that is gone is noticed when something is said. */
export const CHAT_IDLE_MS = 14_400_000
