/** What an account holds: one entry for each payment that was decided, and for each that came in. Plain data. */

/** Whom an entry is about, as far as it is known. One object for all entries of a connection. */
export interface AccountParty {
  /** Connection id in hexadecimal; '' for money that no connection took. */
  readonly connection: string
  /** The other side's public key in hexadecimal; '' for one without a name. */
  readonly peer: string
  /** The port that was connected to, of the other side or of this one; 0 where nobody knows it. */
  readonly port: number
  /** What this side was; '' where nobody knows it. */
  readonly role: 'initiator' | 'responder' | ''
  /** Of a daemon's account: the name of the program; '' for one without a name, and for an endpoint's own account. */
  readonly program: string
}

/** A payment of this side that was decided. */
export interface PaidEntry extends AccountParty {
  readonly type: 'paid'
  /** Milliseconds since 1970, UTC: when it was decided. */
  readonly timeMs: number
  /** Payment hash in hexadecimal. */
  readonly hash: string
  /** What went to the other end, msat; of one that failed, what would have. */
  readonly amountMsat: bigint
  /** What relays took, msat; 0 of one that failed. */
  readonly feeMsat: bigint
  /** The channels that it went over, as the backend names them; empty where a former process sent it. */
  readonly channels: readonly string[]
  /** 'delivered' and 'settled': the money is gone. 'failed': it is back. */
  readonly outcome: 'delivered' | 'settled' | 'failed'
  /** What the packet was for: stream data, the protocol's own words, or a copy of a packet that hung. */
  readonly purpose: 'data' | 'control' | 'copy' | ''
}

/** A payment that came in. */
export interface ReceivedEntry extends AccountParty {
  readonly type: 'received'
  readonly timeMs: number
  readonly amountMsat: bigint
  /** 'packet': a connection took it. 'stray': it came with something that no connection took (spec §8.12). */
  readonly purpose: 'packet' | 'stray'
}

export type AccountEntry = PaidEntry | ReceivedEntry

/** Nobody is known. */
export const NOBODY: AccountParty = { connection: '', peer: '', port: 0, role: '', program: '' }
