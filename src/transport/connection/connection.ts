import { Code } from '../../wire/errors.ts'
import { identifyProof } from '../../wire/keys.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { applyFrames, learnParameters } from './apply.ts'
import { Control } from './controls.ts'
import { Core } from './core.ts'
import { checkConsistency } from './consistency.ts'
import type { Lane, PaymentOutcome } from '../../medium/payment.ts'
import type { ReplyPath } from '../../medium/reply-path.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type {
  AccountView,
  Attempt,
  ConnectionEvent,
  ConnectionRequest,
  ConnectionSettings,
  ConnectionStats,
  Grant,
  GrowWindow,
  RandomBytes,
  Reception,
  Role,
  State,
  Want,
} from './interface.ts'
import { close, reset } from './lifecycle.ts'
import { ACCEPT_MS, ACK_DELAY_MS, COALESCE_MS, PATHS_AGAIN_MS, RESET_MS, SILENCE_LEAST_MS } from './limits.ts'
import { answerOpen, ephemeralSecret, openDigest, type OpenedPacket } from './opening.ts'
import { transmit } from './packet-builder.ts'
import { arrive, openSettlement } from './receiver.ts'
import { requeue, resolve } from './recovery.ts'
import { want } from './sending.ts'
import { deadline, drainPaths, requestPaths, runTimers, settleInput } from './timers.ts'

/** What every connection is made with. */
interface ConnectionOptions {
  readonly now: number
  readonly random: RandomBytes
  readonly grow: GrowWindow
  readonly settings: ConnectionSettings
  /** The responder's node key, 33 bytes. */
  readonly responderKey: Uint8Array
  readonly blockHeight: number
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
  /** Prove to the responder that we hold this node key (spec §12.7). */
  readonly identify?: { readonly publicKey: Uint8Array }
}

export interface AcceptOptions extends ConnectionOptions {
  readonly open: OpenedPacket
  /** The payment that brought the OPEN. */
  readonly arrival: Arrival
}

export interface RefuseOptions extends AcceptOptions {
  readonly code: Code
  readonly reason: string
}

/** Settings that may change while it lives. */
export type ChangeableSettings = Partial<Pick<ConnectionSettings, 'keepAliveMs' | 'noDelay' | 'capMsat'>>

/**
 * One end of a connection: a state machine without I/O, clock or randomness of its own. interface.ts tells
 * in which order it is used. Every method that takes `now` may change events, requests, `want` and the deadline.
 */
export class Connection {
  readonly #core: Core
  #reception: Reception | undefined

  private constructor(core: Core) {
    this.#core = core
  }

  /** The initiator's end. */
  static connect(options: ConnectOptions): Connection {
    const { replies, identify, connectionId } = options
    const core = new Core({ ...options, role: 'initiator', state: 'opening' })
    core.nodeTarget = { lane: options.lane ?? 'node', publicKey: options.responderKey }
    core.identifyKey = identify?.publicKey
    core.opening = {
      responderKey: options.responderKey,
      port: options.port,
      directKey: replies.lane === 'direct' ? replies.publicKey : undefined,
      initiation: undefined,
      copies: 0,
      due: true,
      arrived: false,
      unanswered: 0,
      againAt: undefined,
      againDelayMs: 0,
      earlyEnd: 0,
      hasFin: false,
      ephemeralSecret: options.ephemeralSecret ?? ephemeralSecret(options.random),
    }
    if (connectionId.length !== 8) throw new RangeError('a connection id is 8 bytes')
    if (replies.lane === 'phantom') {
      if (replies.paths.length > 0) core.ownPaths.provide(replies.paths, core.height)
      else requestPaths(core)
    }
    return new Connection(core)
  }

