import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { BoundedMap, BoundedSet } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import { isSecret, publicKey } from '../../wire/curve.ts'
import type { CustomRecord, PaymentOutcome } from '../../medium/payment.ts'
import type { BackendEvent } from '../backend.ts'
import type { HtlcAttempt } from './htlc-attempt.ts'
import { MAX_REMEMBERED_HASHES } from './limits.ts'
import type { Channel, ChannelLink } from './channel.ts'
import { Interceptor } from './interceptor.ts'
import type { Network } from './network.ts'
import type { OpenPath } from './blinded-paths.ts'
import { RelayLimits } from './relay-limits.ts'
import type { NodePlan } from './resolve.ts'

/** A settled keysend: with our record, or a plain one. */
export interface SettledInvoice {
  readonly settleIndex: number
  readonly record: Uint8Array
  /** Of a plain one. */
  readonly records?: readonly CustomRecord[]
  readonly amountMsat: number
  readonly hash: Uint8Array
}

/** The process on a node, as the network sees it. */
export interface AttachedProcess {
  /** Whether it takes packets at the node's own phantom, too (spec §2.9). */
  readonly phantomLane: boolean
  /** Hands an event to the process; only from inside an event of the network. */
  emit(event: BackendEvent): void
  /** Hands over the arrivals that the process has not had. */
  deliverArrivals(): void
  /** Payments under way become 'unknown'. */
  loseSight(): void
  crash(): void
  /** It does nothing for this long. */
  block(forMs: number): void
  /** Hands the last `count` arrivals over again. */
  replayArrivals(count: number): void
  forgetRoutes(): void
  /** Emits 'paths-stale' for its open paths that are broken. */
  checkPaths(broken: (path: OpenPath) => boolean): void
  dropExpiredPaths(): void
}

/** What became of a payment. */
interface Decision {
  readonly hash: Uint8Array
  readonly outcome: PaymentOutcome
}

interface NodeKeys {
  readonly secretKey: Uint8Array
  /** 33 bytes. */
  readonly publicKey: Uint8Array
  readonly publicHex: string
}

/** A real key pair, derived from the seed and the node's name. */
function nodeKeys(seed: string, name: string): NodeKeys {
  for (let i = 0; ; i++) {
    const secretKey = sha256(utf8ToBytes(`keysock simulator/${seed}/node key/${name}/${i}`))
    if (!isSecret(secretKey)) continue
    const key = publicKey(secretKey)
    return { secretKey, publicKey: key, publicHex: toHex(key) }
  }
}

/** A Lightning node: its key, its channels, its disk, and what it remembers. */
export class SimNode {
  readonly index: number
  readonly name: string
  readonly plan: NodePlan
  readonly interceptor: Interceptor
  /** Where it lets others have less than its channels' slots. */
  readonly relayLimits: RelayLimits | undefined
  /** Payments that this node sent and that aren't decided. */
  readonly underWay: Set<HtlcAttempt> = new Set()
  /** Channels that refused a payment of this node, and when. */
  readonly refusals: Map<Channel, number> = new Map()
  readonly #links: ChannelLink[] = []
  readonly #network: Network
  #keys: NodeKeys | undefined
  #online = true
  #streamUp = true
  #process: AttachedProcess | undefined
  /** HTLCs that wait for this node to come back. */
  #parked: HtlcAttempt[] = []
  /** Decisions that the process could not be told. */
  #undelivered: Decision[] = []
  readonly #msPerWork: number
  #busyUntil = 0
  /** Hashes of payments that are under way: none of them is forgotten, however long it hangs. */
  readonly #pending = new Set<string>()
  /** What became of the others, by hash. */
  readonly #sent = new BoundedMap<string, PaymentOutcome>(MAX_REMEMBERED_HASHES)
  readonly #settled = new BoundedSet<string>(MAX_REMEMBERED_HASHES)
  #settleIndex = 0
  #arrivals: SettledInvoice[] = []
  /** Arrivals before this settle index are gone. */
  #firstKept = 1

  constructor(network: Network, index: number, plan: NodePlan) {
    this.#network = network
    this.index = index
    this.name = plan.name
    this.plan = plan
    this.interceptor = new Interceptor(network, this)
    const { pairShare, peerLimits } = plan
    const isLimited = pairShare > 0 || peerLimits.maxPending < Infinity || peerLimits.perHour < Infinity
    this.relayLimits = isLimited ? new RelayLimits(plan) : undefined
    this.#msPerWork = 1_000 / plan.paymentsPerSecond
  }

