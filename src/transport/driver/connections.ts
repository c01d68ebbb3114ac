import { MAX_CONNECTIONS } from '../limits.ts'
import type { DrivenConnection } from './driven-connection.ts'

/** The connections of an endpoint, by their ids and by the reply paths that lead to them. */
export class Connections {
  readonly #initiators: Map<string, DrivenConnection> = new Map()
  readonly #responders: Map<string, DrivenConnection> = new Map()
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

  byPath(pathId: string): DrivenConnection | undefined {
    return this.#byPath.get(pathId)
  }

  add(connection: DrivenConnection): void {
    this.#of(connection).set(connection.id, connection)
  }

  remove(connection: DrivenConnection): void {
    this.#of(connection).delete(connection.id)
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
