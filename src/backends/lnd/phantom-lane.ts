import { fromHex } from '../../floor/bytes.ts'
import { POINT_BYTES } from '../../wire/keys.ts'
import type { Clock } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { PathRequest, PathResult, ReplyPath } from '../../medium/reply-path.ts'
import type { Verdict } from '../../medium/verdict.ts'
import { BackendError, type BackendEvent } from '../backend.ts'
import { candidateIndex, candidatesIn, type CandidateIndex } from '../paths/candidates.ts'
import { makeBlindedPath } from './blinded-paths.ts'
import { MAX_OPEN_PATHS, MAX_PATHS_PER_REQUEST, VERDICT_MS } from '../../medium/limits.ts'
import { GRAPH_AGE_MS, MAX_LIFETIME_BLOCKS, PATH_RENEW_MS } from './bounds.ts'
import type { LndClient } from './client.ts'
import { Confirmations } from './confirmations.ts'
import type { InterceptorHost } from './interceptor-host.ts'
import type { InterceptorReport, InterceptorState } from './interceptor-messages.ts'
import { Introductions, orderPoint } from './introductions.ts'
import { nodePhantomKey } from './node-phantom.ts'
import type { OwnChannels } from './own-channels.ts'
import { PathWatch, type OpenPath } from './path-watch.ts'
import { publicGraph } from './public-graph.ts'
import { decodePath } from '../paths/reply-path.ts'

/** How long `makePaths` waits for the interceptor to be in place. */
const OPEN_MS = 10_000

export interface PhantomNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly entropy: Entropy
  readonly channels: OwnChannels
  /** Hex. */
  readonly ownKey: string
  height(): number
  tell(event: BackendEvent): void
  sharedSecret(point: Uint8Array): Promise<Uint8Array>
  startHost(report: (report: InterceptorReport) => void): InterceptorHost
}

/** Payments to keys that stand behind this node: paths, offers and verdicts. */
export class PhantomLane {
  readonly #needs: PhantomNeeds
  readonly #confirmations: Confirmations
  readonly #watch: PathWatch
  readonly #paths = new Map<string, OpenPath>()
  #introductions: Promise<Introductions> | undefined
  #graph: { readonly atMs: number; readonly graph: Promise<CandidateIndex> } | undefined
  #host: InterceptorHost | undefined
  /** A path was asked for: before that, the node's forwards are left alone. */
  #isWanted = false
  #state: InterceptorState = 'down'
  #detail = ''
  readonly #waiting = new Set<() => void>()
  #made = 0
  /** Paths that are being made. */
  #making = 0
  /** The stream stood before. */
  #wasOpen = false
  #renewedMs = -Infinity

  constructor(needs: PhantomNeeds) {
    this.#needs = needs
    this.#confirmations = new Confirmations(needs)
    this.#watch = new PathWatch(needs)
  }

  /** Starts the interceptor's host without its stream, so that the first path need not wait for a thread to come up. */
  prepare(): void {
    this.#host ??= this.#needs.startHost((report) => this.#take(report))
  }

  /** @throws BackendError 'no-path', 'bad-request', 'bad-point', 'unsupported', 'offline', or RpcError */
  async makePaths(request: PathRequest): Promise<PathResult> {
    checkPathRequest(request)
    const open = this.#paths.size + this.#making
    if (open + request.count > MAX_OPEN_PATHS)
      throw new BackendError('bad-request', `${open} paths are open; close some first`)
    this.#making += request.count
    try {
      return await this.#make(request)
    } finally {
      this.#making -= request.count
    }
  }

