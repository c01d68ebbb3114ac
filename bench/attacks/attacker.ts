import type { Backend } from '../../src/backends/backend.ts'

/** What a node of somebody who means harm does otherwise than an honest one. */
export interface Malice {
  /** Payments to it over its own paths: held until the node before gives up, or turned down. */
  readonly offers?: 'held' | 'refused'
  /** It pays so often, and then no more: what it does not pay fails in its own process. */
  readonly payments?: number
}

/** The backend of somebody who means harm. */
export function malicious(backend: Backend, { offers, payments = Infinity }: Malice): Backend {
  let paid = 0
  const answer: Backend['answer'] = async (offerId, verdict) => {
    if (offers === 'held') return
    await backend.answer(offerId, offers === 'refused' ? { action: 'refuse', code: 0 } : verdict)
  }
  const pay: Backend['pay'] = async (payment) =>
    ++paid > payments ? { status: 'failed', reason: 'policy', place: 'local' } : await backend.pay(payment)
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'answer') return answer
      if (name === 'pay') return pay
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
