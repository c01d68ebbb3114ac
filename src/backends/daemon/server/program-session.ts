import { BoundedMap } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Destination, Route } from '../../../medium/route.ts'
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
  /** The public key that it leads to, in hexadecimal; '' over a blinded path. */
  readonly peer: string
  /** All that it goes over, the node's own first. */
  readonly channels: readonly string[]
  readonly feeBaseMsat: bigint
  readonly feePpm: number
  readonly slots: number
}

export interface ProgramSessionOptions {
  /** Counted from 1 on; 0 is the daemon's own endpoint. */
  readonly id: number
  /** Names the process, in hexadecimal, whenever it attaches. */
  readonly processId: string
  /** What the program calls itself; '' where it does not say. */
  readonly program: string
  /** Takes packets at the node's phantom. */
  readonly phantomLane: boolean
  /** Wants plain keysends. */
  readonly keysends: boolean
  readonly now: number
  /** Sends an event to the program. */
  readonly send: (event: SentEvent) => void
}

/** What a program has of one kind, `max` at most. */
class Share<Item> extends Set<Item> {
  readonly #max: number
  #reserved = 0

  constructor(max: number) {
    super()
    this.#max = max
  }

  /** How many it has, and how many more room is kept for. */
  get taken(): number {
    return this.size + this.#reserved
  }

  /** Whether so many more fit. */
  hasRoom(count = 1): boolean {
    return this.taken + count <= this.#max
  }

  /** Keeps room for so many, until `unreserve`. */
  reserve(count: number): void {
    this.#reserved += count
  }

  unreserve(count: number): void {
    this.#reserved -= count
  }
}

/** A program, as the daemon knows it, from when it attaches until it has gone: what it has, and its share of it. */
export class ProgramSession {
  readonly id: number
  readonly processId: string
  readonly program: string
  readonly phantomLane: boolean
  readonly keysends: boolean
  readonly ports: Share<number> = new Share(MAX_PORTS_PER_PROGRAM)
  readonly paths: Share<string> = new Share(MAX_PATHS_PER_PROGRAM)
  /** Offers that wait for its verdict. */
  readonly offers: Share<string> = new Share(MAX_OFFERS_PER_PROGRAM)
  /** Hashes of payments under way, in hexadecimal. */
  readonly payments: Share<string> = new Share(MAX_PAYMENTS_PER_PROGRAM)
  readonly #routes = new BoundedMap<string, PayableRoute>(MAX_ROUTES_PER_PROGRAM)
  readonly #attachedMs: number
  readonly #send: (event: SentEvent) => void
  #goneMs = Infinity

  constructor({ id, processId, program, phantomLane, keysends, now, send }: ProgramSessionOptions) {
    this.program = program
    this.id = id
    this.processId = processId
    this.phantomLane = phantomLane
    this.keysends = keysends
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

  /** It may pay over this route from now on; its oldest one goes. */
  addRoute({ id, channels, firstChannelSlots: slots, feeBaseMsat, feePpm }: Route, to: Destination): void {
    const peer = 'publicKey' in to ? toHex(to.publicKey) : ''
    this.#routes.set(id, { lane: to.lane, peer, channels, feeBaseMsat, feePpm, slots })
  }

  route(routeId: string): PayableRoute | undefined {
    return this.#routes.get(routeId)
  }

  status(now: number, connections: number): DaemonStatus['clients'][number] {
    return {
      id: this.id,
      program: this.program,
      attachedMs: Math.floor(now - this.#attachedMs),
      ports: [...this.ports].toSorted((a, b) => a - b),
      paths: this.paths.size,
      connections,
      offers: this.offers.size,
      payments: this.payments.size,
    }
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
