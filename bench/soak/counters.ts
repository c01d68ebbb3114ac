/** Counters of what is there for a while. */
export const MUST_BE_GONE = [
  'connections',
  'paymentsUnresolved',
  'offersHeld',
  'earlyPackets',
  'replyPaths',
  'isolations',
  'messagesUnread',
  'messagesOffered',
] as const

/** Those of the tables of what ended: their entries may stay (spec §14). */
export const REMEMBERED = ['opensSeen', 'tombstones', 'verdicts', 'keyAgreements', 'messagesSeen'] as const
