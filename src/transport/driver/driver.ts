import type { Backend, BackendEvent, NodeInfo, OutOfReach } from '../../backends/backend.ts'
import { toHex } from '../../floor/bytes.ts'
import type { PathResult, RelayWish } from '../../medium/reply-path.ts'
import type { RoutePreference } from '../../medium/route.ts'
import type { ConnectionEvent, ConnectionFailure, ConnectionRequest } from '../connection/interface.ts'
import type { AccountBook } from '../account/account.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { Admission } from '../../floor/admission.ts'
import { DEFAULT_MAX_FEE_MSAT, KEY_AGREEMENTS } from '../../medium/limits.ts'
import type { Lane } from '../../medium/payment.ts'
import type { ConnectOptions, ConnectTarget } from '../options/options.ts'
import { Code } from '../../wire/errors.ts'
import { SlotPool } from '../peer/slots.ts'
import type { Store, StoredState } from '../store/store.ts'
import { EarlyPackets } from '../tables/early-packets.ts'
import { MessageIds } from '../tables/message-ids.ts'
import { SeenOpens } from '../tables/seen-opens.ts'
import { Tombstones } from '../tables/tombstones.ts'
import type { Budget } from '../connection/budget.ts'
import { allowsKey, type Rules } from '../policy/policy.ts'
import { CapWatch, type Question } from './cap-watch.ts'
import { Acceptor } from './acceptor.ts'
import { Accountant } from './accountant.ts'
import { EndpointAllowance } from './allowance.ts'
import { ConnectionMaker, type DriverDefaults } from './connection-maker.ts'
import { Connections } from './connections.ts'
import { DriverCounts } from './counts.ts'
import { Demultiplexer } from './demultiplexer.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { HeldOffers } from './held-offers.ts'
import { Isolations } from './isolations.ts'
import { capInWords, Ledger } from './ledger.ts'
import { later } from './deadlines.ts'
import { NoteDoor } from './note-door.ts'
import { OwnNode } from './own-node.ts'
import { PathMaker } from './path-maker.ts'
import { Payer } from './payer.ts'
import type { PeerScheduler } from './peer-schedulers.ts'
import { Ports } from './ports.ts'
import { Runtime, type RuntimeOptions } from './runtime.ts'
import { WorkQueue } from './work-queue.ts'

/** Why the node was or is out of reach, in words, and whether it is the node itself or the daemon that owns it. */
export interface Absence {
  readonly detail: string
  readonly away: OutOfReach
}

/** Sees every connection after each round; for tests. */
export type OnStep = (connections: Iterable<DrivenConnection>) => void

/** What an endpoint gives its driver: checked options, and a backend and a store that were started. */
export interface DriverOptions extends RuntimeOptions {
  readonly backend: Backend
  readonly info: NodeInfo
  readonly store: Store
  readonly stored: StoredState
  readonly book: AccountBook
  readonly defaults: DriverDefaults
  readonly maxFeeMsat: bigint
  readonly prefer: RoutePreference
  readonly peerCapMsat: bigint
  readonly processCapMsat: bigint
  /** What the policy of the endpoint says; undefined: it has none. */
  readonly rules: Rules | undefined
  /** A cap stands against something. False: nobody is there to answer. */
  readonly ask: (question: Question) => boolean
  readonly relays: RelayWish
  /** Take packets at the phantom of the node, too (spec §2.9). */
  readonly phantomLane: boolean
  /** Hear of plain keysends, too. */
  readonly keysends: boolean
  /** The node went away or came back. */
  readonly nodeIs: (state: 'online' | 'offline', absence: Absence) => void
  readonly onStep?: OnStep | undefined
}

/**
 * Joins connections, backend and store: brings what arrives to the connection it is for, and what a
 * connection wants to the backend; keeps the time for all of them.
 * An application may call anything from inside any event: see work-queue.ts.
 */
