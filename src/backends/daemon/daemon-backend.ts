import type { Duplex } from 'node:stream'
import { equalBytes } from '../../floor/bytes.ts'
import type { Clock } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../medium/payment.ts'
import type { Route, RouteHint, RouteRequest } from '../../medium/route.ts'
import type { Verdict } from '../../medium/verdict.ts'
import { BackendError, type Backend, type BackendEvent, type BackendStart, type NodeInfo } from '../backend.ts'
import type { Attached, CallName, Calls } from './calls.ts'
import { Link } from './link.ts'
import { Names } from './names.ts'
import { failed } from './payments.ts'
import { RecentConnections } from './recent-connections.ts'
import type { SentEvent, Tracked } from './values.ts'

export interface DaemonBackendOptions {
  /** Connects to the daemon, at first and again whenever the connection ends. */
  readonly open: () => Promise<Duplex>
  readonly clock: Clock
  readonly entropy: Entropy
}

/**
 * A node that a daemon owns, as if this program had it alone. While the daemon is away the node counts as away;
 * it is called again with growing pauses, ports are claimed again, and what settled meanwhile is told.
 */
export class DaemonBackend implements Backend {
  readonly name: string = 'daemon'
  readonly clock: Clock
  readonly entropy: Entropy
  readonly #link: Link
  readonly #ports = new Set<number>()
  readonly #connections = new RecentConnections()
  /** Offers of the unblinded lane that wait for a verdict: what was refused may be anybody's. */
  readonly #unpaid = new Map<string, Uint8Array>()
  readonly #names = new Names()
  readonly #session: Uint8Array
  #state: 'new' | 'started' | 'stopped' = 'new'
  #start: BackendStart | undefined
  #node: NodeInfo | undefined
  /** The last arrival that was handed up, or that was before this program's time. */
  #settleIndex: bigint | undefined
  /** What the program above was told last. */
  #isOnline = true
  #height = 0

