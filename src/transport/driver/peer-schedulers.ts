import type { Lane, PaymentOutcome } from '../../medium/payment.ts'
import {
  type Destination,
  packetCostMsat,
  type Route,
  type RouteHint,
  type RoutePreference,
} from '../../medium/route.ts'
import { toHex } from '../../floor/bytes.ts'
import type { PacketTarget, Want } from '../connection/interface.ts'
import { messageOf } from '../errors.ts'
import { ANY_FEE_MSAT, MIN_AMOUNT_MSAT, MAX_TURNS_REFUSED, NO_ROUTE_SEARCHES } from '../limits.ts'
import { isCopy } from '../peer/hedge.ts'
import type { PeerGrant, PeerOptions } from '../peer/interface.ts'
import { PeerController } from '../peer/peer-controller.ts'
import type { SlotPool } from '../peer/slots.ts'
import { type Deadline, type DeadlineOwner, later } from './deadlines.ts'
import { type DrivenConnection, NO_ROUTE_HINTS } from './driven-connection.ts'
import type { OwnNode } from './own-node.ts'
import type { Payer } from './payer.ts'
import type { Runtime } from './runtime.ts'
import type { WorkQueue } from './work-queue.ts'

/** What all schedulers of an endpoint share. */
export interface SchedulerParts {
  readonly runtime: Runtime
  readonly node: Pick<OwnNode, 'backend' | 'isOnline'>
  readonly queue: Pick<WorkQueue<DrivenConnection, PeerScheduler>, 'ready'>
  readonly payer: Pick<Payer, 'send'>
  /** The slots of our own channels. */
  readonly slots: SlotPool
  readonly maxFeeMsat: bigint
  readonly prefer: RoutePreference
}

/** A way to one other side: grants sends to its connections in turn, over the routes that the backend finds. */
export class PeerScheduler implements DeadlineOwner {
  /** Whose cap pays: the public key, or '' for an anonymous peer. */
  readonly capKey: string
  readonly #lane: Lane
  readonly #parts: SchedulerParts
  readonly #peer: PeerController
  readonly #deadline: Deadline
  /** Payments that have no outcome. */
  #unresolved = 0
  #lastUse = 0
  #someoneWaits = false
  #isStopped = false
  /** Searches in a row that found no route at any price. */
  #foundNothing = 0
  #target: PacketTarget
  readonly #hints: readonly RouteHint[]

  constructor(parts: SchedulerParts, target: PacketTarget, hints: readonly RouteHint[], options: PeerOptions) {
    const { runtime } = parts
    this.#parts = parts
    this.capKey = 'publicKey' in target ? toHex(target.publicKey) : ''
    this.#peer = new PeerController(options)
    this.#lane = target.lane
    this.#target = target
    this.#hints = hints
    this.#deadline = runtime.deadlines.addOf(this)
  }

  deadlineCame(): void {
    this.#peer.wake(this.#now())
    this.#ready()
  }

  /** A payment has no outcome, or a connection waits for its turn. */
  get isBusy(): boolean {
    return this.#unresolved > 0 || this.#peer.waiting > 0
  }

  /** The higher, the later a connection came to it. */
  get lastUse(): number {
    return this.#lastUse
  }

  use(serial: number): void {
    this.#lastUse = serial
  }

  /** A connection wants to send: it gets its turn, as `Want` says. */
  enqueue(connection: DrivenConnection, isAlone = false): void {
    this.#peer.enqueue(connection, isAlone)
    this.#ready()
  }

