import { fromHex, toHex } from '../../floor/bytes.ts'
import { isPoint } from '../../wire/curve.ts'
import { prepareKeys } from '../../wire/keys.ts'
import { processClock, type Clock } from '../../floor/clock.ts'
import { processEntropy, type Entropy } from '../../floor/entropy.ts'
import type { PathRequest, PathResult } from '../../medium/reply-path.ts'
import type { Payment, PaymentOutcome } from '../../medium/payment.ts'
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
import { keysockHome } from '../../floor/home.ts'
import { lockNode, type NodeClaim, type NodeLock } from '../node-lock.ts'
import { asBackendError } from './rpc/errors.ts'
import { LndClient } from './rpc/client.ts'
import { Invoices } from './payments/invoices.ts'
import { Liveness } from './liveness.ts'
import { LocalHost, ThreadHost, type InterceptorHost } from './phantom/interceptor-host.ts'
import type { InterceptorReport } from './phantom/interceptor-messages.ts'
import { daemonCommand, openLndTarget, type LndCredentials, type LndOptions, type LndTarget } from './rpc/connection.ts'
import { OwnBalance } from './routes/own-balance.ts'
import { OwnChannels } from './routes/own-channels.ts'
import { Payments } from './payments/payments.ts'
import { Pruner } from './payments/pruner.ts'
import { PhantomLane } from './phantom/phantom-lane.ts'
import { Policies } from './routes/policies.ts'
import { routeHints } from './routes/route-hints.ts'
import { Routes } from './routes/routes.ts'
import type { RawInfo } from './rpc/raw-messages.ts'

const UNKNOWN_NETWORK = 'unknown'

function nodeInfo(info: RawInfo): NodeInfo {
  return {
    publicKey: fromHex(info.identity_pubkey),
    blockHeight: info.block_height,
    network: info.chains[0]?.network ?? UNKNOWN_NETWORK,
  }
}

interface PruneOption {
  /**
   * Delete the program's own payments from lnd when their outcome is stored, those of former processes that the store
   * knows included. The macaroon has to permit DeletePayment besides (`lndPrunePermissions`); where it does not, a
   * 'warning' with the code prune-denied says so, and they stay. Default false.
   */
  readonly prune?: boolean
}

/** Which node, and what is done there. */
export type LndBackendOptions = LndOptions & PruneOption

/** What a backend needs to keep other processes from its node. */
export type NodeExclusion = Pick<NodeClaim, 'home' | 'daemonCommand'>

/** The parts of a started backend. */
interface Parts {
  readonly routes: Routes
  readonly payments: Payments
  /** Undefined: payments stay in lnd. */
  readonly pruner: Pruner | undefined
  readonly invoices: Invoices
  readonly phantom: PhantomLane
  readonly liveness: Liveness
  readonly hints: () => Promise<RouteHint[]>
}

/** One process on one lnd node. It is started once; a restarted process takes a new one. */
export class LndBackend implements Backend {
  readonly name: string = 'lnd'
  readonly clock: Clock = processClock
  readonly entropy: Entropy = processEntropy
  readonly #target: LndTarget
  readonly #exclusion: NodeExclusion | undefined
  readonly #prunes: boolean
  readonly #client: LndClient
  #state: 'new' | 'started' | 'stopped' = 'new'
  #parts: Parts | undefined
  #lock: NodeLock | undefined
  #sink: ((event: BackendEvent) => void) | undefined
  /** Events in their order; each is emitted outside of any call. */
  readonly #events: BackendEvent[] = []
  #isEmitting = false
  /** What reads the interceptor, where that is a thread of its own. */
  #thread: ThreadHost | undefined
  /** Credentials that were read again. */
  #renewed: LndCredentials | undefined

  /**
   * @param exclusion keeps other processes from the node; without it nothing does
   * @throws BackendError 'bad-request' where `services` is no lnd object
   */
  constructor(target: LndTarget, exclusion?: NodeExclusion, { prune = false }: PruneOption = {}) {
    this.#target = target
    this.#prunes = prune
    this.#exclusion = exclusion
    this.#client = new LndClient(target.services)
  }

