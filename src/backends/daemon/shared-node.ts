import type { Duplex } from 'node:stream'
import type { Clock } from '../../floor/clock.ts'
import { BackendError, type Backend, type BackendEvent, type NodeInfo } from '../backend.ts'
import { Agreements } from './agreements.ts'
import { Arrivals } from './arrivals.ts'
import { Attachment, type AttachmentOwner, type Handlers } from './attachment.ts'
import { GREETING_MS, MAX_CLIENTS, MAX_PORTS, MAX_SOCKETS, RESUME_BEHIND } from './bounds.ts'
import type { Attach, Attached, DaemonStatus } from './calls.ts'
import { Connections } from './connections.ts'
import { makeHandlers } from './handlers.ts'
import { Offers } from './offers.ts'
import { PathOwners } from './path-owners.ts'
import { Payments } from './payments.ts'
import { PortTable } from './port-table.ts'
import { SlotShares } from './slot-shares.ts'

export interface SharedNodeOptions {
  /** Not started yet. */
  readonly backend: Backend
  readonly clock: Clock
  /** Up to here a former daemon has handed on what settled; undefined: begin at the present. */
  readonly settleIndex?: bigint | undefined
  /** This index and all before it were handed on. */
  readonly passed?: ((settleIndex: bigint) => void) | undefined
  /** Whether the node's unblinded phantom lane is used (spec §2.9). */
  readonly phantomLane?: boolean
  /** What a person who looks after the daemon should know. */
  readonly log?: ((message: string) => void) | undefined
}

interface Parts {
  readonly info: NodeInfo
  readonly agreements: Agreements
  readonly arrivals: Arrivals<Attachment>
  readonly offers: Offers<Attachment>
}

/** A node with one backend, shared by programs: each sees it as if it had the node alone (spec/daemon.md). */
export class SharedNode implements AttachmentOwner {
  readonly handlers: Handlers
  readonly #options: SharedNodeOptions
  readonly #backend: Backend
  readonly #clock: Clock
  #startedMs: number
  /** All connections, attached or not. */
  readonly #sockets = new Set<Attachment>()
  readonly #clients = new Set<Attachment>()
  #ports: PortTable<Attachment>
  readonly #connections = new Connections<Attachment>()
  readonly #slots = new SlotShares()
  readonly #payments: Payments<Attachment>
  readonly #paths: PathOwners<Attachment>
  #rest: Attachment | undefined
  #parts: Parts | undefined
  /** Events of the backend's that came before it had started. */
  readonly #early: BackendEvent[] = []
  #height = 0
  #isOnline = true
  #isStopped = false
  #made = 0

