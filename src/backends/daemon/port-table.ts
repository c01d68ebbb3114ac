import { HOLD_MS, MAX_FREED_PORTS } from './bounds.ts'

/** Which program has which port, and which ports lost theirs a moment ago. */
export class PortTable<Client extends object> {
  readonly #owners = new Map<number, Client>()
  readonly #freedMs = new Map<number, number>()
  readonly #startedMs: number

  constructor(startedMs: number) {
    this.#startedMs = startedMs
  }

  get(port: number): Client | undefined {
    return this.#owners.get(port)
  }

  /** False where another program has it. */
  claim(port: number, client: Client): boolean {
    const owner = this.#owners.get(port)
    if (owner !== undefined) return owner === client
    this.#owners.set(port, client)
    this.#freedMs.delete(port)
    return true
  }

  /** Its program does not want it any more: nothing waits for another. */
  release(port: number, client: Client): void {
    if (this.#owners.get(port) === client) this.#owners.delete(port)
  }

  /** Its program died; what comes for the port waits a while for it to come back. */
  vacate(port: number, client: Client, now: number): void {
    if (this.#owners.get(port) !== client) return
    this.#owners.delete(port)
    this.#freedMs.delete(port)
    this.#freedMs.set(port, now)
    if (this.#freedMs.size > MAX_FREED_PORTS) this.#freedMs.delete(this.#freedMs.keys().next().value as number)
  }

  /** Until when what comes for a port without owner waits. */
  holdUntil(port: number): number {
    return Math.max(this.#startedMs, this.#freedMs.get(port) ?? -Infinity) + HOLD_MS
  }
}