  async identify(): Promise<NodeInfo> {
    try {
      return nodeInfo(await this.#client.call('getInfo', {}))
    } catch (error) {
      throw asBackendError(error)
    }
  }

  async start(options: BackendStart): Promise<StartedNode> {
    if (this.#state !== 'new')
      throw new BackendError('stopped', 'this backend was started before; take a new one for every process')
    this.#state = 'started'
    this.#sink = options.sink
    try {
      const info = await this.#client.call('getInfo', {})
      this.#mustBeStarted()
      await this.#lockNode(info, options.daemonSocket)
      this.#mustBeStarted()
      const isBehind = await this.#isBehind(options)
      this.#mustBeStarted()
      const parts = this.#assemble(info, isBehind ? undefined : options.settleIndex, options.keysends === true)
      this.#parts = parts
      parts.invoices.open()
      // Once this is answered lnd has the subscription, which came before it on the same connection.
      await this.#client.call('getInfo', {})
      this.#mustBeStarted()
      parts.liveness.start()
      prepareKeys()
      // A thread takes half a second to come up.
      if (this.#target.credentials !== undefined) parts.phantom.startHost()
      // Before anything is paid.
      await parts.pruner?.probe()
      this.#mustBeStarted()
      if (options.phantomLane === true) await parts.phantom.listen()
      return isBehind ? { ...nodeInfo(info), isBehind } : nodeInfo(info)
    } catch (error) {
      await this.stop()
      throw asBackendError(error)
    }
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    const parts = this.#parts
    this.#state = 'stopped'
    this.#sink = undefined
    this.#events.splice(0)
    parts?.liveness.stop()
    parts?.payments.loseSight()
    parts?.invoices.stop()
    // First: nobody hears of what is offered any more, and deleting may take seconds.
    await parts?.phantom.stop()
    await parts?.pruner?.stop()
    this.#target.close()
    await this.#lock?.release()
  }

  async #isBehind({ settleIndex, lastSettleIndex = settleIndex }: BackendStart): Promise<boolean> {
    if (lastSettleIndex === undefined) return false
    return !(await Invoices.hasSettled({ client: this.#client, clock: this.clock }, lastSettleIndex))
  }

  /** @throws BackendError 'node-in-use' */
  async #lockNode({ identity_pubkey: publicKeyHex, chains }: RawInfo, daemonSocket: string | undefined): Promise<void> {
    if (this.#exclusion === undefined) return
    const network = chains[0]?.network ?? UNKNOWN_NETWORK
    try {
      const lock = await lockNode({ ...this.#exclusion, publicKeyHex, network, daemonSocket })
      this.#lock = lock
      // It may have been stopped meanwhile.
      if (this.#state !== 'started') await lock.release()
    } catch (error) {
      if (error instanceof BackendError) throw error
      const message = `other programs cannot be kept from this node, so start none beside this one: ${(error as Error).message}`
      this.#emit({ type: 'warning', code: 'no-lock', message })
    }
  }

  /** `stop` may be called during a call of `start`; it has ended all parts that were there by then. */
  #mustBeStarted(): void {
    if (this.#state !== 'started') throw new BackendError('stopped', 'this backend was stopped while it started')
  }

  findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    return this.#run(({ routes }) => routes.find(request))
  }

  async pay(payment: Payment): Promise<PaymentOutcome> {
    const parts = this.#state === 'started' ? this.#parts : undefined
    return parts?.payments.pay(payment) ?? { status: 'failed', reason: 'node-away', place: 'local' }
  }

  track(hash: Uint8Array): Promise<PaymentOutcome | { readonly status: 'in-flight' | 'never' }> {
    return this.#run(({ payments, pruner }) => {
      pruner?.own(toHex(hash))
      return payments.track(toHex(hash))
    })
  }

  forgetPayment(hash: Uint8Array): void {
    this.#parts?.pruner?.forget(hash)
  }

  makePaths(request: PathRequest): Promise<PathResult> {
    return this.#run(({ phantom }) => phantom.makePaths(request))
  }

  closePaths(pathIds: readonly string[]): Promise<void> {
    return this.#run(async ({ phantom }) => phantom.closePaths(pathIds))
  }

  answer(offerId: string, verdict: Verdict): Promise<void> {
    return this.#run(async ({ phantom }) => phantom.answer(offerId, verdict))
  }

  hold(offerId: string): Promise<number | undefined> {
    return this.#run(async ({ phantom }) => phantom.hold(offerId))
  }

  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    return this.#run(async () => {
      if (!isPoint(point))
        throw new BackendError('bad-point', 'sharedSecret takes a compressed point of secp256k1, 33 bytes')
      return await this.#sharedSecret(point)
    })
  }

  routeHints(): Promise<readonly RouteHint[]> {
    return this.#run(({ hints }) => hints())
  }

  /** lnd's ECDH with the node's own key: SHA-256 of the compressed point. */
  async #sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    const { shared_key: secret } = await this.#client.call('deriveSharedKey', { ephemeral_pubkey: point })
    return Uint8Array.from(secret)
  }

  #assemble(info: RawInfo, settleIndex: bigint | undefined, tellsKeysends: boolean): Parts {
    const client = this.#client
    const { clock, entropy } = this
    const ownKey = info.identity_pubkey
    const emit = (event: BackendEvent): void => this.#emit(event)
    const height = (): number => liveness.height
    const channels = new OwnChannels(client, clock)
    const policies = new Policies(client, clock)
    const balance = new OwnBalance({ clock, emit })
    const routes = new Routes({ client, clock, entropy, policies, channels, balance, ownKey, height })
    const suspect = (error: unknown): void => liveness.suspect(error)
    const isOnline = (): boolean => liveness.isOnline
    const pruner = this.#prunes ? new Pruner({ client, clock, emit }) : undefined
    const payments = new Payments({
      client,
      clock,
      routes,
      channels,
      balance,
      isOnline,
      height,
      emit,
      given: (hash) => pruner?.own(hash),
      notGiven: (hash) => pruner?.disown(hash),
      suspect,
    })
    const invoices = new Invoices({ client, clock, emit, suspect, tellsKeysends }, settleIndex)
    const phantom = new PhantomLane({
      client,
      clock,
      entropy,
      channels,
      ownKey,
      height,
      emit,
      sharedSecret: (point) => this.#sharedSecret(point),
      startHost: (report) => this.#startHost(report),
    })
    const reread = (): boolean => this.#reread()
    const liveness = new Liveness({ client, clock, emit, payments, invoices, phantom, reread }, info.block_height)
    const hints = (): Promise<RouteHint[]> => routeHints({ client, channels, policies, ownKey, height })
    return { routes, payments, pruner, invoices, phantom, liveness, hints }
  }