  /** The responder's end, for an OPEN that a listener takes (spec §6.3). */
  static accept(options: AcceptOptions): Connection {
    const { now, open, arrival } = options
    const connection = Connection.#respond(options, 'open')
    const core = connection.#core
    learnParameters(core, open.parameters)
    core.acceptAt = now + ACCEPT_MS
    if (core.seller !== undefined) core.controls.want(Control.PRICE)
    core.openHadCredit = open.frames.some((frame) => frame.type === 'credit')
    core.ack.note(now, 0, arrival.lane === 'node', ACK_DELAY_MS)
    core.packetsReceived++
    core.emit({ type: 'connected' })
    applyFrames(core, now, { frames: open.frames, arrival })
    settleInput(core, now)
    return connection
  }

  /** A responder's end that only says no (spec §5.10): it closes when that has arrived, or after a minute. */
  static refuse(options: RefuseOptions): Connection {
    const { now, open } = options
    const connection = Connection.#respond(options, 'resetting')
    const core = connection.#core
    for (const frame of open.frames) if (frame.type === 'reply-paths') core.peerPaths.learn(frame)
    core.resetCode = options.code
    core.resetReason = options.reason
    core.resetUntil = now + RESET_MS
    // The application never knew of it.
    core.endedReported = true
    core.controls.want(Control.REFUSE)
    if (core.target() === undefined) close(core, undefined)
    return connection
  }

