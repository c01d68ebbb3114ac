/**
 * The values of spec §5. How they look on the wire is in frame-codecs.ts.
 *
 * Numbers that are varints on the wire are 0 to 2^53 - 1, amounts of money among them (as bigint).
 */
import type { Parameters } from './parameters.ts'

/** The highest offset in a stream, 2^53 - 2: one more still fits the `delivered` of an ACK (spec §5.5). */
export const MAX_OFFSET: number = Number.MAX_SAFE_INTEGER - 1
/** Ranges in an ACK: one and 63 further (spec §5.4). */
export const MAX_ACK_RANGES = 64
/** Paths in a REPLY_PATHS (spec §5.7). */
export const MAX_PATHS = 4
/** Bytes of a reply path (spec §5.7). */
export const MAX_PATH_BYTES = 512
/** Bytes of UTF-8 in a reason (spec §5.11). */
export const MAX_REASON_BYTES = 128
/** Bytes of the id of a MESSAGE (spec §5.3). */
export const MESSAGE_ID_BYTES = 16
/** Bytes of UTF-8 in the note of a PAYMENT or REQUEST (spec §12.9). */
export const MAX_NOTE_BYTES = 256
/** Bytes of data in a MESSAGE (spec §12.8). */
export const MAX_MESSAGE_BYTES = 512

/** Bytes of the stream (spec §5.5). Decoded `data` aliases the packet that it came in. */
export interface StreamFrame {
  readonly type: 'stream'
  /** Where `data` begins in the stream; offset + data.length <= MAX_OFFSET. */
  readonly offset: number
  readonly data: Uint8Array
  /** Whether the stream ends after `data`. */
  readonly fin: boolean
}

/** Packet numbers from `smallest` to `largest`, both included. */
export interface AckRange {
  readonly smallest: number
  readonly largest: number
}

/** What has arrived (spec §5.4). */
export interface AckFrame {
  readonly type: 'ack'
  /** The offset below which every stream byte has arrived; one more once the FIN has, too. */
  readonly delivered: number
  /** 1 to 64, the highest first, with at least one number missing between two of them. */
  readonly ranges: readonly AckRange[]
}

/** The sender of this takes stream bytes below `limit` (spec §7). */
interface MaxDataFrame {
  readonly type: 'max-data'
  readonly limit: number
}

/** The sender of this has more data than `limit` lets it send (spec §7.6). */
interface BlockedFrame {
  readonly type: 'blocked'
  readonly limit: number
}

export interface ReplyPath {
  /** Opaque, 1 to 512 bytes. Aliases the packet when decoded. */
  readonly bytes: Uint8Array
  /** The block height from which the path is dead. */
  readonly expiryHeight: number
}

/** Ways to pay to the sender of this over the phantom lane (spec §5.7). */
export interface ReplyPathsFrame {
  readonly type: 'reply-paths'
  readonly generation: number
  /** 1 to 4. */
  readonly paths: readonly ReplyPath[]
}

/** Asks for a sign of life; counts as activity when `keepalive` (spec §5.6: purpose 1). */
interface PingFrame {
  readonly type: 'ping'
  readonly keepalive: boolean
}

/** Ends both directions (spec §13.3). */
interface ResetFrame {
  readonly type: 'reset'
  /** A code of spec §11, or the application's own from 256 on. */
  readonly code: number
  /** For people; cut to 128 bytes of UTF-8 when written (spec §5.11). */
  readonly reason: string
}

/** Instead of ACCEPT (spec §5.10). */
interface RefuseFrame {
  readonly type: 'refuse'
  readonly code: number
  readonly reason: string
}

/** A datagram (spec §12.8). */
interface MessageFrame {
  readonly type: 'message'
  /** 16 bytes. */
  readonly id: Uint8Array
  /** At most 512 bytes. */
  readonly data: Uint8Array
}

