import { type Destination, type Route, routeFeeMsat, type RoutePreference } from '../../medium/route.ts'
import type { DecidedOutcome } from '../../medium/payment.ts'
import { KEY_BYTES } from '../../wire/keys.ts'
import type { Driver } from '../driver/driver.ts'
import { KeysockError, messageOf } from '../errors.ts'
import { ANY_FEE_MSAT, MIN_AMOUNT_MSAT } from '../limits.ts'
import type { NoteTarget } from './note-sender.ts'
import { MAX_PROBE_ATTEMPTS, ROUTES_ASKED } from './limits.ts'

export interface ProbeOrder {
  readonly driver: Pick<Driver, 'runtime' | 'node' | 'ledger' | 'payer'>
  readonly target: NoteTarget
  readonly prefer: RoutePreference
  readonly maxFeeMsat: bigint
  readonly untilMs: number
  readonly signal: AbortSignal | undefined
}

/** Who turned a probe down. */
export interface ProbeResult {
  /**
   * 'keysock': a process that takes packets at the phantom of the node. 'node': the node itself, at whose phantom
   * nobody takes packets; a process may still take connections on the lane 'node', or there is none.
   */
  readonly answeredBy: 'keysock' | 'node'
  /** The refusal's code (spec §11); undefined where no process gave one. */
  readonly code: number | undefined
  /** From when the payment was handed on until its failure was here, ms. */
  readonly roundTripMs: number
  /** The channels that it took, the node's own first. */
  readonly route: readonly string[]
  /** Of these, how many lead to the node: the last one leads from it to its phantom. */
  readonly hops: number
  /** What was under way meanwhile, amount and fee, msat: all of it came back. */
  readonly lentMsat: bigint
  /** With this one. */
  readonly attempts: number
}

/** What is no packet, and no note (spec §18.11). */
const NO_PACKET: Uint8Array = Uint8Array.of(0)

/** Asks whether a node is there, and a keysock process at its phantom, by a payment that nobody can settle. */
export class NodeProbe {
  readonly #order: ProbeOrder
  readonly #destination: Destination
  /** Channels that refused. */
  readonly #avoid = new Set<string>()
  #attempts = 0

  constructor(order: ProbeOrder) {
    this.#order = order
    const { publicKey, hints } = order.target
    this.#destination = { lane: 'phantom', publicKey, hints }
  }

