import type { PaymentOutcome } from '../../medium/payment.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import type { RouteHint } from '../../medium/route.ts'
import { toHex } from '../../floor/bytes.ts'
import { Code } from '../../wire/errors.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { AccountParty } from '../account/entry.ts'
import type { Tariff } from '../../wire/frames.ts'
import type { CapObstacle } from '../connection/budget.ts'
import type { ChangeableSettings, Connection } from '../connection/connection.ts'
import type {
  AccountView,
  Attempt,
  ConnectionEvent,
  ConnectionFailure,
  ConnectionRequest,
  ConnectionStats,
  CreditView,
  Grant,
  Reception,
  Role,
  SendObstacle,
  TooExpensive,
  Want,
} from '../connection/interface.ts'
import { CLOSE_ROUND_TRIPS, CLOSE_ROUND_TRIP_UNKNOWN_MS } from '../limits.ts'
import { formatHints } from '../options/address.ts'
import { type Deadline, type DeadlineOwner, later } from './deadlines.ts'
import { failureFor } from './failures.ts'
import type { Isolation } from './isolations.ts'
import type { PeerScheduler } from './peer-schedulers.ts'
import type { Runtime } from './runtime.ts'
import type { WorkQueue } from './work-queue.ts'

/**
 * Calls the application. What it throws is not the driver's: it goes on alone and ends the process, as from
 * any other event.
 */
export function callOutside(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}

/** Asks the application; where it throws, which is dealt with as by `callOutside`, the answer is `otherwise`. */
export function askOutside<Answer, Otherwise>(ask: () => Answer, otherwise: Otherwise): Answer | Otherwise {
  let answer: Answer | Otherwise = otherwise
  callOutside(() => {
    answer = ask()
  })
  return answer
}

/** Hears what happens to a connection. */
export interface ConnectionListener {
  hear(event: ConnectionEvent): void
}

export const NO_ROUTE_HINTS: readonly RouteHint[] = []

interface ConnectionParts {
  readonly runtime: Runtime
  readonly queue: Pick<WorkQueue<DrivenConnection, PeerScheduler>, 'touch'>
  readonly connection: Connection
  readonly isolation: Isolation
  readonly ephemeral: string
  readonly remoteKey: Uint8Array | undefined
  readonly budgetKey: string
  readonly port?: number
  /** The port that was connected to, of this side or the other. */
  readonly accountPort: number
  readonly asksDirect?: boolean
  readonly hints?: readonly RouteHint[]
  readonly tracer: Tracer | undefined
}

/**
 * A connection with what its driver knows of it. Every call that may change the state machine goes through `#call`, so
 * that what comes of it is handed on: events, requests, its deadline, and after an input what it wants to send.
 */
export class DrivenConnection implements DeadlineOwner {
  /** What it shares with other connections (spec §9.13). */
  readonly isolation: Isolation
  /** Connection id in hexadecimal: it stands in logs, and in the table of connections. */
  readonly id: string
  /** e_i of the OPEN in hexadecimal; '' for an initiator. */
  readonly ephemeral: string
  /** The other side's key; undefined for an anonymous one. */
  readonly remoteKey: Uint8Array | undefined
  /** Whose budget pays: the other side's key in hexadecimal, or '' where nothing says it. */
  readonly budgetKey: string
  /** Whose server it belongs to; undefined for an initiator. */
  readonly port: number | undefined
  /** An initiator's answers come over the node lane; who did not ask for that takes none there. */
  readonly asksDirect: boolean
  /** Private channels to the other side's node. */
  readonly hints: readonly RouteHint[]
  /** Tells apart ways to one node over other hints; '' without any. */
  readonly hintsKey: string
  /** Of `Payment`: as random as the connection id, which no relay sees. */
  readonly shadowSeed: number
  /** Hears what happens to it; undefined: nobody does. */
  readonly tracer: Tracer | undefined
  readonly #runtime: Runtime
  readonly #queue: ConnectionParts['queue']
  readonly #connection: Connection
  readonly #deadline: Deadline
  #party: AccountParty
  #obstacle: SendObstacle | undefined
  #listener: ConnectionListener | undefined
  #ending: string | undefined
  #isClosed = false
  /** The endpoint closed before the connection had ended. */
  #isShutDown = false
  /** Nothing of ours was on its way since; while the endpoint closes. */
  #idleSince: number | undefined
  #candidates: number | undefined
  #relays: 1 | 2 | undefined
  #ownScheduler: PeerScheduler | undefined
  /** It was not asked yet what it wants to send since something came in. */
  #mayWant = true
  #holds = false

