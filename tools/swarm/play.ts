/** Plays a story: first troubled, and what must never be is looked for; then in peace, and all must come to its end. */
import { createHash } from 'node:crypto'
import type { Backend, Endpoint as PublicEndpoint, Payment } from '../../src/index.ts'
import { BackendError, MemoryStore } from '../../src/index.ts'
import { createSimulation, type Fault, type FaultName, type Simulation } from '../../src/sim.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { pause } from '../../src/floor/clock.ts'
import { Conversation } from './conversation.ts'
import { placeOf } from './network.ts'
import { type Act, LONGEST_HANG_MS, type Story, TROUBLED_MS } from './story.ts'

const MINUTE_MS = 60_000
/** After the trouble, all that is open comes to its end within: the longest fault and hang, and what waits for them. */
const PEACE_MS = 40 * MINUTE_MS
/** Then a new connection is made and answered within. */
const PROBE_MS = 3 * MINUTE_MS
/** No payment and no reservation is left then. */
const SETTLED_MS = 24 * 60 * MINUTE_MS
/** A program whose node is away tries again after it. */
const START_AGAIN_MS = 5_000
const MESSAGE_PORT = 50
const PROBE_PORT = 51
const PROBE_BYTES = 200
const GENEROUS_MSAT = 1_000_000
/** Caps below it may stop what is under way. */
const POOR_MSAT = 1_000_000

export interface Played {
  readonly findings: readonly string[]
  /** Lines for a reader. */
  readonly narrative: readonly string[]
  /** Of everything that happened: the same story has the same. */
  readonly hash: string
  readonly simulatedMs: number
  readonly payments: number
  /** How its conversations ended, and how many of each. */
  readonly fates: Readonly<Record<Fate, number>>
}

/**
 * 'disturbed': the story itself ended it. 'poor': it lacked money. 'unconnected': connecting failed while there was
 * trouble. 'impossible': no way leads there. 'robbed': relays kept what was paid for it, so that one side has paid and
 * the other was never paid.
 */
export type Fate = 'done' | 'disturbed' | 'poor' | 'robbed' | 'unconnected' | 'impossible' | 'wrong'

/** Where a fault has a place for a node. */
const TARGETS: Partial<Readonly<Record<FaultName, 'from' | 'node'>>> = {
  'payment-fails': 'from',
  'payment-hangs': 'from',
  'killed-after-send': 'from',
  'duplicate-offer': 'node',
  'verdict-lost': 'node',
  'offered-again': 'node',
  'killed-after-settle': 'node',
  'node-offline': 'node',
  'node-restart': 'node',
  'process-blocked': 'node',
  'interceptor-drops': 'node',
  'stream-lost': 'node',
  'arrivals-replayed': 'node',
  'routes-forgotten': 'node',
  'foreign-bytes': 'node',
}

/** After which a relay may be paid, and the node behind it not. */
const KEEPERS: ReadonlySet<FaultName> = new Set(['verdict-lost', 'killed-after-settle', 'killed-after-send'])

/** The fault at a node, where it has a place for one. */
function aimed(fault: Fault, node: string): Fault {
  const target = TARGETS[fault.name]
  return target === undefined ? fault : { ...fault, [target]: node }
}

interface Actor {
  readonly home: string
  readonly store: MemoryStore
  endpoint: Endpoint | undefined
  /** Also those whose process has died: each has the account of its own time. */
  readonly all: PublicEndpoint[]
  readonly payments: Payment[]
  isDown: boolean
  hasCrashed: boolean
}

