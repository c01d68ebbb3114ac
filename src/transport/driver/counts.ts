import type { Runtime } from './runtime.ts'

/** What an endpoint has done with what came in, and how many connections it has had. */
export class DriverCounts {
  readonly #runtime: Runtime
  #packetsStray = 0
  #strayMsat = 0n
  #opensRefused = 0
  #connectionsOpened = 0
  #connectionsAccepted = 0

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** A packet came for no connection; `amountMsat` came with it and belongs to none (spec §8.12). */
  stray(why: string, amountMsat: bigint): void {
    this.#packetsStray += 1
    this.#strayMsat += amountMsat
    this.#runtime.debug({ why, amountMsat }, 'a packet for no connection')
  }

  refused(): void {
    this.#opensRefused += 1
  }

  opened(): void {
    this.#connectionsOpened += 1
  }

  accepted(): void {
    this.#connectionsAccepted += 1
  }

  view(): {
    readonly packetsStray: number
    readonly strayMsat: bigint
    readonly opensRefused: number
    readonly connectionsOpened: number
    readonly connectionsAccepted: number
  } {
    return {
      packetsStray: this.#packetsStray,
      strayMsat: this.#strayMsat,
      opensRefused: this.#opensRefused,
      connectionsOpened: this.#connectionsOpened,
      connectionsAccepted: this.#connectionsAccepted,
    }
  }
}