  /**
   * The other side gave new paths: older ones are not used for new attempts, and what befell them is forgotten
   * (spec §8.10: a refusal suspends a path, §9.2: the newest paths are paid over).
   */
  follow(target: PacketTarget): void {
    if (generationOf(target) <= this.#generation) return
    this.#target = target
    this.#peer.forgetRoutes(this.#now())
  }

  /** Grants sends in turn until the window is full, or nobody wants one. */
  serve(): void {
    if (this.#isStopped) return
    const { isOnline } = this.#parts.node
    if (isOnline) {
      this.#askForRoutes()
      this.#giveTurns()
      this.#askForRoutes()
    }
    const waits = isOnline && (this.#someoneWaits || this.#unresolved > 0)
    const { deadlines } = this.#parts.runtime
    deadlines.set(this.#deadline, waits ? later(this.#peer.deadline(), this.#now()) : undefined)
  }

  /** The attempt of a grant was sent; `hash`: of its payment, in hexadecimal. */
  sent(grant: PeerGrant, hash: string): void {
    this.#peer.sent(this.#now(), grant.ticket, hash)
    this.#unresolved += 1
  }

  /** A grant is given back: nothing was sent for it. */
  cancel(grant: PeerGrant): void {
    this.#peer.cancel(grant.ticket)
  }

  /** What became of the payment of a grant, by the grant's ticket. */
  resolve(ticket: number, outcome: PaymentOutcome): void {
    this.#peer.resolve(this.#now(), ticket, outcome)
    if (outcome.status !== 'unknown') this.#unresolved -= 1
    this.#ready()
  }

  /** Nobody comes back to it; payments that hang still have their outcomes counted. */
  stop(): void {
    this.#isStopped = true
    this.#parts.runtime.deadlines.set(this.#deadline, undefined)
  }

  /** Of the paths that lead to it; -1 for a public key. */
  get #generation(): number {
    return generationOf(this.#target)
  }

  #now(): number {
    return this.#parts.runtime.now()
  }

  #ready(): void {
    this.#parts.queue.ready(this)
  }

  #giveTurns(): void {
    const refused: DrivenConnection[] = []
    while (refused.length < MAX_TURNS_REFUSED) {
      const connection = this.#nextTurn()
      if (connection === undefined) break
      const want = connection.want()
      if (want === undefined) continue
      const grant = this.#ask(connection, want)
      if (grant !== undefined) {
        this.#use(grant, connection)
        continue
      }
      refused.push(connection)
      // A copy has a budget of its own; where there is no place for another packet, there is none for who comes after.
      if (!isCopy(want.reason)) break
    }
    this.#peer.giveBack(refused)
    if (refused.length > 0) this.#giveOutOfTurn()
    this.#someoneWaits = this.#peer.waiting > 0
  }

  /** What may go beyond a full window does not wait for its turn: copies, control packets, small messages. */
  #giveOutOfTurn(): void {
    for (const connection of this.#peer.someWaiting(MAX_TURNS_REFUSED) as DrivenConnection[]) {
      const want = connection.want()
      if (want === undefined) this.#peer.forget(connection)
      else if (want.reason === 'data' && !want.isAlone) connection.heldBack(this.#peer.obstacle)
      else {
        const grant = this.#ask(connection, want)
        if (grant === undefined) continue
        this.#peer.took(connection)
        this.#use(grant, connection)
      }
    }
  }

  #ask(connection: DrivenConnection, want: Want): PeerGrant | undefined {
    const grant = this.#peer.grant(this.#now(), want)
    if (grant === undefined) connection.heldBack(this.#peer.obstacle)
    return grant
  }

  #use(grant: PeerGrant, connection: DrivenConnection): void {
    const attempt = connection.transmit(grant)
    // It is not asked again at once: the next grant would be as useless to it.
    if (attempt === undefined) return this.cancel(grant)
    this.#parts.payer.send(this, connection, grant, attempt)
    this.#peer.enqueue(connection)
  }

  #nextTurn(): DrivenConnection | undefined {
    return this.#peer.nextTurn() as DrivenConnection | undefined
  }

  #askForRoutes(): void {
    const now = this.#now()
    // What only hangs needs no routes.
    if (this.#peer.waiting === 0 && this.#peer.lacksRoutes(now)) return
    const wish = this.#peer.request(now)
    if (wish === undefined) return
    const generation = this.#generation
    this.#findRoutes(wish.count, wish.avoid).then(
      (routes) => this.#provide(routes, generation),
      (error: unknown) => this.#failed(messageOf(error), generation),
    )
  }

  async #findRoutes(count: number, avoid: readonly string[]): Promise<Route[]> {
    const routes = await this.#routesWithin(this.#parts.maxFeeMsat, count, avoid)
    // What there is none of within the fee may be there for more: then the application is told so.
    return routes.length > 0 ? routes : await this.#routesWithin(ANY_FEE_MSAT, 1, [])
  }

  async #routesWithin(maxFeeMsat: bigint, count: number, avoid: readonly string[]): Promise<Route[]> {
    const destinations = destinationsOf(this.#target, this.#hints)
    const each = Math.ceil(count / destinations.length)
    const found = await Promise.all(
      destinations.map((destination) =>
        this.#parts.node.backend.findRoutes({
          destination,
          amountMsat: MIN_AMOUNT_MSAT,
          maxFeeMsat,
          prefer: this.#parts.prefer,
          count: each,
          avoid,
        }),
      ),
    )
    return found.flat()
  }

  #provide(routes: readonly Route[], generation: number): void {
    if (this.#parts.runtime.isStopped) return
    const tooExpensiveMsat = this.#peer.provideRoutes(this.#now(), routes)
    if (generation === this.#generation) {
      this.#found(routes.length)
      const cheapest = routes.find((route) => packetCostMsat(route) === tooExpensiveMsat)
      if (cheapest !== undefined) this.#giveUp(cheapest)
    }
    this.#parts.runtime.debug({ routes: routes.length, lane: this.#lane }, 'routes found')
    this.#answered(generation)
  }

  /** spec §9.6: what costs so much by what gossip or the payee says doesn't become cheaper by waiting. */
  #giveUp(cheapest: Route): void {
    const { routes, delivered } = this.#peer.stats()
    // A relay on the way to a known key may have changed its policy.
    if (routes > 0 || (this.capKey !== '' && delivered > 0)) return
    const packetMsat = packetCostMsat(cheapest)
    const cost = { packetMsat, amountMsat: cheapest.minAmountMsat, maxMsat: this.#parts.maxFeeMsat }
    for (let turn = this.#nextTurn(); turn !== undefined; turn = this.#nextTurn()) turn.tooExpensive(cost)
  }

  /** spec §10.2: where search after search finds nothing at any price, a connect need not wait for its timeout. */
  #found(count: number): void {
    const { routes, delivered } = this.#peer.stats()
    this.#foundNothing = count > 0 || routes > 0 || delivered > 0 ? 0 : this.#foundNothing + 1
    // An anonymous peer may give other paths.
    if (this.capKey === '' || this.#foundNothing < NO_ROUTE_SEARCHES) return
    this.#foundNothing = 0
    const waiting: DrivenConnection[] = []
    for (let turn = this.#nextTurn(); turn !== undefined; turn = this.#nextTurn()) {
      turn.noRoute()
      waiting.push(turn)
    }
    for (const turn of waiting) if (!turn.isClosed) this.#peer.enqueue(turn)
  }

  #failed(message: string, generation: number): void {
    if (this.#parts.runtime.isStopped) return
    this.#peer.routesFailed(this.#now())
    this.#parts.runtime.debug({ reason: message }, 'no routes')
    this.#answered(generation)
  }

  #answered(generation: number): void {
    // It was about paths that were replaced meanwhile.
    if (generation < this.#generation) this.#peer.forgetRoutes(this.#now())
    this.#ready()
  }
}

