import type { Budget } from '../connection/budget.ts'
import { DAY_LOOK_MS } from '../limits.ts'
import { checkMsat, type Msat } from '../options/options.ts'
import type { Deadline } from './deadlines.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Ledger } from './ledger.ts'
import type { Runtime } from './runtime.ts'

/**
 * What was spent fills a cap that is not a connection's own, and a packet waits: may more be spent? Amounts in msat.
 */
export interface Question {
  /** Of what the cap is. */
  readonly cap: 'hour' | 'day' | 'port' | 'peer' | 'process'
  /** The port ('*': all that have no cap of their own) or the peer's key; '' for the others. */
  readonly of: string
  readonly capMsat: bigint
  readonly spentMsat: bigint
  /** What is under way, and may still be spent. */
  readonly reservedMsat: bigint
  /** What the packet that waits costs, amount and fee together. */
  readonly priceMsat: bigint
  /** The connection that waits; others may, too. */
  readonly connection: { readonly id: string; readonly peer: string; readonly port: number }
  /** So much more may be spent under this cap; under one of an hour or a day until that ends. */
  allow(msat: Msat): void
  /** The cap stays, and is not asked about again until it is set, or its hour or day begins, anew. */
  refuse(): void
}

interface CapWatchParts {
  readonly runtime: Runtime
  readonly ledger: Ledger
  /** False: nobody is there to answer. */
  readonly ask: (question: Question) => boolean
}

/** Asks people when a wider cap stands against something, warns of it once, and begins the caps of hours and days. */
export class CapWatch {
  readonly #parts: CapWatchParts
  readonly #deadline: Deadline | undefined
  /** Caps that stay as they are, by how often they had been set when that was said. */
  readonly #refused: WeakMap<Budget, number> = new WeakMap()
  #hasWarned = false

  constructor(parts: CapWatchParts) {
    this.#parts = parts
    const { runtime, ledger } = parts
    if (!ledger.hasPeriods) return
    this.#deadline = runtime.deadlines.add(() => this.#look())
    this.#look()
  }

  /** A wider cap lets no packet of this connection pass. */
  stopped(connection: DrivenConnection): void {
    const obstacle = connection.wideObstacle
    if (obstacle === undefined) return
    const { budget, priceMsat } = obstacle
    this.#warn()
    const { capMsat, spentMsat, reservedMsat } = budget.view()
    // What is under way may come back and make room: then there is nothing to ask.
    if (spentMsat + priceMsat <= capMsat || budget.isAsked || this.#refused.get(budget) === budget.settings) return
    const cap = budget.name?.cap
    if (cap === undefined || cap === 'program') return
    budget.setAsked(true)
    const { id, party } = connection
    const isHeard = this.#parts.ask({
      cap,
      of: budget.name?.of ?? '',
      capMsat,
      spentMsat,
      reservedMsat,
      priceMsat,
      connection: { id, peer: party.peer, port: party.port },
      allow: (msat) => this.#allow(budget, checkMsat(msat, 'msat')),
      refuse: () => this.#refuse(budget),
    })
    if (!isHeard) this.#refuse(budget)
  }

  #allow(budget: Budget, byMsat: bigint): void {
    if (!budget.isAsked) return
    budget.setAsked(false)
    this.#parts.ledger.raise(budget, byMsat)
  }

  #refuse(budget: Budget): void {
    if (!budget.isAsked) return
    budget.setAsked(false)
    this.#refused.set(budget, budget.settings)
  }

  /** Once: connections tell their applications each time. */
  #warn(): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#parts.runtime.warn(
      'ERR_KEYSOCK_COST',
      'the cap of a peer, a port, an hour, a day or of this process is reached; connections pause until payments come back or a cap is raised',
    )
  }

  /** The clock on the wall may be set, so it is looked at often. */
  #look(): void {
    const { runtime, ledger } = this.#parts
    ledger.passTo(runtime.wallNow())
    const leftMs = Math.min(ledger.nextPeriodMs - runtime.wallNow(), DAY_LOOK_MS)
    if (this.#deadline !== undefined) runtime.deadlines.set(this.#deadline, runtime.now() + Math.max(leftMs, 1))
  }
}
