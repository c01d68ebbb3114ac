import { type Arrivals, median } from './statistics.ts'
import type { WatchedPayment } from './watch.ts'

/** What happened within STEP_MS. */
export interface TimelineStep {
  readonly untilSeconds: number
  readonly kilobytesPerSecond: number
  /** Sender's payments without outcome at the end of the step. */
  readonly inFlight: number
  readonly payments: number
  readonly failed: number
  /** Payments of the receiver. */
  readonly replies: number
  /** Median from payment to outcome of what settled; NaN: nothing did. */
  readonly medianMs: number
  /** Stream bytes that were read, as a share of the record bytes that settled at the receiver. */
  readonly payloadShare: number
}

const STEP_MS = 5_000

/** Cuts a transfer into steps of five seconds: where it is slow, and why. */
export function timelineOf(options: {
  readonly startMs: number
  readonly endMs: number
  readonly read: Arrivals
  readonly payments: readonly WatchedPayment[]
  readonly replies: readonly WatchedPayment[]
}): TimelineStep[] {
  const { startMs, endMs, read, payments, replies } = options
  const steps: TimelineStep[] = []
  for (let from = startMs; from < endMs; from += STEP_MS) {
    const to = Math.min(from + STEP_MS, endMs)
    const within = (timeMs: number | undefined): boolean => timeMs !== undefined && timeMs > from && timeMs <= to
    const ended = payments.filter(({ endedMs }) => within(endedMs))
    const settled = ended.filter((payment) => payment.settled)
    const bytes = read.until(to) - read.until(from)
    steps.push({
      untilSeconds: (to - startMs) / 1_000,
      kilobytesPerSecond: bytes / (to - from),
      inFlight: payments.filter(({ sentMs, endedMs }) => sentMs <= to && (endedMs ?? Infinity) > to).length,
      payments: payments.filter(({ sentMs }) => within(sentMs)).length,
      failed: ended.length - settled.length,
      replies: replies.filter(({ sentMs }) => within(sentMs)).length,
      medianMs: median(settled.map(({ sentMs, endedMs }) => (endedMs as number) - sentMs)),
      payloadShare: bytes / settled.reduce((sum, payment) => sum + payment.bytes, 0),
    })
  }
  return steps
}

/** For a person, on 80 columns. */
export function timelineText(steps: readonly TimelineStep[]): string {
  const head = '     s    kB/s  in flight  paid  failed  replies  median ms  payload'
  const lines = steps.map((step) =>
    [
      step.untilSeconds.toFixed(1).padStart(6),
      step.kilobytesPerSecond.toFixed(1).padStart(8),
      String(step.inFlight).padStart(11),
      String(step.payments).padStart(6),
      String(step.failed).padStart(8),
      String(step.replies).padStart(9),
      step.medianMs.toFixed(0).padStart(11),
      step.payloadShare.toFixed(2).padStart(9),
    ].join(''),
  )
  return [head, ...lines].join('\n')
}