  async #make(request: PathRequest): Promise<PathResult> {
    this.#introductions ??= this.#prepare()
    const introductions = await this.#introductions
    const chain = await introductions.choose(request)
    const expiryHeight = this.#needs.height() + request.lifetimeBlocks
    const made = Array.from({ length: request.count }, () =>
      makeBlindedPath({
        pathId: `p${++this.#made}`,
        ownKey: this.#needs.ownKey,
        chain,
        expiryHeight,
        entropy: this.#needs.entropy,
      }),
    )
    const paths = made.map(({ path }) => path)
    const candidates = await this.#candidates(paths[0] as ReplyPath, request.payer)
    // What can fail comes before: nobody closes paths that he was never given.
    const host = await this.#openInterceptor()
    host.command({ type: 'add', keys: made.map(({ key }) => key) })
    for (const { key } of made) this.#paths.set(key.pathId, { chanId: key.chanId, chain, expiryHeight })
    return { paths, candidates }
  }

  /** From now on what is paid to the phantom of this node is offered, too (spec §2.9). @throws BackendError 'unsupported', 'permission' or 'offline' */
  async listen(): Promise<void> {
    this.prepare()
    // Before the stream stands: what lnd kept for this process is offered at once.
    this.#host?.command({ type: 'add', keys: [nodePhantomKey(fromHex(this.#needs.ownKey))] })
    await this.#openInterceptor()
  }

  closePaths(pathIds: readonly string[]): void {
    const chanIds: string[] = []
    for (const pathId of pathIds) {
      const path = this.#paths.get(pathId)
      if (path === undefined) continue
      this.#paths.delete(pathId)
      chanIds.push(path.chanId)
    }
    if (chanIds.length > 0) this.#host?.command({ type: 'remove', chanIds })
  }

  answer(offerId: string, verdict: Verdict): void {
    this.#host?.command({ type: 'answer', offerId, verdict })
  }

  /** The node is back: lnd lets go of what it holds within a second. */
  online(): void {
    if (this.#isWanted) this.#host?.command({ type: 'open' })
  }

  block(height: number): void {
    this.#host?.command({ type: 'height', height })
    const expired = [...this.#paths].filter(([, path]) => path.expiryHeight <= height).map(([pathId]) => pathId)
    this.closePaths(expired)
  }

  /** Tells of open paths that lead here no more, or for other fees. @throws RpcError */
  checkPaths(): Promise<void> {
    return this.#watch.look(this.#paths)
  }

  async stop(): Promise<void> {
    this.#confirmations.stop()
    this.#paths.clear()
    const host = this.#host
    this.#host = undefined
    this.#settleWaiting()
    await host?.stop()
  }

  async #prepare(): Promise<Introductions> {
    const { client, channels, ownKey } = this.#needs
    try {
      const orderKey = await this.#needs.sharedSecret(orderPoint())
      return new Introductions({ client, channels, ownKey, orderKey })
    } catch (error) {
      this.#introductions = undefined
      throw error
    }
  }

  async #openInterceptor(): Promise<InterceptorHost> {
    if (!this.#isWanted) {
      this.#isWanted = true
      this.prepare()
      this.#host?.command({ type: 'height', height: this.#needs.height() })
      this.#host?.command({ type: 'open' })
    }
    if (this.#state !== 'open') await this.#untilKnown()
    const host = this.#host
    if (host === undefined) throw new BackendError('stopped', 'this backend was stopped; take a new one')
    switch (this.#state) {
      case 'open':
        return host
      case 'taken':
        throw new BackendError(
          'unsupported',
          'another program holds the HTLC interceptor of this lnd, and lnd takes one. If that is keysock daemon, attach to it: by the default endpoint, or by the backend that findDaemon of keysock/daemon gives; else stop it, or run keysock daemon for both',
        )
      case 'denied':
        throw new BackendError(
          'permission',
          'lnd does not permit /routerrpc.Router/HtlcInterceptor with this macaroon; spec/lnd.md has the line for lncli bakemacaroon',
        )
      case 'down':
        throw new BackendError(
          'offline',
          `the HTLC interceptor of lnd is not open (${this.#detail}); try again when the node is back`,
        )
    }
  }

  /** Resolves when the interceptor's state is other than 'down', or after a bound. */
  #untilKnown(): Promise<void> {
    const { clock } = this.#needs
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#waiting.delete(done)
        resolve()
      }
      const cancel = clock.schedule(clock.now() + OPEN_MS, done)
      this.#waiting.add(done)
    })
  }

  #settleWaiting(): void {
    for (const done of this.#waiting) done()
  }

  #take(report: InterceptorReport): void {
    if (this.#host === undefined) return
    switch (report.type) {
      case 'offer': {
        const deadlineMs = this.#needs.clock.now() + VERDICT_MS
        return this.#needs.tell({ ...report, deadlineMs })
      }
      case 'offer-gone':
      case 'warning':
        return this.#needs.tell(report)
      case 'settled':
        return this.#confirmations.settled(report)
      case 'state':
        return this.#turned(report.state, report.detail)
      case 'beat':
        return
    }
  }

  #turned(state: InterceptorState, detail: string): void {
    if (state !== 'open') this.#confirmations.streamLost()
    const isNew = state !== this.#state
    this.#state = state
    this.#detail = detail
    if (state !== 'down') this.#settleWaiting()
    if (state === 'open' && isNew) this.#opened()
    if (!isNew || (state !== 'taken' && state !== 'denied')) return
    const message =
      state === 'taken'
        ? 'another program took the HTLC interceptor of this lnd: replies over hidden paths do not arrive until it lets go'
        : 'lnd does not permit the HTLC interceptor with this macaroon: replies over hidden paths do not arrive'
    this.#needs.tell({ type: 'warning', code: `interceptor-${state}`, message })
    // Whoever asks for others hears why there are none.
    if (this.#paths.size > 0) this.#needs.tell({ type: 'paths-stale', pathIds: [...this.#paths.keys()] })
  }

  /** Payers have been refused on paths that work again, and wait for a minute or more to try: they get others. */
  #opened(): void {
    const now = this.#needs.clock.now()
    const isRenewed = this.#wasOpen && now - this.#renewedMs >= PATH_RENEW_MS
    this.#wasOpen = true
    if (!isRenewed || this.#paths.size === 0) return
    this.#renewedMs = now
    this.#needs.tell({ type: 'paths-stale', pathIds: [...this.#paths.keys()] })
  }

  async #candidates(path: ReplyPath, payer: Uint8Array): Promise<number> {
    const now = this.#needs.clock.now()
    if (this.#graph === undefined || now - this.#graph.atMs > GRAPH_AGE_MS) {
      const graph = publicGraph(this.#needs.client).then(candidateIndex)
      this.#graph = { atMs: now, graph }
      graph.catch(() => {
        if (this.#graph?.graph === graph) this.#graph = undefined
      })
    }
    return candidatesIn(await this.#graph.graph, decodePath(path.bytes), payer).length
  }
}

function checkPathRequest(request: PathRequest): void {
  if (!(request.count >= 1 && request.count <= MAX_PATHS_PER_REQUEST))
    throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_PATHS_PER_REQUEST} paths`)
  if (!(request.lifetimeBlocks >= 1 && request.lifetimeBlocks <= MAX_LIFETIME_BLOCKS))
    throw new BackendError(
      'bad-request',
      `lifetimeBlocks is ${request.lifetimeBlocks}; it must be 1..${MAX_LIFETIME_BLOCKS}`,
    )
  if (request.payer.length !== POINT_BYTES)
    throw new BackendError('bad-point', `the payer's key has ${request.payer.length} bytes in place of ${POINT_BYTES}`)
}