  constructor(parts: ConnectionParts) {
    this.#runtime = parts.runtime
    this.#queue = parts.queue
    this.#connection = parts.connection
    this.isolation = parts.isolation
    this.id = parts.connection.id
    this.ephemeral = parts.ephemeral
    this.remoteKey = parts.remoteKey
    this.budgetKey = parts.budgetKey
    this.port = parts.port
    this.asksDirect = parts.asksDirect ?? false
    this.hints = parts.hints ?? NO_ROUTE_HINTS
    this.tracer = parts.tracer
    this.hintsKey = formatHints(this.hints)
    // Each direction has its own: a relay of both would know them by it.
    const half = this.role === 'initiator' ? this.id.slice(0, 8) : this.id.slice(8)
    this.shadowSeed = Number.parseInt(half, 16)
    this.#deadline = this.#runtime.deadlines.addOf(this)
    const { budgetKey: peer, accountPort: port } = parts
    this.#party = { connection: this.id, peer, port, role: this.role, program: '' }
  }

  /** Whom the account's entries of this connection are about. */
  get party(): AccountParty {
    return this.#party
  }

  /** The other side has proved its key: from now on the account names it. */
  identified(publicKey: Uint8Array): void {
    this.#party = { ...this.#party, peer: toHex(publicKey) }
  }

  get role(): Role {
    return this.#connection.role
  }

  /** Bytes that were written and never sent. */
  get unsentBytes(): number {
    return this.#connection.unsentBytes
  }

  /** Unsent bytes from which on it takes no more. */
  get sendAheadBytes(): number {
    return this.#connection.sendAheadBytes
  }

  /** Bytes that were written and are not acknowledged yet. */
  get bufferedBytes(): number {
    return this.#connection.bufferedBytes
  }

  /** Bytes that can be read now; also of a connection that failed. */
  get readableBytes(): number {
    return this.#connection.readableBytes
  }

  get account(): AccountView {
    return this.#connection.account
  }

  get credit(): CreditView {
    return this.#connection.credit
  }

  get stats(): ConnectionStats {
    return this.#connection.stats
  }

  /** Payments without outcome that take longer than nearly all of their kind. */
  get hungAttempts(): number {
    return this.#connection.hungAttempts(this.now())
  }

  get state(): Connection['state'] {
    return this.#connection.state
  }

  /** Responder: the answer to the payment that brought the OPEN; undefined when its hash is not the OPEN's. */
  get openReception(): Reception | undefined {
    return this.#connection.openReception
  }

  /** 'clean', the code of an error, or undefined before the end. */
  get ending(): string | undefined {
    return this.#ending
  }

  /** Nothing comes out of it any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** What stood against its packet when its turn came last; undefined: nothing does. */
  get obstacle(): SendObstacle | undefined {
    return this.#obstacle
  }

  /** A cap stands against what it would send. */
  get isPaused(): boolean {
    return this.#connection.isPaused
  }

  /** It is the cap of its peer or of the process that lets no packet pass. */
  get isPausedByWiderCap(): boolean {
    return this.#connection.isPausedByWiderCap
  }

  /** That cap, and what it stands against. */
  get wideObstacle(): CapObstacle | undefined {
    return this.#connection.wideObstacle
  }

