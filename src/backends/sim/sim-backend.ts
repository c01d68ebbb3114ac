import { toHex } from '../../floor/bytes.ts'
import type { Clock } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { FailureReason, Payment, PaymentOutcome } from '../../medium/payment.ts'
import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import type { Route, RouteHint, RouteRequest } from '../../medium/route.ts'
import type { Verdict } from '../../medium/verdict.ts'
import {
  BackendError,
  type Backend,
  type BackendEvent,
  type BackendStart,
  type NodeInfo,
  type StartedNode,
} from '../backend.ts'
import { isPoint } from '../../wire/curve.ts'
import { ecdh } from '../../wire/keys.ts'
import type { HtlcAttempt } from './htlc-attempt.ts'
import { Blocking } from './blocking.ts'
import type { ChannelLink } from './channel.ts'
import type { Network } from './network.ts'
import type { AttachedProcess, SimNode } from './node.ts'
import { checkPathRequest, ProcessPaths, type OpenPath } from './blinded-paths.ts'
import { INTRODUCTION_ROOM_MSAT } from './introductions.ts'
import { checkRouteRequest, isValidPayment, planAttempt, ProcessRoutes } from './pinned-routes.ts'
import { fingerprint } from './trace.ts'

/** One process on one simulated node. A restarted process is a new one of these. */
export class SimBackend implements Backend, AttachedProcess {
  readonly name: string
  readonly clock: Clock
  readonly entropy: Entropy
  readonly #network: Network
  readonly #node: SimNode
  readonly #blocking: Blocking
  readonly #watched: boolean
  readonly #routes: ProcessRoutes
  readonly #paths: ProcessPaths
  #phantomLane = false
  #tellsKeysends = false
  #state: 'new' | 'started' | 'stopped' | 'crashed' = 'new'
  #sink: ((event: BackendEvent) => void) | undefined
  /** Settle index of the last arrival that was handed over. */
  #settleIndex = 0

  /** `attachment`: how many processes this node had before; it sets their randomness apart. */
  constructor(network: Network, node: SimNode, attachment: number) {
    this.#network = network
    this.#node = node
    this.#blocking = new Blocking(network)
    this.name = `sim:${node.name}`
    this.clock = this.#blocking.clock
    const random = network.random(`process/${node.name}/${attachment}`)
    const bytes = random.child('entropy')
    this.entropy = { bytes: (length) => bytes.bytes(length) }
    this.#watched = network.observations.watches(node.name)
    let made = 0
    const nextId = (): number => ++made
    this.#routes = new ProcessRoutes({ network, node, nextId })
    this.#paths = new ProcessPaths({ network, node, process: this, random, nextId })
  }

  // The contract's functions

