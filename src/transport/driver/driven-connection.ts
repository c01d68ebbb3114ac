import type { RouteHint } from '../../medium/route.ts'
import { Code } from '../../wire/errors.ts'
import { formatHints } from '../options/address.ts'
import type { Connection } from '../connection/connection.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { AccountView, ConnectionEvent, ConnectionStats, Reception } from '../connection/interface.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import { CLOSE_ROUND_TRIPS, CLOSE_ROUND_TRIP_UNKNOWN_MS } from '../limits.ts'
import type { ConnectionHandle, HandleSettings } from './connection-handle.ts'
import type { PeerScheduler } from './peer-schedulers.ts'

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

/** What a link needs of its driver. */
export interface DrivenConnectionOwner {
  readonly deadlines: Deadlines
  now(): number
  random(length: number): Uint8Array
  /** Something went into the connection: what comes out of it is to be polled. */
  touch(link: DrivenConnection): void
  holdsChanged(change: 1 | -1): void
}

/** A connection with what its driver knows of it. */
export class DrivenConnection implements ConnectionHandle {
  listener: ((event: ConnectionEvent) => void) | undefined
  readonly connection: Connection
  /** Connection id in hexadecimal: it stands in logs, and in the demultiplexer. */
  readonly id: string
  /** e_i of the OPEN in hexadecimal; '' for an initiator. */
  readonly ephemeral: string
  /** The other side's key; undefined for an anonymous one. */
  readonly remoteKey: Uint8Array | undefined
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
  readonly deadline: Deadline
  /** Stands in the driver's row. */
  isMarked = false
  /** 'clean', the code of an error, or undefined before the end. */
  ending: string | undefined
  isClosed = false
  /** The endpoint closed before the connection had ended. */
  isShutDown = false
  /** Nothing of ours was on its way since; while the endpoint closes. */
  #idleSince: number | undefined
  candidates: number | undefined
  /** What pays for this connection's packets over its reply paths; node keys share theirs. */
  ownScheduler: PeerScheduler | undefined
  /** A cap above the connection's own let nothing pass; until money comes free. */
  isPaused = false
  readonly #owner: DrivenConnectionOwner
  #holds = false

  constructor(
    owner: DrivenConnectionOwner,
    parts: {
      readonly connection: Connection
      readonly id: string
      readonly ephemeral: string
      readonly remoteKey: Uint8Array | undefined
      readonly port?: number
      readonly asksDirect?: boolean
      readonly hints?: readonly RouteHint[]
    },
  ) {
    this.#owner = owner
    this.connection = parts.connection
    this.id = parts.id
    this.ephemeral = parts.ephemeral
    this.remoteKey = parts.remoteKey
    this.port = parts.port
    this.asksDirect = parts.asksDirect ?? false
    this.hints = parts.hints ?? []
    this.hintsKey = formatHints(this.hints)
    // Each direction has its own: a relay of both would know them by it.
    const half = parts.connection.role === 'initiator' ? parts.id.slice(0, 8) : parts.id.slice(8)
    this.shadowSeed = Number.parseInt(half, 16)
    this.deadline = owner.deadlines.add(() => this.wake())
  }

  get unsentBytes(): number {
    return this.connection.unsentBytes
  }

  get bufferedBytes(): number {
    return this.connection.bufferedBytes
  }

  get account(): AccountView {
    return this.connection.account
  }

  get stats(): ConnectionStats {
    return this.connection.stats
  }

  /**
   * While the endpoint closes: until when this link is waited for, ms. Infinity while something of ours is on its way,
   * undefined when both sides are done. In between, the other side's acknowledgement or FIN may be on its way, or never come.
   */
  waitUntil(now: number): number | undefined {
    const { connection } = this
    if (this.isClosed) return undefined
    if (connection.isSending(now)) {
      this.#idleSince = undefined
      return Infinity
    }
    if (connection.state === 'lingering') return undefined
    this.#idleSince ??= now
    return this.#idleSince + CLOSE_ROUND_TRIPS * (connection.stats.roundTripMs ?? CLOSE_ROUND_TRIP_UNKNOWN_MS)
  }

  now(): number {
    return this.#owner.now()
  }

  random(length: number): Uint8Array {
    return this.#owner.random(length)
  }

  write(data: Uint8Array): void {
    this.connection.write(this.now(), data)
    this.#owner.touch(this)
  }

  finish(): void {
    this.connection.finish(this.now())
    this.#owner.touch(this)
  }

  read(): Uint8Array | undefined {
    const data = this.connection.read(this.now())
    if (data !== undefined) this.#owner.touch(this)
    return data
  }

  stopReading(): void {
    this.connection.stopReading(this.now())
    this.#owner.touch(this)
  }

  reset(code: Code, reason: string): void {
    this.connection.reset(this.now(), code, reason)
    this.#owner.touch(this)
  }

  sendMessage(id: Uint8Array, data: Uint8Array): void {
    this.connection.sendMessage(this.now(), id, data)
    this.#owner.touch(this)
  }

  configure(settings: HandleSettings): void {
    this.connection.configure(this.now(), settings)
    this.#owner.touch(this)
  }

  /** The other side has all that was written. An application that has gone is not waited for any longer. */
  finished(): void {
    if (this.listener === undefined) this.hold(false)
  }

  /** The endpoint closes: what the application has not ended is reset. */
  shutDown(): void {
    const { state } = this.connection
    const isEnding = state === 'closing' || state === 'resetting' || this.listener === undefined
    if (isEnding || this.ending !== undefined) return
    this.isShutDown = true
    this.reset(Code.SHUTDOWN, '')
  }

  emit(event: ConnectionEvent): void {
    const { listener } = this
    if (listener !== undefined) callOutside(() => listener(event))
  }

  /** A packet came for this connection. */
  receive(arrival: Arrival): Reception {
    const reception = this.connection.arrive(this.now(), arrival)
    this.#owner.touch(this)
    return reception
  }

  wake(): void {
    this.connection.wake(this.now())
    this.#owner.touch(this)
  }

  /** A connection that delivers what it holds keeps the process, as the kernel would go on for a TCP socket. */
  hold(holds: boolean): void {
    const effective = holds && !this.isClosed && this.ending === undefined
    if (effective === this.#holds) return
    this.#holds = effective
    this.#owner.holdsChanged(effective ? 1 : -1)
  }

  addDeadline(fire: () => void): Deadline {
    return this.#owner.deadlines.add(() => callOutside(fire))
  }

  soon(callback: () => void): () => void {
    const deadline = this.addDeadline(callback)
    this.#owner.deadlines.set(deadline, this.now())
    return () => this.#owner.deadlines.set(deadline, undefined)
  }

  setDeadline(deadline: Deadline, atMs: number | undefined): void {
    this.#owner.deadlines.set(deadline, atMs)
  }
}
