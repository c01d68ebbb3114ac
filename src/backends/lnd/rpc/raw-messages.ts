import { fromHex } from '../../../floor/bytes.ts'
import type { CustomRecord } from '../../../medium/payment.ts'
import { areForeign, KEYSEND_TYPE, RECORD_TYPE } from '../../../wire/bolt4/payload.ts'

/**
 * What lnd's gRPC interface says, as npm lightning's protocol loader hands it over:
 * 64-bit numbers as strings, enums as their names, bytes as Buffers. Only the fields
 * that are used here.
 */

/** Records by type. Types are the keys; `recordOf` reads them. */
export type RawRecords = Readonly<Record<string, Uint8Array>>

export interface RawInfo {
  readonly version: string
  readonly identity_pubkey: string
  readonly block_height: number
  readonly synced_to_chain: boolean
  readonly synced_to_graph: boolean
  readonly num_pending_channels: number
  readonly chains: readonly { readonly network: string }[]
  readonly features: Readonly<Record<string, unknown>>
  readonly require_htlc_interceptor: boolean
}

interface RawHtlc {
  readonly incoming: boolean
  readonly hash_lock: Uint8Array
}

export interface RawChannel {
  readonly active: boolean
  readonly remote_pubkey: string
  readonly chan_id: string
  readonly capacity: string
  readonly local_balance: string
  readonly remote_balance: string
  readonly private: boolean
  /** Whether this node opened it, and pays the fee of its commitment transaction. */
  readonly initiator?: boolean
  readonly commit_fee?: string
  readonly commit_weight?: string
  readonly fee_per_kw?: string
  /** By which its peer knows it besides, decimal; '0' where the channel has none. */
  readonly peer_scid_alias?: string
  /** By which this node knows it besides; `chan_id` is one where it was open before its funding was confirmed. */
  readonly alias_scids?: readonly string[]
  /** It was open before its funding was confirmed. */
  readonly zero_conf?: boolean
  /** Where its funding is in the chain, of a channel whose `chan_id` is an alias; '0' before that. */
  readonly zero_conf_confirmed_scid?: string
  readonly local_constraints: RawConstraints | null
  readonly remote_constraints: RawConstraints | null
  readonly pending_htlcs: readonly RawHtlc[]
  /** Seconds for which lnd has watched it: since it was opened, or since lnd itself was started. */
  readonly lifetime?: string
}

interface RawConstraints {
  readonly chan_reserve_sat: string
  readonly max_accepted_htlcs: number
}

export interface RawPolicy {
  readonly time_lock_delta: number
  readonly min_htlc: string
  readonly fee_base_msat: string
  readonly fee_rate_milli_msat: string
  readonly disabled: boolean
  readonly max_htlc_msat: string
  /** What this end asks for what comes in over the channel (bLIP 18); negative: a discount. Absent before lnd 0.18. */
  readonly inbound_fee_base_msat?: number
  readonly inbound_fee_rate_milli_msat?: number
}

export interface RawEdge {
  readonly channel_id: string
  readonly node1_pub: string
  readonly node2_pub: string
  readonly capacity: string
  readonly node1_policy: RawPolicy | null
  readonly node2_policy: RawPolicy | null
}

export interface RawNode {
  readonly pub_key: string
  readonly features: Readonly<Record<string, unknown>>
}

export interface RawNodeInfo {
  readonly node: RawNode | null
  readonly channels: readonly RawEdge[]
}

export interface RawHop {
  readonly chan_id: string
  readonly pub_key: string
  readonly encrypted_data?: Uint8Array
}

export interface RawRoute {
  readonly hops: readonly RawHop[]
  readonly total_fees_msat: string
}

export interface RawFailure {
  readonly code: string
  readonly failure_source_index: number
  /** Of incorrect_or_unknown_payment_details. */
  readonly height: number
}

export interface RawAttempt {
  readonly status: 'IN_FLIGHT' | 'SUCCEEDED' | 'FAILED'
  readonly route: RawRoute | null
  readonly failure: RawFailure | null
  /** Empty until it has succeeded. */
  readonly preimage?: Uint8Array
}

export interface RawPayment {
  readonly status: string
  readonly fee_msat: string
  readonly htlcs: readonly RawAttempt[]
}

export interface RawInvoice {
  readonly r_hash: Uint8Array
  readonly state: string
  readonly settle_index: string
  readonly amt_paid_msat: string
  readonly is_keysend?: boolean
  readonly htlcs: readonly { readonly state: string; readonly custom_records: RawRecords }[]
}

export interface CircuitKey {
  readonly chan_id: string
  readonly htlc_id: string
}

/** An HTLC that lnd offers on the interceptor stream. */
export interface RawOffer {
  readonly incoming_circuit_key: CircuitKey
  readonly incoming_amount_msat: string
  readonly incoming_expiry: number
  readonly payment_hash: Uint8Array
  readonly outgoing_requested_chan_id: string
  readonly onion_blob: Uint8Array
  readonly auto_fail_height: number
}

/**
 * After a force-close lnd offers an HTLC with both heights equal (spec/lnd.md §5): RESUME and FAIL would end the
 * stream.
 */
export function isOnChain({ auto_fail_height, incoming_expiry }: RawOffer): boolean {
  return auto_fail_height === incoming_expiry
}

/** An answer on the interceptor stream. */
export interface RawVerdict {
  readonly incoming_circuit_key: CircuitKey
  readonly action: 'SETTLE' | 'FAIL' | 'RESUME'
  readonly preimage?: Uint8Array
  readonly failure_code?: string
  /** Sealed by the hop that failed, 292 bytes; in place of a code. */
  readonly failure_message?: Uint8Array
}

/** The type of our record as a key of a map. */
export const RECORD_KEY: string = String(RECORD_TYPE)
/** As a key of a map that was received: its eight bytes, lowest first, a character each. */
const RECEIVED_KEY = 'kcos\0\0\0\0'
/** The type of the record that carries a keysend's preimage as a key of a map. */
export const KEYSEND_KEY: string = String(KEYSEND_TYPE)

/** Our record among others, copied. */
export function recordOf(records: RawRecords): Uint8Array | undefined {
  const found = records[RECEIVED_KEY] ?? records[RECORD_KEY]
  return found === undefined ? undefined : Uint8Array.from(found)
}

/**
 * All others but the keysend's own, copied. Keys that were received are eight bytes, lowest first, a character each.
 */
export function foreignRecords(records: RawRecords): CustomRecord[] {
  return Object.entries(records).flatMap(([name, value]) => {
    const type = /^[0-9]+$/.test(name) && name.length !== 8 ? BigInt(name) : receivedType(name)
    return areForeign([{ type }]) && type !== ENDORSEMENT_TYPE ? [{ type, value: Uint8Array.from(value) }] : []
  })
}

/** What relays say of an HTLC (bLIP 4) stands among the records: it is not of the sender. */
const ENDORSEMENT_TYPE = 106_823n

function receivedType(name: string): bigint {
  return Buffer.from(name, 'latin1').readBigUInt64LE()
}

/** Bits 24 and 25 of BOLT 9: option_route_blinding. */
export function blindsRoutes(features: Readonly<Record<string, unknown>>): boolean {
  return '24' in features || '25' in features
}

/** The request for one payment, by its hash in hex. */
export function hashRequest(hash: string): object {
  return { payment_hash: fromHex(hash), no_inflight_updates: false }
}