export class Play {
  readonly sim: Simulation
  readonly #story: Story
  readonly #tamper: (backend: Backend) => Backend
  readonly #isConnected: boolean
  readonly #actors: readonly Actor[]
  readonly #conversations: Conversation[] = []
  readonly #findings: string[] = []
  readonly #narrative: string[] = []
  readonly #hashes = new Set<string>()
  /** Ids of messages by what became of them. */
  readonly #messagesTold = new Map<string, number>()
  readonly #messagesSent: { readonly id: string; readonly to: number }[] = []
  #messages = 0
  readonly #fates: Record<Fate, number> = {
    done: 0,
    disturbed: 0,
    poor: 0,
    robbed: 0,
    unconnected: 0,
    impossible: 0,
    wrong: 0,
  }

  /** @param tamper what a test puts between a program and its node, to see that it is found */
  constructor(story: Story, tamper: (backend: Backend) => Backend = (backend) => backend) {
    this.#story = story
    this.#tamper = tamper
    const { description, homes, isConnected } = placeOf(story)
    this.#isConnected = isConnected
    this.sim = createSimulation(description, { seed: story.seed })
    this.#actors = story.programs.map((_, i) => ({
      home: homes[i] as string,
      store: new MemoryStore(),
      endpoint: undefined,
      all: [],
      payments: [],
      isDown: false,
      hasCrashed: false,
    }))
  }

  async run(): Promise<Played> {
    const { sim } = this
    try {
      for (const index of this.#actors.keys()) await sim.drive(this.#start(index))
      await this.#troubled()
      await this.#inPeace()
      await this.#probe()
      await this.#settle()
    } catch (error) {
      this.#find(`the story broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
    const { payments, nowMs } = sim.stats()
    return {
      findings: this.#findings,
      narrative: this.#narrative,
      hash: createHash('sha256').update(sim.traceHash()).update(this.#narrative.join('\n')).digest('hex').slice(0, 16),
      simulatedMs: nowMs,
      payments: payments.sent,
      fates: this.#fates,
    }
  }

  #tell(what: string): void {
    const seconds = (this.sim.clock.now() / 1_000).toFixed(3).padStart(10)
    this.#narrative.push(`${seconds} s  ${what}`)
  }

  #find(what: string): void {
    if (this.#findings.includes(what)) return
    this.#findings.push(what)
    this.#tell(`FINDING: ${what}`)
  }

  // ---- Programs ----------------------------------------------------------------------------------------------------

  #actor(index: number): Actor {
    return this.#actors[index % this.#actors.length] as Actor
  }

  async #start(index: number): Promise<void> {
    const actor = this.#actor(index)
    const { capMsat, prefer, relays, phantomLane, answers } = this.#story.programs[index] as Story['programs'][number]
    const endpoint = await Endpoint.open(
      {
        backend: this.#watched(this.#tamper(this.sim.backend(actor.home)), actor),
        store: actor.store,
        maxCost: capMsat,
        prefer,
        relays,
        phantomLane,
        answers,
      },
      (connections) => this.#check(connections),
    )
    endpoint.on('warning', ({ code, message }) => this.#tell(`program ${index} warns: ${code} ${message}`))
    endpoint.on('error', (error) => this.#find(`program ${index} failed: ${error.message}`))
    actor.endpoint = endpoint
    actor.isDown = false
    actor.all.push(endpoint)
    this.#tell(`program ${index} is up on ${actor.home}`)
    for (const conversation of this.#conversations) if (conversation.to === index) this.#listen(conversation)
    void this.#readMessages(index, endpoint)
    await endpoint
      .createServer((socket) => {
        socket.on('error', () => undefined).pipe(socket)
      })
      .listen(PROBE_PORT)
  }

  #watched(backend: Backend, actor: Actor): Backend {
    const pay = backend.pay.bind(backend)
    Object.assign(backend, {
      pay: (payment: Payment) => {
        const hash = toHex(payment.hash)
        if (this.#hashes.has(hash)) this.#find(`the hash ${hash} is offered twice`)
        this.#hashes.add(hash)
        actor.payments.push(payment)
        return pay(payment)
      },
    })
    return backend
  }

  #check(connections: Iterable<DrivenConnection>): void {
    const now = this.sim.clock.now()
    for (const connection of connections) {
      try {
        connection.checkInvariant(now)
      } catch (error) {
        this.#find(`an invariant does not hold: ${(error as Error).message}`)
      }
      const { spentMsat, reservedMsat, capMsat } = connection.account
      if (spentMsat + reservedMsat > capMsat)
        this.#find(`money beyond the cap: ${spentMsat} + ${reservedMsat} > ${capMsat}`)
    }
  }

  async #readMessages(index: number, endpoint: Endpoint): Promise<void> {
    try {
      for await (const message of endpoint.messages(MESSAGE_PORT)) {
        const name = message.text.slice(0, message.text.indexOf('.'))
        const seen = (this.#messagesTold.get(name) ?? 0) + 1
        this.#messagesTold.set(name, seen)
        this.#tell(`program ${index} reads message ${name}`)
        // One that waits in its payment may be offered again after a crash; one that is paid comes once.
        if (seen > 1 && !this.#actor(index).hasCrashed) this.#find(`message ${name} was told ${seen} times`)
      }
    } catch (error) {
      if (endpoint === this.#actor(index).endpoint && !this.#actor(index).isDown)
        this.#tell(`program ${index} reads no messages any more: ${String(error)}`)
    }
  }

  async #crash(index: number, isClean: boolean): Promise<void> {
    const actor = this.#actor(index)
    if (actor.isDown || actor.endpoint === undefined) return
    actor.isDown = true
    actor.hasCrashed ||= !isClean
    for (const conversation of this.#conversations)
      if (conversation.from === index || conversation.to === index) conversation.isDisturbed = true
    this.#tell(`program ${index} ${isClean ? 'closes' : 'crashes'}`)
    if (isClean) await actor.endpoint.close()
    else {
      this.sim.fault({ name: 'process-crash', node: actor.home })
      await actor.store.close()
    }
    for (;;) {
      try {
        return await this.#start(index)
      } catch (error) {
        if (!(error instanceof BackendError && error.code === 'offline')) throw error
        await pause(START_AGAIN_MS, this.sim.clock)
      }
    }
  }

  // ---- Acts --------------------------------------------------------------------------------------------------------

  async #troubled(): Promise<void> {
    const { sim } = this
    const { acts, faults } = this.#story
    for (const { atMs, fault, program } of faults) {
      const placed = program === undefined ? fault : aimed(fault, this.#actor(program).home)
      sim.fault(placed, sim.clock.now() + atMs)
    }
    const startMs = sim.clock.now()
    for (const { atMs, act } of acts.toSorted((a, b) => a.atMs - b.atMs)) {
      await sim.run({ untilMs: Math.max(startMs + atMs, sim.clock.now()) })
      this.#do(act)
    }
    await sim.run({ untilMs: Math.max(startMs + TROUBLED_MS, sim.clock.now()) })
  }

  #do(act: Act): void {
    switch (act.type) {
      case 'connect':
        return this.#connect(act)
      case 'message':
        return this.#message(act)
      case 'crash':
      case 'restart':
        void this.#crash(act.program % this.#actors.length, act.type === 'restart').catch((error: unknown) =>
          this.#find(`program ${act.program % this.#actors.length} does not come back: ${String(error)}`),
        )
        return
      case 'destroy':
      case 'end':
      case 'pause': {
        const conversation = this.#conversations[act.conversation % Math.max(1, this.#conversations.length)]
        const socket = conversation?.sides[act.side].socket
        if (conversation === undefined || socket === undefined) return
        this.#tell(`conversation ${conversation.index} ${act.side}: ${act.type}`)
        if (act.type === 'pause') {
          socket.pause()
          this.sim.clock.schedule(this.sim.clock.now() + act.forMs, () => socket.resume())
          return
        }
        conversation.isDisturbed = true
        if (act.type === 'end') socket.end()
        else socket.destroy()
      }
    }
  }

  #pair(from: number, to: number): readonly [number, number] {
    const count = this.#actors.length
    const first = from % count
    const second = to % count
    return [first, second === first ? (second + 1) % count : second]
  }

  #connect({ application, replies, identify, ...act }: Extract<Act, { type: 'connect' }>): void {
    const [from, to] = this.#pair(act.from, act.to)
    const conversation = new Conversation({
      index: this.#conversations.length,
      application,
      from,
      to,
      tell: (what) => this.#tell(what),
      find: (what) => this.#find(what),
    })
    this.#conversations.push(conversation)
    const { endpoint, isDown } = this.#actor(from)
    const server = this.#actor(to)
    if (endpoint === undefined || isDown || server.endpoint === undefined) {
      conversation.isDisturbed = true
      return
    }
    if (server.isDown) conversation.isDisturbed = true
    else this.#listen(conversation)
    const { phantomLane } = this.#story.programs[to] as Story['programs'][number]
    const lane = phantomLane ? act.lane : 'node'
    this.#tell(
      `conversation ${conversation.index}: program ${from} to ${to}, ${JSON.stringify(application)}, ${lane} lane, ${replies}`,
    )
    const generous = { opening: GENEROUS_MSAT, packet: GENEROUS_MSAT, kilobyte: GENEROUS_MSAT }
    conversation.join(
      'client',
      endpoint.createConnection(Buffer.from(this.sim.keyOf(server.home)).toString('hex'), conversation.port, {
        lane,
        replies,
        identify,
        allowHalfOpen: true,
        maxTariff: generous,
        maxOpeningPrice: GENEROUS_MSAT,
      }),
    )
  }

  #listen(conversation: Conversation): void {
    const { endpoint } = this.#actor(conversation.to)
    const { kilobyteMsat, openingMsat } = this.#story.programs[conversation.to] as Story['programs'][number]
    const options = { allowHalfOpen: true, tariff: { kilobyte: kilobyteMsat, opening: openingMsat } }
    const server = endpoint?.createServer(options, (socket) => conversation.join('server', socket))
    server?.listen(conversation.port).catch((error: unknown) => this.#find(`cannot listen: ${String(error)}`))
  }

  #message({ bytes, amountMsat, ...act }: Extract<Act, { type: 'message' }>): void {
    const [from, to] = this.#pair(act.from, act.to)
    const { endpoint, isDown } = this.#actor(from)
    if (endpoint === undefined || isDown) return
    const name = `m${this.#messages++}`
    const { phantomLane } = this.#story.programs[to] as Story['programs'][number]
    const lane = phantomLane ? act.lane : 'node'
    this.#tell(`message ${name}: program ${from} to ${to}, ${bytes} bytes, ${amountMsat} msat, ${lane} lane`)
    const key = Buffer.from(this.sim.keyOf(this.#actor(to).home)).toString('hex')
    endpoint.sendMessage(key, MESSAGE_PORT, `${name}.`.padEnd(bytes, 'x'), { amount: amountMsat, lane }).then(
      () => {
        this.#tell(`message ${name} is sent`)
        this.#messagesSent.push({ id: name, to })
      },
      (error: NodeJS.ErrnoException) => this.#tell(`message ${name}: ${error.code} ${error.message}`),
    )
  }

  // ---- In peace ----------------------------------------------------------------------------------------------------

  async #inPeace(): Promise<void> {
    const { sim } = this
    sim.liftFaults()
    this.#tell('the faults are lifted')
    const untilMs = sim.clock.now() + PEACE_MS
    // What hangs may hold every slot of the only way.
    await sim.runFor(LONGEST_HANG_MS)
    const isPast = (): boolean => this.#conversations.every((each) => each.isOver || each.isDisturbed || each.isDone)
    await sim.run({ until: isPast, untilMs })
    for (const conversation of this.#conversations) this.#fates[await this.#judge(conversation)]++
  }

  /** Whether a side has less than it may need. */
  #isPoor({ from, to, isPaused }: Conversation): boolean {
    return isPaused || [from, to].some((index) => (this.#story.programs[index]?.capMsat ?? 0) < POOR_MSAT)
  }

  /** What settled may have stayed with a relay, and the client, which has paid, pays no more (spec §12.6). */
  #isRobbed({ sides, to }: Conversation): boolean {
    const { kilobyteMsat = 0, openingMsat = 0, phantomLane } = this.#story.programs[to] ?? {}
    const isPriced = phantomLane === true && kilobyteMsat + openingMsat > 0
    const isKept = this.#story.faults.some(({ fault: { name } }) => KEEPERS.has(name))
    return isPriced && isKept && sides.client.error === 'ERR_KEYSOCK_PRICE'
  }

  async #judge(conversation: Conversation): Promise<Fate> {
    if (conversation.isDone) return 'done'
    if (conversation.isDisturbed) return 'disturbed'
    if (this.#isPoor(conversation)) return 'poor'
    if (this.#isRobbed(conversation)) return 'robbed'
    const { client, server } = conversation.sides
    if (client.error !== undefined && !conversation.isConnected) return 'unconnected'
    const isPossible = this.#isConnected || (await this.#isPossible(conversation.from, conversation.to))
    if (!isPossible) return 'impossible'
    const errors = [client.error, server.error].filter((error) => error !== undefined)
    if (errors.length > 0) this.#find(`it failed (${errors.join(', ')}): ${conversation.toString()}`)
    else this.#find(`it does not come to its end: ${conversation.toString()}`)
    return 'wrong'
  }

  /** Whether some route between two programs' nodes can carry a payment now, each way. */
  async #isPossible(from: number, to: number): Promise<boolean> {
    const there = await this.#canPay(from, to)
    return there && (await this.#canPay(to, from))
  }

  async #canPay(from: number, to: number): Promise<boolean> {
    const { sim } = this
    const backend = sim.backend(this.#actor(from).home)
    await sim.drive(backend.start({ sink: () => undefined }))
    try {
      const routes = await sim.drive(
        backend.findRoutes({
          destination: { lane: 'node', publicKey: sim.keyOf(this.#actor(to).home) },
          amountMsat: 1_000n,
          count: 3,
        } as unknown as Parameters<Backend['findRoutes']>[0]),
      )
      return routes.length > 0
    } catch {
      return false
    } finally {
      await sim.drive(backend.stop())
    }
  }

  /** A new connection between any two is answered. */
  async #probe(): Promise<void> {
    if (!this.#isConnected) return
    const { sim } = this
    for (const [from, { endpoint }] of this.#actors.entries()) {
      const to = (from + 1) % this.#actors.length
      if (endpoint === undefined) continue
      let heard = 0
      let failure: string | undefined
      const socket = endpoint.createConnection(
        Buffer.from(sim.keyOf(this.#actor(to).home)).toString('hex'),
        PROBE_PORT,
        // Some networks have no place where a blinded path could begin.
        { maxCost: GENEROUS_MSAT, replies: 'direct' },
      )
      socket.on('error', (error) => (failure = error.message)).on('data', (data: Buffer) => (heard += data.length))
      socket.write(Buffer.alloc(PROBE_BYTES))
      const isOver = (): boolean => heard === PROBE_BYTES || failure !== undefined
      await sim.run({ until: isOver, untilMs: sim.clock.now() + PROBE_MS })
      if (heard !== PROBE_BYTES)
        this.#find(`program ${from} has no answer from program ${to} in peace: ${failure ?? `${heard} bytes`}`)
      socket.destroy()
    }
  }

  // ---- The end -----------------------------------------------------------------------------------------------------

  async #settle(): Promise<void> {
    const { sim } = this
    for (const { sides } of this.#conversations) {
      sides.client.socket?.destroy()
      sides.server.socket?.destroy()
    }
    await sim.runFor(SETTLED_MS)
    const isKept = this.#story.faults.some(({ fault: { name } }) => KEEPERS.has(name))
    for (const conversation of this.#conversations) conversation.checkEnd(isKept)
    for (const { id, to } of this.#messagesSent) {
      if (this.#messagesTold.has(id) || this.#actor(to).all.length > 1) continue
      this.#find(`message ${id} has a receipt, and was never told`)
    }
    for (const [index, actor] of this.#actors.entries()) await this.#checkMoney(index, actor)
    for (const line of sim.audit()) this.#find(`the network's books: ${line}`)
  }

  async #checkMoney(index: number, { endpoint, all, payments, home }: Actor): Promise<void> {
    const { sim } = this
    if (endpoint === undefined) return
    await sim.drive(endpoint.close())
    const { reservedMsat, deadlines, replyPaths } = endpoint.stats
    if (reservedMsat !== 0n) this.#find(`program ${index} has ${reservedMsat} msat reserved a day later`)
    if (deadlines !== 0) this.#find(`program ${index} has ${deadlines} timers after its end`)
    if (replyPaths !== 0) this.#find(`program ${index} has ${replyPaths} reply paths after its end`)
    let paidMsat = 0n
    for (const each of all) {
      const [sum] = await sim.drive(each.account.totals({ by: 'all' }))
      paidMsat += (sum?.paidMsat ?? 0n) - (sum?.feesMsat ?? 0n)
    }
    const tracker = sim.backend(home)
    await sim.drive(tracker.start({ sink: () => undefined }))
    let leftMsat = 0n
    for (const { amountMsat, hash } of payments) {
      const { status } = await sim.drive(tracker.track(hash))
      if (status === 'in-flight') this.#find(`program ${index} has a payment in flight a day later`)
      if (status === 'settled' || status === 'delivered') leftMsat += amountMsat
    }
    await sim.drive(tracker.stop())
    if (paidMsat !== leftMsat) this.#find(`program ${index} has ${paidMsat} msat as paid; its node paid ${leftMsat}`)
  }
}
