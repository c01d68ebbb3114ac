import { secp256k1 } from '@noble/curves/secp256k1.js'
import { equalBytes } from '@noble/curves/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import {
  BackendError,
  type Backend,
  type BackendEvent,
  type BackendStart,
  type Clock,
  type Destination,
  type Entropy,
  type FailureReason,
  type NodeInfo,
  type PathRequest,
  type PathResult,
  type Payment,
  type PaymentOutcome,
  type ReplyPath,
  type Route,
  routeFeeMsat,
  type RouteHint,
  type RouteRequest,
  type Verdict,
} from '../backend.ts'
import { POINT_BYTES } from '../../wire/keys.ts'
import type { Attempt } from './attempt.ts'
import { Blocking } from './blocking.ts'
import { decodePath } from '../paths/reply-path.ts'
import { MAX_AMOUNT_MSAT, MAX_OPEN_PATHS, MAX_PATHS, MAX_PINNED_ROUTES, MAX_ROUTES } from './bounds.ts'
import { candidateInitiators } from '../paths/candidates.ts'
import { MAX_PATH_DELTA_BLOCKS } from '../paths/path-classes.ts'
import type { Link } from './channel.ts'
import type { Network } from './network.ts'
import type { AttachedProcess, SimNode } from './node.ts'
import { chooseIntroduction, makePath, type OpenPath } from './open-paths.ts'
import { findWays } from './pathfinding.ts'
import { pinRoute, planAttempt, recordFits, type BlindedEnd, type PinnedRoute, type RouteEnd } from './pinned-route.ts'
import { publicGraph } from './public-graph.ts'
import type { Random } from './random.ts'
import { fingerprint } from './trace.ts'

const HASH_BYTES = 32
const MOST_LIFETIME_BLOCKS = 2_016

/** One process on one simulated node. A restarted process is a new one of these. */
export class SimBackend implements Backend, AttachedProcess {
  readonly name: string
  readonly clock: Clock
  readonly entropy: Entropy
  readonly #network: Network
  readonly #node: SimNode
  readonly #random: Random
  readonly #blocking: Blocking
  readonly #watched: boolean
  readonly #routes = new Map<string, PinnedRoute>()
  readonly #paths = new Map<string, { readonly key: string; readonly open: OpenPath }>()
  #phantomLane = false
  #state: 'new' | 'started' | 'stopped' | 'crashed' = 'new'
  #sink: ((event: BackendEvent) => void) | undefined
  /** The last arrival that was handed up. */
  #settleIndex = 0
  #made = 0

  /** `attachment`: how many processes this node had before; it sets their randomness apart. */
  constructor(network: Network, node: SimNode, attachment: number) {
    this.#network = network
    this.#node = node
    this.#blocking = new Blocking(network)
    this.name = `sim:${node.name}`
    this.clock = this.#blocking.clock
    this.#random = network.random(`process/${node.name}/${attachment}`)
    const bytes = this.#random.child('entropy')
    this.entropy = { bytes: (length) => bytes.bytes(length) }
    this.#watched = network.observations.watches(node.name)
  }

  // The contract's functions

