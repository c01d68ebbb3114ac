import type { Duplex } from 'node:stream'
import { BoundedMap } from '../../../floor/bounded.ts'
import { equalBytes, toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { Entropy } from '../../../floor/entropy.ts'
import type { Payment, PaymentOutcome } from '../../../medium/payment.ts'
import type { PathRequest, PathResult } from '../../../medium/reply-path.ts'
import type { Route, RouteHint, RouteRequest } from '../../../medium/route.ts'
import type { Verdict } from '../../../medium/verdict.ts'
import { type Backend, BackendError, type BackendEvent, type BackendStart, type NodeInfo } from '../../backend.ts'
import { MAX_NAMED_CONNECTIONS } from '../protocol/limits.ts'
import {
  type AttachResult,
  type CallName,
  type Calls,
  failedHere,
  type SentEvent,
  type Tracked,
} from '../protocol/messages.ts'
import { headerOf, isFromInitiator } from '../protocol/packet-header.ts'
import { DaemonConnection } from './daemon-connection.ts'

export interface DaemonBackendOptions {
  /** Connects to the daemon, at first and again whenever the connection ends. */
  readonly open: () => Promise<Duplex>
  readonly clock: Clock
  readonly entropy: Entropy
  /** What the program calls itself. */
  readonly program?: string
}

/**
 * A node that a daemon owns, as if this program had it alone. While the daemon is away the node counts as away;
 * it is called again with growing pauses, ports are claimed again, and what settled meanwhile is handed up.
 */
export class DaemonBackend implements Backend {
  readonly name: string = 'daemon'
  readonly clock: Clock
  readonly entropy: Entropy
  readonly #daemon: DaemonConnection
  readonly #ports = new Set<number>()
  readonly #connections = new RecentConnections()
  /** Records of offers on the unblinded lane that wait for a verdict: what is refused may be for any program. */
  readonly #unpaid = new Map<string, Uint8Array>()
  readonly #ids = new IdMapper()
  readonly #session: Uint8Array
  readonly #program: string | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'
  #start: BackendStart | undefined
  #node: NodeInfo | undefined
  /** The last arrival that was handed up, or that was before this program's time. */
  #settleIndex: bigint | undefined
  /** As the program above heard last. */
  #isOnline = true
  #height = 0

  constructor(options: DaemonBackendOptions) {
    this.clock = options.clock
    this.entropy = options.entropy
    this.#session = options.entropy.bytes(16)
    this.#program = options.program
    this.#daemon = new DaemonConnection({
      clock: options.clock,
      open: options.open,
      describe: (isBack) => this.#describe(isBack),
      check: (attached) => this.#check(attached),
      attached: (attached, isBack) => this.#attached(attached, isBack),
      event: (event) => this.#handle(event),
      lost: (why) => this.#lost(why),
      hindered: ({ code, message }) => this.#emit({ type: 'warning', code, message }),
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
      const { node } = await this.#daemon.start()
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
    await this.#daemon.stop()
  }

  async findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    const routes = await this.#call('findRoutes', request)
    return routes.map((route) => ({ ...route, id: this.#ids.toProgram(route.id) }))
  }

  async pay(payment: Payment): Promise<PaymentOutcome> {
    if (this.#state !== 'started' || !this.#daemon.isAttached) return failedHere('node-away')
    const routeId = this.#ids.toDaemon(payment.routeId)
    if (routeId === undefined) return failedHere('route-gone')
    this.#connections.sent(payment.record)
    try {
      return (await this.#daemon.pay({ ...payment, routeId })) ?? failedHere('node-away')
    } catch (error) {
      // Nobody knows whether it was sent, unless it could not be written as a message.
      return error instanceof BackendError && error.code === 'bad-request'
        ? failedHere('invalid')
        : { status: 'unknown' }
    }
  }

  track(hash: Uint8Array): Promise<Tracked> {
    return this.#call('track', { hash })
  }

  async makePaths(request: PathRequest): Promise<PathResult> {
    const { paths, ...rest } = await this.#call('makePaths', request)
    const named = paths.map((path) => ({ ...path, pathId: this.#ids.openPath(path.pathId) }))
    return { ...rest, paths: named }
  }

  async closePaths(pathIds: readonly string[]): Promise<void> {
    const known = pathIds.map((pathId) => this.#ids.closePath(pathId)).filter((pathId) => pathId !== undefined)
    await this.#call('closePaths', { pathIds: known })
  }

  async answer(offerId: string, verdict: Verdict): Promise<void> {
    const record = this.#unpaid.get(offerId)
    this.#unpaid.delete(offerId)
    if (record !== undefined && verdict.action === 'settle') this.#connections.received(record)
    const known = this.#ids.toDaemon(offerId)
    // An offer of an earlier connection is gone.
    if (known !== undefined) await this.#call('answer', { offerId: known, verdict })
  }

  async hold(offerId: string): Promise<number | undefined> {
    const known = this.#ids.toDaemon(offerId)
    if (known === undefined) return undefined
    const { leftMs } = await this.#call('hold', { offerId: known })
    return leftMs === undefined ? undefined : this.clock.now() + leftMs
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
      await this.#daemon.untilBack()
    }
  }

  async releasePort(port: number): Promise<void> {
    this.#ports.delete(port)
    if (this.#daemon.isAttached) await this.#call('releasePort', { port })
  }

  // ---- The connection ----------------------------------------------------------------------------------

  #describe(isBack: boolean): Calls['attach']['argument'] {
    const { phantomLane, keysends } = this.#start ?? {}
    return {
      session: this.#session,
      isBack,
      ...(this.#settleIndex === undefined ? {} : { settleIndex: this.#settleIndex }),
      ...(phantomLane === undefined ? {} : { phantomLane }),
      ...(keysends === undefined ? {} : { keysends }),
      ...(this.#program === undefined ? {} : { program: this.#program }),
      ports: [...this.#ports],
      initiators: this.#connections.initiators,
      responders: this.#connections.responders,
    }
  }

  /** @throws BackendError where the daemon owns another node by now */
  #check({ node }: AttachResult): void {
    if (this.#node !== undefined && !equalBytes(node.publicKey, this.#node.publicKey)) {
      this.#emit({
        type: 'warning',
        code: 'other-node',
        message: 'the daemon owns another node now; this program waits for its own one to come back',
      })
      throw new BackendError('offline', 'the daemon owns another node', { away: 'daemon' })
    }
  }

  /** Emits what has changed since the last attachment. */
  #attached({ node, isOnline, settleIndex, portsInUse }: AttachResult, isBack: boolean): void {
    this.#settleIndex ??= settleIndex
    const stale = this.#ids.nextAttachment()
    this.#unpaid.clear()
    if (isOnline !== this.#isOnline) {
      this.#isOnline = isOnline
      if (isOnline) this.#emit({ type: 'online', detail: 'the daemon is back', away: 'daemon' })
      else this.#emit({ type: 'offline', detail: 'the daemon is there, its node is away', away: 'node' })
    }
    if (isBack && node.blockHeight > this.#height) this.#emit({ type: 'block', height: node.blockHeight })
    this.#height = node.blockHeight
    if (stale.length > 0) this.#emit({ type: 'paths-stale', pathIds: stale })
    for (const port of portsInUse) {
      this.#ports.delete(port)
      const message = `another program took port ${port} while the daemon was away: this one gets no connections there; listen again`
      this.#emit({ type: 'warning', code: 'port-lost', message })
    }
  }

  #lost(why: string): void {
    if (!this.#isOnline) return
    this.#isOnline = false
    this.#emit({ type: 'offline', detail: `the daemon is away: ${why}`, away: 'daemon' })
  }

  async #call<Name extends Exclude<CallName, 'pay'>>(
    call: Name,
    argument: Calls[Name]['argument'],
  ): Promise<Calls[Name]['result']> {
    this.#mustRun()
    const result = await this.#daemon.call(call, argument)
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

  #handle(event: SentEvent): void {
    switch (event.type) {
      case 'arrival':
      case 'keysend':
        if (this.#settleIndex === undefined || event.settleIndex > this.#settleIndex)
          this.#settleIndex = event.settleIndex
        if (event.type === 'arrival') this.#connections.received(event.record)
        return this.#emit(event)
      case 'offer': {
        const { leftMs, pathId, offerId, ...rest } = event
        const path = pathId === undefined ? undefined : this.#ids.toProgram(pathId)
        const outOfferId = this.#ids.toProgram(offerId)
        if (pathId === undefined) this.#unpaid.set(outOfferId, event.record)
        return this.#emit({
          ...rest,
          offerId: outOfferId,
          ...(path === undefined ? {} : { pathId: path }),
          deadlineMs: this.clock.now() + leftMs,
        })
      }
      case 'offer-gone': {
        const offerId = this.#ids.toProgram(event.offerId)
        this.#unpaid.delete(offerId)
        return this.#emit({ ...event, offerId })
      }
      case 'paths-stale':
      case 'candidates':
        return this.#emit({ ...event, pathIds: event.pathIds.map((pathId) => this.#ids.toProgram(pathId)) })
      case 'online':
      case 'offline':
        this.#isOnline = event.type === 'online'
        return this.#emit(event)
      case 'block':
        this.#height = event.height
        return this.#emit(event)
      case 'offer-confirmed':
      case 'payment-resolved':
      case 'warning':
        return this.#emit(event)
    }
  }

  #emit(event: BackendEvent): void {
    this.#start?.sink(event)
  }
}

/**
 * Ids of routes, paths and offers, each good for one attachment: a daemon that started again may give the same id to
 * another thing. To the program above they carry the attachment's number.
 */
class IdMapper {
  #attachment = 0
  /** As the program above knows them. */
  readonly #openPaths = new Set<string>()

  /** Another attachment begins. Returns the paths of those before, which work no more. */
  nextAttachment(): string[] {
    this.#attachment += 1
    const stale = [...this.#openPaths]
    this.#openPaths.clear()
    return stale
  }

  /** From the daemon to the program. */
  toProgram(id: string): string {
    return `${this.#attachment}.${id}`
  }

  /** From the program to the daemon; undefined for an id of an earlier attachment, or none of ours. */
  toDaemon(id: string): string | undefined {
    const prefix = `${this.#attachment}.`
    return id.startsWith(prefix) ? id.slice(prefix.length) : undefined
  }

  openPath(id: string): string {
    const path = this.toProgram(id)
    this.#openPaths.add(path)
    return path
  }

  closePath(path: string): string | undefined {
    this.#openPaths.delete(path)
    return this.toDaemon(path)
  }
}

/** The connection ids that a program met last, by its end of them: for a daemon that does not know them. */
class RecentConnections {
  readonly #initiators = new BoundedMap<string, Uint8Array>(MAX_NAMED_CONNECTIONS)
  readonly #responders = new BoundedMap<string, Uint8Array>(MAX_NAMED_CONNECTIONS)

  get initiators(): readonly Uint8Array[] {
    return [...this.#initiators.values()]
  }

  get responders(): readonly Uint8Array[] {
    return [...this.#responders.values()]
  }

  /** An OPEN that was paid makes this program its responder; other packets may be for another program. */
  received(record: Uint8Array): void {
    const header = headerOf(record)?.header
    if (header?.cid === undefined) return
    const id = toHex(header.cid)
    if (header.kind === 'open' || this.#responders.has(id)) this.#responders.renew(id, header.cid)
  }

  /** On the node lane, what is sent names its connection. */
  sent(record: Uint8Array): void {
    const header = headerOf(record)?.header
    if (header?.cid === undefined) return
    const ids = isFromInitiator(header) ? this.#initiators : this.#responders
    ids.renew(toHex(header.cid), header.cid)
  }
}
