/** What each side tells the other about itself, once (spec §5.9). */
export interface Parameters {
  /** Bytes that the writer of this will take from offset 0: 262,144 to 2^53 - 1. */
  readonly maxData: number
  /** 0 for none, else 10,000 ms at least. */
  readonly idleTimeoutMs: number
  /** The initiator's node key, 33 bytes: replies go there over the node lane. In OPEN only. */
  readonly directReply?: Uint8Array
  /** The longest time that the writer holds back an ACK: 0 to 60,000 ms. */
  readonly ackDelayMs: number
}
