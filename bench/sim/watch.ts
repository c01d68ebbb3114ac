import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { LevelTimes } from './statistics.ts'

/** What a process paid for, seen below it. */
export interface Watch {
  /** The same backend, watched. */
  readonly backend: Backend
  /** Payments without outcome, over time. */
  readonly inFlight: LevelTimes
  /** One entry a payment, in order of sending. */
  readonly payments: readonly WatchedPayment[]
}

export interface WatchedPayment {
  readonly sentMs: number
  readonly bytes: number
  /** Amount and fee if it settled. */
  costMsat: bigint
  /** undefined: still under way. */
  endedMs: number | undefined
  settled: boolean
}

/** Looks over a backend's shoulder; changes nothing. */
export function watch(backend: Backend, now: () => number): Watch {
  const inFlight = new LevelTimes()
  const payments: WatchedPayment[] = []
  inFlight.set(now(), 0)
  const pay = async (payment: Payment): Promise<PaymentOutcome> => {
    const entry: WatchedPayment = {
      sentMs: now(),
      bytes: payment.record.length,
      costMsat: 0n,
      endedMs: undefined,
      settled: false,
    }
    payments.push(entry)
    inFlight.set(now(), inFlight.level + 1)
    const outcome = await backend.pay(payment)
    inFlight.set(now(), inFlight.level - 1)
    entry.endedMs = now()
    if (outcome.status === 'settled' || outcome.status === 'delivered') {
      entry.settled = true
      entry.costMsat = payment.amountMsat + outcome.feeMsat
    }
    return outcome
  }
  // Its methods use private fields, so they must run on the backend itself.
  const watched = new Proxy(backend, {
    get(target, name) {
      if (name === 'pay') return pay
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { backend: watched, inFlight, payments }
}
