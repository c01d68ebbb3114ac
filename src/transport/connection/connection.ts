import type { Arrival } from '../../medium/arrival.ts'
import type { Lane, PaymentOutcome } from '../../medium/payment.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import { Code } from '../../wire/errors.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { PaymentFrame, Tariff } from '../../wire/frames.ts'
import type { Parameters } from '../../wire/parameters.ts'
import type { Budget, CapObstacle, Waiter } from './budget.ts'
import { checkConsistency } from './consistency.ts'
import { Control } from './controls.ts'
import type {
  AccountView,
  Allowance,
  Attempt,
  ConnectionEvent,
  ConnectionRequest,
  ConnectionSettings,
  ConnectionStats,
  CreditView,
  Grant,
  GrowWindow,
  RandomBytes,
  Reception,
  Role,
  State,
  TooExpensive,
  Want,
} from './interface.ts'
import { MAX_AHEAD_BYTES, NUDGE_MS, SEND_AHEAD_BYTES } from './limits.ts'
import { ephemeralSecret, type OpenedPacket } from './opening.ts'
import { transmit } from './packet-builder.ts'
import { Parts } from './parts.ts'

/** What every connection is made with. */
interface ConnectionOptions {
  readonly now: number
  readonly random: RandomBytes
  readonly grow: GrowWindow
  readonly settings: ConnectionSettings
  /** Of whom it pays, under the process's: what it pays counts there, too (spec §12.2). */
  readonly peerBudget: Budget
  /** The responder's node key, 33 bytes. */
  readonly responderKey: Uint8Array
  readonly blockHeight: number
  /** Hears what it does. */
  readonly tracer?: Tracer | undefined
}

export interface ConnectOptions extends ConnectionOptions {
  /** 8 fresh random bytes. */
  readonly connectionId: Uint8Array
  readonly port: number
  /** 32 fresh random bytes; taken from `random` when absent. */
  readonly ephemeralSecret?: Uint8Array
  /** Paths may be missing at first: then the connection asks for them, and the OPEN waits. */
  readonly replies:
    | { readonly lane: 'phantom'; readonly paths: readonly ReplyPath[] }
    | { readonly lane: 'direct'; readonly publicKey: Uint8Array }
  /** How packets go to the responder: keysend, or to the phantom of its node (spec §2.9). Default 'node'. */
  readonly lane?: Lane
  /** The most that it pays for the opening on the unblinded phantom lane, msat (spec §6.15). Default 0n. */
  readonly maxOpeningPriceMsat?: bigint
  /** Prove to the responder that we hold this node key: once connected (spec §12.7), or in the OPEN (spec §6.16). */
  readonly identify?: { readonly publicKey: Uint8Array; readonly inOpen?: boolean }
}

export interface AcceptOptions extends ConnectionOptions {
  readonly open: OpenedPacket
  /** The payment that brought the OPEN. */
  readonly arrival: Arrival
  /** The node key that the OPEN has proved (spec §6.16). */
  readonly remoteKey?: Uint8Array
  /** The OPEN has paid an opening price (spec §6.15). */
  readonly isPriced?: boolean
  /** What the endpoint advances for answers that callers pay for (spec §12.11); absent: nothing. */
  readonly allowance?: Allowance
}

export interface RefuseOptions extends AcceptOptions {
  readonly code: number
  readonly reason: string
}

/** Of an endpoint that advances nothing. */
const NO_ALLOWANCE: Allowance = { leftMsat: 0n, draw: () => false, giveBack: () => undefined, earned: () => undefined }

/** Settings that may change while it lives. */
export type ChangeableSettings = Partial<Pick<ConnectionSettings, 'keepAliveMs' | 'noDelay' | 'capMsat'>>

/**
 * One end of a connection: a state machine without I/O, clock or randomness of its own. interface.ts tells
 * in which order it is used. Every method that takes `now` may change events, requests, `want` and the deadline.
 */
export class Connection {
  readonly #parts: Parts
  /** The time of the last input, ms. */
  #lastNow: number
  /** What followed from the last input was done. */
  #isSettled = false
  /** Before this time nothing is due, ms; -Infinity where it was not reckoned since the last input. */
  #quietUntil = -Infinity
  #reception: Reception | undefined
  /** As the trace has told it. */
  #tracedState: State

