import type { ConnectionEvent } from '../connection/interface.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'
import { invalidOption, KeysockError, kindOf } from '../errors.ts'
import { MAX_NOTE_BYTES, PaymentKind } from '../../wire/frames.ts'
import { MAX_PRICE_MSAT } from '../limits.ts'
import { checkMsat, type Msat } from '../options/options.ts'

/** A payment of this side's that went through. */
export interface PaymentReceipt {
  readonly id: number
  readonly amountMsat: bigint
  /** Of the packet that carried it. */
  readonly feeMsat: bigint
}

/** Money of the other side's, beside what is asked by a tariff. */
export interface ReceivedPayment {
  readonly kind: 'payment' | 'refund' | 'answer'
  readonly amountMsat: bigint
  readonly note: string
  /** What it answers: the id that `request` had. */
  readonly request: number | undefined
}

/** The other side asks for money. */
export interface PaymentRequest {
  readonly id: number
  readonly amountMsat: bigint
  readonly note: string
  /** Pays what is asked, or another amount. */
  pay(msat?: Msat): Promise<PaymentReceipt>
  decline(reason?: string): void
}

interface Waiter<Result> {
  resolve(result: Result): void
  reject(error: Error): void
}

const KINDS: readonly ReceivedPayment['kind'][] = ['payment', 'refund', 'answer']
const NO_NOTE = ''

/** Who of a socket's application waits for what money (spec §12.9). */
export class MoneyExchange {
  readonly #paying: Map<number, Waiter<PaymentReceipt>> = new Map()
  readonly #asking: Map<number, Waiter<ReceivedPayment>> = new Map()

  /** `handle` undefined: there is no connection. */
  pay(handle: ConnectionHandle | undefined, payment: Outgoing): Promise<PaymentReceipt> {
    const { kind, reference = 0 } = payment
    const { amountMsat, note } = checked(payment)
    if (handle === undefined) return Promise.reject(notOpen())
    const id = handle.pay({ kind, reference, amountMsat, note })
    return new Promise((resolve, reject) => {
      this.#paying.set(id, { resolve, reject })
    })
  }

  request(handle: ConnectionHandle | undefined, asked: Pick<Outgoing, 'msat' | 'note'>): Promise<ReceivedPayment> {
    const { amountMsat, note } = checked(asked)
    if (handle === undefined) return Promise.reject(notOpen())
    try {
      const id = handle.request(amountMsat, note)
      return new Promise((resolve, reject) => {
        this.#asking.set(id, { resolve, reject })
      })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return Promise.reject(new KeysockError('ERR_KEYSOCK_TOO_MANY_REQUESTS', 'too many requests wait for an answer'))
    }
  }

  paid({ amountMsat, feeMsat, id }: Extract<ConnectionEvent, { type: 'paid' }>): void {
    this.#paying.get(id)?.resolve({ id, amountMsat, feeMsat })
    this.#paying.delete(id)
  }

  /** What the application is told of it. */
  came(event: Extract<ConnectionEvent, { type: 'payment' }>): ReceivedPayment {
    const { amountMsat, kind, note, reference } = event
    const request = kind === PaymentKind.ANSWER ? reference : undefined
    const payment = { kind: KINDS[kind] ?? 'payment', amountMsat, note, request }
    this.#take(request)?.resolve(payment)
    return payment
  }

  declined({ id, reason }: Extract<ConnectionEvent, { type: 'declined' }>): void {
    const why = reason === '' ? 'the other side does not pay' : `the other side does not pay: ${reason}`
    this.#take(id)?.reject(new KeysockError('ERR_KEYSOCK_DECLINED', why))
  }

  /** The connection has ended; what is under way may still be paid. */
  end(error: Error | undefined): void {
    const message = 'the connection ended before this was decided; money that is under way may still arrive'
    const failure = error ?? new KeysockError('ERR_SOCKET_CLOSED', message)
    for (const waiter of [...this.#paying.values(), ...this.#asking.values()]) waiter.reject(failure)
    this.#paying.clear()
    this.#asking.clear()
  }

  #take(id: number | undefined): Waiter<ReceivedPayment> | undefined {
    const waiter = id === undefined ? undefined : this.#asking.get(id)
    if (id !== undefined) this.#asking.delete(id)
    return waiter
  }
}

interface Outgoing {
  readonly msat: Msat
  readonly note: string | undefined
  readonly kind: number
  readonly reference?: number
}

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
function checked({ msat, note = NO_NOTE }: Pick<Outgoing, 'msat' | 'note'>): { amountMsat: bigint; note: string } {
  const amountMsat = checkMsat(msat, 'the amount')
  if (amountMsat === 0n || amountMsat > MAX_PRICE_MSAT)
    throw invalidOption(`an amount is from 1 to ${MAX_PRICE_MSAT} msat; got ${amountMsat}`)
  if (typeof note !== 'string') throw invalidOption(`a note is a string; got ${kindOf(note)}`)
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw invalidOption(`a note has at most ${MAX_NOTE_BYTES} bytes`)
  return { amountMsat, note }
}

function notOpen(): KeysockError {
  return new KeysockError('ERR_SOCKET_CLOSED', 'money needs a connection that is open')
}
