import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { PaymentOutcome } from '../../medium/payment.ts'
import type { BackendEvent } from '../backend.ts'
import type { Attempt } from './attempt.ts'
import { MAX_KEPT_ARRIVALS, MAX_REMEMBERED_HASHES } from './bounds.ts'
import type { Channel, Link } from './channel.ts'
import type { Interceptor } from './interceptor.ts'
import type { OpenPath } from './open-paths.ts'
import type { NodePlan } from './resolve.ts'

/** A settled invoice that carried our record. */
export interface Arrival {
  readonly settleIndex: number
  readonly record: Uint8Array
  readonly amountMsat: number
  readonly hash: Uint8Array
}

/** The process that is attached to a node, as the network sees it. */
export interface AttachedProcess {
  /** It takes packets at the node's own phantom, too (spec §2.9). */
  readonly phantomLane: boolean
  /** Hands an event up; only from inside an event of the network. */
  tell(event: BackendEvent): void
  /** There are arrivals that it may not have read. */
  arrivalsWaiting(): void
  /** Payments under way become 'unknown'. */
  loseSight(): void
  crash(): void
  /** It does nothing for so long. */
  block(forMs: number): void
  /** Hands the last `count` arrivals up again. */
  replayArrivals(count: number): void
  forgetRoutes(): void
  /** Tells of its open paths that are broken. */
  checkPaths(broken: (path: OpenPath) => boolean): void
  dropExpiredPaths(): void
}

/** A real key pair, derived from the seed and the node's name. */
export function nodeKeys(
  seed: string,
  name: string,
): { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array } {
  for (let i = 0; ; i++) {
    const secretKey = sha256(utf8ToBytes(`keysock simulator/${seed}/node key/${name}/${i}`))
    if (secp256k1.utils.isValidSecretKey(secretKey))
      return { secretKey, publicKey: secp256k1.getPublicKey(secretKey, true) }
  }
}

/** A Lightning node: its key, its channels, its disk, and what it remembers. */
export class SimNode {
  readonly index: number
  readonly name: string
  readonly secretKey: Uint8Array
  /** 33 bytes. */
  readonly publicKey: Uint8Array
  readonly publicHex: string
  readonly plan: NodePlan
  /** Links away from this node. */
  readonly links: Link[] = []
  keysend: boolean
  online = true
  /** Whether the process hears of its payments and arrivals. */
  streamUp = true
  process: AttachedProcess | undefined
  interceptor!: Interceptor
  /** Payments that this node sent and that aren't decided. */
  readonly underWay: Set<Attempt> = new Set()
  /** HTLCs that wait for this node to come back. */
  readonly parked: Attempt[] = []
  /** Decisions that the process could not be told. */
  readonly untold: { readonly hash: Uint8Array; readonly outcome: PaymentOutcome }[] = []
  /** Channels that refused a payment of this node, and when. */
  readonly refusals: Map<Channel, number> = new Map()
  settleIndex = 0
  readonly #msPerWork: number
  #busyUntil = 0
  /** By hash: undefined while it is under way. */
  readonly #sent = new Map<string, PaymentOutcome | undefined>()
  readonly #settled = new Set<string>()
  #arrivals: Arrival[] = []
  /** Arrivals before this settle index are gone. */
  #firstKept = 1

  constructor(index: number, plan: NodePlan, keys: { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array }) {
    this.index = index
    this.name = plan.name
    this.plan = plan
    this.secretKey = keys.secretKey
    this.publicKey = keys.publicKey
    this.publicHex = bytesToHex(keys.publicKey)
    this.keysend = plan.keysend
    this.#msPerWork = 1_000 / plan.paymentsPerSecond
  }

  /** Queues work for the disk, in units of one HTLC; the time at which it is done. */
  writeUntil(nowMs: number, work: number): number {
    this.#busyUntil = Math.max(nowMs, this.#busyUntil) + work * this.#msPerWork
    return this.#busyUntil
  }

  get canTell(): boolean {
    return this.process !== undefined && this.online && this.streamUp
  }

  /** Whether a payment with this hash was sent from here, or settled here. */
  knows(hashKey: string): boolean {
    return this.#sent.has(hashKey) || this.#settled.has(hashKey)
  }

  noteSent(hashKey: string, outcome: PaymentOutcome | undefined): void {
    this.#sent.set(hashKey, outcome)
    if (this.#sent.size > MAX_REMEMBERED_HASHES) this.#sent.delete(this.#sent.keys().next().value as string)
  }

  /** What became of a payment: an outcome, 'in-flight' or 'never'. */
  sentStatus(hashKey: string): PaymentOutcome | 'in-flight' | 'never' {
    return this.#sent.get(hashKey) ?? (this.#sent.has(hashKey) ? 'in-flight' : 'never')
  }

  hasSettled(hashKey: string): boolean {
    return this.#settled.has(hashKey)
  }

  noteSettled(hashKey: string): void {
    this.#settled.add(hashKey)
    if (this.#settled.size > MAX_REMEMBERED_HASHES) this.#settled.delete(this.#settled.values().next().value as string)
  }

  /** Settles an invoice of our own: it gets the next index, and the process hears of it. */
  addArrival(record: Uint8Array, amountMsat: number, hash: Uint8Array): void {
    this.settleIndex++
    this.#arrivals.push({ settleIndex: this.settleIndex, record, amountMsat, hash })
    if (this.#arrivals.length >= MAX_KEPT_ARRIVALS * 2) {
      this.#arrivals = this.#arrivals.slice(-MAX_KEPT_ARRIVALS)
      this.#firstKept = this.settleIndex - MAX_KEPT_ARRIVALS + 1
    }
    if (this.canTell) this.process?.arrivalsWaiting()
  }

  /** Arrivals that are still known. */
  get keptArrivals(): number {
    return this.#arrivals.length
  }

  /** One of those, the oldest at 0. */
  arrivalAt(index: number): Arrival | undefined {
    return this.#arrivals[index]
  }

  /** The first arrival after this index, if it is still known. */
  arrivalAfter(settleIndex: number): Arrival | undefined {
    return this.#arrivals[Math.max(0, settleIndex + 1 - this.#firstKept)]
  }
}