  async start(options: BackendStart): Promise<StartedNode> {
    this.#network.engine.enter()
    const node = this.#node
    if (this.#state !== 'new')
      throw new BackendError('stopped', 'this backend was started before; take a new one for every process')
    if (node.process !== undefined)
      throw new BackendError(
        'unsupported',
        `another process is attached to '${node.name}': a node takes one interceptor. Stop it first.`,
      )
    if (!node.online)
      throw new BackendError('offline', `node '${node.name}' is away; try again when it is back`, { away: 'node' })
    this.#state = 'started'
    this.#sink = options.sink
    this.#phantomLane = options.phantomLane === true
    this.#tellsKeysends = options.keysends === true
    const seen = Number(options.lastSettleIndex ?? options.settleIndex ?? 0n)
    const isBehind = seen > node.settleIndex
    const { settleIndex } = options
    this.#settleIndex = settleIndex === undefined || isBehind ? node.settleIndex : Number(settleIndex)
    node.attach(this)
    this.#network.trace('process', node.index, 1)
    node.interceptor.connect()
    this.#network.after(0, () => this.deliverArrivals())
    const info = this.#info()
    this.#log('start', { settleIndex: options.settleIndex, phantomLane: this.#phantomLane }, info)
    return isBehind ? { ...info, isBehind } : info
  }

  identify(): Promise<NodeInfo> {
    return Promise.resolve(this.#info())
  }

  #info(): NodeInfo {
    return { publicKey: this.#node.publicKey.slice(), blockHeight: this.#network.height, network: 'sim' }
  }

  async stop(): Promise<void> {
    this.#network.engine.enter()
    if (this.#state !== 'started') return
    this.loseSight()
    this.#detach('stopped')
  }

  async findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    this.#mustRun()
    checkRouteRequest(request)
    const end = this.#routes.endOf(request.destination)
    await this.#delay(this.#network.plan.rpc.findRoutesMs)
    return this.#log('findRoutes', request, this.#routes.find(request, end))
  }

  pay(payment: Payment): Promise<PaymentOutcome> {
    this.#network.engine.enter()
    const outcome = this.#pay(payment)
    if (!this.#watched) return outcome
    return outcome.then((result) => this.#log('pay', payment, result))
  }

  async track(hash: Uint8Array): Promise<PaymentOutcome | { readonly status: 'in-flight' | 'never' }> {
    this.#mustRun()
    const status = this.#node.sentStatus(toHex(hash))
    return this.#log('track', hash, typeof status === 'string' ? { status } : status)
  }

  async routeHints(): Promise<readonly RouteHint[]> {
    this.#mustRun()
    const links = this.#node.links.filter((link) => !link.channel.closed)
    const announced = this.#node.plan.public ? links.filter((link) => !link.channel.private) : []
    // spec §1.6: where no public channel has room towards the node.
    const isFound = announced.some(({ reverse }) => reverse.balanceMsat >= INTRODUCTION_ROOM_MSAT)
    const hidden = links.filter((link) => !announced.includes(link) && link.to.plan.public)
    const hints = isFound ? [] : hidden.map(hintTo)
    return this.#log('routeHints', undefined, hints)
  }

  async makePaths(request: PathRequest): Promise<PathResult> {
    this.#mustRun()
    checkPathRequest(request)
    await this.#delay(this.#network.plan.rpc.makePathsMs)
    return this.#log('makePaths', request, this.#paths.make(request))
  }

  async closePaths(pathIds: readonly string[]): Promise<void> {
    this.#mustBeStarted()
    let closed = 0
    for (const pathId of pathIds) if (this.#paths.close(pathId)) closed++
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

  async hold(offerId: string): Promise<number | undefined> {
    this.#mustBeStarted()
    return this.#log('hold', offerId, this.#node.interceptor.hold(offerId))
  }

  async sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    this.#mustRun()
    if (!isPoint(point)) {
      throw new BackendError('bad-point', 'sharedSecret takes a compressed point of secp256k1, 33 bytes')
    }
    const secret = ecdh(this.#node.secretKey, point)
    await this.#delay(this.#network.plan.rpc.sharedSecretMs)
    return secret
  }

  // What the network calls

  get phantomLane(): boolean {
    return this.#phantomLane
  }

  emit(event: BackendEvent): void {
    this.#blocking.whenFree(() => this.#deliver(event))
  }

  #deliver(event: BackendEvent): void {
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

  deliverArrivals(): void {
    while (this.#state === 'started' && this.#node.isListening) {
      const arrival = this.#node.arrivalAfter(this.#settleIndex)
      if (arrival === undefined) return
      this.#settleIndex = arrival.settleIndex
      const amountMsat = BigInt(arrival.amountMsat)
      const hash = arrival.hash.slice()
      const settleIndex = BigInt(arrival.settleIndex)
      if (arrival.records === undefined)
        this.emit({ type: 'arrival', record: arrival.record.slice(), amountMsat, hash, settleIndex })
      else if (this.#tellsKeysends)
        this.emit({ type: 'keysend', records: structuredClone(arrival.records), amountMsat, hash, settleIndex })
    }
  }

  // What faults do to a process

  /** Every payment under way becomes 'unknown'. */
  loseSight(): void {
    for (const attempt of this.#node.underWay) {
      const resolve = attempt.loseSight()
      if (resolve === undefined) continue
      this.#network.engine.callOut()
      this.#blocking.whenFree(() => resolve({ status: 'unknown' }))
    }
  }

  block(forMs: number): void {
    this.#network.trace('blocked', this.#node.index, forMs)
    this.#blocking.block(forMs)
  }

  /** The process is gone: its promises stay open for ever. */
  crash(): void {
    for (const attempt of this.#node.underWay) attempt.loseSight()
    this.#blocking.end()
    this.#detach('crashed')
  }

  /** Hands the last arrivals over again. */
  replayArrivals(count: number): void {
    this.#settleIndex = Math.max(0, this.#settleIndex - count)
    this.deliverArrivals()
  }

  forgetRoutes(): void {
    this.#routes.clear()
  }

  /** Emits 'paths-stale' for the open paths that no longer work. */
  checkPaths(broken: (path: OpenPath) => boolean): void {
    const pathIds = this.#paths.broken(broken)
    if (pathIds.length > 0 && this.#node.isListening) this.emit({ type: 'paths-stale', pathIds })
  }

  dropExpiredPaths(): void {
    this.#paths.dropExpired()
  }

  // How calls are carried out

  #pay(payment: Payment): Promise<PaymentOutcome> {
    const node = this.#node
    if (this.#state !== 'started' || !node.online || !node.streamUp) return failed('node-away')
    const pinned = this.#routes.get(payment.routeId)
    if (pinned === undefined) return failed('route-gone')
    if (!isValidPayment(pinned, payment, this.#network.height)) return failed('invalid')
    const hashKey = toHex(payment.hash)
    const isFree = payment.isLocked === true ? node.mayPayAgain(hashKey) : !node.knows(hashKey)
    if (!isFree) return failed('duplicate-hash')
    const plan = planAttempt(pinned, payment, hashKey, this.#network.height)
    return new Promise((resolve) => {
      this.#network.trace(
        'pay',
        this.#network.counts.sent + 1,
        node.index,
        (plan.links.at(-1) as HtlcAttempt['plan']['links'][number]).to.index,
        plan.amountMsat,
        fingerprint(plan.record),
      )
      this.#network.send(node, plan, (outcome) => this.#blocking.whenFree(() => resolve(outcome)))
    })
  }

  #detach(state: 'stopped' | 'crashed'): void {
    this.#state = state
    this.#sink = undefined
    this.#paths.closeAll()
    this.#routes.clear()
    this.#node.interceptor.disconnect()
    this.#node.detach()
    this.#network.trace('process', this.#node.index, 0)
  }

  #mustRun(): void {
    this.#mustBeStarted()
    if (!this.#node.online || !this.#node.streamUp)
      throw new BackendError('offline', `node '${this.#node.name}' is away`, {
        advice: "wait for 'online'",
        away: 'node',
      })
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

  /** Waits for as long as the node takes for an answer; a process that is gone by then gets none. */
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
function hintTo({ channel, reverse }: ChannelLink): RouteHint {
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
