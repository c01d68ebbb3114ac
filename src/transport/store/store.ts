/**
 * What outlives a process. Session keys are never stored: connections end with their process (spec §13.6).
 * Everything is plain data; keys, hashes and ids are lower-case hexadecimal.
 */

import type { StoredNode } from './stored-node.ts'

/** A payment that has no outcome yet. */
export interface Reservation {
  readonly hash: string
  /** Whose cap it counts towards: the public key that was paid, or '' for an anonymous one. */
  readonly peer: string
  readonly amountMsat: bigint
  /** The fee bound. */
  readonly feeMsat: bigint
  /** The port of the connection, its id, and the program of a daemon; absent in what was written before accounts. */
  readonly port?: number
  readonly connection?: string
  readonly program?: string
}

/** Money that is gone, by the day (UTC) on which that was decided: caps of a day count it, over restarts. */
export interface Spent {
  /** 2026-11-30 */
  readonly day: string
  /** 0: of no port that is known. */
  readonly port: number
  /** '': of no program that has a name. */
  readonly program: string
  /** Amounts and fees. */
  readonly msat: bigint
}

/** How a connection ended, spec §13.5. */
export interface Tombstone {
  readonly connectionId: string
  /** e_i of its OPEN. */
  readonly ephemeral: string
  /** 'clean', or the code of the error. */
  readonly ending: string
  /** Block height at the end. */
  readonly height: number
}

/** One thing that changed. The kinds are also what a journal holds. */
export type StoreChange =
  /** What is stored is of this node. */
  | ({ readonly type: 'node' } & StoredNode)
  /** The node is behind the index that is stored: arrivals are told from the present on. */
  | { readonly type: 'settle-index-forgotten' }
  /** Arrivals up to here were taken; the next process asks for those after it. */
  | { readonly type: 'settle-index'; readonly index: bigint }
  /** An OPEN with this e_i and height was taken (spec §6.4). */
  | { readonly type: 'open-seen'; readonly ephemeral: string; readonly height: number }
  /** OPENs below this height are stale, and forgotten. */
  | { readonly type: 'floor'; readonly height: number }
  | ({ readonly type: 'tombstone' } & Tombstone)
  /** Tombstones from below this height are forgotten. */
  | { readonly type: 'tombstones-forgotten'; readonly belowHeight: number }
  | ({ readonly type: 'reserve' } & Reservation)
  /** The payment is decided; `spent`: its money is gone. */
  | { readonly type: 'release'; readonly hash: string; readonly spent?: Spent }
  /** What was spent on a day so far, in place of all that was written of it before. */
  | ({ readonly type: 'spent' } & Spent)
  /** So much is left of what is advanced for answers (spec §12.11), msat. */
  | { readonly type: 'allowance'; readonly leftMsat: bigint }
  /** A message came, or its fate was decided: the port, a slash, its id. */
  | ({ readonly type: 'note-seen'; readonly id: string } & NoteFate)
  /** Messages from below this height are stale, and forgotten. */
  | { readonly type: 'note-floor'; readonly height: number }
  /** A message waits to be read. */
  | ({ readonly type: 'letter' } & StoredLetter)
  /** Those of this port up to here were read. */
  | { readonly type: 'letter-read'; readonly port: number; readonly serial: number }
  /** This one was not paid after all. */
  | { readonly type: 'letter-withdrawn'; readonly port: number; readonly serial: number }
  /** An attempt under this id goes out. */
  | { readonly type: 'note-sent'; readonly id: string; readonly attempt: number; readonly hash: string }
  /** It has failed for certain, or is paid. */
  | { readonly type: 'note-failed'; readonly id: string; readonly attempt: number }
  | ({ readonly type: 'note-paid'; readonly id: string; readonly attempt: number } & PaidNote)
  /** A MESSAGE was handed to the application: the port of its server, a slash, its id. */
  | { readonly type: 'message'; readonly id: string }

/** What became of a message that came, as far as its application has said (spec §18.5). */
export interface NoteFate {
  /** The sender's height in it: by it the entry goes at last. */
  readonly height: number
  /** The attempt that was settled; absent: none was. */
  readonly settledAttempt?: number
  /** With what a hash of this side's was settled. */
  readonly preimage?: string
  /** The code with which it was refused. */
  readonly refusal?: number
}

/** What a sender knows of a message under an id that its application gave (spec §18.6). */
export interface SentNote {
  /** Attempts made so far: the next one's number. */
  readonly attempts: number
  /** Hashes of the attempts without an outcome, by their numbers. */
  readonly open: ReadonlyMap<number, string>
  /** The payment that went through; absent: none so far. */
  readonly paid?: PaidNote
}

/** A payment that carried a message. */
export interface PaidNote {
  readonly lane: 'node' | 'phantom'
  readonly hash: string
  /** Absent: a hash of the receiver's, whose preimage the node did not tell. */
  readonly preimage?: string
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  /** The channels of its route. */
  readonly route: readonly string[]
}

/** A message that waits to be read. */
export interface StoredLetter {
  readonly port: number
  /** Grows with each message of the endpoint. */
  readonly serial: number
  /** As messages/letters.ts writes it. */
  readonly text: string
}

/** What a former process left. */
export interface StoredState {
  /** Absent in what was written before it was stored. */
  readonly node?: StoredNode | undefined
  readonly settleIndex: bigint | undefined
  readonly floor: number
  /** e_i -> height, the oldest first. */
  readonly opensSeen: ReadonlyMap<string, number>
  /** By connection id, the oldest first. */
  readonly tombstones: ReadonlyMap<string, Tombstone>
  /** By hash. */
  readonly reservations: ReadonlyMap<string, Reservation>
  /** The oldest first. */
  readonly messages: ReadonlySet<string>
  /** What was spent on the latest days, by day, port and program. Absent in stores that know of no days. */
  readonly spent?: readonly Spent[]
  /** What is left of what is advanced for answers, msat; absent: nothing of it was ever used. */
  readonly allowanceMsat?: bigint | undefined
  /** Of messages that are payments of their own (spec §18); absent in what was written before there were some. */
  readonly notes?: StoredNotes
}

/** What outlives a process of messages. */
export interface StoredNotes {
  readonly floor: number
  /** By port, slash, id; the oldest first. */
  readonly seen: ReadonlyMap<string, NoteFate>
  /** Not read yet, by port, slash, serial; the oldest first. */
  readonly letters: ReadonlyMap<string, StoredLetter>
  /** The highest serial so far. */
  readonly lastSerial: number
  /** By id. */
  readonly sent: ReadonlyMap<string, SentNote>
}

/**
 * Where an endpoint keeps what outlives it. One endpoint uses a store at a time.
 *
 * `write` may be called again before an earlier call has resolved; changes take effect in the order of the calls.
 */
export interface Store {
  /**
   * Once, before anything else. @throws KeysockError ERR_KEYSOCK_STORE_LOCKED, ERR_KEYSOCK_STORE_CORRUPT,
   * ERR_KEYSOCK_STORE
   */
  open(): Promise<StoredState>
  /** Resolves when the changes would survive a crash of the machine, as far as this store can promise that at all. */
  write(changes: readonly StoreChange[]): Promise<void>
  /** Waits for what was written, and lets another process in. Idempotent. */
  close(): Promise<void>
  /** The folder in which the account is kept; without one it is kept as long as the process lives. */
  readonly accountFolder?: string
}
