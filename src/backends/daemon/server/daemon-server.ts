import type { Duplex } from 'node:stream'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import { isProgram, PROGRAM_WORDS } from '../../../medium/program-name.ts'
import { type Backend, BackendError, type BackendEvent, type NodeInfo } from '../../backend.ts'
import { MAX_CALLS, MAX_PROGRAMS, MAX_SOCKETS, MAX_TOLD_CAPS, RESUME_BEHIND } from '../protocol/limits.ts'
import type { AttachRequest, AttachResult, DaemonStatus } from '../protocol/messages.ts'
import { ArrivalDispatcher } from './arrival-dispatcher.ts'
import { KeyAgreements } from './key-agreements.ts'
import { OfferDispatcher } from './offer-dispatcher.ts'
import type { Purse } from './purse.ts'
import { ConnectionOwners, PathOwners, PortOwners } from './ownership.ts'
import { ProgramPayments } from './payments.ts'
import { type CallHandlers, ProgramConnection } from './program-connection.ts'
import { type ProgramSession, ProgramSessions } from './program-session.ts'

export interface DaemonServerOptions {
  /** Not started yet. */
  readonly backend: Backend
  readonly clock: Clock
  /** Up to here a former daemon has handed on what settled; undefined: begin at the present. */
  readonly settleIndex?: bigint | undefined
  /** This index and all before it were handed on. */
  readonly passed?: ((settleIndex: bigint) => void) | undefined
  /** Whether the node's unblinded phantom lane is used (spec §2.9). */
  readonly phantomLane?: boolean
  /** On which programs attach. */
  readonly socket?: string
  /** Looks after the money of all programs; absent: nobody does. */
  readonly purse?: Purse | undefined
  /** What a person who looks after the daemon should know. */
  readonly log?: ((message: string) => void) | undefined
}

const BEHIND_FORMER_DAEMON =
  'the node has settled less than a former daemon saw: it was restored from an older state, or is another one. Packets are taken from now on'

/** A node with one backend, shared by programs: each sees it as if it had the node alone (spec/daemon.md). */
export class DaemonServer {
  readonly info: NodeInfo
  /** The node has never come as far as a former daemon saw it: what that kept is of no use. */
  readonly isBehind: boolean
  readonly clock: Clock
  readonly calls: CallHandlers
  readonly #backend: Backend
  /** Whether programs may take packets at the node's phantom. */
  readonly #phantomLane: boolean
  readonly #purse: Purse | undefined
  readonly #log: (message: string) => void
  readonly #startedMs: number
  /** All connections, whether a program has attached over them or not. */
  readonly #connections = new Set<ProgramConnection>()
  /** Calls of all programs that the node has not answered. They go on where a program hangs up. */
  #callsUnderWay = 0
  /** Connections of programs so far, closed ones included. */
  #connectionCount = 0
  readonly #sessions = new ProgramSessions()
  readonly #ports: PortOwners
  readonly #ends = new ConnectionOwners()
  readonly #paths: PathOwners
  readonly #payments: ProgramPayments
  readonly #arrivals: ArrivalDispatcher
  readonly #agreements: KeyAgreements
  readonly #offers: OfferDispatcher
  #blockHeight: number
  #isOnline = true
  #isStopped = false

  /** Starts the backend, which is stopped again where that fails. @throws BackendError as the backend's `start` */
  static async start(options: DaemonServerOptions): Promise<DaemonServer> {
    const { backend, settleIndex } = options
    const from = settleIndex !== undefined && settleIndex > RESUME_BEHIND ? settleIndex - RESUME_BEHIND : 0n
    // Events may come before the answer.
    const early: BackendEvent[] = []
    let handle = (event: BackendEvent): void => void early.push(event)
    try {
      const { isBehind = false, ...info } = await backend.start({
        sink: (event) => handle(event),
        ...(settleIndex === undefined ? {} : { settleIndex: from, lastSettleIndex: settleIndex }),
        ...(options.phantomLane === true ? { phantomLane: true } : {}),
        // Which program wants them is known only when it attaches.
        keysends: true,
        ...(options.socket === undefined ? {} : { daemonSocket: options.socket }),
      })
      if (isBehind) {
        options.purse?.nodeIsBehind()
        options.log?.(BEHIND_FORMER_DAEMON)
      }
      const server = new DaemonServer(isBehind ? { ...options, settleIndex: undefined } : options, { info, isBehind })
      handle = (event) => server.#handle(event)
      for (const event of early) server.#handle(event)
      return server
    } catch (error) {
      await backend.stop()
      throw error
    }
  }

