/** Bounds of a reader of traces: whatever a file has, memory stays within them. */

/** Pieces of time that a picture has at most: one for each two pixels or so. */
export const MAX_BINS = 240
/** What a bin lasts to begin with, ms; it doubles whenever there would be more bins than that. */
export const FIRST_BIN_MS = 1
/** The longest record that is one, in characters. Those of keysock have some hundred. */
export const MAX_RECORD_CHARACTERS = 1_048_576
/** Payments without outcome that are followed: ten times what an endpoint has in flight. */
export const MAX_OPEN_PAYMENTS = 100_000
/** Connections and ways that are followed at once. */
export const MAX_GROUPS = 100_000
/** Routes that are told apart; what goes over others counts as one. */
export const MAX_ROUTES = 1_000
/** Routes that are drawn: those that carried the most. */
export const DRAWN_ROUTES = 10
/** Times of payments are counted by their size, each class 15 % above the one before, from 1 ms to an hour. */
export const TIME_CLASS_FACTOR = 1.15
export const TIME_CLASSES = 110