  /** Somebody is asked whether the cap that stands against it may be raised. */
  get isAsked(): boolean {
    return this.#connection.wideObstacle?.budget.isAsked === true
  }

  /** Nodes that could stand behind its reply paths, by what the payer can compute; undefined: no paths. */
  get candidates(): number | undefined {
    return this.#candidates
  }

  /** Blinded relays of its reply paths; undefined: no paths, or the backend does not say. */
  get relays(): 1 | 2 | undefined {
    return this.#relays
  }

  /** What pays for this connection's packets over its reply paths; node keys share theirs. */
  get ownScheduler(): PeerScheduler | undefined {
    return this.#ownScheduler
  }

  now(): number {
    return this.#runtime.now()
  }

  /** Unpredictable bytes. */
  random(length: number): Uint8Array {
    return this.#runtime.random(length)
  }

  // ---- What goes in: the application -----------------------------------------------------------------

  /** Takes ownership of `data`. */
  write(data: Uint8Array): void {
    this.#input((connection, now) => connection.write(now, data))
  }

  finish(): void {
    this.#input((connection, now) => connection.finish(now))
  }

  read(): Uint8Array | undefined {
    return this.#input((connection, now) => connection.read(now))
  }

  stopReading(): void {
    this.#input((connection, now) => connection.stopReading(now))
  }

  reset(code: Code, reason: string): void {
    this.#input((connection, now) => connection.reset(now, code, reason))
  }

  sendMessage(id: Uint8Array, data: Uint8Array): void {
    this.#input((connection, now) => connection.sendMessage(now, id, data))
  }

  /** The id under which 'paid' tells of it. */
  pay(what: Parameters<Connection['pay']>[1]): number {
    return this.#input((connection, now) => connection.pay(now, what))
  }

  /** 'pong' tells when it has arrived. */
  ping(): void {
    this.#input((connection, now) => connection.ping(now))
  }

  /** @throws RangeError where too many wait for an answer */
  request(amountMsat: bigint, note: string): number {
    return this.#input((connection, now) => connection.request(now, amountMsat, note))
  }

  decline(id: number, reason: string): void {
    this.#input((connection, now) => connection.decline(now, id, reason))
  }

  /** Responder: what it asks from now on. */
  setTariff(tariff: Tariff): void {
    this.#input((connection, now) => connection.setTariff(now, tariff))
  }

  /** Initiator: whether it pays by the tariff with this serial. */
  answerPrice(serial: number, isAgreed: boolean): void {
    this.#input((connection, now) => connection.answerPrice(now, serial, isAgreed))
  }

  configure(settings: ChangeableSettings): void {
    this.#input((connection, now) => connection.configure(now, settings))
  }

  // ---- What goes in: the node --------------------------------------------------------------------------

  /** A packet came for this connection. */
  receive(arrival: Arrival): Reception {
    return this.#input((connection, now) => connection.arrive(now, arrival))
  }

  /** Income of the phantom lane is really there. */
  confirmIncome(amountMsat: bigint, hash: Uint8Array): void {
    this.#input((connection, now) => connection.arrivalConfirmed(now, amountMsat, hash))
  }

  /** What became of an attempt. */
  resolve(attemptId: number, outcome: PaymentOutcome): void {
    this.#input((connection, now) => connection.resolve(now, attemptId, outcome))
  }

  /** How many nodes could stand behind its paths, as in `PathResult`. */
  setCandidates(candidates: number): void {
    this.#candidates = candidates
  }

  /** Blinded relays of its newest reply paths, as in `PathResult`. */
  setRelays(relays: 1 | 2 | undefined): void {
    this.#relays = relays
  }

  /** Answers the request 'paths'. `costMsat`: as in `PathResult`. */
  providePaths(paths: readonly ReplyPath[], costMsat: bigint | undefined): void {
    this.#input((connection, now) => connection.providePaths(now, paths, costMsat))
  }