  constructor(options: SharedNodeOptions) {
    const { backend, clock } = options
    this.#options = options
    this.#backend = backend
    this.#clock = clock
    this.#startedMs = clock.now()
    this.#ports = new PortTable(this.#startedMs)
    this.#paths = new PathOwners(backend)
    this.#payments = new Payments({
      slots: this.#slots,
      connections: this.#connections,
      pay: (payment) => backend.pay(payment),
      everyone: () => this.#everyone(),
    })
    this.handlers = makeHandlers({
      backend,
      payments: this.#payments,
      paths: this.#paths,
      parts: () => this.#started(),
      claim: (client, port) => this.#claim(client, port),
      release: (client, port) => {
        if (client.ports.delete(port)) this.#ports.release(port, client)
      },
    })
  }

  /** @throws BackendError as the backend's `start` */
  async start(): Promise<NodeInfo> {
    const { settleIndex } = this.#options
    const from = settleIndex !== undefined && settleIndex > RESUME_BEHIND ? settleIndex - RESUME_BEHIND : 0n
    const info = await this.#backend.start({
      sink: (event) => this.#take(event),
      ...(settleIndex === undefined ? {} : { settleIndex: from }),
      ...(this.#options.phantomLane === true ? { phantomLane: true } : {}),
    })
    // Programs can come from now on.
    this.#startedMs = this.#clock.now()
    this.#ports = new PortTable(this.#startedMs)
    this.#height = info.blockHeight
    this.#parts = this.#assemble(info)
    for (const event of this.#early.splice(0)) this.#take(event)
    return info
  }

  /** Ends every connection, then the backend's subscription. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#parts?.arrivals.stop()
    for (const client of this.#sockets) client.hangUp('the daemon ends')
    await this.#backend.stop()
  }

  /**
   * Serves a program.
   *
   * @param takesRest it gets OPENs for ports that nobody has: an endpoint of the daemon's own, that refuses them
   */
  serve(stream: Duplex, takesRest = false): void {
    const client = new Attachment(this, takesRest ? 0 : ++this.#made, stream)
    this.#sockets.add(client)
    if (takesRest) this.#rest = client
    if (this.#isStopped) client.hangUp('the daemon ends')
    else if (this.#sockets.size > MAX_SOCKETS) client.hangUp('too many connections')
    this.#clock.schedule(this.#clock.now() + GREETING_MS, () => {
      if (!this.#clients.has(client)) client.hangUp('it did not attach')
    })
  }

  // ---- What connections ask for ------------------------------------------------------------------------

  status(): DaemonStatus {
    const { info, arrivals } = this.#started()
    const now = this.#clock.now()
    return {
      node: { ...info, blockHeight: this.#height },
      isOnline: this.#isOnline,
      runningMs: Math.floor(now - this.#startedMs),
      clients: [...this.#everyone()].map((client) => ({
        id: client.id,
        attachedMs: Math.floor(now - client.attachedMs),
        ports: [...client.ports].toSorted((a, b) => a - b),
        paths: client.paths.size,
        connections: this.#connections.count(client),
        offers: client.offers.size,
        payments: client.payments,
      })),
      heldOpens: arrivals.counts.held,
      recentArrivals: arrivals.counts.recent,
      strays: arrivals.counts.strays,
      payments: this.#payments.size,
    }
  }

  attach(client: Attachment, attach: Attach): Attached {
    const { info, arrivals } = this.#started()
    if (client !== this.#rest && [...this.#everyone()].length >= MAX_CLIENTS)
      throw new BackendError('unsupported', `${MAX_CLIENTS} programs are attached to this daemon; end some`)
    // Of a process that is back, the connection before is dead, whether that has been noticed or not.
    for (const other of this.#clients) if (other.session === client.session) other.hangUp('the program is back')
    this.#clients.add(client)
    client.attachedMs = this.#clock.now()
    this.#connections.adopt(client, attach)
    const portsInUse = attach.ports.filter((port) => !this.#claim(client, port))
    return {
      node: { ...info, blockHeight: this.#height },
      isOnline: this.#isOnline,
      settleIndex: arrivals.settleIndex,
      portsInUse,
    }
  }

  begin(client: Attachment, { settleIndex, isBack }: Attach): void {
    this.#tellOf(client, isBack ? 'is back' : 'attached')
    const { arrivals } = this.#started()
    if (settleIndex !== undefined) arrivals.attached(client, settleIndex, isBack)
    for (const port of client.ports) arrivals.claimed(port, client)
  }

  async leave(client: Attachment): Promise<void> {
    if (client.isGone) return
    client.isGone = true
    client.goneMs = this.#clock.now()
    if (client === this.#rest) this.#rest = undefined
    if (!this.#clients.delete(client)) return
    for (const port of client.ports) this.#ports.vacate(port, client, this.#clock.now())
    this.#slots.leave(client)
    this.#parts?.offers.leave(client)
    const paths = this.#paths.leave(client)
    if (paths.length === 0 || this.#isStopped) return
    try {
      await this.#backend.closePaths(paths)
    } catch (error) {
      this.#tellOf(client, `its paths were not closed: ${String(error)}`)
    }
  }

  closed(client: Attachment, why: string): void {
    this.#sockets.delete(client)
    if (client.session !== '') this.#tellOf(client, `left: ${why}`)
    void this.leave(client)
  }

  // ---- What the backend tells --------------------------------------------------------------------------

  #take(event: BackendEvent): void {
    if (this.#isStopped) return
    if (this.#parts === undefined) return void this.#early.push(event)
    const { arrivals, offers } = this.#parts
    switch (event.type) {
      case 'arrival':
        return arrivals.take(event)
      case 'offer':
        return offers.take(event)
      case 'offer-gone':
        return offers.gone(event.offerId)
      case 'offer-confirmed':
        return offers.confirmed(event.hash, event.amountMsat)
      case 'payment-resolved':
        return this.#payments.resolved(event.hash, event.outcome)
      case 'paths-stale':
        return this.#stale(event.pathIds)
      case 'block':
        this.#height = event.height
        return this.#tellAll(event)
      case 'online':
      case 'offline':
        this.#isOnline = event.type === 'online'
        this.#options.log?.(`the node is ${this.#isOnline ? 'back' : 'away'}: ${event.detail}`)
        return this.#tellAll(event)
      case 'warning':
        this.#options.log?.(event.message)
        for (const client of this.#everyone()) client.tell(event)
        return
    }
  }

  #stale(pathIds: readonly string[]): void {
    const byOwner = Map.groupBy(pathIds, (pathId) => this.#paths.of(pathId))
    for (const [client, ids] of byOwner) client?.tell({ type: 'paths-stale', pathIds: ids })
  }

  #tellAll(event: Extract<BackendEvent, { readonly type: 'block' | 'online' | 'offline' }>): void {
    for (const client of this.#clients) client.tell(event)
  }

  // ---- Inside ------------------------------------------------------------------------------------------

  #assemble(info: NodeInfo): Parts {
    const [backend, clock, ports, connections] = [this.#backend, this.#clock, this.#ports, this.#connections]
    const agreements = new Agreements({
      clock,
      publicKey: info.publicKey,
      sharedSecret: (point) => backend.sharedSecret(point),
    })
    const arrivals = new Arrivals(
      {
        clock,
        agreements,
        connections,
        ports,
        everyone: () => this.#everyone(),
        rest: () => this.#rest,
        passed: (settleIndex) => this.#options.passed?.(settleIndex),
      },
      this.#options.settleIndex,
    )
    const offers = new Offers<Attachment>({
      clock,
      agreements,
      connections,
      ports,
      pathOwner: (pathId) => this.#paths.of(pathId),
      everyone: () => this.#everyone(),
      answer: (offerId, verdict) => backend.answer(offerId, verdict),
    })
    return { info, agreements, arrivals, offers }
  }

  #claim(client: Attachment, port: number): boolean {
    if (client.ports.size >= MAX_PORTS && !client.ports.has(port))
      throw new BackendError('bad-request', `a program listens on ${MAX_PORTS} ports at most`)
    if (!this.#ports.claim(port, client)) return false
    client.ports.add(port)
    return true
  }

  #tellOf(client: Attachment, what: string): void {
    if (client.id > 0) this.#options.log?.(`program ${client.id} ${what}`)
  }

  *#everyone(): Generator<Attachment> {
    for (const client of this.#clients) if (client !== this.#rest) yield client
  }

  #started(): Parts {
    if (this.#parts === undefined) throw new BackendError('offline', 'the daemon is starting; try again')
    return this.#parts
  }
}