/** What a responder asks, all in msat (spec §12.3). */
export interface Tariff {
  /** Once, for the connection. */
  readonly openingMsat: bigint
  /** For each packet with some of the responder's stream that arrives. */
  readonly packetMsat: bigint
  /** For each 1,000 bytes of the responder's stream. */
  readonly kilobyteMsat: bigint
  /** For each 1,000 bytes of the initiator's stream. */
  readonly uploadMsat: bigint
  /** For each second that the connection is open. */
  readonly secondMsat: bigint
  /** For each datagram of the initiator's. */
  readonly messageMsat: bigint
}

/** A tariff, and from where in the responder's stream it holds (spec §12.4). */
export interface PriceFrame {
  readonly type: 'price'
  readonly serial: number
  /** An offset in the responder's stream. */
  readonly from: number
  readonly tariff: Tariff
}

/** The initiator pays by the tariff with this serial (spec §12.4). */
interface AgreeFrame {
  readonly type: 'agree'
  readonly serial: number
}

/** What the connection shall have paid in all by now (spec §12.5). */
interface BillFrame {
  readonly type: 'bill'
  readonly dueMsat: bigint
}

/** What the responder's packets shall have cost in all by now (spec §12.11). */
interface CostFrame {
  readonly type: 'cost'
  readonly dueMsat: bigint
}

/** What of the initiator's money the responder has, beside a BILL that was said in vain (spec §12.5). */
export interface ReceiptFrame {
  readonly type: 'receipt'
  /** The largest packet number that has come: what settled before that was sent was read by now, or lost. */
  readonly largest: number
  readonly receivedMsat: bigint
}

/** What a PAYMENT is (spec §12.9). */
export const PaymentKind = { PAYMENT: 0, REFUND: 1, ANSWER: 2 } as const

/** A part of the amount of the packet that it stands in, with a meaning of its own (spec §12.9). */
export interface PaymentFrame {
  readonly type: 'payment'
  readonly id: number
  /** 0 a payment, 1 a refund, 2 the answer to a REQUEST. */
  readonly kind: number
  /** The id of the REQUEST that it answers; 0 for the other kinds. */
  readonly reference: number
  readonly amountMsat: bigint
  /** At most 256 bytes of UTF-8. */
  readonly note: string
}

/** Asks the other side for a PAYMENT (spec §12.9). */
export interface RequestFrame {
  readonly type: 'request'
  readonly id: number
  readonly amountMsat: bigint
  readonly note: string
}

/** A REQUEST is not paid (spec §12.9). */
export interface DeclineFrame {
  readonly type: 'decline'
  readonly id: number
  readonly reason: string
}

/** So much more was paid than was asked (spec §12.10). */
interface SurplusFrame {
  readonly type: 'surplus'
  readonly amountMsat: bigint
}

/** The initiator's proof that it holds a node key (spec §12.7). */
export interface IdentifyFrame {
  readonly type: 'identify'
  /** 33 bytes, a point of the curve. */
  readonly key: Uint8Array
  /** 32 bytes: `identifyProof`. */
  readonly proof: Uint8Array
}

/** The responder takes the connection (spec §4.6). */
export interface AcceptFrame {
  readonly type: 'accept'
  readonly parameters: Parameters
}

/** The initiator asks for a connection (spec §5.8). */
export interface OpenFrame {
  readonly type: 'open'
  /** 1 to 65,535. */
  readonly port: number
  /** The initiator's block height. */
  readonly height: number
  readonly parameters: Parameters
}

export type Frame =
  | StreamFrame
  | AckFrame
  | MaxDataFrame
  | BlockedFrame
  | ReplyPathsFrame
  | PingFrame
  | ResetFrame
  | RefuseFrame
  | MessageFrame
  | PriceFrame
  | AgreeFrame
  | BillFrame
  | CostFrame
  | ReceiptFrame
  | PaymentFrame
  | RequestFrame
  | DeclineFrame
  | SurplusFrame
  | IdentifyFrame
  | AcceptFrame
  | OpenFrame
