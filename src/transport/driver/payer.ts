import type { PaymentOutcome } from '../../medium/payment.ts'
import type { Backend } from '../../backends/backend.ts'
import { BackOff } from '../../floor/back-off.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Attempt, CostPause } from '../connection/interface.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { messageOf } from '../errors.ts'
import { MAX_TRACKING, TRACK_AGAIN_MAX_MS, TRACK_AGAIN_MS } from '../limits.ts'
import type { LogFields } from '../logger.ts'
import type { PeerGrant } from '../peer/interface.ts'
import type { Budget, BudgetAccount } from './budget.ts'
import type { PeerScheduler } from './peer-schedulers.ts'
import type { Reservation, StoreChange } from '../store/store.ts'

/** What the payer needs of its driver. */
export interface PayerOwner {
  readonly backend: Backend
  readonly deadlines: Deadlines
  readonly budget: Budget
  now(): number
  touch(link: DrivenConnection): void
  ready(sender: PeerScheduler): void
  /** On disk when it resolves. */
  store(changes: readonly StoreChange[]): Promise<void>
  /** The peer's or the process's cap stops a connection. */
  paused(link: DrivenConnection, pause: CostPause): void
  warn(code: string, message: string): void
  debug(fields: LogFields, message: string): void
  stopped(): boolean
}

/** A payment without outcome. Those of a former process have no connection. */
interface Unresolved {
  readonly hash: Uint8Array
  readonly hashHex: string
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  readonly sent:
    | {
        readonly link: DrivenConnection
        readonly sender: PeerScheduler
        readonly ticket: number
        readonly attemptId: number
      }
    | undefined
  /** The node lost sight of it: it has to be asked for. */
  isLost: boolean
}

/**
 * Turns attempts into payments: money is set aside and on disk before anything is sent, and stays so until
 * the outcome is certain (spec §12.2).
 */
export class Payer {
  readonly #owner: PayerOwner
  /** By payment hash. */
  readonly #unresolved: Map<string, Unresolved> = new Map()
  readonly #paused: Set<DrivenConnection> = new Set()
  /** Those that were told why since a cap was last set, and whether it was for good. */
  readonly #told: Map<DrivenConnection, boolean> = new Map()
  readonly #trackDeadline: Deadline
  readonly #trackBackOff: BackOff = new BackOff({ leastMs: TRACK_AGAIN_MS, mostMs: TRACK_AGAIN_MAX_MS })
  /** How many of them the node lost sight of. */
  #lost = 0
  #tracking = 0
  readonly #toTrack: Unresolved[] = []
  #warned = false