  /** @throws KeysockError EHOSTUNREACH, ETIMEDOUT, ERR_KEYSOCK_FEE, ERR_KEYSOCK_COST; the signal's reason */
  async run(): Promise<ProbeResult> {
    const { driver, signal, untilMs } = this.#order
    const { runtime } = driver
    signal?.throwIfAborted()
    const ended = Promise.withResolvers<never>()
    ended.promise.catch(() => undefined)
    const aborted = (): void => ended.reject(signal?.reason as Error)
    const deadline = runtime.deadlines.add(() =>
      ended.reject(new KeysockError('ETIMEDOUT', 'the probe had no outcome in time; nothing was paid')),
    )
    runtime.deadlines.set(deadline, untilMs)
    signal?.addEventListener('abort', aborted, { once: true })
    runtime.countHold(1)
    try {
      return await Promise.race([this.#tryAll(), ended.promise])
    } finally {
      runtime.countHold(-1)
      runtime.deadlines.set(deadline, undefined)
      signal?.removeEventListener('abort', aborted)
    }
  }

  async #tryAll(): Promise<ProbeResult> {
    let why = 'no route to the node was found'
    while (this.#attempts < MAX_PROBE_ATTEMPTS) {
      const route = await this.#findRoute()
      if (route === undefined) break
      this.#attempts++
      const { outcome, roundTripMs } = await this.#pay(route)
      const result = this.#resultOf(route, outcome, roundTripMs)
      if (result !== undefined) return result
      if (outcome.status === 'failed') why = this.#goAround(route, outcome)
    }
    throw new KeysockError('EHOSTUNREACH', `${why}; nothing was paid`)
  }

  /** The best that goes around what failed; undefined where there is none. */
  async #findRoute(): Promise<Route | undefined> {
    const { driver, maxFeeMsat, prefer } = this.#order
    if (driver.runtime.isStopped) throw new KeysockError('ERR_KEYSOCK_ENDPOINT_CLOSED', 'the endpoint was closed')
    const { backend } = driver.node
    const request = { destination: this.#destination, amountMsat: MIN_AMOUNT_MSAT, prefer, count: ROUTES_ASKED }
    try {
      const found = await backend.findRoutes({ ...request, maxFeeMsat, avoid: [...this.#avoid] })
      const route = found.find(({ channels }) => !channels.some((channel) => this.#avoid.has(channel)))
      if (route !== undefined || this.#attempts > 0) return route
      const dearer = await backend.findRoutes({ ...request, maxFeeMsat: ANY_FEE_MSAT, count: 1 })
      if (dearer.length === 0) return undefined
    } catch (error) {
      throw new KeysockError('EHOSTUNREACH', `routes cannot be looked for: ${messageOf(error)}`, { cause: error })
    }
    throw new KeysockError('ERR_KEYSOCK_FEE', `every way to the node costs more than maxFee, ${maxFeeMsat} msat`)
  }

  #pay(route: Route): Promise<{ readonly outcome: DecidedOutcome; readonly roundTripMs: number }> {
    const { driver, target } = this.#order
    const { runtime } = driver
    const amountMsat = route.minAmountMsat
    const feeMsat = routeFeeMsat(route, amountMsat)
    const peer = target.publicKeyHex
    // It comes back, but until then it is not there for others.
    if (driver.ledger.tryReserve({ peer, amountMsat, feeMsat, port: 0 }) !== undefined)
      throw new KeysockError(
        'ERR_KEYSOCK_COST',
        `${amountMsat + feeMsat} msat are more than the caps of this endpoint leave`,
      )
    const sentMs = runtime.now()
    return new Promise((resolve) => {
      driver.payer.sendAlone(
        // Random, so that nobody has its preimage: no relay and no receiver can take the money.
        { hash: runtime.random(KEY_BYTES), record: NO_PACKET, routeId: route.id, amountMsat },
        { peer, port: 0, feeMsat },
        {
          channels: route.channels,
          changes: [],
          decided: (outcome) => {
            resolve({ outcome, roundTripMs: runtime.now() - sentMs })
            return []
          },
        },
      )
    })
  }

  #resultOf(route: Route, outcome: DecidedOutcome, roundTripMs: number): ProbeResult | undefined {
    const { channels, minAmountMsat } = route
    const isThere = outcome.status !== 'failed' || outcome.place === 'destination'
    if (!isThere) return undefined
    const code = outcome.status === 'failed' ? outcome.refusal : undefined
    return {
      answeredBy: code === undefined && outcome.status === 'failed' ? 'node' : 'keysock',
      code,
      roundTripMs,
      route: channels,
      hops: Math.max(0, channels.length - 1),
      lentMsat: minAmountMsat + routeFeeMsat(route, minAmountMsat),
      attempts: this.#attempts,
    }
  }

  /** Why it failed on its way, and around what the next one goes. @throws KeysockError where none would do better */
  #goAround(
    { channels }: Route,
    { place, reason, channel }: Extract<DecidedOutcome, { readonly status: 'failed' }>,
  ): string {
    if (place === 'local' && reason === 'node-away')
      throw new KeysockError('EHOSTUNREACH', 'the own node is away; nothing was paid')
    if (channel === undefined) for (const each of channels) this.#avoid.add(each)
    else this.#avoid.add(channel)
    return place === 'local' ? `the own node could not send (${reason})` : `the last way failed at a relay (${reason})`
  }
}
