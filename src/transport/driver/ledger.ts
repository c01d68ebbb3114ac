import type { Reservation } from '../store/store.ts'
import { Budget } from './budget.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Runtime } from './runtime.ts'

interface LedgerOptions {
  readonly peerCapMsat: bigint
  readonly processCapMsat: bigint
  /** What a former process left without outcome. */
  readonly reservations: readonly Reservation[]
}

/**
 * Whether there is money for a payment under the caps of its peer and of the process, and which connections wait for
 * some (spec §12.2). A connection's own cap is the state machine's.
 */
export class Ledger {
  readonly #runtime: Runtime
  readonly #budget: Budget
  readonly #paused: Set<DrivenConnection> = new Set()
  /** Those that were told why since a cap was last set, and whether it was for good. */
  readonly #told: Map<DrivenConnection, boolean> = new Map()
  #warned = false

  constructor(runtime: Runtime, options: LedgerOptions) {
    this.#runtime = runtime
    this.#budget = new Budget(options)
    this.#budget.setProcessCap(options.processCapMsat)
  }

  get budget(): Pick<Budget, 'process' | 'feesMsat'> {
    return this.#budget
  }

  /** Whether the caps let a packet of this price pass now; if not, the connection pauses. */
  affords(connection: DrivenConnection, peer: string, priceMsat: bigint): boolean {
    if (this.#budget.obstacle(peer, priceMsat) === undefined) return true
    this.pause(connection, peer, priceMsat)
    return false
  }

  /** Sets aside what a payment may cost. False: a cap would be exceeded, and nothing has changed. */
  reserve(reservation: Reservation): boolean {
    return this.#budget.reserve(reservation)
  }

  /** The payment went through; what the fee left of its reservation is free again. */
  settle(hash: string, feeMsat: bigint): void {
    this.#budget.settle(hash, feeMsat)
    this.#resumePaused()
  }

  /** The money of a payment is back, or was never sent. */
  release(hash: string): void {
    this.#budget.release(hash)
    this.#resumePaused()
  }

  /** A packet of this price did not pass: the connection waits until money comes free. */
  pause(connection: DrivenConnection, peer: string, priceMsat: bigint): void {
    const obstacle = this.#budget.obstacle(peer, priceMsat)
    const { spentMsat, reservedMsat } = connection.account
    const isFinal = obstacle !== undefined && obstacle.isForGood && spentMsat + reservedMsat === 0n
    this.#paused.add(connection)
    const wasFinal = this.#told.get(connection)
    const isNews = obstacle !== undefined && (wasFinal === undefined || (isFinal && !wasFinal))
    if (isNews) this.#told.set(connection, isFinal)
    connection.pause(isNews ? { priceMsat, capMsat: obstacle.capMsat, isFinal } : undefined)
    if (this.#warned) return
    this.#warned = true
    this.#runtime.warn(
      'ERR_KEYSOCK_COST',
      'the cap of a peer or of this process is reached; connections pause until payments come back or a cap is raised',
    )
  }

  /** What stops a connection from now on is told of again. `peer`: a public key in hexadecimal. */
  setCaps(caps: {
    readonly processMsat: bigint | undefined
    readonly peer: { readonly publicKeyHex: string; readonly capMsat: bigint } | undefined
  }): void {
    if (caps.processMsat !== undefined) this.#budget.setProcessCap(caps.processMsat)
    if (caps.peer !== undefined) this.#budget.setPeerCap(caps.peer.publicKeyHex, caps.peer.capMsat)
    this.#told.clear()
    this.#resumePaused()
  }

  forget(connection: DrivenConnection): void {
    this.#paused.delete(connection)
    this.#told.delete(connection)
  }

  #resumePaused(): void {
    for (const connection of this.#paused) connection.resume()
    this.#paused.clear()
  }
}
