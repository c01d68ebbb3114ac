import type { PaymentMeterView } from '../../medium/payment-meter.ts'
import type { StreamTotals } from '../driver/connections.ts'
import { counter, gauge, labelled, type Metric, paymentMetrics } from './text.ts'

/** What the metrics of an endpoint are made from. Amounts in msat. */
export interface EndpointFacts {
  readonly isOnline: boolean
  readonly network: string
  readonly blockHeight: number
  readonly payments: PaymentMeterView
  readonly unresolved: number
  /** Connections that are, and ever were. */
  readonly connections: number
  readonly opened: number
  readonly accepted: number
  readonly refused: number
  /** Of all connections that ever were. */
  readonly streams: StreamTotals
  readonly stray: number
  readonly strayMsat: bigint
  readonly receivedMsat: bigint
  readonly spentMsat: bigint
  readonly reservedMsat: bigint
  readonly capMsat: bigint
  readonly allowanceMsat: bigint
  readonly traceDropped: number
  /** Entries of bounded tables, by what they are. */
  readonly tables: Readonly<Record<string, number>>
}

/** No key, port or program is in it: there are as many series with one connection as with thousands. */
export function endpointMetrics(facts: EndpointFacts): readonly Metric[] {
  const { streams } = facts
  const role = { name: 'keysock_connections_total', help: 'Connections that ever were', label: 'role' }
  const bytes = { name: 'keysock_stream_bytes_total', help: 'Bytes of streams that arrived', label: 'direction' }
  const packets = { name: 'keysock_packets_total', help: 'Packets, copies included', label: 'direction' }
  const tables = { name: 'keysock_table_entries', help: 'Entries of bounded tables', label: 'table' }
  return [
    labelled(
      'gauge',
      { name: 'keysock_info', help: 'The network of the node', label: 'network' },
      { [facts.network]: 1 },
    ),
    gauge('keysock_node_online', 'Whether the node is in reach', facts.isOnline ? 1 : 0),
    gauge('keysock_block_height', 'Of the chain, as the node knows it', facts.blockHeight),
    ...paymentMetrics(facts.payments),
    gauge('keysock_payments_unresolved', 'Payments without an outcome', facts.unresolved),
    gauge('keysock_connections', 'Connections that are', facts.connections),
    labelled('counter', role, { initiator: facts.opened, responder: facts.accepted }),
    counter('keysock_opens_refused_total', 'Connections that were refused', facts.refused),
    labelled('counter', bytes, { sent: streams.bytesSent, received: streams.bytesReceived }),
    labelled('counter', packets, { sent: streams.packetsSent, received: streams.packetsReceived }),
    counter('keysock_packet_copies_total', 'Packets that were sent again before they had an outcome', streams.copies),
    counter('keysock_packets_stray_total', 'Packets for no connection', facts.stray),
    counter('keysock_received_msat_total', 'All that came in', facts.receivedMsat),
    counter('keysock_stray_msat_total', 'What came in for no connection', facts.strayMsat),
    counter('keysock_spent_msat_total', 'All that was paid, fees included', facts.spentMsat),
    gauge('keysock_reserved_msat', 'Amounts and fees of payments without an outcome', facts.reservedMsat),
    gauge('keysock_cap_msat', 'What the process may spend in all', facts.capMsat),
    gauge('keysock_allowance_msat', 'What is left to advance for answers', facts.allowanceMsat),
    counter(
      'keysock_trace_events_dropped_total',
      'Events that the disk of a trace was too slow for',
      facts.traceDropped,
    ),
    labelled('gauge', tables, facts.tables),
  ]
}
