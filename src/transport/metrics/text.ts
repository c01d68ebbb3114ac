/** Metrics in the text format of Prometheus, version 0.0.4. */
import { PAYMENT_SECONDS, type PaymentMeterView } from '../../medium/payment-meter.ts'

/** The type that a scrape is answered with. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Readonly<Record<string, string>>

/** A value of a metric, and what tells it from the others of that name. */
interface Sample {
  readonly value: number | bigint
  readonly labels?: Labels
  /** Behind the metric's name: that of a histogram's parts. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

export interface Metric {
  /** With the unit, and `_total` for a counter. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly Sample[]
}

export function counter(name: string, help: string, value: number | bigint): Metric {
  return { name, help, type: 'counter', samples: [{ value }] }
}

export function gauge(name: string, help: string, value: number | bigint): Metric {
  return { name, help, type: 'gauge', samples: [{ value }] }
}

/** One that is told apart by one label. */
export function labelled(
  type: 'counter' | 'gauge',
  { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
  values: Readonly<Record<string, number | bigint>>,
): Metric {
  const samples = Object.entries(values).map(([each, value]) => ({ value, labels: { [label]: each } }))
  return { name, help, type, samples }
}

/** What a meter of payments says. */
export function paymentMetrics(view: PaymentMeterView): readonly Metric[] {
  const { outcomes, classes, seconds, started, lost, amountMsat, feesMsat } = view
  let count = 0
  const buckets = classes.map((each, index): Sample => {
    count += each
    return { value: count, suffix: '_bucket', labels: { le: String(PAYMENT_SECONDS[index] ?? '+Inf') } }
  })
  const help = 'Payments with an outcome; delivered: taken at a phantom, settled: by the other node'
  return [
    labelled('counter', { name: 'keysock_payments_total', help, label: 'outcome' }, outcomes),
    counter('keysock_payments_started_total', 'Payments that were made', started),
    counter('keysock_payments_lost_sight_total', 'Times that the node lost sight of a payment', lost),
    counter('keysock_paid_msat_total', 'Amounts of the payments that went through, without fees', amountMsat),
    counter('keysock_fees_msat_total', 'Fees of the payments that went through', feesMsat),
    {
      name: 'keysock_payment_duration_seconds',
      help: 'How long payments took that went through',
      type: 'histogram',
      samples: [...buckets, { value: seconds, suffix: '_sum' }, { value: count, suffix: '_count' }],
    },
  ]
}

export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(textOf).join('')
}

function textOf({ name, help, type, samples }: Metric): string {
  const lines = samples.map(
    ({ value, labels = {}, suffix = '' }) => `${name}${suffix}${labelsText(labels)} ${String(value)}`,
  )
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join('\n')}\n`
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
