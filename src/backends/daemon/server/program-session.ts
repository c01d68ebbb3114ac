import { BoundedMap } from '../../../floor/bounded.ts'
import type { Route } from '../../../medium/route.ts'
import { BackendError } from '../../backend.ts'
import {
  MAX_OFFERS_PER_PROGRAM,
  MAX_PATHS_PER_PROGRAM,
  MAX_PAYMENTS_PER_PROGRAM,
  MAX_PORTS_PER_PROGRAM,
  MAX_ROUTES_PER_PROGRAM,
} from '../protocol/limits.ts'
import type { DaemonStatus, SentEvent } from '../protocol/messages.ts'

/** What is known of a route that a program may pay over. */
export interface PayableRoute {
  readonly lane: 'node' | 'phantom'
  /** The node's own channel. */
  readonly channel: string
  readonly slots: number
}

export interface ProgramSessionOptions {
  /** Counted from 1 on; 0 is the daemon's own endpoint. */
  readonly id: number
  /** Names the process, in hexadecimal, whenever it attaches. */
  readonly processId: string
  /** Takes packets at the node's phantom. */
  readonly phantomLane: boolean
  readonly now: number
  /** Sends an event to the program. */
  readonly send: (event: SentEvent) => void
}

/** A program, as the daemon knows it, from when it attaches until it has gone: what it has, and its share of it. */
export class ProgramSession {
  readonly id: number
  readonly processId: string
  readonly phantomLane: boolean
  readonly #attachedMs: number
  readonly #send: (event: SentEvent) => void
  readonly #routes = new BoundedMap<string, PayableRoute>(MAX_ROUTES_PER_PROGRAM)
  readonly #ports = new Set<number>()
  readonly #paths = new Set<string>()
  /** Paths that were asked for and are not made yet. */
  #pathsToCome = 0
  /** Offers that wait for its verdict. */
  readonly #offers = new Set<string>()
  /** Payments under way. */
  #payments = 0
  #goneMs = Infinity

  constructor({ id, processId, phantomLane, now, send }: ProgramSessionOptions) {
    this.id = id
    this.processId = processId
    this.phantomLane = phantomLane
    this.#attachedMs = now
    this.#send = send
  }

  /** Whether this is the daemon's own endpoint, which refuses connections that no program takes. */
  get isRefuser(): boolean {
    return this.id === 0
  }

  get isGone(): boolean {
    return this.#goneMs !== Infinity
  }

  /** When it went; Infinity before. */
  get goneMs(): number {
    return this.#goneMs
  }

  /** The program has gone: it hears nothing any more. */
  end(now: number): void {
    this.#goneMs = now
  }

  emit(event: SentEvent): void {
    if (!this.isGone) this.#send(event)
  }

  status(now: number, connections: number): DaemonStatus['clients'][number] {
    return {
      id: this.id,
      attachedMs: Math.floor(now - this.#attachedMs),
      ports: [...this.#ports].toSorted((a, b) => a - b),
      paths: this.#paths.size,
      connections,
      offers: this.#offers.size,
      payments: this.#payments,
    }
  }

  // ---- Routes and payments -----------------------------------------------------------------------------

  /** It may pay over this route from now on; its oldest one goes. */
  addRoute({ id, channels, firstChannelSlots }: Route, lane: PayableRoute['lane']): void {
    const [channel = ''] = channels
    this.#routes.set(id, { lane, channel, slots: firstChannelSlots })
  }

  route(routeId: string): PayableRoute | undefined {
    return this.#routes.get(routeId)
  }

  get mayPay(): boolean {
    return this.#payments < MAX_PAYMENTS_PER_PROGRAM
  }

  beginPayment(): void {
    this.#payments += 1
  }

  endPayment(): void {
    this.#payments -= 1
  }

  // ---- Ports -------------------------------------------------------------------------------------------

  get ports(): ReadonlySet<number> {
    return this.#ports
  }

  /** @throws BackendError 'bad-request' where one port more is beyond its share */
  checkPortShare(port: number): void {
    if (this.#ports.size >= MAX_PORTS_PER_PROGRAM && !this.#ports.has(port))
      throw new BackendError('bad-request', `a program listens on ${MAX_PORTS_PER_PROGRAM} ports at most`)
  }

  addPort(port: number): void {
    this.#ports.add(port)
  }

  /** False where it had no such port. */
  removePort(port: number): boolean {
    return this.#ports.delete(port)
  }

  // ---- Reply paths -------------------------------------------------------------------------------------

  /** Keeps room for paths that are about to be made. @throws BackendError 'bad-request' for more than its share */
  reservePaths(count: number): void {
    const taken = this.#paths.size + this.#pathsToCome
    if (taken + count > MAX_PATHS_PER_PROGRAM)
      throw new BackendError('bad-request', `${taken} paths are open; close some first`)
    this.#pathsToCome += count
  }

  unreservePaths(count: number): void {
    this.#pathsToCome -= count
  }

  get paths(): ReadonlySet<string> {
    return this.#paths
  }

  addPath(pathId: string): void {
    this.#paths.add(pathId)
  }

  /** False where it had no such path. */
  removePath(pathId: string): boolean {
    return this.#paths.delete(pathId)
  }

  // ---- Offers ------------------------------------------------------------------------------------------

  get offers(): ReadonlySet<string> {
    return this.#offers
  }

  get mayTakeOffer(): boolean {
    return this.#offers.size < MAX_OFFERS_PER_PROGRAM
  }

  addOffer(offerId: string): void {
    this.#offers.add(offerId)
  }

  removeOffer(offerId: string): void {
    this.#offers.delete(offerId)
  }
}

/** All programs that are attached, and the daemon's own endpoint. */
export class ProgramSessions extends Set<ProgramSession> {
  /** Without the daemon's own endpoint. */
  *programs(): Generator<ProgramSession> {
    for (const session of this) if (!session.isRefuser) yield session
  }

  /** Gets OPENs for ports that no program has, to refuse them. */
  get refuser(): ProgramSession | undefined {
    for (const session of this) if (session.isRefuser) return session
    return undefined
  }
}
