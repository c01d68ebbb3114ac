import type { Backend, BackendEvent } from '../../backends/backend.ts'
import { fromHex, toHex } from '../../floor/bytes.ts'
import type { Code } from '../../wire/errors.ts'
import type { Connection } from '../connection/connection.ts'
import { ConnectionMaker } from './connection-maker.ts'
import type { ConnectionEvent, ConnectionFailure, CostPause } from '../connection/interface.ts'
import { Deadlines } from './deadlines.ts'
import { Demultiplexer } from './demultiplexer.ts'
import { callOutside, DrivenConnection } from './driven-connection.ts'
import { type Absence, type DriverCounts, type DriverOptions, ENDPOINT_CLOSED } from './driver-options.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { MAX_CONNECTIONS } from '../limits.ts'
import type { Listener } from './connection-handle.ts'
import type { LogFields } from '../logger.ts'
import { HeldOffers } from './held-offers.ts'
import { type AuthenticOpen, Acceptor } from './acceptor.ts'
import type { ConnectOptions, ConnectTarget } from '../options/options.ts'
import { PathMaker } from './path-maker.ts'
import { Payer } from './payer.ts'
import { SlotPool } from '../peer/slots.ts'
import { Ports } from './ports.ts'
import { Budget } from './budget.ts'
import { WorkQueue } from './work-queue.ts'
import { later, type PeerScheduler, PeerSchedulers } from './peer-schedulers.ts'
import type { StoreChange } from '../store/store.ts'
import { SeenOpens } from '../tables/seen-opens.ts'
import { MessageIds } from '../tables/message-ids.ts'
import { Tombstones } from '../tables/tombstones.ts'

/**
 * Joins connections, backend and store: brings what arrives to the connection it is for, and what a
 * connection wants to the backend; keeps the time for all of them.
 * An application may call anything from inside any event: see rounds.ts.
 */
