import type { PaymentOutcome } from '../../medium/payment.ts'
import { Budget, type BudgetView, type CapObstacle } from '../connection/budget.ts'
import type { Reservation } from '../store/store.ts'

export interface LedgerOptions {
  /** Cap of a peer that has none of its own, msat. */
  readonly peerCapMsat: bigint
  /** Cap over all peers, for the life of the process, msat. */
  readonly processCapMsat: bigint
}

/** Stands for every peer without a known key. */
const ANONYMOUS = ''

/**
 * The money of a process: one budget for all of it, and under that one for each peer, in which those of its connections
 * stand (spec §12.2). `peer`, everywhere: a public key in hexadecimal, or '' for an anonymous one.
 */
export class Ledger {
  readonly #peerCapMsat: bigint
  readonly #process: Budget
  readonly #peers: Map<string, { readonly budget: Budget; users: number }> = new Map()

  constructor({ peerCapMsat, processCapMsat }: LedgerOptions) {
    this.#peerCapMsat = peerCapMsat
    this.#process = new Budget(processCapMsat, undefined)
    this.#capAnonymous(processCapMsat)
  }

  process(): BudgetView {
    return this.#process.view()
  }

  /** A connection to this peer begins: what it pays is in this budget. It calls `leave` at its end. */
  join(peer: string): Budget {
    const entry = this.#entry(peer)
    entry.users++
    return entry.budget
  }

  leave(peer: string): void {
    this.#entry(peer).users--
    this.forgetIfUnused(peer)
  }

  /** Sets money aside for a payment of no connection; what stands against it, where there is none for it. */
  tryReserve({ peer, amountMsat, feeMsat }: Omit<Reservation, 'hash'>): CapObstacle | undefined {
    const { budget } = this.#entry(peer)
    const obstacle = budget.obstacle(amountMsat + feeMsat)
    if (obstacle === undefined) budget.reserve(amountMsat, feeMsat)
    else this.forgetIfUnused(peer)
    return obstacle
  }

  /** What a former process left without outcome counts until it is decided, whatever the caps of this one say. */
  adopt({ peer, amountMsat, feeMsat }: Reservation): void {
    this.#entry(peer).budget.adopt(amountMsat, feeMsat)
  }

  /** What became of a payment of a former process, or of no connection. */
  decide({ peer, amountMsat, feeMsat }: Reservation, outcome: Exclude<PaymentOutcome, { status: 'unknown' }>): void {
    const { budget } = this.#entry(peer)
    if (outcome.status === 'failed') budget.release(amountMsat, feeMsat)
    else budget.spend(amountMsat, feeMsat, outcome.feeMsat)
    this.forgetIfUnused(peer)
  }

  /** It also caps all anonymous peers, which have no key to be told apart by. */
  setProcessCap(capMsat: bigint): void {
    this.#process.setCap(capMsat)
    this.#capAnonymous(capMsat)
  }

  setPeerCap(peer: string, capMsat: bigint): void {
    this.#entry(peer).budget.setCap(capMsat)
    this.forgetIfUnused(peer)
  }

  /** A budget that says nothing is not kept: peers come and go. */
  forgetIfUnused(peer: string): void {
    const entry = this.#peers.get(peer)
    if (entry === undefined || entry.users > 0 || !entry.budget.isUnused) return
    if (entry.budget.view().capMsat === this.#peerCapMsat) this.#peers.delete(peer)
  }

  #capAnonymous(capMsat: bigint): void {
    this.setPeerCap(ANONYMOUS, capMsat)
  }

  #entry(peer: string): { readonly budget: Budget; users: number } {
    let entry = this.#peers.get(peer)
    if (entry === undefined) {
      entry = { budget: new Budget(this.#peerCapMsat, this.#process), users: 0 }
      this.#peers.set(peer, entry)
    }
    return entry
  }
}
