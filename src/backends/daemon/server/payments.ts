import { toHex } from '../../../floor/bytes.ts'
import type { Payment, PaymentOutcome } from '../../../medium/payment.ts'
import type { Backend } from '../../backend.ts'
import { MAX_REMEMBERED } from '../protocol/limits.ts'
import { failedHere } from '../protocol/messages.ts'
import { headerOf } from '../protocol/packet-header.ts'
import type { ConnectionOwners } from './ownership.ts'
import type { ProgramSession, ProgramSessions } from './program-session.ts'
import { SlotShares } from './slot-shares.ts'

export interface ProgramPaymentsOptions {
  readonly backend: Pick<Backend, 'pay'>
  readonly connections: ConnectionOwners
  readonly sessions: ProgramSessions
}

interface UnderWay {
  readonly session: ProgramSession
  readonly channel: string
}

/** Payments of all programs: who made which, over routes of its own only, with its share of the slots. */
export class ProgramPayments {
  readonly #backend: Pick<Backend, 'pay'>
  readonly #connections: ConnectionOwners
  readonly #sessions: ProgramSessions
  readonly #slots = new SlotShares()
  /** By hash: those without an outcome, those that the node lost sight of included. */
  readonly #underWay = new Map<string, UnderWay>()
  /** Hashes of those that the node lost sight of. */
  readonly #lost = new Set<string>()

  constructor({ backend, connections, sessions }: ProgramPaymentsOptions) {
    this.#backend = backend
    this.#connections = connections
    this.#sessions = sessions
  }

  get size(): number {
    return this.#underWay.size
  }

  /** Whether it has no outcome yet. */
  isUnderWay(hash: Uint8Array): boolean {
    const key = toHex(hash)
    return this.#underWay.has(key) && !this.#lost.has(key)
  }

  async pay(session: ProgramSession, payment: Payment): Promise<PaymentOutcome> {
    const route = session.route(payment.routeId)
    if (route === undefined) return failedHere('route-gone')
    const key = toHex(payment.hash)
    if (this.#underWay.has(key)) return failedHere('duplicate-hash')
    if (!session.mayPay || !this.#slots.take(session, route.channel, route.slots)) return failedHere('no-slot')
    if (route.lane === 'node') this.#learnSender(session, payment.record)
    this.#underWay.set(key, { session, channel: route.channel })
    session.beginPayment()
    const outcome = await this.#backend.pay(payment).catch((): PaymentOutcome => ({ status: 'unknown' }))
    if (outcome.status === 'unknown') this.#lose(key)
    else this.#end(key)
    // A program that has gone asks for it when it comes back, or its successor hears it.
    if (session.isGone && outcome.status !== 'unknown') this.#emitToAll(payment.hash, outcome)
    return outcome
  }

  /** The node tells of a payment that it had lost sight of, or that a former daemon made. */
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    const key = toHex(hash)
    const session = this.#underWay.get(key)?.session
    if (outcome.status !== 'unknown') this.#end(key)
    if (session?.isGone === false) session.emit({ type: 'payment-resolved', hash, outcome })
    else this.#emitToAll(hash, outcome)
  }

  /** A program has gone: its payments go on, but it has no share of the slots any more. */
  leave(session: ProgramSession): void {
    this.#slots.leave(session)
  }

  /** A program has asked for this payment, and there is an outcome. */
  found(hash: Uint8Array): void {
    const key = toHex(hash)
    if (this.#lost.has(key)) this.#end(key)
  }

  /** Packets on the node lane name their connection: what answers them is for whoever sent them. */
  #learnSender(session: ProgramSession, record: Uint8Array): void {
    const header = headerOf(record)
    if (header !== undefined) this.#connections.addSender(header.header, session)
  }

  #emitToAll(hash: Uint8Array, outcome: PaymentOutcome): void {
    for (const session of this.#sessions.programs()) session.emit({ type: 'payment-resolved', hash, outcome })
  }

  /** Its slot stays taken: the HTLC may still be there. */
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
    underWay.session.endPayment()
    this.#slots.give(underWay.session, underWay.channel)
  }
}
