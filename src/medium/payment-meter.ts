import type { DecidedOutcome } from './payment.ts'

/** Upper ends of the classes of payment times, seconds: from a channel on one machine to what counts as stuck. */
export const PAYMENT_SECONDS: readonly number[] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** Counts payments and how long they took: what it says never goes back. */
export class PaymentMeter {
  readonly #outcomes: Record<DecidedOutcome['status'], number> = { delivered: 0, settled: 0, failed: 0 }
  /** By `PAYMENT_SECONDS`; the last one is for what took longer. */
  readonly #classes: number[] = Array.from({ length: PAYMENT_SECONDS.length + 1 }, () => 0)
  #started = 0
  #lost = 0
  #seconds = 0
  #amountMsat = 0n
  #feesMsat = 0n

  started(): void {
    this.#started++
  }

  /** The node lost sight of one. */
  lost(): void {
    this.#lost++
  }

  /** `tookMs`: undefined where nobody knows since when it was under way. */
  decided(outcome: DecidedOutcome, amountMsat: bigint, tookMs: number | undefined): void {
    this.#outcomes[outcome.status]++
    if (outcome.status === 'failed') return
    this.#amountMsat += amountMsat
    this.#feesMsat += outcome.feeMsat
    if (tookMs === undefined) return
    const seconds = tookMs / 1_000
    const index = PAYMENT_SECONDS.findIndex((end) => seconds <= end)
    const at = index === -1 ? PAYMENT_SECONDS.length : index
    this.#classes[at] = (this.#classes[at] ?? 0) + 1
    this.#seconds += seconds
  }

  view(): PaymentMeterView {
    return {
      started: this.#started,
      lost: this.#lost,
      outcomes: { ...this.#outcomes },
      amountMsat: this.#amountMsat,
      feesMsat: this.#feesMsat,
      classes: [...this.#classes],
      seconds: this.#seconds,
    }
  }
}

export interface PaymentMeterView {
  readonly started: number
  readonly lost: number
  readonly outcomes: Readonly<Record<DecidedOutcome['status'], number>>
  /** Of those that went through, msat. */
  readonly amountMsat: bigint
  readonly feesMsat: bigint
  /** How many of those that went through took so long, by `PAYMENT_SECONDS`. */
  readonly classes: readonly number[]
  /** The sum of their times. */
  readonly seconds: number
}