  async start(options: BackendStart): Promise<NodeInfo> {
    this.#network.engine.enter()
    const node = this.#node
    if (this.#state !== 'new')
      throw new BackendError('stopped', 'this backend was started before; take a new one for every process')
    if (node.process !== undefined)
      throw new BackendError(
        'unsupported',
        `another process is attached to '${node.name}': a node takes one interceptor. Stop it first.`,
      )
    if (!node.online) throw new BackendError('offline', `node '${node.name}' is away; try again when it is back`)
    this.#state = 'started'
    this.#sink = options.sink
    this.#phantomLane = options.phantomLane === true
    this.#settleIndex = options.settleIndex === undefined ? node.settleIndex : Number(options.settleIndex)
    node.process = this
    node.streamUp = true
    node.untold.length = 0
    this.#network.trace('process', node.index, 1)
    node.interceptor.connect()
    this.#network.after(0, () => this.arrivalsWaiting())
    const info: NodeInfo = { publicKey: node.publicKey.slice(), blockHeight: this.#network.height, network: 'sim' }
    return this.#log('start', { settleIndex: options.settleIndex, phantomLane: this.#phantomLane }, info)
  }

  async stop(): Promise<void> {
    this.#network.engine.enter()
    if (this.#state !== 'started') return
    this.loseSight()
    this.#detach('stopped')
  }

  async findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    this.#mustRun()
    if (!(request.count >= 1 && request.count <= MAX_ROUTES))
      throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_ROUTES} routes`)
    if (request.amountMsat < 1n || request.amountMsat > BigInt(MAX_AMOUNT_MSAT))
      throw new BackendError('bad-request', `amountMsat is ${request.amountMsat}; it must be 1..${MAX_AMOUNT_MSAT}`)
    const end = this.#endOf(request.destination)
    await this.#delay(this.#network.plan.rpc.findRoutesMs)
    return this.#log('findRoutes', request, this.#findRoutes(request, end))
  }

  pay(payment: Payment): Promise<PaymentOutcome> {
    this.#network.engine.enter()
    const outcome = this.#pay(payment)
    if (!this.#watched) return outcome
    return outcome.then((result) => this.#log('pay', payment, result))
  }

  async track(hash: Uint8Array): Promise<PaymentOutcome | { readonly status: 'in-flight' | 'never' }> {
    this.#mustRun()
    const status = this.#node.sentStatus(bytesToHex(hash))
    return this.#log('track', hash, typeof status === 'string' ? { status } : status)
  }

  async routeHints(): Promise<readonly RouteHint[]> {
    this.#mustRun()
    const links = this.#node.links.filter((link) => !link.channel.closed)
    const isPublic = this.#node.plan.public && links.some((link) => !link.channel.private)
    const hints = isPublic ? [] : links.filter((link) => link.to.plan.public).map(hintTo)
    return this.#log('routeHints', undefined, hints)
  }

  async makePaths(request: PathRequest): Promise<PathResult> {
    this.#mustRun()
    if (!(request.count >= 1 && request.count <= MAX_PATHS))
      throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_PATHS} paths`)
    if (!(request.lifetimeBlocks >= 1 && request.lifetimeBlocks <= MOST_LIFETIME_BLOCKS)) {
      throw new BackendError(
        'bad-request',
        `lifetimeBlocks is ${request.lifetimeBlocks}; it must be 1..${MOST_LIFETIME_BLOCKS}`,
      )
    }
    if (request.payer.length !== POINT_BYTES)
      throw new BackendError(
        'bad-point',
        `the payer's key has ${request.payer.length} bytes in place of ${POINT_BYTES}`,
      )
    await this.#delay(this.#network.plan.rpc.makePathsMs)
    return this.#log('makePaths', request, this.#makePaths(request))
  }

