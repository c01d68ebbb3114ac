/** What an endpoint tells of what it does, for those who watch it (spec/qlog.md §3): plain data. */
import type { Lane } from './payment.ts'

/** Of what a packet is paid for: see `WantReason`. */
type Reason = 'control' | 'urgent' | 'hedge' | 'early' | 'data'

/** The data of each event, by its name. Times in ms, amounts in msat. spec/qlog.md §3 says when each is emitted. */
export interface TraceEvents {
  // ---- spec/qlog.md §3.1: connections
  readonly connection_started: {
    readonly role: 'initiator' | 'responder'
    readonly port: number
    /** The other side's node key in hexadecimal; left out where it is unknown, or the trace names no peers. */
    readonly peer?: string
    readonly state: string
  }
  readonly connection_state_updated: { readonly old: string; readonly new: string }
  readonly connection_closed: { readonly code: string; readonly unsent_bytes: number }
  // ---- spec/qlog.md §3.2: packets
  readonly packet_sent: {
    readonly packet_number: number
    readonly attempt: number
    readonly reason: Reason
    readonly lane: Lane
    readonly stream_bytes: number
    readonly again: boolean
    readonly eliciting: boolean
    readonly hedge_after_ms: number
    readonly copy_of?: number
  }
  readonly packet_received: {
    readonly fate: 'taken' | 'again' | 'refused' | 'dropped'
    readonly lane: Lane
    readonly record_bytes: number
    readonly amount_msat: bigint
    readonly packet_number?: number
    readonly frames?: readonly string[]
    readonly stream_bytes?: number
    readonly received_bytes?: number
    readonly code?: number
  }
  readonly packet_acked: {
    readonly packet_number: number
    readonly attempt: number
    readonly by: 'settlement' | 'acknowledgement'
    readonly stream_bytes: number
    readonly delivered_bytes: number
  }
  readonly packet_lost: {
    readonly packet_number: number
    readonly attempt: number
    readonly why: 'payment-failed' | 'unacknowledged'
    readonly stream_bytes: number
  }
  // ---- spec/qlog.md §3.3: payments
  readonly payment_started: {
    readonly payment: string
    readonly attempt?: number
    readonly reason: Reason
    readonly route: readonly string[]
    readonly amount_msat: bigint
    readonly fee_msat: bigint
    readonly record_bytes: number
  }
  readonly payment_settled: {
    readonly payment: string
    readonly outcome: 'delivered' | 'settled'
    readonly amount_msat: bigint
    readonly fee_msat: bigint
    readonly latency_ms: number
  }
  readonly payment_failed: {
    readonly payment: string
    readonly reason: string
    readonly place: string
    readonly channel?: string
    readonly latency_ms: number
  }
  readonly payment_hung: { readonly payment: string; readonly why: 'late' | 'lost-sight'; readonly age_ms: number }
  // ---- spec/qlog.md §3.4: routes and windows
  readonly route_found: {
    readonly route: readonly string[]
    readonly lane: Lane
    readonly min_amount_msat: bigint
    readonly cost_msat: bigint
    readonly record_bytes: number
    readonly known_routes: number
  }
  readonly route_discarded: {
    readonly route: readonly string[]
    readonly why: 'gone' | 'suspended' | 'replaced' | 'too-many' | 'too-expensive'
    readonly for_ms?: number
  }
  readonly routes_not_found: { readonly lane: Lane }
  readonly window_updated: {
    readonly window: number
    readonly in_flight: number
    readonly hung: number
    readonly phase: 'start' | 'steady'
    readonly median_ms?: number
    readonly hedge_after_ms: number
  }
  // ---- spec/qlog.md §3.5: prices
  readonly price_set: PriceData
  readonly price_learned: PriceData
  readonly bill_sent: { readonly due_msat: bigint; readonly paid_msat: bigint }
  readonly bill_received: { readonly of: 'price' | 'answers'; readonly due_msat: bigint; readonly paid_msat: bigint }
  // ---- spec/qlog.md §3.6: reply paths
  readonly reply_path_requested: { readonly silent: boolean }
  readonly reply_path_made: { readonly paths: number; readonly renewal: boolean; readonly cost_msat?: bigint }
  readonly reply_path_failed: { readonly first: boolean }
  // ---- spec/qlog.md §3.7: money
  readonly money_reserved: MoneyData
  readonly money_freed: MoneyData
  readonly money_spent: MoneyData & { readonly fee_msat: bigint }
  readonly money_received: { readonly amount_msat: bigint; readonly received_msat: bigint; readonly stray: boolean }
  readonly cap_reached: { readonly own: boolean; readonly cap_msat: bigint; readonly price_msat: bigint }
  readonly cap_set: { readonly cap: 'peer' | 'process'; readonly cap_msat: bigint }
  // ---- spec/qlog.md §3.8: the node and the trace
  readonly node_state_updated: { readonly new: 'online' | 'offline'; readonly away: 'node' | 'daemon' }
  readonly events_dropped: { readonly count: number; readonly dropped_in_all: number }
  readonly trace_ended: { readonly events: number; readonly dropped_in_all: number }
}

interface PriceData {
  readonly serial: number
  readonly opening_msat: bigint
  readonly packet_msat: bigint
  readonly kilobyte_msat: bigint
  readonly upload_msat: bigint
  readonly second_msat: bigint
  readonly message_msat: bigint
}

/** The payment's sum, and what the process has spent and reserved after it. */
interface MoneyData {
  readonly payment: string
  readonly amount_msat: bigint
  readonly spent_msat: bigint
  readonly reserved_msat: bigint
}

export type TraceName = keyof TraceEvents

/** Hears events as they happen. Whoever has none emits nothing: `tracer?.emit(...)` makes no object then. */
export interface Tracer {
  emit<Name extends TraceName>(name: Name, data: TraceEvents[Name]): void
  /** The same, for events that belong together: those of a connection, or of a way to a peer. */
  within(group: string): Tracer
}

/** The part of a payment's hash, in hexadecimal, by which a trace names it: 48 of its 256 bits (spec/qlog.md §2.4). */
export function paymentName(hashHex: string): string {
  return hashHex.slice(0, PAYMENT_NAME_DIGITS)
}

const PAYMENT_NAME_DIGITS = 12
