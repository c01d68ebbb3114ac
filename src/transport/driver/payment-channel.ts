import { AsyncResource } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import type { DecidedOutcome } from '../../medium/payment.ts'

/** Of `keysock:payment`: a payment is decided. Amounts in msat. */
export interface PaymentMessage {
  /** Connection id in hexadecimal; '' of a message or keysend. */
  readonly connection: string
  /** The other side's key in hexadecimal; '' where it is unknown. */
  readonly peer: string
  readonly port: number
  readonly outcome: DecidedOutcome['status']
  readonly amountMsat: bigint
  /** That was paid; 0n of one that failed. */
  readonly feeMsat: bigint
  /** Of the route. */
  readonly channels: readonly string[]
  readonly durationMs: number
  /** Why it failed, and where. */
  readonly reason?: string
  readonly place?: string
}

const paymentChannel = channel('keysock:payment')

/** Publishes payments on `node:diagnostics_channel`, in the context in which the endpoint was made. */
export class PaymentPublisher {
  readonly #context: AsyncResource = new AsyncResource('KEYSOCK_PAYMENT')

  /** Nothing is made where nobody subscribes. */
  decided(message: () => PaymentMessage): void {
    if (paymentChannel.hasSubscribers) this.#context.runInAsyncScope(() => paymentChannel.publish(message()))
  }
}
