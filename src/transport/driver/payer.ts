import type { DecidedOutcome, Payment, PaymentOutcome, PaymentPurpose } from '../../medium/payment.ts'
import { PaymentMeter } from '../../medium/payment-meter.ts'
import { paymentName, type Tracer } from '../../medium/trace.ts'
import { BackOff } from '../../floor/back-off.ts'
import { fromHex, toHex } from '../../floor/bytes.ts'
import { type AccountParty, NOBODY } from '../account/entry.ts'
import type { Attempt, WantReason } from '../connection/interface.ts'
import { messageOf } from '../errors.ts'
import { MAX_TRACKING, TRACK_AGAIN_MAX_MS, TRACK_AGAIN_MS } from '../limits.ts'
import type { LogFields } from '../logger.ts'
import type { PeerGrant } from '../peer/interface.ts'
import type { Reservation, StoreChange } from '../store/store.ts'
import type { Accountant, PaymentFacts } from './accountant.ts'
import type { Deadline } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Ledger } from './ledger.ts'
import { type PaymentMessage, PaymentPublisher } from './payment-channel.ts'
import type { OwnNode } from './own-node.ts'
import type { PeerScheduler } from './peer-schedulers.ts'
import type { Runtime } from './runtime.ts'

/** A payment without outcome. Those of a former process have no connection. */
interface Unresolved {
  readonly hash: Uint8Array
  readonly reservation: Reservation
  readonly sent:
    | (PaymentFacts & {
        readonly connection: DrivenConnection
        readonly scheduler: PeerScheduler
        readonly ticket: number
        readonly attemptId: number
      })
    | undefined
  /** Of no connection. */
  alone?: Alone | undefined
  /** When it was begun, ms; of a former process: when this one began. */
  readonly begunMs: number
  /** The node lost sight of it: it has to be asked for. */
  isLost: boolean
}

/** Hears of a payment of no connection; what it returns is stored in one piece with the end of its reservation. */
type DecidedAlone = (outcome: DecidedOutcome) => readonly StoreChange[]
/** A payment of no connection: who hears of it, and as what it stands in the account. */
interface Alone {
  readonly decided: DecidedAlone
  /** Undefined for one of a former process. */
  readonly about: PaymentFacts | undefined
}

interface AloneOrder {
  /** Of the route. */
  readonly channels: readonly string[]
  /** Stored in one piece with the reservation. */
  readonly changes: readonly StoreChange[]
  readonly decided: DecidedAlone
}

/**
 * Turns attempts into payments: their money is reserved, which is on disk before anything is sent, and stays so until
 * the outcome is certain (spec §12.2).
 */
export class Payer {
  readonly #runtime: Runtime
  readonly #node: OwnNode
  readonly #ledger: Ledger
  readonly #accountant: Accountant
  /** By payment hash. */
  readonly #unresolved: Map<string, Unresolved> = new Map()
  /** What was paid since the endpoint is there. */
  readonly meter: PaymentMeter = new PaymentMeter()
  readonly #publisher: PaymentPublisher = new PaymentPublisher()
  readonly #trackDeadline: Deadline
  readonly #trackBackOff: BackOff = new BackOff({ minMs: TRACK_AGAIN_MS, maxMs: TRACK_AGAIN_MAX_MS })
  /** How many of them the node lost sight of. */
  #lost = 0
  #tracking = 0
  #toTrack: Unresolved[] = []
  /** Outcomes that are being stored. */
  #releasing = 0
  /** Of these, the ends of reservations, by payment hash. */
  readonly #ends: Map<string, Promise<void>> = new Map()
  #whenReleased: (() => void) | undefined

