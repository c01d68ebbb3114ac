import { fromHex } from '../../../floor/bytes.ts'
import { POINT_BYTES } from '../../../wire/keys.ts'
import { type Clock, turn } from '../../../floor/clock.ts'
import type { Entropy } from '../../../floor/entropy.ts'
import type { PathRequest, PathResult } from '../../../medium/reply-path.ts'
import type { Verdict } from '../../../medium/verdict.ts'
import { BackendError, type BackendEvent } from '../../backend.ts'
import { fits } from '../../paths/guard-rule.ts'
import { packetCostMsat } from '../../paths/path-classes.ts'
import { makeBlindedPath } from './blinded-paths.ts'
import {
  MAX_HOLD_MS,
  MAX_LONG_HOLDS,
  MAX_OPEN_PATHS,
  MAX_PATHS_PER_REQUEST,
  VERDICT_MS,
  MAX_PATH_LIFETIME_BLOCKS,
} from '../../../medium/limits.ts'
import { INTERCEPTOR_OPEN_MS, PATH_RENEW_MS, THREAD_UP_MS } from '../limits.ts'
import { SharedAnswer } from '../rpc/shared-answer.ts'
import { INTERCEPTOR_URI, type LndClient } from '../rpc/client.ts'
import { deniedError } from '../rpc/errors.ts'
import { Confirmations } from './confirmations.ts'
import { Crowd } from './crowd.ts'
import type { InterceptorHost } from './interceptor-host.ts'
import type { InterceptorReport, InterceptorState } from './interceptor-messages.ts'
import { Introductions, orderPoint } from './introductions.ts'
import { nodePhantomKey } from './node-phantom.ts'
import type { OwnChannels } from '../routes/own-channels.ts'
import { PathWatch, type OpenPath } from './path-watch.ts'

export interface PhantomNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly entropy: Entropy
  readonly channels: OwnChannels
  /** Hex. */
  readonly ownKey: string
  height(): number
  emit(event: BackendEvent): void
  sharedSecret(point: Uint8Array): Promise<Uint8Array>
  startHost(report: (report: InterceptorReport) => void): InterceptorHost
}

/** Payments to keys that stand behind this node: paths, offers and verdicts. */
export class PhantomLane {
  readonly #needs: PhantomNeeds
  readonly #confirmations: Confirmations
  readonly #watch: PathWatch
  readonly #paths = new Map<string, OpenPath>()
  readonly #introductions: SharedAnswer<Introductions>
  #host: InterceptorHost | undefined
  /** Whether a path was asked for: before that, the node's forwards are left alone. */
  #isWanted = false
  #state: InterceptorState = 'down'
  #detail = ''
  readonly #waiting = new Set<() => void>()
  /** Offers that wait for an answer, and those of them that are held for long. */
  readonly #offered = new Set<string>()
  readonly #longHolds = new Map<string, number>()
  #made = 0
  /** Paths that are being made. */
  #making = 0
  /** Whether the stream was open before. */
  #wasOpen = false
  #renewedMs = -Infinity

  constructor(needs: PhantomNeeds) {
    this.#needs = needs
    this.#confirmations = new Confirmations(needs)
    this.#watch = new PathWatch(needs)
    this.#introductions = new SharedAnswer(needs.clock, () => this.#openIntroductions())
  }

  /** Starts the interceptor's host without its stream, so that the first path need not wait for a thread to come up. */
  startHost(): void {
    this.#host ??= this.#needs.startHost((report) => this.#receive(report))
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
    const introductions = await this.#introductions.get(Infinity)
    const chain = await introductions.choose(request)
    const expiryHeight = this.#needs.height() + request.lifetimeBlocks
    const { ownKey, entropy } = this.#needs
    const made: ReturnType<typeof makeBlindedPath>[] = []
    for (let i = 0; i < request.count; i++) {
      // Each takes some milliseconds: the program's other work goes on in between.
      await turn()
      made.push(makeBlindedPath({ pathId: `p${++this.#made}`, ownKey, chain, expiryHeight, entropy }))
    }
    const paths = made.map(({ path }) => path)
    // All that can fail comes before this: a caller cannot close paths that it never got.
    const host = await this.#openInterceptor()
    host.command({ type: 'add', keys: made.map(({ key }) => key) })
    for (const { key } of made) this.#paths.set(key.pathId, { chanId: key.chanId, chain, expiryHeight })
    const { relays, totals, crowd: candidates, links } = chain
    const guards = links.map(({ from }) => from)
    return { paths, relays, costMsat: BigInt(packetCostMsat(totals)), candidates, fits: fits(chain), guards }
  }

