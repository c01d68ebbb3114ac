import { MAX_CONNECTIONS } from '../limits.ts'
import type { DrivenConnection } from './driven-connection.ts'

/** What connections have carried. */
export interface StreamTotals {
  /** Of the streams, known to have arrived; and those that came. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly packetsSent: number
  readonly packetsReceived: number
  /** Packets that were sent again before they had an outcome. */
  readonly copies: number
}

/** The connections of an endpoint, by their ids and by the reply paths that lead to them. */
export class Connections {
  readonly #initiators: Map<string, DrivenConnection> = new Map()
  readonly #responders: Map<string, DrivenConnection> = new Map()
  /** Of those that were removed. */
  #ended: StreamTotals = { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0, copies: 0 }
  readonly #byPath: Map<string, DrivenConnection> = new Map()

  get size(): number {
    return this.#initiators.size + this.#responders.size
  }

  /** Whether one more fits. */
  get hasRoom(): boolean {
    return this.size < MAX_CONNECTIONS
  }

  /** Reply paths that lead to a connection. */
  get paths(): number {
    return this.#byPath.size
  }

  *all(): Generator<DrivenConnection> {
    yield* this.#initiators.values()
    yield* this.#responders.values()
  }

  /** The initiator's side of this connection id, in hexadecimal. */
  initiator(id: string): DrivenConnection | undefined {
    return this.#initiators.get(id)
  }

  /** The responder's side of this connection id. */
  responder(id: string): DrivenConnection | undefined {
    return this.#responders.get(id)
  }

  /** What all connections that ever were have carried: it never goes back. */
  get totals(): StreamTotals {
    let totals = this.#ended
    for (const connection of this.all()) totals = plus(totals, connection)
    return totals
  }

  byPath(pathId: string): DrivenConnection | undefined {
    return this.#byPath.get(pathId)
  }

  add(connection: DrivenConnection): void {
    this.#of(connection).set(connection.id, connection)
  }

  remove(connection: DrivenConnection): void {
    if (this.#of(connection).delete(connection.id)) this.#ended = plus(this.#ended, connection)
  }

  /** The endpoint has stopped: nothing comes for any of them any more, and no timer ends what lingers. */
  clear(): void {
    for (const connection of this.all()) this.#ended = plus(this.#ended, connection)
    this.#initiators.clear()
    this.#responders.clear()
    this.#byPath.clear()
  }

  addPath(pathId: string, connection: DrivenConnection): void {
    this.#byPath.set(pathId, connection)
  }

  removePath(pathId: string): void {
    this.#byPath.delete(pathId)
  }

  #of({ role }: DrivenConnection): Map<string, DrivenConnection> {
    return role === 'initiator' ? this.#initiators : this.#responders
  }
}

function plus(totals: StreamTotals, { stats }: DrivenConnection): StreamTotals {
  return {
    bytesSent: totals.bytesSent + stats.bytesAcknowledged,
    bytesReceived: totals.bytesReceived + stats.bytesReceived,
    packetsSent: totals.packetsSent + stats.attempts,
    packetsReceived: totals.packetsReceived + stats.packetsReceived,
    copies: totals.copies + stats.hedgedAttempts,
  }
}
