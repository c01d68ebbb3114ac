import { toHex } from '../../floor/bytes.ts'
import type { FailureReason, Payment, PaymentOutcome } from '../../medium/payment.ts'
import { MAX_PAYMENTS, MAX_REMEMBERED } from './bounds.ts'
import { type Connections, headerOf, type Owner } from './connections.ts'
import type { SlotShares } from './slot-shares.ts'

/** What is known of a route that a program may pay over. */
export interface SharedRoute {
  readonly lane: 'node' | 'phantom'
  /** The node's own channel. */
  readonly channel: string
  readonly slots: number
}

/** A program, as payments know it. */
export interface Payer extends Owner {
  readonly routes: ReadonlyMap<string, SharedRoute>
  /** Payments under way. */
  payments: number
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void
}

export interface PaymentsNeeds<Client extends Payer> {
  readonly slots: SlotShares
  readonly connections: Connections<Client>
  pay(payment: Payment): Promise<PaymentOutcome>
  everyone(): Iterable<Client>
}

interface UnderWay<Client> {
  readonly client: Client
  readonly hash: Uint8Array
  readonly channel: string
}

/** Payments of all programs: who made which, over routes of its own only, with its part of the slots. */
export class Payments<Client extends Payer> {
  readonly #needs: PaymentsNeeds<Client>
  /** By hash. Without outcome, or the node lost sight of them. */
  readonly #underWay = new Map<string, UnderWay<Client>>()
  readonly #lost = new Set<string>()

  constructor(needs: PaymentsNeeds<Client>) {
    this.#needs = needs
  }

  get size(): number {
    return this.#underWay.size
  }

  /** Whether it has no outcome yet. */
  isUnderWay(hash: Uint8Array): boolean {
    const key = toHex(hash)
    return this.#underWay.has(key) && !this.#lost.has(key)
  }

  async pay(client: Client, payment: Payment): Promise<PaymentOutcome> {
    const route = client.routes.get(payment.routeId)
    if (route === undefined) return failed('route-gone')
    const key = toHex(payment.hash)
    if (this.#underWay.has(key)) return failed('duplicate-hash')
    if (client.payments >= MAX_PAYMENTS || !this.#needs.slots.take(client, route.channel, route.slots))
      return failed('no-slot')
    if (route.lane === 'node') this.#learn(client, payment.record)
    this.#underWay.set(key, { client, hash: payment.hash, channel: route.channel })
    client.payments += 1
    const outcome = await this.#needs.pay(payment).catch((): PaymentOutcome => ({ status: 'unknown' }))
    if (outcome.status === 'unknown') this.#lose(key)
    else this.#end(key)
    // A program that has gone asks for it when it comes back, or its successor hears it.
    if (client.isGone && outcome.status !== 'unknown') this.#tellEveryone(payment.hash, outcome)
    return outcome
  }

  /** The node tells of a payment that it had lost sight of, or that a former daemon made. */
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    const key = toHex(hash)
    const client = this.#underWay.get(key)?.client
    if (outcome.status !== 'unknown') this.#end(key)
    if (client?.isGone === false) client.resolved(hash, outcome)
    else this.#tellEveryone(hash, outcome)
  }

  /** A program has asked, and there is an outcome. */
  found(hash: Uint8Array): void {
    const key = toHex(hash)
    if (this.#lost.has(key)) this.#end(key)
  }

  /** Packets on the node lane name their connection: what answers them is for whoever sent them. */
  #learn(client: Client, record: Uint8Array): void {
    const header = headerOf(record)
    if (header !== undefined) this.#needs.connections.sends(header.header, client)
  }

  #tellEveryone(hash: Uint8Array, outcome: PaymentOutcome): void {
    for (const client of this.#needs.everyone()) client.resolved(hash, outcome)
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
    underWay.client.payments -= 1
    this.#needs.slots.give(underWay.client, underWay.channel)
  }
}

export function failed(reason: FailureReason): PaymentOutcome {
  return { status: 'failed', reason, place: 'local' }
}