  constructor(options: DaemonBackendOptions) {
    this.clock = options.clock
    this.entropy = options.entropy
    this.#session = options.entropy.bytes(16)
    this.#link = new Link({
      clock: options.clock,
      open: options.open,
      describe: (isBack) => this.#describe(isBack),
      check: (attached) => this.#check(attached),
      attached: (attached, isBack) => this.#attached(attached, isBack),
      event: (event) => this.#take(event),
      lost: (why) => this.#lost(why),
      hindered: ({ code, message }) => this.#tell({ type: 'warning', code, message }),
    })
  }

  // ---- The contract ------------------------------------------------------------------------------------

  async start(options: BackendStart): Promise<NodeInfo> {
    if (this.#state !== 'new')
      throw new BackendError('stopped', 'this backend was started before; take a new one for every process')
    this.#state = 'started'
    this.#start = options
    this.#settleIndex = options.settleIndex
    try {
      const { node } = await this.#link.start()
      this.#node = node
      return node
    } catch (error) {
      this.#state = 'stopped'
      throw error
    }
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#start = undefined
    await this.#link.stop()
  }

  async findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    const routes = await this.#call('findRoutes', request)
    return routes.map((route) => ({ ...route, id: this.#names.out(route.id) }))
  }

  async pay(payment: Payment): Promise<PaymentOutcome> {
    if (this.#state !== 'started' || !this.#link.isAttached) return failed('node-away')
    const routeId = this.#names.in(payment.routeId)
    if (routeId === undefined) return failed('route-gone')
    this.#connections.sent(payment.record)
    try {
      return (await this.#link.pay({ ...payment, routeId })) ?? failed('node-away')
    } catch (error) {
      // Whether it was sent nobody knows, unless it could not even be written down.
      return error instanceof BackendError && error.code === 'bad-request' ? failed('invalid') : { status: 'unknown' }
    }
  }

  track(hash: Uint8Array): Promise<Tracked> {
    return this.#call('track', { hash })
  }

  async makePaths(request: PathRequest): Promise<PathResult> {
    const { paths, candidates } = await this.#call('makePaths', request)
    const named = paths.map((path) => ({ ...path, pathId: this.#names.openPath(path.pathId) }))
    return { paths: named, candidates }
  }

  async closePaths(pathIds: readonly string[]): Promise<void> {
    const known = pathIds.map((pathId) => this.#names.closePath(pathId)).filter((pathId) => pathId !== undefined)
    await this.#call('closePaths', { pathIds: known })
  }

  async answer(offerId: string, verdict: Verdict): Promise<void> {
    const record = this.#unpaid.get(offerId)
    this.#unpaid.delete(offerId)
    if (record !== undefined && verdict.action === 'settle') this.#connections.received(record)
    const known = this.#names.in(offerId)
    // One of an earlier connection is gone.
    if (known !== undefined) await this.#call('answer', { offerId: known, verdict })
  }

  routeHints(): Promise<readonly RouteHint[]> {
    return this.#call('routeHints', undefined)
  }

  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    return this.#call('sharedSecret', { point })
  }

  /** Waits for a daemon that is away. @throws BackendError 'port-in-use', 'stopped' */
  async claimPort(port: number): Promise<void> {
    for (;;) {
      try {
        await this.#call('claimPort', { port })
        this.#ports.add(port)
        return
      } catch (error) {
        if (!(error instanceof BackendError) || error.code !== 'offline') throw error
      }
      await this.#link.untilBack()
    }
  }

  async releasePort(port: number): Promise<void> {
    this.#ports.delete(port)
    if (this.#link.isAttached) await this.#call('releasePort', { port })
  }

  // ---- The connection ----------------------------------------------------------------------------------

  #describe(isBack: boolean): Calls['attach']['argument'] {
    const { phantomLane } = this.#start ?? {}
    return {
      session: this.#session,
      isBack,
      ...(this.#settleIndex === undefined ? {} : { settleIndex: this.#settleIndex }),
      ...(phantomLane === undefined ? {} : { phantomLane }),
      ports: [...this.#ports],
      initiators: this.#connections.initiators,
      responders: this.#connections.responders,
    }
  }

  /** @throws BackendError where the daemon owns another node by now */
  #check({ node }: Attached): void {
    if (this.#node !== undefined && !equalBytes(node.publicKey, this.#node.publicKey)) {
      this.#tell({
        type: 'warning',
        code: 'other-node',
        message: 'the daemon owns another node now; this program waits for its own one to come back',
      })
      throw new BackendError('offline', 'the daemon owns another node', { away: 'daemon' })
    }
  }

  /** Tells what has changed since the last attachment. */
  #attached({ node, isOnline, settleIndex, portsInUse }: Attached, isBack: boolean): void {
    this.#settleIndex ??= settleIndex
    const stale = this.#names.next()
    this.#unpaid.clear()
    if (isOnline !== this.#isOnline) {
      this.#isOnline = isOnline
      if (isOnline) this.#tell({ type: 'online', detail: 'the daemon is back', away: 'daemon' })
      else this.#tell({ type: 'offline', detail: 'the daemon is there, its node is away', away: 'node' })
    }
    if (isBack && node.blockHeight > this.#height) this.#tell({ type: 'block', height: node.blockHeight })
    this.#height = node.blockHeight
    if (stale.length > 0) this.#tell({ type: 'paths-stale', pathIds: stale })
    for (const port of portsInUse) {
      this.#ports.delete(port)
      const message = `another program took port ${port} while the daemon was away: this one gets no connections there; listen again`
      this.#tell({ type: 'warning', code: 'port-lost', message })
    }
  }

  #lost(why: string): void {
    if (!this.#isOnline) return
    this.#isOnline = false
    this.#tell({ type: 'offline', detail: `the daemon is away: ${why}`, away: 'daemon' })
  }

  async #call<Name extends Exclude<CallName, 'pay'>>(
    call: Name,
    argument: Calls[Name]['argument'],
  ): Promise<Calls[Name]['result']> {
    this.#mustRun()
    const result = await this.#link.call(call, argument)
    this.#mustRun()
    return result
  }

  #mustRun(): void {
    if (this.#state === 'started') return
    throw new BackendError(
      'stopped',
      this.#state === 'new' ? 'start this backend first' : 'this backend was stopped; take a new one',
    )
  }

  // ---- Events ------------------------------------------------------------------------------------------

  #take(event: SentEvent): void {
    switch (event.type) {
      case 'arrival':
        if (this.#settleIndex === undefined || event.settleIndex > this.#settleIndex)
          this.#settleIndex = event.settleIndex
        this.#connections.received(event.record)
        return this.#tell(event)
      case 'offer': {
        const { leftMs, pathId, offerId, ...rest } = event
        const path = pathId === undefined ? undefined : this.#names.out(pathId)
        const outOfferId = this.#names.out(offerId)
        if (pathId === undefined) this.#unpaid.set(outOfferId, event.record)
        return this.#tell({
          ...rest,
          offerId: outOfferId,
          ...(path === undefined ? {} : { pathId: path }),
          deadlineMs: this.clock.now() + leftMs,
        })
      }
      case 'offer-gone': {
        const offerId = this.#names.out(event.offerId)
        this.#unpaid.delete(offerId)
        return this.#tell({ ...event, offerId })
      }
      case 'paths-stale':
        return this.#tell({ ...event, pathIds: event.pathIds.map((pathId) => this.#names.out(pathId)) })
      case 'online':
      case 'offline':
        this.#isOnline = event.type === 'online'
        return this.#tell(event)
      case 'block':
        this.#height = event.height
        return this.#tell(event)
      case 'offer-confirmed':
      case 'payment-resolved':
      case 'warning':
        return this.#tell(event)
    }
  }

  #tell(event: BackendEvent): void {
    this.#start?.sink(event)
  }
}
