import { backOffMs } from '../../floor/back-off.ts'
import { toHex } from '../../floor/bytes.ts'
import type { DecidedOutcome, Lane, Payment, PaymentFailure } from '../../medium/payment.ts'
import { type Destination, type Route, routeFeeMsat, type RoutePreference } from '../../medium/route.ts'
import { Code, codeName } from '../../wire/errors.ts'
import { MAX_NOTE_ATTEMPT } from '../../wire/notes.ts'
import type { Driver } from '../driver/driver.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { ANY_FEE_MSAT } from '../limits.ts'
import type { PaidNote } from '../store/store.ts'
import { AGAIN, COPY_AFTER_MS, MAX_COPIES_UNDER_WAY, MAX_UNEXPLAINED, ROUTE_SEARCHES, ROUTES_ASKED } from './limits.ts'
import type { SentAttempts } from './sent-notes.ts'

/** What one attempt pays with. */
export type AttemptPayment = Pick<Payment, 'hash' | 'preimage' | 'record' | 'records' | 'isLocked'> & {
  /** What it is settled with, where this side knows it before. */
  readonly settledWith: Uint8Array | undefined
}

export interface PaymentRunOptions {
  readonly driver: Pick<Driver, 'runtime' | 'node' | 'ledger' | 'payer'>
  readonly destination: Destination
  readonly prefer: RoutePreference
  /** Whose cap pays, in hexadecimal. */
  readonly peer: string
  /** Of the receiver; 0 for none. */
  readonly port: number
  readonly amountMsat: bigint
  readonly maxFeeMsat: bigint
  /** What a record has to have room for. */
  readonly recordBytes: number
  /** An attempt may go while another has no outcome (spec §18.6). */
  readonly copies: boolean
  /** All attempts have one hash, about which the receiver says the same word again (spec §2.5). */
  readonly isLocked: boolean
  readonly attempts: SentAttempts
  /** `attempt`: its number. */
  readonly payment: (attempt: number, failedBelow: number) => AttemptPayment
  readonly untilMs: number
  readonly signal: AbortSignal | undefined
  /** Found before, the best first. */
  readonly routes: readonly Route[]
}

/** An attempt that has no outcome. */
interface UnderWay {
  readonly failedBelow: number
  readonly copyAtMs: number
}

/**
 * One payment that is tried over route after route until it is settled once, refused, or out of time. Another attempt
 * goes only when the former has failed for certain, or where copies are allowed: then one of them at most is settled by
 * an honest receiver, and what a liar could take twice is small.
 */
export class PaymentRun {
  readonly #options: PaymentRunOptions
  readonly #lane: Lane
  #routes: Route[]
  /** Channels that refused. */
  readonly #avoid = new Set<string>()
  readonly #underWay = new Map<number, UnderWay>()
  #error: KeysockError | undefined
  /** Nothing is sent before this time. */
  #notBeforeMs = 0
  #pauses = 0
  #searches = 0
  #unexplained = 0
  #wake: (() => void) | undefined

  constructor(options: PaymentRunOptions) {
    this.#options = options
    this.#lane = options.destination.lane
    this.#routes = [...options.routes]
  }