  constructor(parts: {
    readonly runtime: Runtime
    readonly node: OwnNode
    readonly ledger: Ledger
    readonly accountant: Accountant
  }) {
    this.#runtime = parts.runtime
    this.#node = parts.node
    this.#ledger = parts.ledger
    this.#accountant = parts.accountant
    this.#trackDeadline = this.#runtime.deadlines.add(() => {
      this.#trackBackOff.next()
      this.trackAll()
    })
  }

  /** Payments that have no outcome. */
  get unresolved(): number {
    return this.#unresolved.size
  }

  /** Whether a payment of this hash has no outcome. */
  isPaying(hash: Uint8Array): boolean {
    return this.#unresolved.has(toHex(hash))
  }

  /** Takes over what a former process sent; `trackAll` asks for it. */
  adopt(reservation: Reservation): void {
    this.#ledger.adopt(reservation)
    const { hash } = reservation
    const begunMs = this.#runtime.now()
    this.#unresolved.set(hash, { hash: fromHex(hash), reservation, sent: undefined, isLost: true, begunMs })
    this.#lost += 1
  }

  /** Pays for an attempt, whose money the connection has reserved. */
  send(scheduler: PeerScheduler, connection: DrivenConnection, grant: PeerGrant, attempt: Attempt): void {
    const { amountMsat, feeMsat } = attempt
    const hash = toHex(attempt.hash)
    if (this.#unresolved.has(hash)) throw new RangeError(`${hash} is paid already`)
    const { party } = connection
    const about = { port: party.port, connection: party.connection }
    const reservation: Reservation = { hash, peer: connection.budgetKey, amountMsat, feeMsat, ...about }
    this.#ledger.passTo(this.#runtime.wallNow())
    scheduler.sent(grant, hash)
    const { channels } = grant.route
    const { id: attemptId, reason } = attempt
    const sent = { connection, scheduler, ticket: grant.ticket, attemptId, party, channels, reason }
    const begunMs = this.#runtime.now()
    this.#begin({ hash: attempt.hash, reservation, sent, isLost: false, begunMs }, asPayment(attempt, connection), [])
  }

  /**
   * Pays for what belongs to no connection, whose money the ledger has set aside. `changes` are stored in one piece
   * with the reservation, before anything is sent.
   */
  sendAlone(
    payment: Payment,
    { peer, port, feeMsat }: Pick<Reservation, 'peer' | 'port' | 'feeMsat'>,
    { channels, changes, decided }: AloneOrder,
  ): void {
    const hash = toHex(payment.hash)
    if (this.#unresolved.has(hash)) throw new RangeError(`${hash} is paid already`)
    this.#ledger.passTo(this.#runtime.wallNow())
    const { amountMsat } = payment
    const reservation: Reservation = { hash, peer, amountMsat, feeMsat, ...(port === undefined ? {} : { port }) }
    const party: AccountParty = { ...NOBODY, peer, port: port ?? 0, role: 'initiator' }
    const alone: Alone = { decided, about: { party, channels, reason: 'data' } }
    const begunMs = this.#runtime.now()
    const unresolved: Unresolved = { hash: payment.hash, reservation, sent: undefined, alone, isLost: false, begunMs }
    const purpose: PaymentPurpose = { connection: '', port: party.port, role: 'initiator', reason: 'data' }
    this.#begin(unresolved, { ...payment, purpose }, changes)
  }

  /** Hears of a payment of a former process; what it pays, or undefined where it is decided. */
  watch(hash: string, decided: DecidedAlone): bigint | undefined {
    const unresolved = this.#unresolved.get(hash)
    if (unresolved === undefined) return undefined
    unresolved.alone = { decided, about: undefined }
    return unresolved.reservation.amountMsat
  }

  /** The backend tells what became of a payment that it had lost sight of. */
  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    const unresolved = this.#unresolved.get(toHex(hash))
    if (unresolved !== undefined) this.#resolve(unresolved, outcome)
  }

  /** Asks the node for every payment that it lost sight of. */
  trackAll(): void {
    this.#toTrack = [...this.#unresolved.values()].filter(({ isLost }) => isLost)
    this.#trackMore()
    this.#armTracking()
  }

  /** Resolves when what was decided so far is stored, or cannot be, and the node was told: once, at the end. */
  async released(): Promise<void> {
    if (this.#releasing === 0) return
    await new Promise<void>((resolve) => {
      this.#whenReleased = resolve
    })
  }

  #begin(unresolved: Unresolved, payment: Payment, changes: readonly StoreChange[]): void {
    this.#unresolved.set(unresolved.reservation.hash, unresolved)
    this.meter.started()
    if (this.#runtime.tracer !== undefined) this.#traceStart(this.#runtime.tracer, unresolved, payment)
    this.#pay(unresolved, payment, changes).catch((error: unknown) => {
      // The store, which has ended the endpoint.
      this.#runtime.warn('ERR_KEYSOCK_PAYMENT', `a payment could not be made: ${messageOf(error)}`)
    })
  }

  async #pay(unresolved: Unresolved, payment: Payment, changes: readonly StoreChange[]): Promise<void> {
    const { reservation } = unresolved
    // spec §18.7: it may have the hash of one that has failed, whose end would take the new reservation with it.
    const end = this.#ends.get(reservation.hash)
    if (end !== undefined) {
      await end
      if (this.#runtime.isStopped) return
    }
    await this.#runtime.store([{ type: 'reserve', ...reservation }, ...changes])
    if (this.#runtime.isStopped) return // never sent; the next process asks for it and hears so
    const outcome = await this.#outcomeOf(payment)
    if (this.#unresolved.get(reservation.hash) === unresolved) this.#resolve(unresolved, outcome)
  }

  async #outcomeOf(payment: Payment): Promise<PaymentOutcome> {
    try {
      return await this.#node.backend.pay(payment)
    } catch (error) {
      // Against its contract; whether anything was sent is unknown, so it is asked for as what was lost sight of.
      this.#runtime.warn(
        'ERR_KEYSOCK_PAYMENT',
        `the backend did not tell what became of a payment: ${messageOf(error)}`,
      )
      return { status: 'unknown' }
    }
  }

  #resolve(unresolved: Unresolved, outcome: PaymentOutcome): void {
    if (this.#runtime.isStopped) return
    const { sent, reservation } = unresolved
    if (outcome.status === 'unknown') {
      if (!unresolved.isLost) {
        this.#lost += 1
        this.meter.lost()
      }
      unresolved.isLost = true
      this.#armTracking()
    } else {
      if (unresolved.isLost) this.#lost -= 1
      this.#unresolved.delete(reservation.hash)
      this.#count(unresolved, outcome)
      if (sent === undefined) this.#ledger.decide(reservation, outcome)
      const { change, kept } = this.#accountant.paid({ reservation, outcome, sent: sent ?? unresolved.alone?.about })
      this.#end(unresolved, change, outcome, kept)
    }
    if (sent === undefined) {
      this.#traceOutcome(unresolved, outcome)
      return
    }
    const { connection, scheduler, ticket, attemptId } = sent
    scheduler.resolve(ticket, outcome)
    connection.resolve(attemptId, outcome)
    this.#traceOutcome(unresolved, outcome)
    if (connection.isClosed) this.#ledger.forgetIfUnused(reservation.peer)
    this.#runtime.debug({ connection: connection.id, attempt: attemptId, ...describe(outcome) }, 'payment decided')
  }

  #count({ sent, alone, reservation, begunMs }: Unresolved, outcome: DecidedOutcome): void {
    const isOwn = sent !== undefined || alone?.about !== undefined
    const tookMs = this.#runtime.now() - begunMs
    this.meter.decided(outcome, reservation.amountMsat, isOwn ? tookMs : undefined)
    this.#publisher.decided(() => paymentMessage(reservation, sent ?? alone?.about, { outcome, durationMs: tookMs }))
  }

  #traceStart(endpoint: Tracer, { reservation, sent, alone }: Unresolved, { record }: Payment): void {
    const { amountMsat, feeMsat } = reservation
    const facts = sent ?? alone?.about
    const tracer = sent?.connection.tracer ?? endpoint
    const payment = paymentName(reservation.hash)
    tracer.emit('payment_started', {
      payment,
      ...(sent !== undefined && { attempt: sent.attemptId }),
      reason: facts?.reason ?? 'data',
      route: facts?.channels ?? [],
      amount_msat: amountMsat,
      fee_msat: feeMsat,
      record_bytes: record.length,
    })
    tracer.emit('money_reserved', { payment, amount_msat: amountMsat + feeMsat, ...this.#moneyView() })
  }

  #traceOutcome({ reservation, sent, begunMs }: Unresolved, outcome: PaymentOutcome): void {
    const tracer = sent?.connection.tracer ?? this.#runtime.tracer
    if (tracer === undefined) return
    const payment = paymentName(reservation.hash)
    const { amountMsat, feeMsat: reservedFeeMsat } = reservation
    const latencyMs = this.#runtime.now() - begunMs
    switch (outcome.status) {
      case 'unknown':
        // Of a connection: its peer's controller tells.
        if (sent === undefined) tracer.emit('payment_hung', { payment, why: 'lost-sight', age_ms: latencyMs })
        return
      case 'failed': {
        const { reason, place, channel } = outcome
        const where = channel === undefined ? {} : { channel }
        tracer.emit('payment_failed', { payment, reason, place, ...where, latency_ms: latencyMs })
        const freedMsat = amountMsat + reservedFeeMsat
        return tracer.emit('money_freed', { payment, amount_msat: freedMsat, ...this.#moneyView() })
      }
      case 'delivered':
      case 'settled': {
        const { status, feeMsat } = outcome
        const paid = { amount_msat: amountMsat, fee_msat: feeMsat }
        tracer.emit('payment_settled', { payment, outcome: status, ...paid, latency_ms: latencyMs })
        return tracer.emit('money_spent', { payment, ...paid, ...this.#moneyView() })
      }
    }
  }

  #moneyView(): { readonly spent_msat: bigint; readonly reserved_msat: bigint } {
    const { spentMsat, reservedMsat } = this.#ledger.process()
    return { spent_msat: spentMsat, reserved_msat: reservedMsat }
  }

  /** Not waited for: without it the next process asks the node once more. */
  #end(
    { hash, reservation, alone }: Unresolved,
    change: StoreChange,
    outcome: DecidedOutcome,
    kept: Promise<boolean> | undefined,
  ): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    // Before anybody hears of the outcome, and tries again.
    this.#ends.set(reservation.hash, promise)
    void this.#release(hash, [change, ...(alone?.decided(outcome) ?? [])], kept).then(() => {
      if (this.#ends.get(reservation.hash) === promise) this.#ends.delete(reservation.hash)
      resolve()
    })
  }

  /** The node may forget a payment when its outcome is stored, not before: the next process would ask it in vain. */
  async #release(hash: Uint8Array, changes: readonly StoreChange[], kept: Promise<boolean> | undefined): Promise<void> {
    this.#releasing += 1
    // Else a crash in between would lose what was spent. Without its entry the next process hears of it once more.
    const isKept = kept === undefined || (await kept)
    const isStored =
      isKept &&
      (await this.#runtime.store(changes).then(
        () => true,
        () => false, // the store, which has ended the endpoint
      ))
    this.#releasing -= 1
    if (isStored) this.#node.backend.forgetPayment?.(hash)
    if (this.#releasing === 0) this.#whenReleased?.()
  }

  #trackMore(): void {
    while (this.#tracking < MAX_TRACKING && !this.#runtime.isStopped) {
      const next = this.#toTrack.shift()
      if (next === undefined) return
      this.#tracking += 1
      this.#track(next).then(
        () => this.#tracked(),
        (error: unknown) => {
          this.#runtime.debug({ reason: messageOf(error) }, 'a payment could not be asked for')
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
    const outcome = await this.#node.backend.track(unresolved.hash)
    if (this.#unresolved.get(unresolved.reservation.hash) !== unresolved) return
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
      this.#runtime.deadlines.set(this.#trackDeadline, this.#runtime.now() + this.#trackBackOff.delayMs)
    }
  }
}

