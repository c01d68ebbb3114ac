import { sha256 } from '@noble/hashes/sha2.js'
import { KEY_BYTES } from '../../wire/keys.ts'
import type { Destination, Route } from '../../medium/route.ts'
import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../medium/payment.ts'
import type { Verdict } from '../../medium/verdict.ts'
import type { Backend, BackendEvent, BackendStart, NodeInfo } from '../backend.ts'
import type { ContractNode, ContractWorld } from './harness.ts'

export type OfferEvent = Extract<BackendEvent, { type: 'offer' }>
export type ArrivalEvent = Extract<BackendEvent, { type: 'arrival' }>

/** What the tests deliver with each payment unless they say otherwise, in msat. */
export const AMOUNT_MSAT = 5_000n
const MAX_FEE_MSAT = 1_000_000n

/** What the contract lets a process start with. */
export type StartOptions = Omit<BackendStart, 'sink'>

/** Decides on an offer; undefined leaves it waiting. */
type VerdictFor = (offer: OfferEvent) => Verdict | undefined

/** A process of the tests on one node: it records every event and answers offers as `answerOffers` says. */
export class Probe {
  readonly events: BackendEvent[] = []
  readonly publicKey: Uint8Array
  readonly backend: Backend
  readonly #world: ContractWorld
  #verdictFor: VerdictFor | undefined
  readonly #waiting = new Set<() => void>()

  constructor(world: ContractWorld, node: ContractNode) {
    this.#world = world
    this.publicKey = node.publicKey
    this.backend = node.attach()
  }

  start(options: StartOptions = {}): Promise<NodeInfo> {
    return this.#world.settle(this.backend.start({ ...options, sink: (event) => this.#receive(event) }))
  }

  /** How offers are answered; undefined: they are left waiting. */
  get verdictFor(): VerdictFor | undefined {
    return this.#verdictFor
  }

  /** How offers are answered from now on; undefined leaves them waiting. */
  answerOffers(verdictFor: VerdictFor | undefined): void {
    this.#verdictFor = verdictFor
  }

  arrivals(): ArrivalEvent[] {
    return this.events.filter((event) => event.type === 'arrival')
  }

  offers(): OfferEvent[] {
    return this.events.filter((event) => event.type === 'offer')
  }

  /** Resolves when the events so far satisfy a condition. */
  until(condition: (events: readonly BackendEvent[]) => boolean): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!condition(this.events)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
    return this.#world.settle(reached)
  }

  routes(
    destination: Destination,
    options: { count?: number; amountMsat?: bigint; maxFeeMsat?: bigint } = {},
  ): Promise<readonly Route[]> {
    const { count = 1, amountMsat = AMOUNT_MSAT, maxFeeMsat = MAX_FEE_MSAT } = options
    return this.#world.settle(this.backend.findRoutes({ destination, amountMsat, maxFeeMsat, count }))
  }

  /** The cheapest route. @throws Error where there is none */
  async route(destination: Destination): Promise<Route> {
    const [route] = await this.routes(destination)
    if (route === undefined) throw new Error(`${this.backend.name} found no route`)
    return route
  }

  /** A keysend with a fresh preimage. */
  keysend(route: Route, record: Uint8Array, amountMsat: bigint = AMOUNT_MSAT): Payment {
    const preimage = this.#world.entropy.bytes(KEY_BYTES)
    return { routeId: route.id, hash: sha256(preimage), preimage, record, amountMsat }
  }

  pay(payment: Payment): Promise<PaymentOutcome> {
    return this.#world.settle(this.backend.pay(payment))
  }

  makePaths(payer: Uint8Array, options: Partial<PathRequest> = {}): Promise<PathResult> {
    return this.#world.settle(this.backend.makePaths({ count: 1, payer, relays: 1, lifetimeBlocks: 100, ...options }))
  }

  #receive(event: BackendEvent): void {
    this.events.push(event)
    const verdict = event.type === 'offer' ? this.#verdictFor?.(event) : undefined
    if (event.type === 'offer' && verdict !== undefined) void this.backend.answer(event.offerId, verdict)
    for (const look of this.#waiting) look()
  }
}

/** Both ends of a world, started. */
export interface Ends {
  readonly world: ContractWorld
  readonly payer: Probe
  readonly receiver: Probe
  /** The receiver as a destination of the node lane. */
  readonly toReceiver: Destination
}

export async function startEnds(world: ContractWorld, ofReceiver: StartOptions = {}): Promise<Ends> {
  const payer = new Probe(world, world.payer)
  const receiver = new Probe(world, world.receiver)
  await payer.start()
  try {
    await receiver.start(ofReceiver)
  } catch (error) {
    await payer.backend.stop()
    throw error
  }
  return { world, payer, receiver, toReceiver: { lane: 'node', publicKey: world.receiver.publicKey } }
}

/** A payment of the phantom lane with the cheapest route. The hash is of a preimage that only the tests know. */
export async function paymentTo(
  { world, payer }: Ends,
  destination: Destination,
  mark: number,
): Promise<{ payment: Payment; preimage: Uint8Array; route: Route }> {
  const route = await payer.route(destination)
  const preimage = world.entropy.bytes(KEY_BYTES)
  return {
    payment: { routeId: route.id, hash: sha256(preimage), record: recordOf(300, mark), amountMsat: AMOUNT_MSAT },
    preimage,
    route,
  }
}

/** Records that differ: `length` bytes that start with a mark. */
export function recordOf(length: number, mark: number): Uint8Array {
  const record = new Uint8Array(length)
  for (let i = 0; i < length; i++) record[i] = (mark + i * 7) & 0xff
  return record
}
