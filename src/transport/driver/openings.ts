import { toHex } from '../../floor/bytes.ts'
import { DecayingRate } from '../../floor/decaying-rate.ts'
import { Code, MAX_OPENING_PRICE_MSAT, openingPriceCode } from '../../wire/errors.ts'
import { OPENING_DECISION_MS, OPENING_RATE_MS } from '../limits.ts'
import type { AuthenticOpen } from './acceptor.ts'
import type { OpeningLoad } from '../options/options.ts'
import type { OpeningDecision, PortListener } from './connection-handle.ts'
import { askOutside } from './driven-connection.ts'
import type { Ports } from './ports.ts'
import type { Runtime } from './runtime.ts'

/** The application has not decided in time (spec §6.14). */
const LATE: OpeningDecision = { code: Code.BUSY, reason: '' }

/** What listeners ask for an opening, how much they have to do, and whether they take one (spec §6.14, §6.15). */
export class Openings {
  readonly #runtime: Runtime
  readonly #ports: Pick<Ports, 'all'>
  /** Connections that are being accepted, by port. */
  readonly #waiting: Map<number, number> = new Map()
  /** Of connections that a listener took. */
  readonly #rates: WeakMap<PortListener, DecayingRate> = new WeakMap()

  constructor(parts: { readonly runtime: Runtime; readonly ports: Pick<Ports, 'all'> }) {
    this.#runtime = parts.runtime
    this.#ports = parts.ports
  }

  /** Connections of a port that are being accepted. */
  waiting(port: number): number {
    return this.#waiting.get(port) ?? 0
  }

  /** Counts a connection in its port's backlog until `done` is. */
  async countedAt<Result>(port: number, done: Promise<Result>): Promise<Result> {
    this.#waiting.set(port, this.waiting(port) + 1)
    try {
      return await done
    } finally {
      const left = this.waiting(port) - 1
      if (left === 0) this.#waiting.delete(port)
      else this.#waiting.set(port, left)
    }
  }

  /** A listener took a connection. */
  taken(listener: PortListener): void {
    const rate = this.#rates.get(listener) ?? new DecayingRate(OPENING_RATE_MS)
    rate.add(this.#runtime.now())
    this.#rates.set(listener, rate)
  }

  /** What a listener asks for an opening now, msat; 'faulty': its application has thrown. */
  priceMsat(port: number, listener: PortListener): bigint | 'faulty' {
    const asked = askOutside(() => listener.openingPriceMsat(this.#load(port, listener)), 'faulty')
    return asked !== 'faulty' && asked > MAX_OPENING_PRICE_MSAT ? MAX_OPENING_PRICE_MSAT : asked
  }

  /** spec §6.15: the code for an OPEN that pays less than any listener asks, before its key is agreed on. */
  refusalBelowAll(amountMsat: bigint): number | undefined {
    let leastMsat: bigint | undefined
    for (const [port, listener] of this.#ports.all()) {
      const priceMsat = this.priceMsat(port, listener)
      if (priceMsat === 'faulty' || priceMsat <= amountMsat) return undefined
      if (leastMsat === undefined || priceMsat < leastMsat) leastMsat = priceMsat
    }
    return leastMsat === undefined ? undefined : openingPriceCode(leastMsat)
  }

  /**
   * Asks the application, which may take its time (spec §6.14). Undefined: it takes the connection. `isWanted`: the
   * payment can still be settled.
   */
  async decide(
    { arrival, opened: { port, frames } }: AuthenticOpen,
    listener: PortListener,
    { remoteKey, isWanted }: { readonly remoteKey: Uint8Array | undefined; readonly isWanted: () => boolean },
  ): Promise<OpeningDecision> {
    let isOpen = true
    const facts = {
      ...this.#load(port, listener),
      port,
      lane: arrival.lane,
      amountMsat: arrival.amountMsat,
      bytes: frames.reduce((sum, frame) => (frame.type === 'stream' ? sum + frame.data.length : sum), 0),
      remoteAddress: remoteKey === undefined ? undefined : toHex(remoteKey),
      isOpen: () => isOpen && isWanted(),
    }
    const decision = listener.decide(facts)
    const decided = await (decision instanceof Promise ? this.#inTime(decision) : decision)
    isOpen = false
    return decided
  }

  /** What the application decides, if it does so in time. */
  #inTime(decision: Promise<OpeningDecision>): Promise<OpeningDecision> {
    const { deadlines } = this.#runtime
    return new Promise((resolve) => {
      const decide = (decided: OpeningDecision): void => {
        deadlines.set(deadline, undefined)
        resolve(decided)
      }
      const deadline = deadlines.add(() => decide(LATE))
      deadlines.set(deadline, this.#runtime.now() + OPENING_DECISION_MS)
      void decision.then(decide)
    })
  }

  #load(port: number, listener: PortListener): OpeningLoad {
    const openingsPerSecond = this.#rates.get(listener)?.perSecond(this.#runtime.now()) ?? 0
    return { connections: listener.connections, waiting: this.waiting(port), openingsPerSecond }
  }
}