/**
 * The ways of an isolation (spec §9.13): one for each public key and lane, kept for a while after its last use, and one
 * for each connection over paths.
 */
export class PeerSchedulers {
  readonly #parts: SchedulerParts
  readonly #maxIdle: number
  readonly #byKey: Map<string, PeerScheduler> = new Map()
  #uses = 0
  /** That were ever made, where they are traced. */
  #ways = 0
  /** Of the newest way: others like it have the same. */
  #options: PeerOptions | undefined

  /** @param maxIdle so many ways to public keys that are idle are kept; busy ones come on top */
  constructor(parts: SchedulerParts, maxIdle: number) {
    this.#parts = parts
    this.#maxIdle = maxIdle
  }

  /** The way to `target` for a connection. */
  for(connection: DrivenConnection, target: PacketTarget): PeerScheduler {
    if ('paths' in target) {
      const scheduler = connection.schedulerOfPaths(() => this.#made(target))
      scheduler.follow(target)
      return scheduler
    }
    // Hints are of the connection that brought them: over others', who gave them would see which belong together.
    const key = `${target.lane} ${toHex(target.publicKey)}${connection.hintsKey}`
    let scheduler = this.#byKey.get(key)
    if (scheduler === undefined) {
      this.#forgetIdle()
      scheduler = this.#made(target, connection.hints)
      this.#byKey.set(key, scheduler)
    }
    scheduler.use(++this.#uses)
    return scheduler
  }

  /** Those of public keys. */
  all(): IterableIterator<PeerScheduler> {
    return this.#byKey.values()
  }

  get size(): number {
    return this.#byKey.size
  }

  /** Nobody comes back to any of them. */
  stop(): void {
    for (const scheduler of this.#byKey.values()) scheduler.stop()
    this.#byKey.clear()
  }

  #made(target: PacketTarget, hints: readonly RouteHint[] = NO_ROUTE_HINTS): PeerScheduler {
    return new PeerScheduler(this.#parts, target, hints, this.#optionsFor(target))
  }

  #optionsFor(target: PacketTarget): PeerOptions {
    const { runtime, slots, maxFeeMsat } = this.#parts
    const anonymous = 'paths' in target
    // Tells it apart from others in a trace.
    const tracer = runtime.tracer?.within(`way ${++this.#ways}`)
    const same = this.#options
    if (same?.lane === target.lane && same.anonymous === anonymous && tracer === undefined) return same
    this.#options = { lane: target.lane, anonymous, random: runtime.random, slots, maxFeeMsat, tracer }
    return this.#options
  }

  /** Makes room for one more that is idle: several go where they were busy at one time. */
  #forgetIdle(): void {
    if (this.#byKey.size < this.#maxIdle) return
    const idle = [...this.#byKey].filter(([, scheduler]) => !scheduler.isBusy)
    const tooMany = idle.length - this.#maxIdle + 1
    if (tooMany <= 0) return
    const idlest = idle.toSorted(([, one], [, two]) => one.lastUse - two.lastUse).slice(0, tooMany)
    for (const [key, scheduler] of idlest) {
      scheduler.stop()
      this.#byKey.delete(key)
    }
  }
}

function destinationsOf(target: PacketTarget, hints: readonly RouteHint[]): Destination[] {
  if ('publicKey' in target) {
    const { lane, publicKey } = target
    return [lane === 'node' ? { lane, publicKey, hints } : { lane, publicKey, hints }]
  }
  return target.paths.map((path) => ({ lane: 'phantom', path: path.bytes }))
}

function generationOf(target: PacketTarget): number {
  return 'paths' in target ? target.generation : -1
}