  /** Derived when somebody asks: a graph of 17,000 nodes takes seconds to give all of them a key. */
  #keyPair(): NodeKeys {
    if (this.#keys === undefined) {
      this.#keys = nodeKeys(this.#network.seed, this.name)
      this.#network.recordKey(this.#keys.publicHex, this)
    }
    return this.#keys
  }

  get secretKey(): Uint8Array {
    return this.#keyPair().secretKey
  }

  /** 33 bytes. */
  get publicKey(): Uint8Array {
    return this.#keyPair().publicKey
  }

  get publicHex(): string {
    return this.#keyPair().publicHex
  }

  /** Links away from this node. */
  get links(): readonly ChannelLink[] {
    return this.#links
  }

  addLink(link: ChannelLink): void {
    this.#links.push(link)
  }

  get online(): boolean {
    return this.#online
  }

  /** Whether the process hears of its payments and arrivals. */
  get streamUp(): boolean {
    return this.#streamUp
  }

  get process(): AttachedProcess | undefined {
    return this.#process
  }

  /** Whether a process is attached that hears what happens now. */
  get isListening(): boolean {
    return this.#process !== undefined && this.#online && this.#streamUp
  }

  /** A process starts on this node: what a former one could not be told is forgotten. */
  attach(process: AttachedProcess): void {
    this.#process = process
    this.#network.recordProgram(this)
    this.#streamUp = true
    this.#undelivered = []
  }

  detach(): void {
    this.#process = undefined
  }

  goOffline(): void {
    this.#online = false
  }

  /** Returns the HTLCs that waited for it. */
  comeOnline(): readonly HtlcAttempt[] {
    const parked = this.#parked
    this.#online = true
    this.#parked = []
    return parked
  }

  loseStream(): void {
    this.#streamUp = false
  }

  restoreStream(): void {
    this.#streamUp = true
  }

  /** The HTLC goes on when the node is back. */
  park(attempt: HtlcAttempt): void {
    this.#parked.push(attempt)
  }

  /** Keeps a decision for when the process hears again. */
  recordUndelivered(decision: Decision): void {
    this.#undelivered.push(decision)
  }

  /** Hands out the decisions that were kept. */
  takeUndelivered(): readonly Decision[] {
    const undelivered = this.#undelivered
    this.#undelivered = []
    return undelivered
  }

  /** Queues work for the disk, in units of one HTLC; the time at which it is done. */
  writeUntil(nowMs: number, work: number): number {
    this.#busyUntil = Math.max(nowMs, this.#busyUntil) + work * this.#msPerWork
    return this.#busyUntil
  }

  /** Whether a payment with this hash was sent from here, or settled here. */
  knows(hashKey: string): boolean {
    return this.#pending.has(hashKey) || this.#sent.has(hashKey) || this.#settled.has(hashKey)
  }

  /** Whether a payment with this hash may be sent again: none was sent, or it has failed. */
  mayPayAgain(hashKey: string): boolean {
    if (this.#settled.has(hashKey) || this.#pending.has(hashKey)) return false
    const outcome = this.#sent.get(hashKey)
    return outcome === undefined || outcome.status === 'failed'
  }

  /** A payment is under way. */
  recordSent(hashKey: string): void {
    this.#pending.add(hashKey)
  }

  /** What became of one that was. */
  recordOutcome(hashKey: string, outcome: PaymentOutcome): void {
    this.#pending.delete(hashKey)
    this.#sent.limit(this.#network.memory.hashes)
    this.#sent.renew(hashKey, outcome)
  }

  /** What became of a payment: an outcome, 'in-flight' or 'never'. */
  sentStatus(hashKey: string): PaymentOutcome | 'in-flight' | 'never' {
    if (this.#pending.has(hashKey)) return 'in-flight'
    return this.#sent.get(hashKey) ?? 'never'
  }

  hasSettled(hashKey: string): boolean {
    return this.#settled.has(hashKey)
  }

  recordSettled(hashKey: string): void {
    this.#settled.limit(this.#network.memory.hashes)
    this.#settled.add(hashKey)
  }

  /** Records a settled keysend: it gets the next settle index, and the process hears of it. */
  addArrival(arrival: Omit<SettledInvoice, 'settleIndex'>): void {
    this.#settleIndex++
    this.#arrivals.push({ settleIndex: this.#settleIndex, ...arrival })
    const kept = this.#network.memory.arrivals
    if (this.#arrivals.length >= kept * 2) {
      this.#arrivals = this.#arrivals.slice(-kept)
      this.#firstKept = this.#settleIndex - kept + 1
    }
    if (this.isListening) this.#process?.deliverArrivals()
  }

  /** Of the last settled invoice; 0 before the first. */
  get settleIndex(): number {
    return this.#settleIndex
  }

  /** Arrivals that are still known. */
  get keptArrivals(): number {
    return this.#arrivals.length
  }

  /** One of those, the oldest at 0. */
  arrivalAt(index: number): SettledInvoice | undefined {
    return this.#arrivals[index]
  }

  /** The first arrival after this index, if it is still known. */
  arrivalAfter(settleIndex: number): SettledInvoice | undefined {
    return this.#arrivals[Math.max(0, settleIndex + 1 - this.#firstKept)]
  }
}