  private constructor(parts: Parts, now: number) {
    this.#parts = parts
    this.#lastNow = now
    this.#tracedState = parts.life.state
  }

  /** The initiator's end. */
  static connect(options: ConnectOptions): Connection {
    const { now, random, replies, identify, responderKey, connectionId, port } = options
    if (connectionId.length !== 8) throw new RangeError('a connection id is 8 bytes')
    const node = { lane: options.lane ?? 'node', publicKey: responderKey } as const
    const parts = new Parts({ ...options, role: 'initiator', state: 'opening', node })
    const directKey = replies.lane === 'direct' ? replies.publicKey : undefined
    const secret = options.ephemeralSecret ?? ephemeralSecret(random)
    const { maxOpeningPriceMsat = 0n } = options
    const open = { now, responderKey, port, directKey, ephemeralSecret: secret, maxOpeningPriceMsat }
    if (identify?.inOpen === true) parts.handshake.open({ ...open, identityKey: identify.publicKey }, undefined)
    else parts.handshake.open(open, identify?.publicKey)
    if (replies.lane === 'phantom') parts.paths.begin(replies.paths)
    return new Connection(parts, now)
  }

  /** The responder's end, for an OPEN that a listener takes (spec §6.3). */
  static accept(options: AcceptOptions): Connection {
    const { now, open, arrival } = options
    const connection = Connection.#respond(options, 'open')
    const { controls, handshake, money, receiver } = connection.#parts
    handshake.accept(now, open.parameters, options.isPriced === true)
    if (money.priceFrame !== undefined) controls.want(Control.PRICE)
    money.tracePrice()
    connection.#input(now, () => {
      receiver.accept(now, open, arrival)
      if (options.remoteKey !== undefined) handshake.identified(options.remoteKey)
    })
    return connection
  }

  /** A responder's end that only says no (spec §5.10): it closes when that has arrived, or after a minute. */
  static refuse(options: RefuseOptions): Connection {
    const { now, open, code, reason } = options
    const connection = Connection.#respond(options, 'resetting')
    const { life, reach } = connection.#parts
    for (const frame of open.frames) if (frame.type === 'reply-paths') reach.learn(frame)
    life.refuse(now, { code, reason })
    return connection
  }

  static #respond(options: AcceptOptions, state: State): Connection {
    const { now, open, arrival } = options
    const { connectionId, parameters, session } = open
    const { directReply } = parameters
    const node = directReply === undefined ? undefined : ({ lane: 'node', publicKey: directReply } as const)
    const { allowance = NO_ALLOWANCE, settings } = options
    const advance = settings.answers === 'caller' ? { advance: { allowance, openMsat: arrival.amountMsat } } : {}
    const parts = new Parts({ ...options, ...advance, connectionId, role: 'responder', state, node })
    parts.handshake.respond(session, arrival.record)
    parts.receiver.recordMoney(arrival)
    const connection = new Connection(parts, now)
    connection.#reception = parts.receiver.openSettlement(arrival, arrival.record[9] ?? 0)
    return connection
  }

  /**
   * The one entrance: whatever takes `now` comes through here, since any of it may change the deadline. First what is
   * due by now, then the input, then what follows from it.
   */
  #input<Result>(now: number, input: () => Result): Result {
    if (now < this.#lastNow) throw new Error('the time went back')
    // At the time of the last input nothing is due that was not then.
    if (now < this.#quietUntil) this.#parts.tell(now)
    else if (now !== this.#lastNow || !this.#isSettled) this.#parts.run(now)
    this.#quietUntil = -Infinity
    this.#lastNow = now
    const result = input()
    this.#parts.settle(now)
    this.#isSettled = true
    if (this.#parts.tracer !== undefined) this.#traceState(this.#parts.tracer)
    return result
  }

  #traceState(tracer: Tracer): void {
    const { state } = this.#parts.life
    if (state === this.#tracedState) return
    tracer.emit('connection_state_updated', { old: this.#tracedState, new: state })
    this.#tracedState = state
  }

  /** A question. Where one was asked, or an input taken, at the same `now`, nothing is due and nothing follows. */
  #ask<Answer>(now: number, question: () => Answer): Answer {
    return now === this.#lastNow && this.#isSettled ? question() : this.#input(now, question)
  }

  /** Responder: the answer to the payment that brought the OPEN; undefined when its hash is not the OPEN's. */
  get openReception(): Reception | undefined {
    return this.#reception
  }

  /** A packet came. The answer is final; on the phantom lane it decides about the money. */
  arrive(now: number, arrival: Arrival): Reception {
    return this.#input(now, () => this.#parts.receiver.receive(now, arrival))
  }

  /** Income of the phantom lane is really there. */
  arrivalConfirmed(now: number, amountMsat: bigint, hash: Uint8Array): void {
    const { money, payments } = this.#parts
    this.#input(now, () => {
      money.income.confirm(amountMsat)
      money.received(amountMsat)
      payments.confirmed(now, hash)
    })
  }

  /** What became of an attempt. Taken in every state: the account needs it. */
  resolve(now: number, attemptId: number, outcome: PaymentOutcome): void {
    this.#input(now, () => this.#parts.recovery.resolve(now, attemptId, outcome))
  }

  /** Takes ownership of `data`. Buffers without bound: the socket holds its writers back. */
  write(now: number, data: Uint8Array): void {
    this.#input(now, () => this.#parts.send.write(now, data))
  }

  /** Nothing more will be written: FIN after all that was (spec §13.1). */
  finish(now: number): void {
    const { payments, send } = this.#parts
    this.#input(now, () => {
      send.finish()
      payments.finish(now)
    })
  }

  /** The next bytes in order, or undefined. */
  read(now: number): Uint8Array | undefined {
    return this.#input(now, () => this.#parts.receive.read(now))
  }

  /** The application wants no more bytes (spec §7.9): what comes, or lies unread, resets. */
  stopReading(now: number): void {
    const { life, receive } = this.#parts
    this.#input(now, () => {
      receive.stopReading()
      if (life.isLive && receive.reassembly.readable > 0) {
        const failure = { code: 'ECONNABORTED', message: 'this side stopped reading while bytes were waiting' }
        life.reset(now, { code: Code.CLOSED, reason: 'nobody reads', failure })
      }
      receive.drop()
    })
  }

  /** Ends both directions at once (spec §13.3). */
  reset(now: number, code: Code, reason: string): void {
    const failure = { code: 'ECONNABORTED', message: `this side reset: ${reason}` }
    const { life, receive } = this.#parts
    this.#input(now, () => {
      // spec §13.4: what lingers, and was not read, stays.
      if (life.isLive) receive.drop()
      life.reset(now, { code, reason, failure })
    })
  }

  /**
   * A datagram of at most 512 bytes with an id of 16 (spec §12.8). @throws RangeError for other sizes, or when 1,024
   * wait.
   */
  sendMessage(now: number, id: Uint8Array, data: Uint8Array): void {
    const { life, messages } = this.#parts
    this.#input(now, () => {
      if (life.isLive) messages.send(id, data)
    })
  }

  /** Answers the request 'paths'. `costMsat`: what a packet over them costs from their beginning on, where known. */
  providePaths(now: number, paths: readonly ReplyPath[], costMsat?: bigint): void {
    this.#input(now, () => this.#parts.paths.provide(now, paths, costMsat))
  }

  /** Answers the request 'paths' when none can be made: fatal for a connection that has none, else tried again. */
  pathsFailed(now: number, message: string): void {
    this.#input(now, () => this.#parts.paths.failed(now, message))
  }

  /**
   * Every way to the peer costs more for one packet than its owner pays (spec §9.6): it ends, as nothing can be said.
   * Amounts in msat.
   */
  tooExpensive(now: number, { packetMsat, amountMsat, maxMsat }: TooExpensive): void {
    const { life } = this.#parts
    const message = `each packet to the other side would cost at least ${packetMsat} msat, amount and fee together (${amountMsat} msat is the least amount that the channels on the way let pass); maxFee allows ${maxMsat}`
    this.#input(now, () => {
      // spec §13.4: what lingers has said and heard all.
      life.close(life.state === 'lingering' ? undefined : { code: 'ERR_KEYSOCK_FEE', message })
    })
  }

  /** No route leads to the peer, and nothing was sent yet (spec §10.2). */
  noRoute(now: number): void {
    const { life } = this.#parts
    this.#input(now, () =>
      life.close({ code: 'EHOSTUNREACH', message: 'no route to this node is known, at any price' }),
    )
  }

  /** These of our paths stopped working or soon will (spec §9.4). */
  pathsStale(now: number, pathIds: readonly string[]): void {
    this.#input(now, () => this.#parts.paths.stale(pathIds))
  }

  /** Pays beside what is asked, and says what for (spec §12.9): the id under which 'paid' tells of it. */
  pay(now: number, what: Omit<PaymentFrame, 'type' | 'id'>): number {
    return this.#input(now, () => this.#parts.payments.pay(what))
  }

  /** Asks for a sign of life, which 'pong' tells of. */
  ping(now: number): void {
    this.#input(now, () => this.#parts.idle.ping())
  }

  /** Asks the peer for a PAYMENT; the id of the REQUEST. @throws RangeError where too many wait for an answer */
  request(now: number, amountMsat: bigint, note: string): number {
    return this.#input(now, () => this.#parts.payments.request(amountMsat, note))
  }

  /** Says no to a REQUEST of the peer's. */
  decline(now: number, id: number, reason: string): void {
    this.#input(now, () => this.#parts.payments.decline(id, reason))
  }

  /** Responder: what it asks from now on (spec §12.4). */
  setTariff(now: number, tariff: Tariff): void {
    this.#input(now, () => this.#parts.money.setTariff(tariff))
  }

  /** Answers the request 'price': whether the application pays by the tariff with this serial. */
  answerPrice(now: number, serial: number, isAgreed: boolean): void {
    this.#input(now, () => this.#parts.money.agree(now, serial, isAgreed))
  }

  /** Answers the request 'shared-secret'. */
  provideSecret(now: number, secret: Uint8Array): void {
    this.#input(now, () => this.#parts.handshake.prove(secret))
  }

  /** The request 'shared-secret' got no answer: fatal for an OPEN that waits for it. */
  secretFailed(now: number, message: string): void {
    const { handshake, life } = this.#parts
    this.#input(now, () => {
      if (handshake.opening?.waitsForSecret === true) life.close({ code: 'ERR_KEYSOCK_IDENTIFY', message })
    })
  }

  /** A block came. */
  blockHeight(now: number, height: number): void {
    const { paths, reach } = this.#parts
    this.#input(now, () => {
      reach.block(height)
      paths.block(now)
    })
  }

  configure(now: number, settings: ChangeableSettings): void {
    const { idle, money, send } = this.#parts
    this.#input(now, () => {
      if (settings.capMsat !== undefined) money.setCap(settings.capMsat)
      if (settings.noDelay !== undefined) send.setNoDelay(settings.noDelay)
      if ('keepAliveMs' in settings) idle.setKeepAlive(now, settings.keepAliveMs)
    })
  }

  /** The deadline has come. */
  wake(now: number): void {
    this.#input(now, () => undefined)
  }

  /** When to call `wake`; undefined: never. Always later than the last input. */
  deadline(): number | undefined {
    if (this.#parts.life.isClosed) return undefined
    const dueMs = this.#parts.dueAt(this.#lastNow)
    this.#quietUntil = this.#isSettled ? (dueMs ?? Infinity) : -Infinity
    return dueMs ?? (this.#parts.owes ? this.#lastNow + NUDGE_MS : undefined)
  }

  /**
   * Whether, and why, it wants to send. A wish that is not granted is repeated; three vain ones for a copy let data go
   * first.
   */
  want(now: number): Want | undefined {
    return this.#ask(now, () => this.#parts.sending.want(now))
  }

  /** Whether something that the other side needs is still to go out, or has no outcome. */
  isSending(now: number): boolean {
    const { life, packets, send, sending } = this.#parts
    return this.#ask(now, () => {
      if (life.isClosed) return false
      if (send.buffer.unsent > 0 || sending.want(now) !== undefined) return true
      return packets.unresolved > 0 && !(life.isLive && send.isDelivered)
    })
  }

  /**
   * Builds one packet for a grant that `want` led to. Undefined: nothing to send after all, the grant is given back.
   */
  transmit(now: number, grant: Grant): Attempt | undefined {
    return this.#input(now, () => transmit(this.#parts, now, grant))
  }

  /** A cap stands against what it would send, and `waiter` is called once when there may be room. */
  waitForMoney(waiter: Waiter): void {
    this.#parts.money.wait(waiter)
  }

  /** `waiter` waits for nothing any more. */
  forgetWaiter(waiter: Waiter): void {
    this.#parts.money.budget.forget(waiter)
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.#parts.outputs.nextEvent()
  }

  pollRequest(): ConnectionRequest | undefined {
    return this.#parts.outputs.nextRequest()
  }

  get state(): State {
    return this.#parts.life.state
  }

  get role(): Role {
    return this.#parts.role
  }

  /** In hexadecimal. */
  get id(): string {
    return this.#parts.id
  }

  get connectionId(): Uint8Array {
    return this.#parts.connectionId
  }

  /** A cap stands against a packet, or against paying what is asked. */
  get isPaused(): boolean {
    const { money } = this.#parts
    return money.isPaused || money.isPricePaused || money.isPaymentPaused
  }

  /** A cap stands against a packet, and it is that of the peer or of the process. */
  get isPausedByWiderCap(): boolean {
    return this.wideObstacle !== undefined
  }

  /** The wider cap that stands against a packet: of the peer, the process, a port or a day. */
  get wideObstacle(): CapObstacle | undefined {
    const { money } = this.#parts
    return money.isPausedByOwnCap ? undefined : money.pausedBy
  }

  get account(): AccountView {
    const { budget, income } = this.#parts.money
    return { ...budget.view(), ...income.view() }
  }

  /** What was paid for what the responder asks, as this side counts it (spec §12.3). */
  get credit(): CreditView {
    return this.#parts.money.credit
  }

  /** Bytes that were written and never sent. */
  get unsentBytes(): number {
    return this.#parts.send.buffer.unsent
  }

  /** Unsent bytes from which on it should be given no more. */
  get sendAheadBytes(): number {
    return this.#parts.money.seller?.hasTariff === true ? MAX_AHEAD_BYTES : SEND_AHEAD_BYTES
  }

  /** Bytes written and not acknowledged. */
  get bufferedBytes(): number {
    return this.#parts.send.buffer.buffered
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.#parts.receive.reassembly.readable
  }

  /** The other side's; undefined until they are known. */
  get parameters(): Parameters | undefined {
    return this.#parts.handshake.parameters
  }

  /** Attempts without outcome that take longer than nearly all of their kind. */
  hungAttempts(now: number): number {
    return this.#parts.packets.hung(now)
  }

  get stats(): ConnectionStats {
    const { copies, packets, receive, receiver, recovery, send } = this.#parts
    const { received, dropped } = receiver.counts
    const { sent, failed, refused } = recovery.counts
    return {
      bytesWritten: send.buffer.written,
      bytesAcknowledged: send.buffer.delivered,
      bytesRead: receive.bytesRead,
      bytesReceived: receive.receivedBytes,
      packetsReceived: received,
      packetsDropped: dropped,
      attempts: sent,
      failedAttempts: failed,
      refusedAttempts: refused,
      hedgedAttempts: copies.count,
      unresolvedAttempts: packets.unresolved,
      awaitsMoney: this.#parts.sending.awaitsMoney,
      roundTripMs: recovery.roundTripMs,
      hops: recovery.hops,
    }
  }

  /** Throws when spec §10.1 or what must hold inside is broken. For tests. */
  checkInvariant(now: number): void {
    checkConsistency(this.#parts, { now, lastNow: this.#lastNow, deadline: this.deadline() })
  }
}