  #startHost(report: (report: InterceptorReport) => void): InterceptorHost {
    const needs = { clock: this.clock, report }
    const { credentials } = this.#target
    if (credentials === undefined) return new LocalHost(this.#client, needs)
    this.#thread = new ThreadHost(this.#renewed ?? credentials, needs)
    return this.#thread
  }

  /** Whether the node's certificate is another than before. @throws BackendError */
  #reread(): boolean {
    const renewed = this.#target.reread()
    if (renewed === undefined) return false
    this.#renewed = renewed
    this.#thread?.renew(renewed)
    return true
  }

  async #run<T>(body: (parts: Parts) => Promise<T>): Promise<T> {
    if (this.#state !== 'started' || this.#parts === undefined) {
      throw new BackendError(
        'stopped',
        this.#state === 'new' ? 'start this backend first' : 'this backend was stopped; take a new one',
      )
    }
    try {
      return await body(this.#parts)
    } catch (error) {
      throw asBackendError(error)
    }
  }

  #emit(event: BackendEvent): void {
    this.#events.push(event)
    if (this.#isEmitting) return
    this.#isEmitting = true
    queueMicrotask(() => {
      this.#isEmitting = false
      for (const next of this.#events.splice(0)) this.#sink?.(next)
    })
  }
}

/**
 * A backend for an lnd node. Without options the node is where lnd's own tools find it: by the
 * environment (spec/lnd.md), else in ~/.lnd. It is the node itself: a daemon that owns the node is not looked for,
 * `findDaemon` of keysock/daemon does that (spec/daemon.md §2.2). Where another process has the node, `start` rejects
 * with BackendError 'node-in-use', which says what to do.
 *
 * @throws BackendError 'bad-request' naming the file or variable that can't be read
 */
export function createLndBackend(options: LndBackendOptions = {}): LndBackend {
  return create(options, process.env)
}

/** For KEYSOCK_BACKEND=keysock/lnd. @throws as `createLndBackend` */
export function createBackend(environment: NodeJS.ProcessEnv, options: PruneOption = {}): LndBackend {
  return create(options, environment)
}

function create({ prune, ...options }: LndBackendOptions, environment: NodeJS.ProcessEnv): LndBackend {
  const home = keysockHome(environment)
  const exclusion = { home, daemonCommand: daemonCommand(options, environment) }
  if (prune !== undefined && typeof prune !== 'boolean')
    throw new BackendError('bad-request', `prune is a ${typeof prune}; it must be true or false`)
  return new LndBackend(openLndTarget(options, environment), exclusion, prune === undefined ? {} : { prune })
}
