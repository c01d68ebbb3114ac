import type { PaymentMeterView } from '../../medium/payment-meter.ts'
import { counter, gauge, labelled, type Metric, paymentMetrics } from './text.ts'

/** What the metrics of a daemon are made from. Amounts in msat. */
export interface DaemonFacts {
  readonly isOnline: boolean
  readonly network: string
  readonly blockHeight: number
  readonly runningMs: number
  readonly programs: number
  readonly connections: number
  readonly payments: PaymentMeterView
  readonly unresolved: number
  readonly overCap: number
  readonly receivedMsat: bigint
  readonly strays: number
  readonly tables: Readonly<Record<string, number>>
}

/** Of all programs together: which of them it was is not told. */
export function daemonMetrics(facts: DaemonFacts): readonly Metric[] {
  const info = { name: 'keysock_info', help: 'The network of the node', label: 'network' }
  const tables = { name: 'keysock_table_entries', help: 'Entries of bounded tables', label: 'table' }
  return [
    labelled('gauge', info, { [facts.network]: 1 }),
    gauge('keysock_node_online', 'Whether the node is in reach', facts.isOnline ? 1 : 0),
    gauge('keysock_block_height', 'Of the chain, as the node knows it', facts.blockHeight),
    gauge('keysock_daemon_running_seconds', 'Since the daemon started', facts.runningMs / 1_000),
    gauge('keysock_daemon_programs', 'Programs that are attached', facts.programs),
    gauge('keysock_connections', 'Connections that are', facts.connections),
    ...paymentMetrics(facts.payments),
    gauge('keysock_payments_unresolved', 'Payments without an outcome', facts.unresolved),
    counter('keysock_daemon_payments_over_cap_total', 'Payments that a cap did not let pass', facts.overCap),
    counter('keysock_received_msat_total', 'All that came in', facts.receivedMsat),
    counter('keysock_packets_stray_total', 'Packets for no program', facts.strays),
    labelled('gauge', tables, facts.tables),
  ]
}