  static #respond(options: AcceptOptions, state: State): Connection {
    const { open, arrival } = options
    const core = new Core({ ...options, connectionId: open.connectionId, role: 'responder', state })
    answerOpen(core, open, options.random)
    core.openDigest = openDigest(arrival.record, open.connectionId)
    const { directReply } = open.parameters
    if (directReply !== undefined) core.nodeTarget = { lane: 'node', publicKey: directReply }
    if (arrival.lane === 'phantom') core.account.expect(arrival.amountMsat)
    else core.account.receive(arrival.amountMsat)
    const connection = new Connection(core)
    connection.#reception = openSettlement(core, arrival, arrival.record[9] ?? 0)
    return connection
  }

  /** Responder: the answer to the payment that brought the OPEN; undefined when its hash is not the OPEN's. */
  get openReception(): Reception | undefined {
    return this.#reception
  }

  /** A packet came. The answer is final; on the phantom lane it decides about the money. */
  arrive(now: number, arrival: Arrival): Reception {
    const core = this.#core
    runTimers(core, now)
    const reception = arrive(core, now, arrival)
    settleInput(core, now)
    return reception
  }

  /** Income of the phantom lane is really there. */
  arrivalConfirmed(_now: number, amountMsat: bigint): void {
    this.#core.account.confirm(amountMsat)
  }

  /** What became of an attempt. Taken in every state: the account needs it. */
  resolve(now: number, attemptId: number, outcome: PaymentOutcome): void {
    const core = this.#core
    runTimers(core, now)
    resolve(core, now, attemptId, outcome)
    settleInput(core, now)
  }

  /** The owner could not send an attempt after all: its money is free, its frames wait again. */
  unsent(now: number, attemptId: number): void {
    const core = this.#core
    runTimers(core, now)
    const sent = core.attempts.get(attemptId)
    if (sent === undefined) return
    core.attempts.resolved(sent)
    core.overdue.unwatch(sent)
    core.account.release(sent.amountMsat, sent.feeMsat)
    core.attemptCount--
    requeue(core, now, sent)
    settleInput(core, now)
  }

  /** Takes ownership of `data`. Buffers without bound: the socket holds its writers back. */
  write(now: number, data: Uint8Array): void {
    const core = this.#core
    runTimers(core, now)
    if (!core.isLive || data.length === 0) return
    if (core.finWanted) throw new Error('write after finish')
    core.out.write(data)
    core.coalesceAt ??= now + COALESCE_MS
    settleInput(core, now)
  }

  /** Nothing more will be written: FIN after all that was (spec §13.1). */
  finish(now: number): void {
    const core = this.#core
    runTimers(core, now)
    if (!core.isLive || core.finWanted) return
    core.finWanted = true
    core.controls.want(Control.FIN)
    settleInput(core, now)
  }

  /** The next bytes in order; undefined: none for now. */
  read(now: number): Uint8Array | undefined {
    const core = this.#core
    runTimers(core, now)
    const data = core.in.read()
    if (data !== undefined) {
      core.bytesRead += data.length
      const wanted = core.isLive && core.finalOffset === undefined
      if (wanted && core.window.raise(now, core.in.readOffset)) core.controls.want(Control.MAX_DATA)
    }
    settleInput(core, now)
    return data
  }

  /** The application wants no more bytes (spec §7.9): what comes, or lies unread, resets. */
  stopReading(now: number): void {
    const core = this.#core
    runTimers(core, now)
    core.readingStopped = true
    if (core.isLive && core.in.readable > 0) {
      const failure = { code: 'ECONNABORTED', message: 'this side stopped reading while bytes were waiting' }
      reset(core, now, { code: Code.CLOSED, reason: 'nobody reads', failure })
    }
    core.in.clear()
    settleInput(core, now)
  }

  /** Ends both directions at once (spec §13.3). */
  reset(now: number, code: Code, reason: string): void {
    const core = this.#core
    runTimers(core, now)
    reset(core, now, { code, reason, failure: { code: 'ECONNABORTED', message: `this side reset: ${reason}` } })
  }

  /** A datagram of at most 512 bytes with an id of 16 (spec §12.8). @throws RangeError for other sizes, or when 1,024 wait. */
  sendMessage(now: number, id: Uint8Array, data: Uint8Array): void {
    runTimers(this.#core, now)
    if (this.#core.isLive) this.#core.messages.send(id, data)
  }

  /** Answers the request 'paths'. */
  providePaths(now: number, paths: readonly ReplyPath[]): void {
    const core = this.#core
    runTimers(core, now)
    core.pathsRequested = false
    core.pathsDelayMs = 0
    if (paths.length === 0) return
    if (!givesPaths(core)) {
      core.ask({ type: 'close-paths', pathIds: paths.map((path) => path.pathId) })
      return
    }
    core.ownPaths.provide(paths, core.height)
    drainPaths(core, now)
    // Those that an OPEN will carry need no frame of their own.
    if (core.opening?.initiation !== undefined || core.state !== 'opening') core.controls.want(Control.PATHS)
    if (core.pingWithPaths && core.state !== 'opening') core.controls.want(Control.PING)
    core.pingWithPaths = false
  }

  /** Answers the request 'paths' when none can be made: fatal for a connection that has none, else tried again. */
  pathsFailed(now: number, message: string): void {
    const core = this.#core
    runTimers(core, now)
    core.pathsRequested = false
    if (core.state === 'opening' && core.ownPaths.newest === undefined) {
      close(core, { code: 'ERR_KEYSOCK_NO_PATH', message })
      return
    }
    if (!core.isLive) return
    core.pathsDelayMs = Math.min(Math.max(PATHS_AGAIN_MS, 2 * core.pathsDelayMs), SILENCE_LEAST_MS)
    core.pathsAgainAt = now + core.pathsDelayMs
    if (core.pingWithPaths && core.state !== 'opening') core.controls.want(Control.PING)
    core.pingWithPaths = false
  }

  /**
   * Every way to the peer costs more for one packet than its owner pays (spec §9.6): it ends, as nothing can be said.
   * Amounts in msat.
   */
  tooExpensive(now: number, cost: { readonly packetMsat: bigint; readonly mostMsat: bigint }): void {
    const core = this.#core
    runTimers(core, now)
    const message = `each packet to the other side would cost at least ${cost.packetMsat} msat, amount and fee together; maxFee allows ${cost.mostMsat}`
    // spec §13.4: what lingers has said and heard all.
    close(core, core.state === 'lingering' ? undefined : { code: 'ERR_KEYSOCK_FEE', message })
    settleInput(core, now)
  }

  /** These of our paths stopped working or soon will (spec §9.4). */
  pathsStale(now: number, pathIds: readonly string[]): void {
    const core = this.#core
    runTimers(core, now)
    const newest = core.ownPaths.newest?.paths ?? []
    if (givesPaths(core) && newest.some((path) => pathIds.includes(path.pathId))) requestPaths(core)
  }

  /** Answers the request 'shared-secret'. */
  provideSecret(now: number, secret: Uint8Array): void {
    const core = this.#core
    runTimers(core, now)
    if (core.main === undefined || !core.isLive) return
    core.identifyProof = identifyProof(secret, core.main.toResponder.transcript)
    core.controls.want(Control.IDENTIFY)
  }

  /** A block came. */
  blockHeight(now: number, height: number): void {
    const core = this.#core
    runTimers(core, now)
    core.height = height
    core.peerPaths.refresh()
    const newest = core.ownPaths.newest
    // spec §9.4
    if (core.isLive && core.finalOffset === undefined && newest !== undefined && height >= newest.renewAt)
      requestPaths(core)
    drainPaths(core, now)
    settleInput(core, now)
  }

  configure(now: number, settings: ChangeableSettings): void {
    const core = this.#core
    runTimers(core, now)
    core.settings = { ...core.settings, ...settings }
    if (settings.capMsat !== undefined) {
      core.account.setCap(settings.capMsat)
      core.paused = false
      core.creditPaused = false
      core.pauseReported = false
    }
    if (settings.keepAliveMs !== undefined) core.keepAliveFrom = now
    settleInput(core, now)
  }

  /** The deadline has come. */
  wake(now: number): void {
    runTimers(this.#core, now)
    settleInput(this.#core, now)
  }

  /** When to call `wake`. Always later than the last input. */
  deadline(): number | undefined {
    return deadline(this.#core)
  }

  /** Whether, and why, it wants to send. A wish that is not granted is repeated; three vain ones for a copy let data go first. */
  want(now: number): Want | undefined {
    runTimers(this.#core, now)
    return want(this.#core, now)
  }

  /** Whether something that the other side needs is still to go out, or has no outcome. */
  isSending(now: number): boolean {
    const core = this.#core
    if (core.state === 'closed') return false
    if (core.out.unsent > 0 || want(core, now) !== undefined) return true
    const isDelivered = core.isLive && core.finDelivered && core.out.buffered === 0
    return core.attempts.unresolved > 0 && !isDelivered
  }

  /** Builds one packet for a grant that `want` led to. Undefined: nothing to send after all, the grant is given back. */
  transmit(now: number, grant: Grant): Attempt | undefined {
    runTimers(this.#core, now)
    const attempt = transmit(this.#core, now, grant)
    settleInput(this.#core, now)
    return attempt
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.#core.nextEvent()
  }

  pollRequest(): ConnectionRequest | undefined {
    return this.#core.nextRequest()
  }

  get state(): State {
    return this.#core.state
  }

  get role(): Role {
    return this.#core.role
  }

  get connectionId(): Uint8Array {
    return this.#core.connectionId
  }

  get account(): AccountView {
    return this.#core.account.view()
  }

  /** Bytes that were written and never sent. */
  get unsentBytes(): number {
    return this.#core.out.unsent
  }

  /** Bytes written and not acknowledged. */
  get bufferedBytes(): number {
    return this.#core.out.buffered
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.#core.in.readable
  }

  /** The other side's; undefined until they are known. */
  get parameters(): Parameters | undefined {
    return this.#core.peerParameters
  }

  get stats(): ConnectionStats {
    const core = this.#core
    return {
      bytesWritten: core.out.written,
      bytesAcknowledged: core.out.delivered,
      bytesRead: core.bytesRead,
      packetsReceived: core.packetsReceived,
      packetsDropped: core.packetsDropped,
      attempts: core.attemptCount,
      failedAttempts: core.failedCount,
      refusedAttempts: core.refusedCount,
      hedgedAttempts: core.hedgedCount,
      unresolvedAttempts: core.attempts.unresolved,
      roundTripMs: core.smoothedRoundTripMs,
    }
  }

  /** Throws when spec §10.1 or what must hold inside is broken. For tests. */
  checkInvariant(now: number): void {
    checkConsistency(this.#core, now)
  }
}

/** spec §9.4, §13.4: a peer that does not know yet that all came needs a way to hear of it. */
function givesPaths(core: Core): boolean {
  return core.isLive || core.state === 'lingering'
}