  /** Resolves with the payment that went through. @throws KeysockError, or the signal's reason */
  async run(): Promise<PaidNote> {
    const { attempts, driver, signal } = this.#options
    const { runtime } = driver
    attempts.listen(() => this.#wake?.())
    const deadline = runtime.deadlines.add(() => this.#wake?.())
    const aborted = (): void => this.#wake?.()
    signal?.addEventListener('abort', aborted)
    runtime.countHold(1)
    try {
      for (;;) {
        if (attempts.paid !== undefined) return attempts.paid
        this.#mustGoOn()
        const atMs = this.#nextMs()
        const now = runtime.now()
        if (atMs <= now) {
          await this.#try()
          continue
        }
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        runtime.deadlines.set(deadline, Math.min(atMs, this.#options.untilMs))
        await promise
        this.#wake = undefined
      }
    } finally {
      runtime.countHold(-1)
      runtime.deadlines.set(deadline, undefined)
      signal?.removeEventListener('abort', aborted)
      attempts.listen(undefined)
    }
  }

  /** @throws what ends it */
  #mustGoOn(): void {
    const { attempts, driver, untilMs, signal } = this.#options
    const isOpen = attempts.open.size > 0
    if (driver.runtime.isStopped)
      throw new KeysockError('ERR_KEYSOCK_ENDPOINT_CLOSED', 'the endpoint was closed before the message had an outcome')
    if (this.#error !== undefined && !isOpen) throw this.#error
    const isLate = driver.runtime.now() >= untilMs
    if (!isLate && signal?.aborted !== true) return
    if (isOpen) throw this.#undecided(signal)
    if (signal?.aborted === true) throw signal.reason
    throw this.#error ?? new KeysockError('ETIMEDOUT', 'no attempt went through in time; nothing was paid')
  }

  #undecided(signal: AbortSignal | undefined): KeysockError {
    return new KeysockError(
      'ERR_KEYSOCK_UNDECIDED',
      'a payment of this message has no outcome yet: it may still be delivered. Send it again under the same id to hear what became of it',
      signal?.aborted === true ? { cause: signal.reason } : {},
    )
  }

  /** When the next attempt may go, ms; Infinity while an outcome is waited for. */
  #nextMs(): number {
    const { attempts, copies } = this.#options
    if (this.#error !== undefined) return Infinity
    if (attempts.open.size === 0) return this.#notBeforeMs
    if (!copies || attempts.open.size >= MAX_COPIES_UNDER_WAY) return Infinity
    const copyAtMs = Math.max(...[...this.#underWay.values()].map((each) => each.copyAtMs))
    // What a former call left has no time of its own.
    return Math.max(this.#notBeforeMs, this.#underWay.size === 0 ? 0 : copyAtMs)
  }

  async #try(): Promise<void> {
    const { attempts } = this.#options
    if (attempts.next > MAX_NOTE_ATTEMPT) {
      this.#error = new KeysockError('ETIMEDOUT', `${MAX_NOTE_ATTEMPT + 1} attempts failed; nothing was paid`)
      return
    }
    if (!this.#options.driver.node.isOnline) return this.#pause()
    const route = this.#routes.find((each) => this.#fits(each)) ?? (await this.#search())
    if (route === undefined || this.#mayNotSend()) return
    this.#send(route)
  }

  /** While routes were looked for, it was decided, or out of time. */
  #mayNotSend(): boolean {
    const { attempts, driver, untilMs, signal } = this.#options
    const isOver = driver.runtime.now() >= untilMs || signal?.aborted === true || driver.runtime.isStopped
    return isOver || attempts.paid !== undefined || this.#nextMs() > driver.runtime.now()
  }

  #fits(route: Route): boolean {
    const { recordBytes } = this.#options
    const amountMsat = this.#amountOn(route)
    if (route.recordBytes < recordBytes || amountMsat > route.maxAmountMsat) return false
    return (
      !route.channels.some((channel) => this.#avoid.has(channel)) && this.#extraMsat(route) <= this.#options.maxFeeMsat
    )
  }

  /** What is delivered over a route: never less than it lets pass. */
  #amountOn({ minAmountMsat }: Route): bigint {
    const { amountMsat } = this.#options
    return amountMsat > minAmountMsat ? amountMsat : minAmountMsat
  }

  /** What it costs beyond the amount that was asked for. */
  #extraMsat(route: Route): bigint {
    const amountMsat = this.#amountOn(route)
    return amountMsat - this.#options.amountMsat + routeFeeMsat(route, amountMsat)
  }

  async #search(): Promise<Route | undefined> {
    const { destination, amountMsat, maxFeeMsat, prefer, driver } = this.#options
    const request = { destination, amountMsat: amountMsat > 0n ? amountMsat : 1n, prefer, count: ROUTES_ASKED }
    const { backend } = driver.node
    try {
      let found = await backend.findRoutes({ ...request, maxFeeMsat, avoid: [...this.#avoid] })
      this.#routes = [...found]
      const fitting = this.#routes.find((each) => this.#fits(each))
      if (fitting !== undefined) return fitting
      if (this.#avoid.size > 0) {
        // Those that failed are better than none.
        this.#avoid.clear()
        this.#pause()
        return undefined
      }
      found = found.length > 0 ? found : await backend.findRoutes({ ...request, maxFeeMsat: ANY_FEE_MSAT, count: 1 })
      this.#foundNone(found)
    } catch (error) {
      driver.runtime.debug({ reason: messageOf(error) }, 'no routes for a message')
      this.#pause()
    }
    return undefined
  }

  #foundNone(found: readonly Route[]): void {
    const { maxFeeMsat, recordBytes } = this.#options
    const [cheapest] = found
    if (cheapest !== undefined && cheapest.recordBytes < recordBytes)
      this.#error = new KeysockError('EHOSTUNREACH', 'no route has room for these bytes')
    else if (cheapest !== undefined && this.#amountOn(cheapest) > cheapest.maxAmountMsat)
      this.#error = new KeysockError('EHOSTUNREACH', 'no route lets this amount pass')
    else if (cheapest !== undefined)
      this.#error = new KeysockError(
        'ERR_KEYSOCK_FEE',
        `the cheapest way costs ${this.#extraMsat(cheapest)} msat beyond the amount, and maxFee is ${maxFeeMsat} msat`,
      )
    else if (++this.#searches >= ROUTE_SEARCHES)
      this.#error = new KeysockError('EHOSTUNREACH', 'no route to the node was found; nothing was paid')
    this.#pause()
  }

  #send(route: Route): void {
    const { driver, peer, port, attempts, payment } = this.#options
    const amountMsat = this.#amountOn(route)
    const feeMsat = routeFeeMsat(route, amountMsat)
    const { failedBelow, next: attempt } = attempts
    const { settledWith, ...paid } = payment(attempt, failedBelow)
    if (driver.payer.isPaying(paid.hash)) return this.#endDuplicate()
    const obstacle = driver.ledger.tryReserve({ peer, amountMsat, feeMsat, port })
    if (obstacle !== undefined) {
      // A copy is not worth an error.
      if (attempts.open.size > 0) return this.#pause()
      this.#error = new KeysockError(
        'ERR_KEYSOCK_COST',
        `${amountMsat + feeMsat} msat are more than the caps of this endpoint leave; raise them by setCaps`,
      )
      return
    }
    const changes = attempts.sent(toHex(paid.hash))
    const copyAtMs =
      driver.runtime.now() +
      (COPY_AFTER_MS.verdict + route.channels.length * COPY_AFTER_MS.channel) * 2 ** this.#underWay.size
    this.#underWay.set(attempt, { failedBelow, copyAtMs })
    const preimage = settledWith === undefined ? {} : { preimage: toHex(settledWith) }
    const note = { lane: this.#lane, hash: toHex(paid.hash), ...preimage, amountMsat, route: route.channels }
    const decided = (outcome: DecidedOutcome): ReturnType<SentAttempts['failed']> => {
      const isFailed = outcome.status === 'failed'
      const stored = isFailed ? attempts.failed(attempt) : attempts.went(attempt, paidNote(note, outcome))
      if (isFailed) this.#failed(outcome, attempt, route)
      this.#underWay.delete(attempt)
      return stored
    }
    const { channels } = route
    driver.payer.sendAlone(
      { ...paid, routeId: route.id, amountMsat },
      { peer, port, feeMsat },
      { channels, changes, decided },
    )
  }

  /** What follows from a failure: another route, a pause, or the end. */
  #failed(failure: PaymentFailure, attempt: number, route: Route): void {
    const { place, reason, channel, refusal } = failure
    if (refusal !== undefined) return this.#refused(refusal, attempt)
    this.#routes = this.#routes.filter((each) => each !== route)
    if (reason === 'rejected-by-node')
      return this.#end('ECONNREFUSED', 'the node does not take this payment: it takes no keysends, perhaps')
    if (reason === 'duplicate-hash') return this.#endDuplicate()
    if (reason === 'node-away' || reason === 'no-slot') return this.#pause()
    if (place === 'destination') {
      if (++this.#unexplained >= MAX_UNEXPLAINED)
        return this.#end('ECONNREFUSED', 'nobody takes messages at the phantom of this node')
      return this.#pause()
    }
    if (channel === undefined) for (const each of route.channels.slice(1)) this.#avoid.add(each)
    else this.#avoid.add(channel)
  }

  #refused(code: number, attempt: number): void {
    this.#unexplained = 0
    const name = codeName(code)
    switch (code) {
      case Code.BUSY:
        if (!this.#options.isLocked) return this.#pause()
        return this.#end('ECONNREFUSED', 'the receiver is busy; ask it for another hash; nothing was paid', code)
      case Code.DUPLICATE: {
        // Another attempt was under way then, which may be the one that is taken.
        if ((this.#underWay.get(attempt)?.failedBelow ?? attempt) < attempt) return
        return this.#end(
          'ERR_KEYSOCK_DUPLICATE',
          'the receiver took a message with this id before; nothing was paid now',
        )
      }
      case Code.DENIED:
      case Code.CANCELLED:
        return this.#end('ERR_KEYSOCK_REFUSED', `the receiver refused the message (${name}); nothing was paid`, code)
      default:
        if (code >= 256)
          return this.#end('ERR_KEYSOCK_REFUSED', `the receiver refused the message (${name}); nothing was paid`, code)
        return this.#end('ECONNREFUSED', `the receiver does not take the message (${name}); nothing was paid`, code)
    }
  }

  #endDuplicate(): void {
    this.#end('ERR_KEYSOCK_DUPLICATE', 'this hash was paid, or is being paid, already')
  }

  #end(code: string, message: string, refusal?: number): void {
    this.#error ??= new KeysockError(code, message, refusal === undefined ? {} : { peerCode: refusal })
  }

  #pause(): void {
    this.#notBeforeMs = this.#options.driver.runtime.now() + backOffMs(AGAIN, this.#pauses++)
  }
}

function paidNote(
  note: Omit<PaidNote, 'feeMsat'>,
  outcome: Extract<DecidedOutcome, { readonly status: 'delivered' | 'settled' }>,
): PaidNote {
  const told = outcome.status === 'delivered' ? outcome.preimage : undefined
  return { ...note, ...(told === undefined ? {} : { preimage: toHex(told) }), feeMsat: outcome.feeMsat }
}
