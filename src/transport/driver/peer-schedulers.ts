import { type Destination, type Route, routeFeeMsat, type RouteHint } from '../../medium/route.ts'
import type { Backend } from '../../backends/backend.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Lane } from '../../medium/payment.ts'
import type { Attempt, PacketTarget } from '../connection/interface.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { messageOf } from '../errors.ts'
import { ANY_FEE_MSAT, LEAST_AMOUNT_MSAT, MAX_IDLE_SENDERS, MAX_TURNS_REFUSED } from '../limits.ts'
import type { LogFields } from '../logger.ts'
import type { PeerGrant } from '../peer/interface.ts'
import { PeerController } from '../peer/peer-controller.ts'
import type { SlotPool } from '../peer/slots.ts'

/** What senders need of their driver. */
export interface PeerSchedulerOwner {
  readonly backend: Backend
  readonly deadlines: Deadlines
  readonly slots: SlotPool
  readonly maxFeeMsat: bigint
  /** False while the node is away: nothing is sent then. */
  readonly isOnline: boolean
  now(): number
  random(length: number): Uint8Array
  /** Whether the endpoint's caps let a packet of this price pass; pauses the connection where they don't. */
  readonly payer: { affords(sender: PeerScheduler, link: DrivenConnection, priceMsat: bigint): boolean }
  /** Pays for an attempt. */
  send(sender: PeerScheduler, link: DrivenConnection, grant: PeerGrant, attempt: Attempt): void
  /** Has what the connection tells polled. */
  touch(link: DrivenConnection): void
  /** Has `serve` called before long. */
  ready(sender: PeerScheduler): void
  debug(fields: LogFields, message: string): void
  stopped(): boolean
}

/** A way to one other side: a Peer with the routes that the backend finds for it. */
export class PeerScheduler {
  readonly peer: PeerController
  /** Whose cap pays: the public key, or '' for an anonymous peer. */
  readonly capKey: string
  readonly #lane: Lane
  /** Payments that have no outcome. */
  users = 0
  /** Stands in the driver's row. */
  isMarked = false
  /** The higher, the later a connection came to it. */
  lastUse = 0
  #someoneWaits = false
  #isStopped = false
  #destinations: readonly Destination[]
  /** Of the paths that `#destinations` stand for; -1 for a public key. */
  #generation: number
  readonly #owner: PeerSchedulerOwner
  readonly #deadline: Deadline

