/** Blinded paths over which the other side can pay: plain data; the bytes are a backend's own. */

/**
 * Blinded relays before the node that makes a path: 1 (an introduction node), 2 where 16 could stand behind two,
 * 'auto': 2 where one leaves too few who could have made the path (spec §9.12).
 */
export type RelayWish = 1 | 2 | 'auto'

export interface PathRequest {
  /** How many paths to make, each with a fresh key and channel id. 1..8. */
  readonly count: number
  /** Never the introduction node or a relay: the one who will pay over the path. 33 bytes. */
  readonly payer: Uint8Array
  readonly relays: RelayWish
  /**
   * Paths over which a packet costs more than this, amount and fee together, are not made (spec §9.6). In msat;
   * absent: whatever it costs.
   */
  readonly maxCostMsat?: bigint
  /** How long the path has to work, in blocks. */
  readonly lifetimeBlocks: number
  /** Nodes, in hexadecimal, that may not stand on the path, nowhere: nothing came over them (spec §9.5). */
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
  /** Blinded relays before this node: each more leaves a packet 83 bytes less. Absent: the backend does not say. */
  readonly relays?: 1 | 2
  /** What a packet costs the payer from the introduction node on, amount and fee together, msat. Absent: as above. */
  readonly costMsat?: bigint
  /**
   * How many nodes of the public graph could stand behind these paths, by what a payer can compute (spec §9.5).
   * Absent: the backend still counts, and the event 'candidates' tells.
   */
  readonly candidates?: number
  /**
   * Whether the path fits by the public rule of spec §9.12. Where it does not, most of the candidates may have one
   * that does, and whoever knows the rule excludes these. Absent: the backend does not say.
   */
  readonly fits?: boolean
  /**
   * The relays over which they lead, in hexadecimal: the introduction node first, the peer of this node last.
   * Absent: the backend does not say.
   */
  readonly guards?: readonly string[]
}