  async closePaths(pathIds: readonly string[]): Promise<void> {
    this.#mustBeStarted()
    let closed = 0
    for (const pathId of pathIds) if (this.#closePath(pathId)) closed++
    this.#network.trace('paths', this.#node.index, 0, closed)
    this.#log('closePaths', pathIds, undefined)
  }

  async answer(offerId: string, verdict: Verdict): Promise<void> {
    this.#network.engine.enter()
    // When the process was stopped or the node is away, the offer is gone, and the answer is ignored.
    if (this.#state !== 'started') return
    this.#log('answer', { offerId, verdict }, undefined)
    this.#node.interceptor.answer(offerId, verdict)
  }

  async sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    this.#mustRun()
    if (point.length !== POINT_BYTES || !secp256k1.utils.isValidPublicKey(point, true)) {
      throw new BackendError('bad-point', 'sharedSecret takes a compressed point of secp256k1, 33 bytes')
    }
    const secret = sha256(secp256k1.getSharedSecret(this.#node.secretKey, point, true))
    await this.#delay(this.#network.plan.rpc.sharedSecretMs)
    return secret
  }

  // What the network tells

  get phantomLane(): boolean {
    return this.#phantomLane
  }

  tell(event: BackendEvent): void {
    this.#blocking.whenFree(() => this.#tell(event))
  }

  #tell(event: BackendEvent): void {
    if (this.#state !== 'started') return
    this.#network.engine.callOut()
    this.#network.trace('told', this.#node.index, this.#network.word(event.type))
    if (this.#watched)
      this.#network.observations.add(this.#node.name, {
        timeMs: this.#network.engine.nowMs,
        kind: 'event',
        event: structuredClone(event),
      })
    this.#sink?.(event)
  }

  arrivalsWaiting(): void {
    while (this.#state === 'started' && this.#node.canTell) {
      const arrival = this.#node.arrivalAfter(this.#settleIndex)
      if (arrival === undefined) return
      this.#settleIndex = arrival.settleIndex
      this.tell({
        type: 'arrival',
        record: arrival.record.slice(),
        amountMsat: BigInt(arrival.amountMsat),
        hash: arrival.hash.slice(),
        settleIndex: BigInt(arrival.settleIndex),
      })
    }
  }

  // What faults do to a process

  /** Every payment under way becomes 'unknown'. */
  loseSight(): void {
    for (const attempt of this.#node.underWay) {
      const { resolve } = attempt
      attempt.resolve = undefined
      if (resolve === undefined) continue
      this.#network.engine.callOut()
      this.#blocking.whenFree(() => resolve({ status: 'unknown' }))
    }
  }

  block(forMs: number): void {
    this.#network.trace('blocked', this.#node.index, forMs)
    this.#blocking.block(forMs)
  }

  /** The process is gone: nothing that it waited for comes. */
  crash(): void {
    for (const attempt of this.#node.underWay) attempt.resolve = undefined
    this.#blocking.end()
    this.#detach('crashed')
  }

  /** Hands the last arrivals up again. */
  replayArrivals(count: number): void {
    this.#settleIndex = Math.max(0, this.#settleIndex - count)
    this.arrivalsWaiting()
  }

  forgetRoutes(): void {
    this.#routes.clear()
  }

  /** Tells of open paths that no longer work, by what has happened to a channel or a node. */
  checkPaths(broken: (path: OpenPath) => boolean): void {
    const pathIds: string[] = []
    for (const [pathId, { open }] of this.#paths) if (!open.closed && broken(open)) pathIds.push(pathId)
    if (pathIds.length > 0 && this.#node.canTell) this.tell({ type: 'paths-stale', pathIds })
  }

  /** Paths past their height are forgotten. */
  dropExpiredPaths(): void {
    for (const [pathId, { open }] of this.#paths) if (open.expiryHeight <= this.#network.height) this.#closePath(pathId)
  }

  // How the calls are carried out

  #readPath(bytes: Uint8Array): BlindedEnd {
    const parts = decodePath(bytes)
    const pathKey = bytesToHex(parts.pathKey)
    const known = this.#network.paths.get(pathKey)
    // Altered bytes lead to the introduction node and no further: the onion's layers don't open.
    return { parts, pathKey, open: known !== undefined && equalBytes(known.bytes, bytes) ? known : undefined }
  }

  #endOf(destination: Destination): RouteEnd {
    if ('path' in destination) return this.#readPath(destination.path)
    return destination.lane
  }

  #findRoutes(request: RouteRequest, end: RouteEnd): Route[] {
    const network = this.#network
    const { destination } = request
    const blinded = typeof end === 'object' ? end : undefined
    const to = network.nodeByKey(
      'path' in destination ? (blinded as BlindedEnd).parts.introduction : destination.publicKey,
    )
    if (to === undefined || to === this.#node) return []
    // spec §9.6: a payee could hold what we send for as long as its path allows.
    if (blinded !== undefined && blinded.parts.totals.cltvDelta > MAX_PATH_DELTA_BLOCKS) return []
    const amountMsat = Number(request.amountMsat)
    const ways = findWays(network, {
      from: this.#node,
      to,
      amountMsat:
        amountMsat +
        (blinded === undefined
          ? 0
          : Math.ceil((amountMsat * blinded.parts.totals.feePpm) / 1e6) + blinded.parts.totals.baseFeeMsat),
      count: request.count,
      avoid: new Set(request.avoid),
      hints: 'path' in destination ? [] : (destination.hints ?? []),
    })
    const routes: Route[] = []
    for (const hops of ways) {
      const pinned = pinRoute(`r${++this.#made}`, hops, end, amountMsat, network.height)
      const { route } = pinned
      if (routeFeeMsat(route, request.amountMsat) > request.maxFeeMsat || route.recordBytes < 0) continue
      this.#routes.set(route.id, pinned)
      if (this.#routes.size > MAX_PINNED_ROUTES) this.#routes.delete(this.#routes.keys().next().value as string)
      routes.push(route)
    }
    return routes
  }

  #pay(payment: Payment): Promise<PaymentOutcome> {
    const node = this.#node
    if (this.#state !== 'started' || !node.online || !node.streamUp) return failed('node-away')
    const pinned = this.#routes.get(payment.routeId)
    if (pinned === undefined) return failed('route-gone')
    if (!this.#isValid(pinned, payment)) return failed('invalid')
    const hashKey = bytesToHex(payment.hash)
    if (node.knows(hashKey)) return failed('duplicate-hash')
    const plan = planAttempt(pinned, payment, hashKey, this.#network.height)
    return new Promise((resolve) => {
      this.#network.trace(
        'pay',
        this.#network.counts.sent + 1,
        node.index,
        (plan.links.at(-1) as Attempt['plan']['links'][number]).to.index,
        plan.amountMsat,
        fingerprint(plan.record),
      )
      this.#network.send(node, plan, (outcome) => this.#blocking.whenFree(() => resolve(outcome)))
    })
  }

  #isValid(pinned: PinnedRoute, payment: Payment): boolean {
    const { route } = pinned
    if (
      payment.hash.length !== HASH_BYTES ||
      payment.amountMsat < route.minAmountMsat ||
      payment.amountMsat > route.maxAmountMsat
    )
      return false
    if (!recordFits(pinned, payment.record.length, Number(payment.amountMsat), this.#network.height)) return false
    if (pinned.end !== 'node') return payment.preimage === undefined
    return payment.preimage !== undefined && equalBytes(sha256(payment.preimage), payment.hash)
  }

  #makePaths(request: PathRequest): PathResult {
    const network = this.#network
    if (this.#paths.size + request.count > MAX_OPEN_PATHS)
      throw new BackendError('bad-request', `${this.#paths.size} paths are open; close some first`)
    const chain = chooseIntroduction(this.#node, request)
    const paths: ReplyPath[] = []
    for (let i = 0; i < request.count; i++) {
      const { open, path, key } = makePath({
        pathId: `p${++this.#made}`,
        maker: this.#node,
        process: this,
        chain,
        expiryHeight: network.height + request.lifetimeBlocks,
        random: this.#random,
      })
      this.#paths.set(path.pathId, { key, open })
      network.paths.set(key, open)
      paths.push(path)
    }
    network.trace('paths', this.#node.index, request.count, 0)
    const candidates = candidateInitiators(
      publicGraph(network),
      decodePath((paths[0] as ReplyPath).bytes),
      request.payer,
    ).length
    return { paths, candidates }
  }

  #closePath(pathId: string): boolean {
    const path = this.#paths.get(pathId)
    if (path === undefined) return false
    path.open.closed = true
    this.#paths.delete(pathId)
    return this.#network.paths.delete(path.key)
  }

  #detach(state: 'stopped' | 'crashed'): void {
    this.#state = state
    this.#sink = undefined
    for (const pathId of this.#paths.keys()) this.#closePath(pathId)
    this.#routes.clear()
    this.#node.interceptor.disconnect()
    this.#node.process = undefined
    this.#network.trace('process', this.#node.index, 0)
  }

  #mustRun(): void {
    this.#mustBeStarted()
    if (!this.#node.online || !this.#node.streamUp)
      throw new BackendError('offline', `node '${this.#node.name}' is away; wait for 'online'`)
  }

  #mustBeStarted(): void {
    this.#network.engine.enter()
    if (this.#state !== 'started') {
      throw new BackendError(
        'stopped',
        this.#state === 'new' ? 'start this backend first' : 'this backend was stopped; take a new one',
      )
    }
  }

  /** The node's own time for an answer; a process that is gone by then gets none. */
  async #delay(ms: number): Promise<void> {
    if (ms === 0) return
    await new Promise<void>((resolve) => {
      this.#network.after(ms, () =>
        this.#blocking.whenFree(() => {
          if (this.#state === 'crashed') return
          this.#network.engine.callOut()
          resolve()
        }),
      )
    })
    this.#mustRun()
  }

  #log<T>(call: string, argument: unknown, result: T): T {
    if (this.#watched) {
      const entry = structuredClone({ argument, result })
      this.#network.observations.add(this.#node.name, {
        timeMs: this.#network.engine.nowMs,
        kind: 'call',
        call,
        argument: entry.argument,
        result: entry.result,
      })
    }
    return result
  }
}

function failed(reason: FailureReason): Promise<PaymentOutcome> {
  return Promise.resolve({ status: 'failed', reason, place: 'local' })
}

/** The channel of this link, as the far end leads over it. */
function hintTo({ channel, reverse }: Link): RouteHint {
  const { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat } = reverse.policy
  return {
    publicKey: reverse.from.publicKey,
    channelId: channel.id,
    feeBaseMsat: BigInt(baseFeeMsat),
    feePpm,
    cltvDelta,
    minAmountMsat: BigInt(minHtlcMsat),
  }
}