  /** Answers the request 'paths' when none can be made. */
  pathsFailed(message: string): void {
    this.#input((connection, now) => connection.pathsFailed(now, message))
  }

  /** These of its own paths stopped to work, or will soon. */
  pathsStale(pathIds: readonly string[]): void {
    this.#input((connection, now) => connection.pathsStale(now, pathIds))
  }

  /** Answers the request 'shared-secret'. */
  provideSecret(secret: Uint8Array): void {
    this.#input((connection, now) => connection.provideSecret(now, secret))
  }

  /** The request 'shared-secret' has no answer. */
  secretFailed(message: string): void {
    this.#input((connection, now) => connection.secretFailed(now, message))
  }

  blockHeight(height: number): void {
    this.#input((connection, now) => connection.blockHeight(now, height))
  }

  // ---- What goes in: its scheduler -----------------------------------------------------------------------

  /** It has something to send, and may not now. */
  heldBack(obstacle: SendObstacle): void {
    this.#obstacle = obstacle
  }

  /** What it wants to send now, and why; undefined also where it is closed. */
  want(): Want | undefined {
    const want = this.#isClosed ? undefined : this.#call((connection, now) => connection.want(now))
    if (want === undefined) this.#obstacle = undefined
    return want
  }

  /** Builds one packet for a grant that `want` led to; undefined: there is nothing to send after all. */
  transmit(grant: Grant): Attempt | undefined {
    this.#obstacle = undefined
    const attempt = this.#call((connection, now) => connection.transmit(now, grant))
    this.#connection.waitForMoney(this)
    return attempt
  }