  private constructor(
    options: DaemonServerOptions,
    { info, isBehind }: { readonly info: NodeInfo; readonly isBehind: boolean },
  ) {
    this.isBehind = isBehind
    const { backend, clock, log, purse, phantomLane = false } = options
    this.#purse = purse
    this.info = info
    this.clock = clock
    this.#backend = backend
    this.#phantomLane = phantomLane
    this.#log = (message) => log?.(message)
    this.#blockHeight = info.blockHeight
    this.#startedMs = clock.now()
    const agreements = (this.#agreements = new KeyAgreements({ clock, backend, publicKey: info.publicKey }))
    const [sessions, connections] = [this.#sessions, this.#ends]
    const ports = (this.#ports = new PortOwners(this.#startedMs))
    const paths = (this.#paths = new PathOwners(backend))
    this.#payments = new ProgramPayments({ backend, connections, sessions, purse, clock })
    this.#offers = new OfferDispatcher({ clock, backend, agreements, connections, ports, paths, sessions })
    const { settleIndex, passed = (): void => undefined } = options
    this.#arrivals = new ArrivalDispatcher({
      clock,
      agreements,
      connections,
      ports,
      sessions,
      settleIndex,
      passed,
      purse,
    })
    this.calls = this.#serving(agreements)
  }

  /** Ends every connection, then the backend's subscription. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#arrivals.stop()
    this.#agreements.stop()
    for (const connection of this.#connections) connection.hangUp('the daemon ends')
    await this.#backend.stop()
  }

  /**
   * Serves a connection.
   *
   * @param role 'refuser': an endpoint of the daemon's own, which gets OPENs for ports that no program has, to refuse
   * them
   */
  serve(stream: Duplex, role: 'program' | 'refuser' = 'program'): void {
    const connection = new ProgramConnection(this, role === 'refuser' ? 0 : ++this.#connectionCount, stream)
    this.#connections.add(connection)
    if (this.#isStopped) connection.hangUp('the daemon ends')
    else if (this.#connections.size > MAX_SOCKETS) connection.hangUp('too many connections')
  }

  // ---- What connections ask for ------------------------------------------------------------------------

  status(): DaemonStatus {
    const now = this.clock.now()
    const { held, recent, strays } = this.#arrivals.counts
    return {
      node: { ...this.info, blockHeight: this.#blockHeight },
      isOnline: this.#isOnline,
      runningMs: Math.floor(now - this.#startedMs),
      clients: [...this.#sessions.programs()].map((session) => session.status(now, this.#ends.count(session))),
      heldOpens: held,
      recentArrivals: recent,
      strays,
      payments: this.#payments.size,
      phantomLane: this.#phantomLane,
      ...this.#moneyStatus(),
      ...(this.#paths.hiding === undefined ? {} : { hiding: this.#paths.hiding }),
    }
  }

  #moneyStatus(): Pick<DaemonStatus, 'money'> {
    const money = this.#purse?.money()
    return money === undefined ? {} : { money: { ...money, caps: money.caps.slice(0, MAX_TOLD_CAPS) } }
  }

  /**
   * @throws BackendError where no more programs fit, where one asks for the phantom lane that is not taken, or calls
   *   itself what no program may
   */
  attach(session: ProgramSession, request: AttachRequest): AttachResult {
    // People read it in tables, and caps go by it.
    if (request.program !== undefined && !isProgram(request.program))
      throw new BackendError('bad-request', PROGRAM_WORDS)
    if (!session.isRefuser && [...this.#sessions.programs()].length >= MAX_PROGRAMS)
      throw new BackendError('unsupported', `${MAX_PROGRAMS} programs are attached to this daemon; end some`)
    // Its address would say that connections are taken there, and callers would wait in vain (spec §1.6).
    if (request.phantomLane === true && !this.#phantomLane)
      throw new BackendError('unsupported', 'this daemon takes no packets at the phantom (--no-phantom-lane)', {
        advice: 'start it without that, or the program without the phantom lane',
      })
    // Where a process is back, its older connection is dead, whether that has been noticed or not.
    for (const connection of this.#connections)
      if (connection.session?.processId === session.processId && !connection.session.isGone)
        connection.hangUp('the program is back')
    this.#sessions.add(session)
    this.#ends.adopt(session, request)
    return {
      node: { ...this.info, blockHeight: this.#blockHeight },
      isOnline: this.#isOnline,
      settleIndex: this.#arrivals.settleIndex,
      portsInUse: request.ports.filter((port) => !this.#ports.claim(port, session)),
    }
  }

  /** The program has the result of its `attach`: events may follow. */
  begin(session: ProgramSession, { settleIndex, isBack }: AttachRequest): void {
    this.#logOf(session, isBack ? 'is back' : 'attached')
    if (settleIndex !== undefined) this.#arrivals.attached(session, settleIndex, isBack)
    for (const port of session.ports) this.#arrivals.claimed(port, session)
  }

  /** The program has gone; idempotent. Resolves when what it had is let go of. */
  async leave(session: ProgramSession): Promise<void> {
    if (!this.#sessions.delete(session)) return
    const now = this.clock.now()
    session.end(now)
    this.#ports.vacate(session, now)
    this.#payments.leave(session)
    this.#offers.leave(session)
    const paths = this.#paths.forget(session, session.paths)
    if (paths.length === 0 || this.#isStopped) return
    try {
      await this.#backend.closePaths(paths)
    } catch (error) {
      this.#logOf(session, `its paths were not closed: ${String(error)}`)
    }
  }

  closed(connection: ProgramConnection, why: string): void {
    this.#connections.delete(connection)
    const { session } = connection
    if (session === undefined) return
    this.#logOf(session, `left: ${why}`)
    void this.leave(session)
  }

  /** A call goes to the node; false: so many are there already, those of programs that hung up included. */
  callBegins(): boolean {
    if (this.#callsUnderWay >= MAX_CALLS) return false
    this.#callsUnderWay += 1
    return true
  }

  callEnded(): void {
    this.#callsUnderWay -= 1
  }

  /**
   * The calls of programs. Of what a program names, only what is its own counts: what others have is as good as made up
   * (spec/daemon.md §1.3).
   */
  #serving(agreements: KeyAgreements): CallHandlers {
    const [backend, payments, paths] = [this.#backend, this.#payments, this.#paths]
    return {
      findRoutes: async (session, request) => {
        const { destination } = request
        const isAllowed = !('publicKey' in destination) || this.#purse?.mayPay(toHex(destination.publicKey)) !== false
        if (!isAllowed) throw new BackendError('unsupported', 'the policy of this daemon lets nobody pay to that key')
        const routes = await backend.findRoutes(request)
        for (const route of routes) session.addRoute(route, destination)
        return routes
      },
      pay: (session, payment) => payments.pay(session, payment),
      track: async (_, { hash }) => {
        if (payments.isUnderWay(hash)) return { status: 'in-flight' }
        const found = await backend.track(hash)
        payments.found(hash, found)
        return found
      },
      makePaths: (session, request) => paths.make(session, request),
      closePaths: async (session, { pathIds }) => {
        await paths.close(session, pathIds)
        return undefined
      },
      answer: async (session, { offerId, verdict }) => {
        await this.#offers.answer(session, offerId, verdict)
        return undefined
      },
      hold: async (session, { offerId }) => {
        const leftMs = await this.#offers.hold(session, offerId)
        return leftMs === undefined ? {} : { leftMs }
      },
      routeHints: async () => (await backend.routeHints?.()) ?? [],
      sharedSecret: (_, { point }) => agreements.sharedSecret(point),
      claimPort: async (session, { port }) => {
        if (!this.#ports.claim(port, session))
          throw new BackendError('port-in-use', `another program listens on port ${port} of this node`)
        this.#arrivals.claimed(port, session)
        return undefined
      },
      releasePort: async (session, { port }) => {
        this.#ports.release(port, session)
        return undefined
      },
    }
  }

  // ---- What the backend tells --------------------------------------------------------------------------

  #handle(event: BackendEvent): void {
    if (this.#isStopped) return
    switch (event.type) {
      case 'arrival':
      case 'keysend':
        return this.#arrivals.handle(event)
      case 'offer':
        return this.#offers.handle(event)
      case 'offer-gone':
        return this.#offers.gone(event.offerId)
      case 'offer-confirmed':
        return this.#confirmed(event)
      case 'payment-resolved':
        return this.#payments.resolved(event.hash, event.outcome)
      case 'candidates':
        this.#paths.counted(event.pathIds, event.candidates)
        return this.#emitToMakers(event)
      case 'paths-stale':
        return this.#emitToMakers(event)
      case 'block':
        this.#blockHeight = event.height
        for (const session of this.#sessions) session.emit(event)
        return
      case 'online':
      case 'offline':
        this.#isOnline = event.type === 'online'
        this.#log(`the node is ${this.#isOnline ? 'back' : 'away'}: ${event.detail}`)
        for (const session of this.#sessions) session.emit(event)
        return
      case 'warning':
        this.#log(event.message)
        for (const session of this.#sessions.programs()) session.emit(event)
        return
    }
  }

  #confirmed(event: Extract<BackendEvent, { readonly type: 'offer-confirmed' }>): void {
    const session = this.#offers.confirmed(event)
    const { amountMsat, excessMsat } = event
    this.#purse?.received({ amountMsat, program: session?.program })
    // What came beyond the amount is no packet's.
    if (excessMsat !== undefined) this.#purse?.received({ amountMsat: excessMsat, program: undefined })
  }

  #emitToMakers(event: Extract<BackendEvent, { readonly type: 'paths-stale' | 'candidates' }>): void {
    const byOwner = Map.groupBy(event.pathIds, (pathId) => this.#paths.ownerOf(pathId))
    for (const [session, pathIds] of byOwner) session?.emit({ ...event, pathIds })
  }

  #logOf(session: ProgramSession, what: string): void {
    if (!session.isRefuser) this.#log(`program ${session.id} ${what}`)
  }
}
