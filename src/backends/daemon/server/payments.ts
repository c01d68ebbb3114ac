import { toHex } from '../../../floor/bytes.ts'
import type { DecidedOutcome, Payment, PaymentOutcome } from '../../../medium/payment.ts'
import type { Backend } from '../../backend.ts'
import type { Clock } from '../../../floor/clock.ts'
import { routeFeeMsat } from '../../../medium/route.ts'
import { MAX_REMEMBERED, OVER_CAP_WARNING_MS } from '../protocol/limits.ts'
import { failedHere, type Tracked } from '../protocol/messages.ts'
import { headerOf } from '../protocol/packet-header.ts'
import type { ConnectionOwners } from './ownership.ts'
import type { Purse } from './purse.ts'
import type { PayableRoute, ProgramSession, ProgramSessions } from './program-session.ts'
import { SlotShares } from './slot-shares.ts'

export interface ProgramPaymentsOptions {
  readonly backend: Pick<Backend, 'pay'>
  readonly connections: ConnectionOwners
  readonly sessions: ProgramSessions
  readonly purse: Purse | undefined
  readonly clock: Clock
}

interface UnderWay {
  readonly session: ProgramSession
  readonly channel: string
}

/** The payments of all programs. Each pays over routes that it was given, with its share of the slots. */
export class ProgramPayments {
  readonly #options: ProgramPaymentsOptions
  readonly #slots = new SlotShares()
  readonly #warnedMs = new WeakMap<ProgramSession, number>()
  /** Payments without an outcome, by hash; also those that the node lost sight of. */
  readonly #underWay = new Map<string, UnderWay>()
  /** Hashes of the payments that the node lost sight of. */
  readonly #lost = new Set<string>()

  constructor(options: ProgramPaymentsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#underWay.size
  }

  /** Whether a payment is under way, and the node knows of it. */
  isUnderWay(hash: Uint8Array): boolean {
    const key = toHex(hash)
    return this.#underWay.has(key) && !this.#lost.has(key)
  }

  async pay(session: ProgramSession, payment: Payment): Promise<PaymentOutcome> {
    const route = session.route(payment.routeId)
    if (route === undefined) return failedHere('route-gone')
    const key = toHex(payment.hash)
    if (this.#underWay.has(key)) return failedHere('duplicate-hash')
    const [channel = ''] = route.channels
    if (!session.payments.hasRoom() || !this.#slots.take(session, channel, route.slots)) return failedHere('no-slot')
    this.#underWay.set(key, { session, channel })
    session.payments.add(key)
    const refusal = await this.#refusalOf(session, payment, route)
    if (refusal !== undefined) {
      this.#end(key)
      this.#warn(session, refusal)
      return failedHere('no-balance')
    }
    if (route.lane === 'node') this.#learnSender(session, payment.record)
    const outcome = await this.#options.backend.pay(payment).catch((): PaymentOutcome => ({ status: 'unknown' }))
    if (outcome.status === 'unknown') this.#lose(key)
    else {
      this.#end(key)
      this.#options.purse?.decided(payment.hash, outcome)
    }
    // A program that has gone asks for the outcome when it comes back, or the one that took its place hears it now.
    if (session.isGone && outcome.status !== 'unknown') this.#emitToAll(payment.hash, outcome)
    return outcome
  }

  /** The node tells of a payment that it had lost sight of, or that a former daemon made. */
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    const key = toHex(hash)
    const session = this.#underWay.get(key)?.session
    if (outcome.status !== 'unknown') {
      this.#end(key)
      this.#options.purse?.decided(hash, outcome)
    }
    if (session?.isGone === false) session.emit({ type: 'payment-resolved', hash, outcome })
    else this.#emitToAll(hash, outcome)
  }

  /** A program has gone: its payments go on, but it has no share of the slots any more. */
  leave(session: ProgramSession): void {
    this.#slots.leave(session)
  }

  /** A program has asked for this payment, and there is an outcome, or it never was. */
  found(hash: Uint8Array, found: Tracked): void {
    if (found.status === 'in-flight' || found.status === 'unknown') return
    const key = toHex(hash)
    if (this.#lost.has(key)) this.#end(key)
    this.#options.purse?.decided(hash, isDecided(found) ? found : failedHere('node-away'))
  }

  /** Why the caps of the daemon do not let this payment pass; undefined: they do. */
  async #refusalOf(session: ProgramSession, payment: Payment, route: PayableRoute): Promise<string | undefined> {
    const { peer, channels } = route
    const feeMsat = routeFeeMsat(route, payment.amountMsat)
    return await this.#options.purse?.begin({ program: session.program, payment, peer, feeMsat, channels })
  }

  /** Now and then, not with every payment. */
  #warn(session: ProgramSession, message: string): void {
    const now = this.#options.clock.now()
    if (now - (this.#warnedMs.get(session) ?? -Infinity) < OVER_CAP_WARNING_MS) return
    this.#warnedMs.set(session, now)
    session.emit({ type: 'warning', code: 'over-cap', message })
  }

  /** Packets on the node lane name their connection: the answers are for the program that sent them. */
  #learnSender(session: ProgramSession, record: Uint8Array): void {
    const header = headerOf(record)
    if (header !== undefined) this.#options.connections.addSender(header.header, session)
  }

  #emitToAll(hash: Uint8Array, outcome: PaymentOutcome): void {
    for (const session of this.#options.sessions.programs()) session.emit({ type: 'payment-resolved', hash, outcome })
  }

  /** The node lost sight of a payment. Its slot stays taken: the HTLC may still be there. */
  #lose(key: string): void {
    if (!this.#underWay.has(key)) return
    this.#lost.add(key)
    if (this.#lost.size > MAX_REMEMBERED) this.#end(this.#lost.values().next().value as string)
  }

  #end(key: string): void {
    this.#lost.delete(key)
    const underWay = this.#underWay.get(key)
    if (underWay === undefined) return
    this.#underWay.delete(key)
    underWay.session.payments.delete(key)
    this.#slots.give(underWay.session, underWay.channel)
  }
}

function isDecided(found: Tracked): found is DecidedOutcome {
  return found.status === 'delivered' || found.status === 'settled' || found.status === 'failed'
}