  constructor(owner: PeerSchedulerOwner, target: PacketTarget, hints: readonly RouteHint[]) {
    this.#owner = owner
    this.capKey = 'publicKey' in target ? toHex(target.publicKey) : ''
    this.peer = new PeerController({
      lane: target.lane,
      anonymous: 'paths' in target,
      random: (length) => owner.random(length),
      slots: owner.slots,
      hinted: hints.length > 0,
      maxFeeMsat: owner.maxFeeMsat,
    })
    this.#lane = target.lane
    this.#destinations = destinationsOf(target, hints)
    this.#generation = generationOf(target)
    this.#deadline = owner.deadlines.add(() => {
      this.peer.wake(owner.now())
      owner.ready(this)
    })
  }

  /** A payment has no outcome, or a connection waits for its turn. */
  get isBusy(): boolean {
    return this.users > 0 || this.peer.waiting > 0
  }

  /** The other side gave new paths: older ones are not used for new attempts, and what befell them is forgotten (spec §8.10, §9.2). */
  follow(target: PacketTarget): void {
    const generation = generationOf(target)
    if (generation <= this.#generation) return
    this.#generation = generation
    this.#destinations = destinationsOf(target, [])
    this.peer.forgetRoutes(this.#owner.now())
  }

  /** Gives leave to whoever's turn it is, as long as there is leave to give. */
  serve(): void {
    if (this.#isStopped) return
    const owner = this.#owner
    if (owner.isOnline) {
      this.#ask()
      this.#giveTurns()
      this.#ask()
    }
    const waits = owner.isOnline && (this.#someoneWaits || this.users > 0)
    owner.deadlines.set(this.#deadline, waits ? later(this.peer.deadline(), owner.now()) : undefined)
  }

  /** Nobody comes back to it; payments that hang still have their outcomes counted. */
  stop(): void {
    this.#isStopped = true
    this.#owner.deadlines.set(this.#deadline, undefined)
  }

  #giveTurns(): void {
    const owner = this.#owner
    const refused: DrivenConnection[] = []
    this.#someoneWaits = true
    while (refused.length < MAX_TURNS_REFUSED) {
      const link = this.peer.nextTurn() as DrivenConnection | undefined
      if (link === undefined) {
        this.#someoneWaits = refused.length > 0
        break
      }
      const now = owner.now()
      const want = link.isClosed || link.isPaused ? undefined : link.connection.want(now)
      if (want === undefined) continue
      const grant = this.peer.grant(now, want)
      if (grant === undefined) {
        refused.push(link)
        continue
      }
      const { minAmountMsat } = grant.route
      if (!owner.payer.affords(this, link, minAmountMsat + routeFeeMsat(grant.route, minAmountMsat))) {
        this.peer.cancel(grant.ticket)
        continue
      }
      const attempt = link.connection.transmit(now, grant)
      if (attempt === undefined) {
        this.peer.cancel(grant.ticket)
        // It may say why: 'paused'. What still wants to send is not asked again at once.
        if (link.connection.want(now) === undefined) owner.touch(link)
      } else {
        owner.send(this, link, grant, attempt)
        this.peer.enqueue(link)
      }
    }
    for (const link of refused) this.peer.enqueue(link)
  }

  #ask(): void {
    const now = this.#owner.now()
    // What only hangs needs no routes.
    if (this.peer.waiting === 0 && this.peer.lacksRoutes(now)) return
    const wish = this.peer.request(now)
    if (wish === undefined) return
    const generation = this.#generation
    this.#findRoutes(wish.count, wish.avoid).then(
      (routes) => this.#provide(routes, generation),
      (error: unknown) => this.#failed(messageOf(error), generation),
    )
  }

  async #findRoutes(count: number, avoid: readonly string[]): Promise<Route[]> {
    const routes = await this.#routesWithin(this.#owner.maxFeeMsat, count, avoid)
    // What there is none of within the fee may be there for more: then the application is told so.
    return routes.length > 0 || !this.peer.saysItsCost ? routes : await this.#routesWithin(ANY_FEE_MSAT, 1, [])
  }

  async #routesWithin(maxFeeMsat: bigint, count: number, avoid: readonly string[]): Promise<Route[]> {
    const destinations = this.#destinations
    const each = Math.ceil(count / destinations.length)
    const found = await Promise.all(
      destinations.map((destination) =>
        this.#owner.backend.findRoutes({
          destination,
          amountMsat: LEAST_AMOUNT_MSAT,
          maxFeeMsat,
          count: each,
          avoid,
        }),
      ),
    )
    return found.flat()
  }

  #provide(routes: readonly Route[], generation: number): void {
    if (this.#owner.stopped()) return
    const tooExpensiveMsat = this.peer.provideRoutes(this.#owner.now(), routes)
    if (tooExpensiveMsat !== undefined && generation === this.#generation) this.#giveUp(tooExpensiveMsat)
    this.#owner.debug({ routes: routes.length, lane: this.#lane }, 'routes found')
    this.#answered(generation)
  }

  /** spec §9.6: what costs so much by the payee's own word doesn't become cheaper by waiting. */
  #giveUp(packetMsat: bigint): void {
    const owner = this.#owner
    const { routes, delivered } = this.peer.stats()
    // A relay on the way to a known key may have changed its policy.
    if (!this.peer.saysItsCost || routes > 0 || (this.capKey !== '' && delivered > 0)) return
    const now = owner.now()
    for (let turn = this.peer.nextTurn(); turn !== undefined; turn = this.peer.nextTurn()) {
      const link = turn as DrivenConnection
      if (link.connection.want(now) === undefined) continue
      link.connection.tooExpensive(now, { packetMsat, maxMsat: owner.maxFeeMsat })
      owner.touch(link)
    }
  }

  #failed(message: string, generation: number): void {
    if (this.#owner.stopped()) return
    this.peer.routesFailed(this.#owner.now())
    this.#owner.debug({ reason: message }, 'no routes')
    this.#answered(generation)
  }

  #answered(generation: number): void {
    // It was about paths that were replaced meanwhile.
    if (generation < this.#generation) this.peer.forgetRoutes(this.#owner.now())
    this.#owner.ready(this)
  }
}

/** All ways: one for each role, public key and lane, kept for a while after its last use, and one for each connection over paths. */
export class PeerSchedulers {
  readonly #owner: PeerSchedulerOwner
  readonly #byKey: Map<string, PeerScheduler> = new Map()
  #uses = 0

  constructor(owner: PeerSchedulerOwner) {
    this.#owner = owner
  }

  /** The way to `target` for a connection. */
  for(link: DrivenConnection, target: PacketTarget): PeerScheduler {
    if ('paths' in target) {
      link.ownScheduler ??= this.#made(target)
      link.ownScheduler.follow(target)
      return link.ownScheduler
    }
    // Hints are of the connection that brought them: over others', who gave them would see which belong together.
    // Roles share none (spec §9.9): whoever holds back what an initiator pays would see its server's answers wait.
    const key = `${link.connection.role} ${target.lane} ${toHex(target.publicKey)}${link.hintsKey}`
    let sender = this.#byKey.get(key)
    if (sender === undefined) {
      this.#forgetIdle()
      sender = this.#made(target, link.hints)
      this.#byKey.set(key, sender)
    }
    sender.lastUse = ++this.#uses
    return sender
  }

  *all(): Generator<PeerScheduler> {
    yield* this.#byKey.values()
  }

  get size(): number {
    return this.#byKey.size
  }

  #made(target: PacketTarget, hints: readonly RouteHint[] = []): PeerScheduler {
    return new PeerScheduler(this.#owner, target, hints)
  }

  #forgetIdle(): void {
    if (this.#byKey.size < MAX_IDLE_SENDERS) return
    let idlest: [string, PeerScheduler] | undefined
    for (const entry of this.#byKey) {
      const [, sender] = entry
      if (!sender.isBusy && (idlest === undefined || sender.lastUse < idlest[1].lastUse)) idlest = entry
    }
    if (idlest === undefined) return
    idlest[1].stop()
    this.#byKey.delete(idlest[0])
  }
}

/** A deadline that is due already would fire for ever at one time: a millisecond later it is. */
export function later(atMs: number | undefined, now: number): number | undefined {
  return atMs !== undefined && atMs <= now ? now + 1 : atMs
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