export class Driver {
  readonly backend: Backend
  readonly publicKey: Uint8Array
  readonly relays: 1 | 2
  readonly maxFeeMsat: bigint
  readonly deadlines: Deadlines
  readonly slots: SlotPool = new SlotPool()
  readonly budget: Budget
  readonly seen: SeenOpens
  readonly tombstones: Tombstones
  readonly ports: Ports
  readonly acceptor: Acceptor
  readonly offers: HeldOffers
  readonly demultiplexer: Demultiplexer
  readonly payer: Payer
  readonly schedulers: PeerSchedulers
  readonly counts: DriverCounts = {
    packetsStray: 0,
    strayMsat: 0n,
    opensRefused: 0,
    connectionsOpened: 0,
    connectionsAccepted: 0,
  }
  isOnline = true
  blockHeight: number
  readonly #options: DriverOptions
  readonly #maker: ConnectionMaker
  readonly #paths: PathMaker
  readonly #messages: MessageIds
  readonly #rounds: WorkQueue<DrivenConnection, PeerScheduler> = new WorkQueue({
    poll: (link) => this.#poll(link),
    serve: (sender) => sender.serve(),
    done: () => this.#roundDone(),
  })
  readonly #randomBytes = (length: number): Uint8Array => this.random(length)
  #isStopped = false
  #holds = 0
  /** After each round, while the endpoint closes. */
  #whenRound: (() => void) | undefined

  constructor(options: DriverOptions) {
    const { backend, info, stored, clock, processCapMsat } = options
    this.#options = options
    this.backend = backend
    this.publicKey = info.publicKey
    this.blockHeight = info.blockHeight
    this.relays = options.relays
    this.maxFeeMsat = options.maxFeeMsat
    this.deadlines = new Deadlines(clock)
    const reservations = [...stored.reservations.values()]
    this.budget = new Budget({ peerCapMsat: options.peerCapMsat, processCapMsat, reservations })
    this.budget.setProcessCap(processCapMsat)
    this.seen = new SeenOpens(stored)
    this.tombstones = new Tombstones(stored.tombstones)
    this.#messages = new MessageIds(stored.messages)
    this.ports = new Ports({
      address: toHex(info.publicKey),
      random: this.#randomBytes,
      backend,
      failed: (reason) => this.debug({ reason }, 'a port was not given back'),
    })
    this.#maker = new ConnectionMaker(this, options.defaults)
    this.acceptor = new Acceptor(this)
    this.offers = new HeldOffers(this)
    this.demultiplexer = new Demultiplexer(this)
    this.payer = new Payer(this)
    this.schedulers = new PeerSchedulers(this)
    this.#paths = new PathMaker(this)
    for (const reservation of reservations) this.payer.adopt(reservation, fromHex(reservation.hash))
  }

  // ---- What the endpoint calls -----------------------------------------------------------------------

  /** Asks for what a former process left. */
  start(): void {
    this.payer.trackAll()
  }

  /** Nothing is sent or taken any more; timers go. What is open ends with `error`. */
  stop(error: ConnectionFailure): void {
    this.#isStopped = true
    for (const link of this.demultiplexer.links()) {
      if (link.ending === undefined) this.#end(link, error)
      link.hold(false)
    }
    this.deadlines.stop()
    this.#rounds.stop()
  }

  connect(target: ConnectTarget, options: ConnectOptions): DrivenConnection {
    if (!this.hasRoom()) {
      throw new KeysockError(
        'ERR_KEYSOCK_TOO_MANY_CONNECTIONS',
        `this endpoint has ${MAX_CONNECTIONS} connections; close some`,
      )
    }
    const { connection, id, asksDirect } = this.#maker.connect(target, options)
    this.counts.connectionsOpened += 1
    const { publicKey: remoteKey, hints } = target
    return this.#add(new DrivenConnection(this, { connection, id, ephemeral: '', remoteKey, asksDirect, hints }))
  }

  /** Keeps the process alive; a link or a server that does so says when it stops. */
  holdsChanged(change: 1 | -1): void {
    this.#holds += change
    this.deadlines.hold(this.#holds > 0)
  }

  /**
   * Resets what the application has not ended; resolves when all is delivered and the other sides have ended, too, or
   * don't within a few round trips; after `graceMs` at the latest.
   */
  async shutDown(graceMs: number): Promise<void> {
    for (const link of this.demultiplexer.links()) link.shutDown()
    if (!this.isOnline) return
    const endMs = this.now() + graceMs
    this.holdsChanged(1)
    await new Promise<void>((resolve) => {
      const deadline = this.deadlines.add(() => this.#whenRound?.())
      this.#whenRound = () => {
        const untilMs = Math.min(this.#waitUntil(), endMs)
        if (untilMs <= this.now()) resolve()
        else this.deadlines.set(deadline, untilMs)
      }
      this.#whenRound()
    })
    this.#whenRound = undefined
    this.holdsChanged(-1)
  }

  // ---- What comes from the backend --------------------------------------------------------------------

  readonly take = (event: BackendEvent): void => {
    if (this.#isStopped) return
    switch (event.type) {
      case 'arrival':
        this.demultiplexer.arrival(event)
        return this.#note([{ type: 'settle-index', index: event.settleIndex }])
      case 'offer':
        return this.offers.take(event, (offer, decide) => this.demultiplexer.offer(offer, decide))
      case 'offer-gone':
        return this.offers.gone(event.offerId)
      case 'offer-confirmed':
        return this.offers.confirmed(event.hash, event.amountMsat)
      case 'payment-resolved':
        return this.payer.resolved(event.hash, event.outcome)
      case 'block':
        return this.#block(event.height)
      case 'paths-stale':
        return this.#paths.stale(event.pathIds)
      case 'online':
      case 'offline':
        return this.#setOnline(event.type === 'online', { detail: event.detail, away: event.away ?? 'node' })
      case 'warning':
        return this.warn(event.code, event.message)
    }
  }

  #block(height: number): void {
    this.blockHeight = height
    this.#note([...this.seen.block(height), ...this.tombstones.block(height)])
    for (const link of this.demultiplexer.links()) {
      link.connection.blockHeight(this.now(), height)
      this.touch(link)
    }
  }

  #setOnline(online: boolean, absence: Absence): void {
    if (online === this.isOnline) return
    this.isOnline = online
    this.#options.logger.info?.({ detail: absence.detail }, online ? 'the node is back' : 'the node is away')
    if (online) this.#resume()
    this.#options.nodeIs(online ? 'online' : 'offline', absence)
  }

  /** What waited for the node goes on. */
  #resume(): void {
    this.#paths.online()
    this.payer.trackAll()
    for (const sender of this.schedulers.all()) this.ready(sender)
    for (const link of this.demultiplexer.links()) {
      if (link.ownScheduler !== undefined) this.ready(link.ownScheduler)
    }
  }

  // ---- What its parts ask for -------------------------------------------------------------------------

  now(): number {
    return this.#options.clock.now()
  }

  random(length: number): Uint8Array {
    return this.#options.entropy.bytes(length)
  }

  touch(link: DrivenConnection): void {
    this.#rounds.touch(link)
  }

  ready(sender: PeerScheduler): void {
    this.#rounds.ready(sender)
  }

  send(...args: Parameters<Payer['send']>): void {
    this.payer.send(...args)
  }

  async store(changes: readonly StoreChange[]): Promise<void> {
    try {
      await this.#options.store.write(changes)
    } catch (error) {
      const failure = new KeysockError('ERR_KEYSOCK_STORE', messageOf(error), { cause: error })
      if (!this.#isStopped) this.#options.fail(failure)
      throw failure
    }
  }

  paused(link: DrivenConnection, pause: CostPause): void {
    link.emit({ type: 'paused', reason: 'cost', pause })
  }

  warn(code: string, message: string): void {
    if (this.#isStopped) return
    this.#options.logger.warn?.({ code }, message)
    this.#options.warn(code, message)
  }

  debug(fields: LogFields, message: string): void {
    this.#options.logger.debug?.(fields, message)
  }

  stray(why: string, amountMsat: bigint): void {
    this.counts.packetsStray += 1
    this.counts.strayMsat += amountMsat
    this.debug({ why, amountMsat }, 'a packet for no connection')
  }

  dropped(why: string): void {
    this.stray(why, 0n)
  }

  stopped(): boolean {
    return this.#isStopped
  }

  hasRoom(): boolean {
    return this.demultiplexer.size < MAX_CONNECTIONS
  }

  listenerOn(port: number): Listener | undefined {
    return this.ports.get(port)
  }

  responder(connectionId: string): DrivenConnection | undefined {
    return this.demultiplexer.responder(connectionId)
  }

  accept(open: AuthenticOpen, listener: Listener): DrivenConnection {
    const link = this.#addResponder(this.#maker.accept(open, listener.settings), open)
    this.counts.connectionsAccepted += 1
    callOutside(() => listener.accept(link))
    for (const early of this.demultiplexer.earlyOf(link)) link.receive(early)
    return link
  }

  refuse(open: AuthenticOpen, code: Code, reason: string): DrivenConnection | undefined {
    this.counts.opensRefused += 1
    // spec §6.9: its payer reads the code in the failure.
    if (open.arrival.lane === 'phantom') return undefined
    if (!this.hasRoom()) return undefined
    return this.#addResponder(this.#maker.refuse(open, code, reason), open)
  }

  // ---- Inside ----------------------------------------------------------------------------------------

  #addResponder(connection: Connection, { connectionId: id, ephemeral, opened }: AuthenticOpen): DrivenConnection {
    const { port } = opened
    return this.#add(new DrivenConnection(this, { connection, id, ephemeral, remoteKey: undefined, port }))
  }

  #add(link: DrivenConnection): DrivenConnection {
    this.demultiplexer.add(link)
    this.touch(link)
    return link
  }

  /** A write that nothing waits for; a failing store has told `fail`. */
  #note(changes: readonly StoreChange[]): void {
    if (changes.length > 0) this.store(changes).catch(() => undefined)
  }

  #roundDone(): void {
    this.#options.onStep?.(this.demultiplexer.connections())
    this.#whenRound?.()
  }

  /** In the order that connection/interface.ts asks for. */
  #poll(link: DrivenConnection): void {
    const { connection } = link
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
      this.#tell(link, event)
    for (let request = connection.pollRequest(); request !== undefined; request = connection.pollRequest()) {
      switch (request.type) {
        case 'paths':
          this.#paths.make(link, request.count)
          break
        case 'close-paths':
          this.#paths.close(request.pathIds)
          break
        case 'shared-secret':
          this.#agree(link, request.point)
          break
      }
    }
    if (link.isClosed) return
    const now = this.now()
    const want = link.isPaused ? undefined : connection.want(now)
    if (want !== undefined) {
      const sender = this.schedulers.for(link, want.target)
      sender.peer.enqueue(link)
      this.ready(sender)
    }
    this.deadlines.set(link.deadline, later(connection.deadline(), now))
  }

  #tell(link: DrivenConnection, event: ConnectionEvent): void {
    if (event.type === 'message' && this.#isKnownMessage(link, event.id)) return
    if (event.type === 'ended') return this.#end(link, event.error)
    if (event.type === 'closed') this.#remove(link)
    if (event.type === 'finished') link.finished()
    link.emit(event)
  }

  #end(link: DrivenConnection, failure: ConnectionFailure | undefined): void {
    const error = failure === undefined ? undefined : this.#failure(link, failure)
    link.ending = error?.code ?? 'clean'
    link.hold(false)
    link.emit({ type: 'ended', error })
  }

  /** A message that came to this server before is not told again. */
  #isKnownMessage({ port }: DrivenConnection, id: Uint8Array): boolean {
    // spec §9.9: what came to an initiator must not show in what a server of this node takes.
    if (port === undefined) return false
    const change = this.#messages.add(port, id)
    if (change !== undefined) this.#note([change])
    return change === undefined
  }

  /** spec §6.1: without any route the connect timeout says that there is no way, as a router would. */
  #failure(link: DrivenConnection, failure: ConnectionFailure): ConnectionFailure {
    if (link.isShutDown) return ENDPOINT_CLOSED
    const sentNothing = link.connection.role === 'initiator' && link.stats.attempts === 0
    const isUnreachable = sentNothing && failure.code === 'ETIMEDOUT'
    if (sentNothing && link.isPaused && (isUnreachable || failure.code === 'EHOSTUNREACH')) {
      return { ...failure, code: 'ERR_KEYSOCK_COST', message: "the endpoint's caps let no packet pass; raise them" }
    }
    return isUnreachable ? { ...failure, code: 'EHOSTUNREACH', message: 'no route to this node was found' } : failure
  }

  #remove(link: DrivenConnection): void {
    link.isClosed = true
    link.hold(false)
    this.deadlines.set(link.deadline, undefined)
    link.ownScheduler?.stop()
    this.payer.forget(link)
    this.demultiplexer.remove(link)
    // spec §9.9: whoever knows an initiator's id could feel its tombstone.
    if (link.connection.role === 'initiator') return
    const ending = link.ending ?? 'clean'
    const height = this.blockHeight
    this.#note([this.tombstones.add({ connectionId: link.id, ephemeral: link.ephemeral, ending, height })])
  }

  #agree(link: DrivenConnection, point: Uint8Array): void {
    this.backend.sharedSecret(point).then(
      (secret) => {
        if (link.isClosed || this.#isStopped) return
        link.connection.provideSecret(this.now(), secret)
        this.touch(link)
      },
      (error: unknown) => {
        if (this.#isStopped) return
        this.warn('ERR_KEYSOCK_IDENTIFY', `the node did not help to prove its key: ${messageOf(error)}`)
      },
    )
  }

  /** Until when what is open is worth waiting for, ms; 0: nothing is. */
  #waitUntil(): number {
    if (!this.#rounds.isEmpty) return Infinity
    const now = this.now()
    let untilMs = 0
    for (const link of this.demultiplexer.links()) untilMs = Math.max(untilMs, link.waitUntil(now) ?? 0)
    return untilMs
  }
}
