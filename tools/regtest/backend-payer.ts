import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../src/floor/bytes.ts'
import type { Destination } from '../../src/medium/route.ts'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { createLndBackend } from '../../src/lnd.ts'
import type { LndNode } from './lnd-node.ts'
import { until } from './until.ts'

type Backend = ReturnType<typeof createLndBackend>

const PAID_MSAT = 1_000n

/** A route that was found for an amount. */
export interface FoundRoute {
  readonly id: string
  readonly lane: Destination['lane']
  readonly amountMsat: bigint
}

/** A payment that was begun, and what the backend said of it. */
export interface BegunPayment {
  readonly hash: Uint8Array
  /** What `pay` resolved with; undefined while it has not. */
  first: PaymentOutcome | undefined
  /** The outcome of 'payment-resolved', after 'unknown'. */
  resolved: PaymentOutcome | undefined
}

/** A backend without a transport, that begins payments and keeps every event. */
export class BackendPayer {
  readonly backend: Backend
  readonly events: BackendEvent[] = []
  readonly #begun = new Map<string, BegunPayment>()

  private constructor(backend: Backend) {
    this.backend = backend
  }

  static async attach(node: LndNode, socket: string = node.socket): Promise<BackendPayer> {
    const payer = new BackendPayer(createLndBackend({ socket, cert: node.certPath, macaroon: node.macaroonPath }))
    await payer.backend.start({ sink: (event) => payer.#receive(event) })
    return payer
  }

  get isOnline(): boolean {
    return this.events.findLast(({ type }) => type === 'online' || type === 'offline')?.type !== 'offline'
  }

  /** Every payment that was begun, in order. */
  get begun(): readonly BegunPayment[] {
    return [...this.#begun.values()]
  }

  /** A route that can be paid over, now or later. */
  async route(destination: Destination, amountMsat: bigint = PAID_MSAT): Promise<FoundRoute> {
    const { id } = await until('there is a route', async () => {
      const request = { destination, amountMsat, maxFeeMsat: 1_000_000n, count: 1 }
      return (await this.backend.findRoutes(request))[0]
    })
    return { id, lane: destination.lane, amountMsat }
  }

  /** Begins one payment. */
  async begin(destination: Destination, amountMsat?: bigint): Promise<BegunPayment> {
    return this.beginOver(await this.route(destination, amountMsat))
  }

  /** Begins one payment over this route. Its record is its preimage, so that whoever is paid can settle it. */
  beginOver({ id: routeId, lane, amountMsat }: FoundRoute): BegunPayment {
    const preimage = this.backend.entropy.bytes(32)
    const hash = sha256(preimage)
    const begun: BegunPayment = { hash, first: undefined, resolved: undefined }
    this.#begun.set(toHex(hash), begun)
    const ofNodeLane = lane === 'node' ? { preimage } : {}
    void this.backend.pay({ routeId, hash, record: preimage, amountMsat, ...ofNodeLane }).then((outcome) => {
      begun.first = outcome
    })
    return begun
  }

  /** Pays, and waits until it is known what became of it. */
  async pay(destination: Destination, amountMsat?: bigint): Promise<PaymentOutcome['status'] | undefined> {
    const begun = await this.begin(destination, amountMsat)
    const decided = (): true | undefined => outcomeOf(begun) !== undefined || undefined
    await until('the payment is decided', decided)
    return outcomeOf(begun)?.status
  }

  #receive(event: BackendEvent): void {
    this.events.push(event)
    if (event.type !== 'payment-resolved') return
    const begun = this.#begun.get(toHex(event.hash))
    if (begun !== undefined) begun.resolved = event.outcome
  }
}

/** What is known of a payment by now; undefined while it may go either way. */
export function outcomeOf({ first, resolved }: BegunPayment): PaymentOutcome | undefined {
  return first?.status === 'unknown' ? resolved : first
}