export class Driver {
  readonly runtime: Runtime
  readonly node: OwnNode
  readonly ledger: Ledger
  readonly seen: SeenOpens
  readonly tombstones: Tombstones
  readonly early: EarlyPackets
  readonly ports: Ports
  readonly counts: DriverCounts
  readonly connections: Connections = new Connections()
  readonly isolations: Isolations
  readonly offers: HeldOffers
  readonly acceptor: Acceptor
  readonly payer: Payer
  readonly notes: NoteDoor = new NoteDoor()
  readonly accountant: Accountant
  /** What is advanced for answers. */
  readonly allowance: EndpointAllowance
  /** Key agreements of the node, for OPENs and for messages. */
  readonly agreements: Admission<Lane>
  readonly #options: DriverOptions
  readonly #messages: MessageIds
  readonly #maker: ConnectionMaker
  readonly #demultiplexer: Demultiplexer
  readonly #paths: PathMaker
  readonly #queue: WorkQueue<DrivenConnection, PeerScheduler> = new WorkQueue({
    poll: (connection) => this.#poll(connection),
    serve: (scheduler) => scheduler.serve(),
    done: () => this.#roundDone(),
  })
  readonly #caps: CapWatch
  /** After each round, while the endpoint closes. */
  #whenRound: (() => void) | undefined

  constructor(options: DriverOptions) {
    const { backend, info, stored, peerCapMsat, processCapMsat, maxFeeMsat, prefer, defaults, relays } = options
    this.#options = options
    const runtime = new Runtime(options)
    const node = new OwnNode(backend, info)
    const queue = this.#queue
    const { connections } = this
    this.runtime = runtime
    const accountant = new Accountant(runtime, options.book)
    this.accountant = accountant
    this.node = node
    const { rules } = options
    const spent = stored.spent ?? []
    const alert = (budget: Budget): void =>
      void runtime.soon(() => runtime.warn('ERR_KEYSOCK_CAP_NEAR', capInWords(budget)))
    const caps = rules === undefined ? {} : { rules, alert }
    const ledger = new Ledger({ peerCapMsat, processCapMsat, spent, wallMs: runtime.wallNow(), ...caps })
    this.ledger = ledger
    this.#caps = new CapWatch({ runtime, ledger, ask: options.ask })
    const seen = new SeenOpens(stored)
    this.seen = seen
    const tombstones = new Tombstones(stored.tombstones)
    this.tombstones = tombstones
    this.#messages = new MessageIds(stored.messages)
    const ports = new Ports({ address: toHex(info.publicKey), runtime, backend })
    this.ports = ports
    const counts = new DriverCounts(runtime, accountant)
    this.counts = counts
    const early = new EarlyPackets(({ amountMsat }) => counts.stray('an early packet without its OPEN', amountMsat))
    this.early = early
    const allowance = new EndpointAllowance(stored.allowanceMsat, (leftMsat) =>
      runtime.storeLater([{ type: 'allowance', leftMsat }]),
    )
    this.allowance = allowance
    this.payer = new Payer({ runtime, node, ledger, accountant })
    const slots = new SlotPool()
    const isolations = new Isolations({ runtime, node, queue, payer: this.payer, slots, maxFeeMsat, prefer })
    this.isolations = isolations
    const maker = new ConnectionMaker({ runtime, node, queue, connections, isolations, ledger, allowance, defaults })
    this.#maker = maker
    const offers = new HeldOffers(runtime, backend, {
      received: (party, amountMsat) => accountant.received(party, amountMsat),
      unclaimed: (amountMsat) => counts.unclaimed(amountMsat),
    })
    this.offers = offers
    const nextTurn = runtime.deadlines.add(() => this.agreements.wake())
    this.agreements = new Admission<Lane>({
      ...KEY_AGREEMENTS,
      now: () => runtime.now(),
      wakeAt: (atMs) => runtime.deadlines.set(nextTurn, later(atMs, runtime.now())),
    })
    const { agreements, notes } = this
    const shared = { runtime, node, seen, tombstones, early, offers, ports, connections, maker, counts }
    const parts = { ...shared, accountant, agreements }
    this.acceptor = new Acceptor({ ...parts, callers: rules?.callers })
    const maxPathCostMsat = maxPathCost(maxFeeMsat)
    const paths = new PathMaker({ runtime, node, connections, isolations, relays, maxPathCostMsat })
    this.#paths = paths
    this.#demultiplexer = new Demultiplexer({ ...parts, acceptor: this.acceptor, paths, notes })
    for (const reservation of stored.reservations.values()) this.payer.adopt(reservation)
  }

  // ---- What the endpoint calls -----------------------------------------------------------------------

  /** Asks for what a former process left. */
  start(): void {
    this.payer.trackAll()
  }

  /** Nothing is sent or received any more; timers go. What is open ends with `error`. */
  stop(error: ConnectionFailure): void {
    this.runtime.stop()
    this.early.giveUp()
    for (const connection of this.connections.all()) {
      if (connection.ending === undefined) connection.end(error)
      connection.hold(false)
    }
    this.connections.clear()
    this.runtime.deadlines.stop()
    this.#queue.stop()
  }

  /** @throws KeysockError ERR_KEYSOCK_POLICY where the policy keeps this side from paying to that key */
  checkAllowed(target: ConnectTarget): void {
    const { rules } = this.#options
    if (rules !== undefined && !allowsKey(rules.connectTo, target.publicKeyHex))
      throw new KeysockError('ERR_KEYSOCK_POLICY', 'the policy of this endpoint does not let it connect to that key', {
        address: target.publicKeyHex,
        port: target.port,
      })
  }

  /** @throws KeysockError ERR_KEYSOCK_TOO_MANY_CONNECTIONS, ERR_KEYSOCK_POLICY, ERR_KEYSOCK_INVALID_OPTION */
  connect(target: ConnectTarget, options: ConnectOptions): DrivenConnection {
    this.checkAllowed(target)
    const connection = this.#maker.connect(target, options)
    this.counts.opened()
    return connection
  }

  /** What the whole endpoint may spend, msat. */
  setProcessCap(capMsat: bigint): void {
    this.ledger.setProcessCap(capMsat)
    this.runtime.tracer?.emit('cap_set', { cap: 'process', cap_msat: capMsat })
  }

  /** What all connections to a public key, in hexadecimal, may spend, msat. */
  setPeerCap(peer: string, capMsat: bigint): void {
    this.ledger.setPeerCap(peer, capMsat)
    this.runtime.tracer?.emit('cap_set', { cap: 'peer', cap_msat: capMsat })
  }

  /** What a reply path for this payer would be now. @throws BackendError */
  async lookAtPath(payer: Uint8Array): Promise<Omit<PathResult, 'paths'>> {
    return await this.#paths.look(payer)
  }

  /**
   * Resets what the application has not ended; resolves when all is delivered and the other sides have ended, too, or
   * don't within a few round trips, and messages that are paid are stored; after `graceMs` at the latest.
   */
  async shutDown(graceMs: number): Promise<void> {
    const { runtime } = this
    for (const connection of this.connections.all()) connection.shutDown()
    if (!this.node.isOnline) return
    const endMs = runtime.now() + graceMs
    runtime.countHold(1)
    await Promise.all([this.#delivered(endMs), this.#notesDecided(endMs)])
    runtime.countHold(-1)
  }

  async #delivered(endMs: number): Promise<void> {
    const { runtime } = this
    await new Promise<void>((resolve) => {
      const deadline = runtime.deadlines.add(() => this.#whenRound?.())
      this.#whenRound = () => {
        const untilMs = Math.min(this.#waitUntil(), endMs)
        if (untilMs <= runtime.now()) resolve()
        else runtime.deadlines.set(deadline, untilMs)
      }
      this.#whenRound()
    })
    this.#whenRound = undefined
  }

  async #notesDecided(endMs: number): Promise<void> {
    const { notes, runtime } = this
    const decided = notes.decided()
    if (decided === undefined) return
    const late = new Promise<void>((resolve) => {
      runtime.deadlines.set(runtime.deadlines.add(resolve), endMs)
    })
    await Promise.race([decided, late])
  }

  // ---- What comes from the backend --------------------------------------------------------------------

  readonly receive = (event: BackendEvent): void => {
    if (this.runtime.isStopped) return
    switch (event.type) {
      case 'arrival':
        this.#demultiplexer.receiveArrival(event)
        return this.#passed(event.settleIndex)
      case 'keysend':
        this.notes.receiveKeysend(event)
        return this.#passed(event.settleIndex)
      case 'offer':
        if (this.offers.receive(event)) this.offers.decide(event, this.#demultiplexer.receiveOffer(event))
        return
      case 'offer-gone':
        return this.offers.gone(event.offerId)
      case 'offer-confirmed':
        // What came beyond the amount is no connection's.
        if (event.excessMsat !== undefined) this.counts.unclaimed(event.excessMsat)
        return this.offers.confirmed(event.hash, event.amountMsat)
      case 'payment-resolved':
        return this.payer.resolved(event.hash, event.outcome)
      case 'block':
        return this.#block(event.height)
      case 'paths-stale':
        return this.#paths.stale(event.pathIds)
      case 'candidates':
        return this.#paths.counted(event.pathIds, event.candidates)
      case 'online':
      case 'offline':
        return this.#setOnline(event.type === 'online', { detail: event.detail, away: event.away ?? 'node' })
      case 'warning':
        return this.runtime.warn(event.code, event.message)
    }
  }

  /** What settled up to here is taken. Its entry first: else a crash in between would lose it. */
  #passed(index: bigint): void {
    const store = (): void => this.runtime.storeLater([{ type: 'settle-index', index }])
    const { kept } = this.#options.book
    if (kept === undefined) store()
    else void kept.then((isKept) => isKept && store())
  }

  #block(height: number): void {
    this.node.setBlockHeight(height)
    this.runtime.storeLater([...this.seen.block(height), ...this.tombstones.block(height)])
    for (const connection of this.connections.all()) connection.blockHeight(height)
    this.notes.block(height)
  }

  #setOnline(isOnline: boolean, absence: Absence): void {
    if (!this.node.setOnline(isOnline)) return
    this.runtime.info({ detail: absence.detail }, isOnline ? 'the node is back' : 'the node is away')
    this.runtime.tracer?.emit('node_state_updated', { new: isOnline ? 'online' : 'offline', away: absence.away })
    if (isOnline) this.#resume()
    this.#options.nodeIs(isOnline ? 'online' : 'offline', absence)
  }

  /** What waited for the node goes on. */
  #resume(): void {
    this.#paths.online()
    this.payer.trackAll()
    for (const { schedulers } of this.isolations.all())
      for (const scheduler of schedulers.all()) this.#queue.ready(scheduler)
    for (const { ownScheduler } of this.connections.all()) {
      if (ownScheduler !== undefined) this.#queue.ready(ownScheduler)
    }
  }

  // ---- What comes out of a connection -------------------------------------------------------------------

  /** In the order that connection/interface.ts asks for. */
  #poll(connection: DrivenConnection): void {
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent())
      this.#handleEvent(connection, event)
    for (let request = connection.pollRequest(); request !== undefined; request = connection.pollRequest())
      this.#handleRequest(connection, request)
    // Asked of the connection: one that only refuses has no application to tell.
    if (connection.isPausedByWiderCap) this.#caps.stopped(connection)
    const want = connection.pollWant()
    if (want !== undefined)
      connection.isolation.schedulers.for(connection, want.target).enqueue(connection, want.isAlone)
    connection.armDeadline()
  }

  #handleEvent(connection: DrivenConnection, event: ConnectionEvent): void {
    switch (event.type) {
      case 'message':
        if (this.#isKnownMessage(connection, event.id)) return
        break
      case 'ended':
        return connection.end(this.#paths.explain(connection, event.error))
      case 'closed':
        this.#remove(connection)
        break
      case 'finished':
        connection.finished()
        break
      case 'identified':
        connection.identified(event.publicKey)
        if (this.#isUnwelcome(connection, event.publicKey)) return connection.reset(Code.DENIED, '')
        break
      case 'connected':
      case 'readable':
      case 'end':
      case 'writable':
      case 'price':
      case 'price-asked':
      case 'paid':
      case 'payment':
      case 'requested':
      case 'declined':
      case 'pong':
      case 'activity':
        break
      case 'paused':
        connection.tracer?.emit('cap_reached', {
          own: event.isOwnCap,
          cap_msat: event.pause.capMsat,
          price_msat: event.pause.priceMsat,
        })
        break
    }
    connection.emit(event)
  }

  /** A caller that has said who it is, whom the policy keeps out. */
  #isUnwelcome({ role }: DrivenConnection, publicKey: Uint8Array): boolean {
    const { rules } = this.#options
    return role === 'responder' && rules !== undefined && !allowsKey(rules.callers, toHex(publicKey))
  }

  #handleRequest(connection: DrivenConnection, request: ConnectionRequest): void {
    switch (request.type) {
      case 'paths':
        return this.#paths.make(connection, request.count, request.isSilent)
      case 'close-paths':
        return this.#paths.close(request.pathIds)
      case 'shared-secret':
        return this.#agree(connection, request.point)
    }
  }

  /** A message that came to this server before is not told again. */
  #isKnownMessage({ port }: DrivenConnection, id: Uint8Array): boolean {
    // spec §9.9: what came to an initiator must not show in what a server of this node receives.
    if (port === undefined) return false
    const change = this.#messages.add(port, id)
    if (change !== undefined) this.runtime.storeLater([change])
    return change === undefined
  }

  #remove(connection: DrivenConnection): void {
    connection.close()
    const { ending: code = 'clean', unsentBytes } = connection
    connection.tracer?.emit('connection_closed', { code, unsent_bytes: unsentBytes })
    this.ledger.leave(connection.budgetKey)
    connection.isolation.leave()
    this.connections.remove(connection)
    // spec §9.9: whoever knows an initiator's id could feel its tombstone.
    if (connection.role === 'initiator') return
    const { id: connectionId, ephemeral, ending = 'clean' } = connection
    const height = this.node.blockHeight
    this.runtime.storeLater([this.tombstones.add({ connectionId, ephemeral, ending, height })])
  }

  #agree(connection: DrivenConnection, point: Uint8Array): void {
    const { runtime, node } = this
    node.backend.sharedSecret(point).then(
      (secret) => {
        if (!connection.isClosed && !runtime.isStopped) connection.provideSecret(secret)
      },
      (error: unknown) => {
        const message = `the node did not help to prove its key: ${messageOf(error)}`
        runtime.warn('ERR_KEYSOCK_IDENTIFY', message)
        if (!connection.isClosed && !runtime.isStopped) connection.secretFailed(message)
      },
    )
  }

  // ---- Rounds ------------------------------------------------------------------------------------------

  #roundDone(): void {
    this.#options.onStep?.(this.connections.all())
    this.#whenRound?.()
  }

  /** Until when what is open is worth waiting for, ms; 0: nothing is. */
  #waitUntil(): number {
    if (!this.#queue.isEmpty) return Infinity
    const now = this.runtime.now()
    let untilMs = 0
    for (const connection of this.connections.all()) untilMs = Math.max(untilMs, connection.waitUntil(now) ?? 0)
    return untilMs
  }
}

/**
 * spec §9.6: what the other side takes by default. Who allows more itself is taken to know others that do.
 */
function maxPathCost(ownMaxFeeMsat: bigint): bigint {
  return ownMaxFeeMsat > DEFAULT_MAX_FEE_MSAT ? ownMaxFeeMsat : DEFAULT_MAX_FEE_MSAT
}