  /**
   * From now on what is paid to the phantom of this node is offered, too (spec §2.9).
   *
   * @throws BackendError 'unsupported', 'permission' or 'offline'
   */
  async listen(): Promise<void> {
    this.startHost()
    // Before the stream is open: lnd offers at once what it holds for this process.
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

  /** Holds an offer for longer; the new deadline, or undefined where it is gone or too many are held so. */
  hold(offerId: string): number | undefined {
    if (this.#host === undefined || !this.#offered.has(offerId)) return undefined
    const known = this.#longHolds.get(offerId)
    if (known !== undefined) return known
    if (this.#longHolds.size >= MAX_LONG_HOLDS) return undefined
    const untilMs = this.#needs.clock.now() + MAX_HOLD_MS
    this.#longHolds.set(offerId, untilMs)
    this.#host.command({ type: 'hold', offerId })
    return untilMs
  }

  answer(offerId: string, verdict: Verdict): void {
    this.#forgetOffer(offerId)
    this.#host?.command({ type: 'answer', offerId, verdict })
  }

  /** The node is back. The stream is opened at once: lnd fails what it holds within a second. */
  online(): void {
    if (this.#isWanted) this.#host?.command({ type: 'open' })
  }

  block(height: number): void {
    this.#host?.command({ type: 'height', height })
    const expired = [...this.#paths].filter(([, path]) => path.expiryHeight <= height).map(([pathId]) => pathId)
    this.closePaths(expired)
  }

  /** Emits 'paths-stale' for open paths that lead here no more, or for other fees. @throws RpcError */
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

  #forgetOffer(offerId: string): void {
    this.#offered.delete(offerId)
    this.#longHolds.delete(offerId)
  }

  async #openIntroductions(): Promise<Introductions> {
    const { client, clock, channels, ownKey } = this.#needs
    const orderKey = await this.#needs.sharedSecret(orderPoint())
    return new Introductions({ crowd: new Crowd(client, clock), clock, channels, ownKey, orderKey })
  }

  async #openInterceptor(): Promise<InterceptorHost> {
    if (!this.#isWanted) {
      this.#isWanted = true
      this.startHost()
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
        throw deniedError(INTERCEPTOR_URI)
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
    const mostMs = clock.now() + THREAD_UP_MS
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#waiting.delete(done)
        resolve()
      }
      const look = (): void => {
        // It is not lnd that is waited for: its thread still loads, where others have the processor.
        if (this.#host?.isUp === false && clock.now() < mostMs) cancel = wait()
        else done()
      }
      const wait = (): (() => void) => clock.schedule(clock.now() + INTERCEPTOR_OPEN_MS, look)
      let cancel = wait()
      this.#waiting.add(done)
    })
  }

  #settleWaiting(): void {
    for (const done of this.#waiting) done()
  }

  #receive(report: InterceptorReport): void {
    if (this.#host === undefined) return
    switch (report.type) {
      case 'offer': {
        this.#offered.add(report.offerId)
        const deadlineMs = this.#needs.clock.now() + VERDICT_MS
        return this.#needs.emit({ ...report, deadlineMs })
      }
      case 'offer-gone':
        this.#forgetOffer(report.offerId)
        return this.#needs.emit(report)
      case 'warning':
        return this.#needs.emit(report)
      case 'settled':
        return this.#confirmations.settled(report)
      case 'state':
        return this.#stateChanged(report.state, report.detail)
      case 'beat':
        return
    }
  }

  #stateChanged(state: InterceptorState, detail: string): void {
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
    this.#needs.emit({ type: 'warning', code: `interceptor-${state}`, message })
    // A request for new paths then fails with the reason.
    if (this.#paths.size > 0) this.#needs.emit({ type: 'paths-stale', pathIds: [...this.#paths.keys()] })
  }

  /** Payers were refused on these paths and would try them again only after a minute or more: they get new ones. */
  #opened(): void {
    const now = this.#needs.clock.now()
    const isRenewed = this.#wasOpen && now - this.#renewedMs >= PATH_RENEW_MS
    this.#wasOpen = true
    if (!isRenewed || this.#paths.size === 0) return
    this.#renewedMs = now
    this.#needs.emit({ type: 'paths-stale', pathIds: [...this.#paths.keys()] })
  }
}

function checkPathRequest(request: PathRequest): void {
  if (!(request.count >= 1 && request.count <= MAX_PATHS_PER_REQUEST))
    throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_PATHS_PER_REQUEST} paths`)
  if (!(request.lifetimeBlocks >= 1 && request.lifetimeBlocks <= MAX_PATH_LIFETIME_BLOCKS))
    throw new BackendError(
      'bad-request',
      `lifetimeBlocks is ${request.lifetimeBlocks}; it must be 1..${MAX_PATH_LIFETIME_BLOCKS}`,
    )
  if (request.payer.length !== POINT_BYTES)
    throw new BackendError('bad-point', `the payer's key has ${request.payer.length} bytes in place of ${POINT_BYTES}`)
}
