import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Clock } from '../../src/floor/clock.ts'
import type { PathRequest, PathResult } from '../../src/medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route, RouteRequest } from '../../src/medium/route.ts'
import { VERDICT_MS } from '../../src/medium/limits.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import type { Backend, BackendEvent, BackendStart, NodeInfo } from '../../src/backends/backend.ts'

/** What one process tells the other, over any channel that keeps the order. */
export type PairMessage =
  | { readonly type: 'pay'; readonly id: number; readonly payment: Payment }
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: PaymentOutcome }

/** Bytes of a path as the network's are. */
const PATH_BYTES = 250
const NODE_ROUTE = 'node'
const HEIGHT = 850_000

/**
 * One of two nodes that have a channel with each other and stand in different processes: a payment is a message to
 * the other process and its outcome a message back. Keeps nothing for a connection, so that what a connection needs
 * is all the transport's own.
 */
export class PairBackend implements Backend {
  readonly name = 'pair'
  readonly clock: Clock
  readonly #secretKey: Uint8Array
  readonly #send: (message: PairMessage) => void
  readonly #outcomes: Map<number, (outcome: PaymentOutcome) => void> = new Map()
  readonly #offers: Map<string, { readonly hash: Uint8Array; readonly amountMsat: bigint }> = new Map()
  #sink: (event: BackendEvent) => void = () => {}
  #paid = 0
  #settled = 0n
  #paths = 0
  #height = HEIGHT

  constructor(options: {
    readonly clock: Clock
    readonly secretKey: Uint8Array
    readonly send: (message: PairMessage) => void
  }) {
    this.clock = options.clock
    this.#secretKey = options.secretKey
    this.#send = options.send
  }

  start(options: BackendStart): Promise<NodeInfo> {
    this.#sink = options.sink
    const publicKey = secp256k1.getPublicKey(this.#secretKey, true)
    return Promise.resolve({ publicKey, blockHeight: this.#height, network: 'pair' })
  }

  stop(): Promise<void> {
    this.#sink = () => {}
    return Promise.resolve()
  }

  /** So many blocks have come. */
  block(count: number): void {
    this.#height += count
    this.#sink({ type: 'block', height: this.#height })
  }

  /** A message of the other process. */
  receive(message: PairMessage): void {
    if (message.type === 'pay') this.#paidBy(message.id, message.payment)
    else {
      this.#outcomes.get(message.id)?.(message.outcome)
      this.#outcomes.delete(message.id)
    }
  }

  findRoutes({ destination }: RouteRequest): Promise<readonly Route[]> {
    const id = 'path' in destination ? Buffer.from(destination.path).toString('latin1', 0, 16) : NODE_ROUTE
    const route: Route = {
      id,
      recordBytes: 1_100,
      minAmountMsat: 1_000n,
      maxAmountMsat: 1_000_000_000n,
      feeBaseMsat: 0n,
      feePpm: 0,
      channels: ['the only one'],
      firstChannelSlots: 483,
      cltvDelta: 80,
    }
    return Promise.resolve([route])
  }

  pay(payment: Payment): Promise<PaymentOutcome> {
    const id = ++this.#paid
    this.#send({ type: 'pay', id, payment })
    return new Promise((resolve) => {
      this.#outcomes.set(id, resolve)
    })
  }

  track(): Promise<{ readonly status: 'never' }> {
    return Promise.resolve({ status: 'never' })
  }

  makePaths({ count, lifetimeBlocks }: PathRequest): Promise<PathResult> {
    const paths = Array.from({ length: count }, () => {
      const pathId = String(++this.#paths).padStart(16, '0')
      const bytes = new Uint8Array(PATH_BYTES)
      bytes.set(Buffer.from(pathId, 'latin1'))
      return { pathId, bytes, expiryHeight: this.#height + lifetimeBlocks }
    })
    return Promise.resolve({ paths, candidates: 1_000 })
  }

  closePaths(): Promise<void> {
    return Promise.resolve()
  }

  answer(offerId: string, verdict: Verdict): Promise<void> {
    const offer = this.#offers.get(offerId)
    if (offer === undefined) return Promise.resolve()
    this.#offers.delete(offerId)
    const settled: PaymentOutcome = { status: 'delivered', feeMsat: 0n }
    const refused: PaymentOutcome = { status: 'failed', reason: 'blinded', place: 'introduction' }
    const isSettled = verdict.action === 'settle'
    this.#send({ type: 'outcome', id: Number(offerId), outcome: isSettled ? settled : refused })
    if (isSettled) this.clock.schedule(this.clock.now(), () => this.#sink({ type: 'offer-confirmed', ...offer }))
    return Promise.resolve()
  }

  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(sha256(secp256k1.getSharedSecret(this.#secretKey, point, true)))
  }

  #paidBy(id: number, { routeId, record, amountMsat, hash }: Payment): void {
    if (routeId === NODE_ROUTE) {
      this.#sink({ type: 'arrival', record, amountMsat, hash, settleIndex: ++this.#settled })
      this.#send({ type: 'outcome', id, outcome: { status: 'settled', feeMsat: 0n } })
      return
    }
    const offerId = String(id)
    this.#offers.set(offerId, { hash, amountMsat })
    const deadlineMs = this.clock.now() + VERDICT_MS
    this.#sink({ type: 'offer', offerId, pathId: routeId, record, amountMsat, hash, deadlineMs })
  }
}