  /**
   * Every way to the other side costs more for each packet than the endpoint pays: it ends, unless it has nothing to
   * send. Amounts in msat.
   */
  tooExpensive(cost: TooExpensive): void {
    if (this.#call((connection, now) => connection.want(now)) === undefined) return
    this.#input((connection, now) => connection.tooExpensive(now, cost))
  }

  /** No route leads to the other side, whatever it costs: a connect that has sent nothing fails. */
  noRoute(): void {
    if (this.#failureContext.sentNothing) this.#input((connection, now) => connection.noRoute(now))
  }

  /** The scheduler of its own reply paths, made at the first call. */
  schedulerOfPaths(make: () => PeerScheduler): PeerScheduler {
    this.#ownScheduler ??= make()
    return this.#ownScheduler
  }

  // ---- What comes out, for the driver ------------------------------------------------------------------

  pollEvent(): ConnectionEvent | undefined {
    return this.#connection.pollEvent()
  }

  pollRequest(): ConnectionRequest | undefined {
    return this.#connection.pollRequest()
  }

  /**
   * What it wants to send, where something came in since it was asked last. What it wants after a packet was made of
   * its wish, its scheduler asks in the same turn.
   */
  pollWant(): Want | undefined {
    if (!this.#mayWant || this.#isClosed) return undefined
    this.#mayWant = false
    return this.#connection.want(this.now())
  }

  deadlineCame(): void {
    this.#input((connection, now) => connection.wake(now))
  }

  /** Has the connection called again when its deadline comes. */
  armDeadline(): void {
    if (this.#isClosed) return
    this.#runtime.deadlines.set(this.#deadline, later(this.#connection.deadline(), this.now()))
  }

  // ---- Its state ---------------------------------------------------------------------------------------

  /** Who hears what happens, one event after the other; undefined: nobody is interested any more. */
  setListener(listener: ConnectionListener | undefined): void {
    this.#listener = listener
  }

  emit(event: ConnectionEvent): void {
    const listener = this.#listener
    if (listener !== undefined) callOutside(() => listener.hear(event))
  }

  /** There may be room under the cap that stopped it. */
  resume(): void {
    this.#mayWant = true
    this.#queue.touch(this)
  }

  /** The other side has all that was written. An application that has gone is not waited for any longer. */
  finished(): void {
    if (this.#listener === undefined) this.hold(false)
  }

  /** The endpoint closes: what the application has not ended is reset. */
  shutDown(): void {
    const { state } = this
    const isEnding = state === 'closing' || state === 'resetting' || this.#listener === undefined
    if (isEnding || this.#ending !== undefined) return
    this.#isShutDown = true
    this.reset(Code.SHUTDOWN, '')
  }

  /** The application's side of it is over; undefined: cleanly. */
  end(failure: ConnectionFailure | undefined): void {
    const error = failure === undefined ? undefined : failureFor(failure, this.#failureContext)
    this.#ending = error?.code ?? 'clean'
    this.hold(false)
    this.emit({ type: 'ended', error })
  }

  /** The state machine is of no further use. */
  close(): void {
    this.#isClosed = true
    this.#connection.forgetWaiter(this)
    this.hold(false)
    this.#runtime.deadlines.set(this.#deadline, undefined)
    this.#ownScheduler?.stop()
  }

  /** A connection that delivers what it holds keeps the process, as the kernel would go on for a TCP socket. */
  hold(holds: boolean): void {
    const effective = holds && !this.#isClosed && this.#ending === undefined
    if (effective === this.#holds) return
    this.#holds = effective
    this.#runtime.countHold(effective ? 1 : -1)
  }

  /**
   * While the endpoint closes: until when it is waited for, ms. Infinity while something of ours is on its way,
   * undefined when both sides are done. In between, the other side's acknowledgement or FIN may be on its way, or
   * never come.
   */
  waitUntil(now: number): number | undefined {
    if (this.#isClosed) return undefined
    const isSending = this.#connection.isSending(now)
    this.armDeadline()
    if (isSending) {
      this.#idleSince = undefined
      return Infinity
    }
    if (this.state === 'lingering') return undefined
    this.#idleSince ??= now
    return this.#idleSince + CLOSE_ROUND_TRIPS * (this.stats.roundTripMs ?? CLOSE_ROUND_TRIP_UNKNOWN_MS)
  }

  // ---- Timers of its socket ------------------------------------------------------------------------------

  addDeadline(fire: () => void): Deadline {
    return this.#runtime.deadlines.add(() => callOutside(fire))
  }

  /** `atMs`: undefined disarms. */
  setDeadline(deadline: Deadline, atMs: number | undefined): void {
    this.#runtime.deadlines.set(deadline, atMs)
  }

  /** Calls back in a later turn of the event loop; the result cancels that. */
  soon(callback: () => void): () => void {
    return this.#runtime.soon(() => callOutside(callback))
  }

  /** Throws when spec §10.1 or what must hold inside is broken. For tests. */
  checkInvariant(now: number): void {
    if (this.#runtime.isStopped) return
    this.#connection.checkInvariant(now)
    const dueMs = this.#connection.deadline() ?? Infinity
    const { atMs } = this.#deadline
    if (atMs === dueMs || atMs === later(dueMs, now)) return
    throw new Error(
      `connection ${this.id} is due at ${dueMs} ms, and its driver calls it at ${atMs} ms; it is ${now} ms`,
    )
  }

  // ---- Inside ------------------------------------------------------------------------------------------

  get #failureContext(): Parameters<typeof failureFor>[1] {
    const sentNothing = this.role === 'initiator' && this.stats.attempts === 0
    return { isShutDown: this.#isShutDown, sentNothing }
  }

  /** Something came in: what it wants to send may have changed, too. */
  #input<Result>(call: (connection: Connection, now: number) => Result): Result {
    this.#mayWant = true
    return this.#call(call)
  }

  /** The one entrance to the state machine. */
  #call<Result>(call: (connection: Connection, now: number) => Result): Result {
    const result = call(this.#connection, this.now())
    // What comes after 'closed' is for the budget alone.
    if (!this.#isClosed) this.#queue.touch(this)
    return result
  }
}
