/** Blinded paths over which the other side can pay: plain data; the bytes are a backend's own. */

export interface PathRequest {
  /** How many paths to make, each with a fresh key and channel id. 1..8. */
  readonly count: number
  /** Never the introduction node or a relay: the one who will pay over the path. 33 bytes. */
  readonly payer: Uint8Array
  /** Blinded relays before the phantom hop: 1 (introduction node and this node), or 2 where the graph allows. */
  readonly relays: 1 | 2
  /** How long the path has to work, in blocks. */
  readonly lifetimeBlocks: number
  /** Peers of this node, in hexadecimal, that may not stand on the path: nothing came over them (spec §9.5). */
  readonly avoidGuards?: readonly string[]
}

export interface ReplyPath {
  /** Names the path in offers and in `closePaths`; never leaves this process. */
  readonly pathId: string
  /** What the payer's backend needs; opaque to everyone else. At most 512 bytes. */
  readonly bytes: Uint8Array
  /** Height at which it stops to work. */
  readonly expiryHeight: number
}

export interface PathResult {
  readonly paths: readonly ReplyPath[]
  /**
   * How many nodes of the public graph could stand behind these paths, by what a payer can compute (spec §9.5). Absent:
   * the graph is being read, and the event 'candidates' tells.
   */
  readonly candidates?: number
  /** The peer of this node over which they lead, in hexadecimal; absent: the backend does not say. */
  readonly guard?: string
}
