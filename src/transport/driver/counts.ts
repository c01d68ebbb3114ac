import type { Accountant } from './accountant.ts'
import type { Runtime } from './runtime.ts'

/** What an endpoint has done with what came in, and how many connections it has had. */
export class DriverCounts {
  readonly #runtime: Runtime
  readonly #accountant: Pick<Accountant, 'received'>
  #packetsStray = 0
  #strayMsat = 0n
  #opensRefused = 0
  #connectionsOpened = 0
  #connectionsAccepted = 0

  constructor(runtime: Runtime, accountant: Pick<Accountant, 'received'>) {
    this.#runtime = runtime
    this.#accountant = accountant
  }

  /** A packet came for no connection; `amountMsat` came with it and belongs to none (spec §8.12). */
  stray(why: string, amountMsat: bigint): void {
    this.#packetsStray += 1
    this.#runtime.debug({ why, amountMsat }, 'a packet for no connection')
    this.unclaimed(amountMsat)
  }

  /** Money came with what no connection took: with a packet that its connection turned down, for one (spec §8.12). */
  unclaimed(amountMsat: bigint): void {
    this.#strayMsat += amountMsat
    this.#accountant.received(undefined, amountMsat)
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