/** The payment of a connection's attempt. */
function asPayment(
  { routeId, hash, preimage, record, amountMsat, reason }: Attempt,
  connection: DrivenConnection,
): Payment {
  return {
    routeId,
    hash,
    ...(preimage === undefined ? {} : { preimage }),
    record,
    amountMsat,
    shadowSeed: connection.shadowSeed,
    purpose: purposeOf(connection, reason),
  }
}

function paymentMessage(
  { peer, port = 0, connection = '', amountMsat }: Reservation,
  facts: PaymentFacts | undefined,
  { outcome, durationMs }: { readonly outcome: DecidedOutcome; readonly durationMs: number },
): PaymentMessage {
  const { status } = outcome
  const party = facts?.party ?? { peer, port, connection }
  return {
    connection: party.connection,
    peer: party.peer,
    port: party.port,
    outcome: status,
    amountMsat,
    feeMsat: status === 'failed' ? 0n : outcome.feeMsat,
    channels: facts?.channels ?? [],
    durationMs,
    ...(status === 'failed' && { reason: outcome.reason, place: outcome.place }),
  }
}

function describe(outcome: PaymentOutcome): LogFields {
  return outcome.status === 'failed'
    ? { outcome: 'failed', reason: outcome.reason, place: outcome.place }
    : { outcome: outcome.status }
}

function purposeOf({ id: connection, role, party }: DrivenConnection, reason: WantReason): PaymentPurpose {
  return { connection, port: party.port, role, reason }
}