  constructor(owner: PayerOwner) {
    this.#owner = owner
    this.#trackDeadline = owner.deadlines.add(() => {
      this.#trackBackOff.next()
      this.trackAll()
    })
  }

  /** Payments that have no outcome. */
  get unresolved(): number {
    return this.#unresolved.size
  }

  /** Takes over what a former process sent; `trackAll` asks for it. */
  adopt(reservation: Reservation, hash: Uint8Array): void {
    const { hash: hashHex, amountMsat, feeMsat } = reservation
    this.#unresolved.set(hashHex, { hash, hashHex, amountMsat, feeMsat, sent: undefined, isLost: true })
    this.#lost += 1
  }

  /** Whether the caps of the peer and of the process let a packet of this price pass now; if not, the connection pauses (spec §12.2). */
  affords(sender: PeerScheduler, link: DrivenConnection, priceMsat: bigint): boolean {
    if (priceMsat <= this.#owner.budget.availableMsat(sender.capKey)) return true
    this.#pause(link, this.#obstacle(link, sender.capKey, priceMsat))
    return false
  }

  send(sender: PeerScheduler, link: DrivenConnection, grant: PeerGrant, attempt: Attempt): void {
    const { amountMsat, feeMsat } = attempt
    const hashHex = toHex(attempt.hash)
    const reservation: Reservation = { hash: hashHex, peer: sender.capKey, amountMsat, feeMsat }
    const now = this.#owner.now()
    if (!this.#owner.budget.reserve(reservation)) {
      sender.peer.cancel(grant.ticket)
      link.connection.unsent(now, attempt.id)
      this.#pause(link, this.#obstacle(link, sender.capKey, amountMsat + feeMsat))
      return
    }
    sender.peer.sent(now, grant.ticket)
    sender.users += 1
    const sent = { link, sender, ticket: grant.ticket, attemptId: attempt.id }
    const unresolved: Unresolved = { hash: attempt.hash, hashHex, amountMsat, feeMsat, sent, isLost: false }
    this.#unresolved.set(hashHex, unresolved)
    this.#pay(unresolved, reservation, attempt).catch((error: unknown) => {
      // The store, which has told the driver: everything ends.
      this.#owner.warn('ERR_KEYSOCK_PAYMENT', `a payment could not be made: ${messageOf(error)}`)
    })
  }

  /** The backend tells what became of a payment that it had lost sight of. */
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    const unresolved = this.#unresolved.get(toHex(hash))
    if (unresolved !== undefined) this.#resolve(unresolved, outcome)
  }

  /** Asks the node for every payment that it lost sight of. */
  trackAll(): void {
    this.#toTrack.length = 0
    for (const unresolved of this.#unresolved.values()) {
      if (unresolved.isLost) this.#toTrack.push(unresolved)
    }
    this.#trackMore()
    this.#armTracking()
  }

  /** A cap was set anew: what stops a connection from now on is told of again. */
  resume(): void {
    this.#told.clear()
    this.#goOn()
  }

  forget(link: DrivenConnection): void {
    this.#paused.delete(link)
    this.#told.delete(link)
  }

  #goOn(): void {
    for (const link of this.#paused) {
      link.isPaused = false
      this.#owner.touch(link)
    }
    this.#paused.clear()
  }

  async #pay(unresolved: Unresolved, reservation: Reservation, attempt: Attempt): Promise<void> {
    await this.#owner.store([{ type: 'reserve', ...reservation }])
    if (this.#owner.stopped()) return // never sent; the next process asks for it and hears so
    const outcome = await this.#outcomeOf(attempt, unresolved.sent?.link.shadowSeed)
    if (this.#unresolved.get(unresolved.hashHex) === unresolved) this.#resolve(unresolved, outcome)
  }

  async #outcomeOf(
    { routeId, hash, preimage, record, amountMsat }: Attempt,
    shadowSeed: number | undefined,
  ): Promise<PaymentOutcome> {
    try {
      return await this.#owner.backend.pay({
        routeId,
        hash,
        ...(preimage === undefined ? {} : { preimage }),
        record,
        amountMsat,
        ...(shadowSeed === undefined ? {} : { shadowSeed }),
      })
    } catch (error) {
      // Against its contract; whether anything was sent is unknown, so it is asked for as what was lost sight of.
      this.#owner.warn('ERR_KEYSOCK_PAYMENT', `the backend did not tell what became of a payment: ${messageOf(error)}`)
      return { status: 'unknown' }
    }
  }

  #resolve(unresolved: Unresolved, outcome: PaymentOutcome): void {
    if (this.#owner.stopped()) return
    const { sent, hashHex } = unresolved
    const now = this.#owner.now()
    if (outcome.status === 'unknown') {
      if (!unresolved.isLost) this.#lost += 1
      unresolved.isLost = true
      this.#armTracking()
    } else {
      if (unresolved.isLost) this.#lost -= 1
      this.#unresolved.delete(hashHex)
      this.#account(unresolved, outcome)
    }
    if (sent === undefined) return
    const { link, sender, ticket, attemptId } = sent
    sender.peer.resolve(now, ticket, outcome)
    if (outcome.status !== 'unknown') sender.users -= 1
    this.#owner.ready(sender)
    link.connection.resolve(now, attemptId, outcome)
    this.#owner.touch(link)
    this.#owner.debug({ connection: link.id, attempt: attemptId, ...describe(outcome) }, 'payment decided')
  }

  #account(unresolved: Unresolved, outcome: PaymentOutcome): void {
    const { hashHex } = unresolved
    if (outcome.status === 'delivered' || outcome.status === 'settled')
      this.#owner.budget.settle(hashHex, outcome.feeMsat)
    else this.#owner.budget.release(hashHex)
    // Not waited for: without it the next process asks the node once more. A failing store has told the driver.
    this.#owner.store([{ type: 'release', hash: hashHex }]).catch(() => undefined)
    if (this.#paused.size > 0) this.#goOn()
  }

  /** Which of the two caps it is, and whether payments that come back make room under it. */
  #obstacle(link: DrivenConnection, peer: string, priceMsat: bigint): CostPause {
    const { budget } = this.#owner
    const isFull = ({ capMsat, spentMsat }: BudgetAccount): boolean => spentMsat + priceMsat > capMsat
    const [ofPeer, ofProcess] = [budget.peer(peer), budget.process()]
    const { capMsat } = leftMsat(ofPeer) < leftMsat(ofProcess) ? ofPeer : ofProcess
    const { spentMsat, reservedMsat } = link.account
    return { priceMsat, capMsat, isFinal: (isFull(ofPeer) || isFull(ofProcess)) && spentMsat + reservedMsat === 0n }
  }

  #pause(link: DrivenConnection, pause: CostPause): void {
    link.isPaused = true
    this.#paused.add(link)
    const wasFinal = this.#told.get(link)
    if (wasFinal === undefined || (pause.isFinal && !wasFinal)) {
      this.#told.set(link, pause.isFinal)
      this.#owner.paused(link, pause)
    }
    if (this.#warned) return
    this.#warned = true
    this.#owner.warn(
      'ERR_KEYSOCK_COST',
      'the cap of a peer or of this process is reached; connections pause until payments come back or a cap is raised',
    )
  }

  #trackMore(): void {
    while (this.#tracking < MAX_TRACKING && !this.#owner.stopped()) {
      const next = this.#toTrack.shift()
      if (next === undefined) return
      this.#tracking += 1
      this.#track(next).then(
        () => this.#tracked(),
        (error: unknown) => {
          this.#owner.debug({ reason: messageOf(error) }, 'a payment could not be asked for')
          this.#tracked()
        },
      )
    }
  }

  #tracked(): void {
    this.#tracking -= 1
    this.#trackMore()
  }

  async #track(unresolved: Unresolved): Promise<void> {
    const outcome = await this.#owner.backend.track(unresolved.hash)
    if (this.#unresolved.get(unresolved.hashHex) !== unresolved) return
    switch (outcome.status) {
      case 'in-flight':
      case 'unknown':
        return
      case 'never':
        return this.#resolve(unresolved, { status: 'failed', reason: 'node-away', place: 'local' })
      case 'delivered':
      case 'settled':
      case 'failed':
        return this.#resolve(unresolved, outcome)
    }
  }

  /** Asks again later, as long as something is lost. */
  #armTracking(): void {
    if (this.#lost === 0) this.#trackBackOff.reset()
    else if (this.#trackDeadline.atMs === Infinity) {
      this.#owner.deadlines.set(this.#trackDeadline, this.#owner.now() + this.#trackBackOff.delayMs)
    }
  }
}

function describe(outcome: PaymentOutcome): LogFields {
  return outcome.status === 'failed'
    ? { outcome: 'failed', reason: outcome.reason, place: outcome.place }
    : { outcome: outcome.status }
}

/** What a cap still lets pass. */
function leftMsat({ capMsat, spentMsat, reservedMsat }: BudgetAccount): bigint {
  return capMsat - spentMsat - reservedMsat
}
