import { toHex } from '../../floor/bytes.ts'
import type { PaymentFailure, PaymentOutcome } from '../../medium/payment.ts'
import { HtlcAttempt, type HtlcPlan } from './htlc-attempt.ts'
import { Chain } from './chain.ts'
import { Channel, type ChannelLink } from './channel.ts'
import type { Engine } from './engine.ts'
import { SimulationError } from './errors.ts'
import type { EventHandler } from './event-queue.ts'
import { GHOST_MS } from '../../medium/limits.ts'
import {
  GHOST_FROM_MS,
  GHOST_UNTIL_MS,
  LEAST_KEPT_ARRIVALS,
  LEAST_REMEMBERED_HASHES,
  MAX_KEPT_ARRIVALS,
  MAX_KEPT_ARRIVALS_IN_ALL,
  MAX_REMEMBERED_HASHES,
  MAX_REMEMBERED_HASHES_IN_ALL,
  RESTART_MS,
} from './limits.ts'
import { FaultBook } from './fault-book.ts'
import type { FaultArguments } from './fault-table.ts'
import { Outages } from './outages.ts'
import { SimNode } from './node.ts'
import type { Observations } from './observations.ts'
import type { OpenPath } from './blinded-paths.ts'
import { Random } from './random.ts'
import type { NetworkPlan } from './resolve.ts'
import { KnownRoutes } from './known-routes.ts'
import { LeastCosts } from './least-costs.ts'
import { SearchSpace } from './search-space.ts'
import { SearchedLinks } from './searched-links.ts'
import { Surroundings } from './surroundings.ts'
import { Trace, type TraceEvent } from './trace.ts'

export interface PaymentCounts {
  sent: number
  settled: number
  failed: number
}

/** The nodes, the channels and everything that is under way between them. */
export class Network {
  readonly engine: Engine
  readonly plan: NetworkPlan
  readonly seed: string
  readonly nodes: readonly SimNode[]
  readonly channels: readonly Channel[]
  /** Two for each channel: from its first end at 2 x index, from its second at 2 x index + 1. */
  readonly links: readonly ChannelLink[]
  readonly observations: Observations
  readonly latency: Random
  readonly faults: FaultBook
  /** Blinded paths by their path key in hex. */
  readonly paths: Map<string, OpenPath> = new Map()
  readonly counts: PaymentCounts = { sent: 0, settled: 0, failed: 0 }
  /** Payments of others. */
  readonly foreign: PaymentCounts = { sent: 0, settled: 0, failed: 0 }
  readonly outages: Outages = new Outages(this)
  readonly chain: Chain
  readonly searchSpace: SearchSpace
  /** By index of the channel, while a search for routes lasts: 1 where more counts than what is asked for it. */
  readonly dearChannels: Uint8Array
  readonly surroundings: Surroundings = new Surroundings()
  /** Nodes that have had a process. */
  readonly #programs = new Set<SimNode>()
  /** What each of them may remember. */
  #memory: NodeMemory
  /** ... at most. */
  readonly #remembers: number
  readonly #trace: Trace
  readonly #byName: ReadonlyMap<string, SimNode>
  /** Nodes whose key was derived so far, by it. */
  readonly #byKey = new Map<string, SimNode>()
  #byId: ReadonlyMap<string, Channel> | undefined
  #searchedLinks: SearchedLinks | undefined
  #leastCosts: LeastCosts | undefined
  #knownRoutes: KnownRoutes | undefined
  #attempts = 0

  constructor(options: {
    readonly plan: NetworkPlan
    readonly seed: string
    readonly engine: Engine
    readonly observations: Observations
    readonly keepTrace: boolean
    readonly remembers: number
  }) {
    const { plan, seed, engine } = options
    this.plan = plan
    this.#remembers = options.remembers
    this.#memory = memoryOf(1, options.remembers)
    this.seed = seed
    this.engine = engine
    this.observations = options.observations
    this.chain = new Chain(this)
    this.latency = this.random('latency')
    this.faults = new FaultBook(plan, this.random('faults'))
    this.nodes = plan.nodes.map((node, i) => new SimNode(this, i, node))
    this.dearChannels = new Uint8Array(plan.channels.length)
    this.searchSpace = new SearchSpace(
      plan.nodes.length,
      plan.channels.map(({ ends }) => ends),
    )
    this.#trace = new Trace(options.keepTrace, {
      node: (index) => this.nodes[index]?.name ?? `node ${index}`,
      link: (index) => `${this.links[index]?.channel.id ?? index}/${this.links[index]?.from.name ?? ''}`,
    })
    const salt = this.random('payments of others').uint32()
    const changed = (link: ChannelLink): void => {
      this.#searchedLinks?.update(link)
      this.surroundings.forget(link)
    }
    const context = { engine, plan, trace: this.#trace, salt, changed }
    this.channels = plan.channels.map((channel, index) => {
      const [from, to] = channel.ends.map((end) => this.nodes[end] as SimNode) as [SimNode, SimNode]
      return new Channel({ context, index, plan: channel, ends: [from, to] })
    })
    this.links = this.channels.flatMap(({ links }) => links)
    for (const link of this.links) link.from.addLink(link)
    this.#byName = new Map(this.nodes.map((node) => [node.name, node]))
  }

  /** An independent stream of randomness. */
  random(name: string): Random {
    return new Random(this.seed, name)
  }

  /** Throws SimulationError 'unknown-name'. */
  node(name: string): SimNode {
    const node = this.#byName.get(name)
    if (node === undefined) throw new SimulationError('unknown-name', `there is no node '${name}' in this network`)
    return node
  }

  channelById(id: string): Channel | undefined {
    this.#byId ??= new Map(this.channels.map((each) => [each.id, each]))
    return this.#byId.get(id)
  }

  /** Throws SimulationError 'unknown-name'. */
  channel(id: string): Channel {
    const channel = this.channelById(id)
    if (channel === undefined) throw new SimulationError('unknown-name', `there is no channel '${id}' in this network`)
    return channel
  }

  /** What searches for routes read of the links: made for the first one. */
  get searchedLinks(): SearchedLinks {
    return (this.#searchedLinks ??= new SearchedLinks(this.nodes, this.links))
  }

  /** What ways cost at least: made for the first search. */
  get leastCosts(): LeastCosts {
    return (this.#leastCosts ??= new LeastCosts(this.nodes, this.searchedLinks, this.searchSpace))
  }

  /** Routes that former searches found. */
  get knownRoutes(): KnownRoutes {
    return (this.#knownRoutes ??= new KnownRoutes(this.nodes.length, this.searchedLinks))
  }

  /** A process is on this node. */
  recordProgram(node: SimNode): void {
    this.#programs.add(node)
    this.#memory = memoryOf(this.#programs.size, this.#remembers)
  }

  /** What a node may remember of its payments, so that a network with many programs has room for all of them. */
  get memory(): NodeMemory {
    return this.#memory
  }

  /** A node has derived its key. */
  recordKey(publicHex: string, node: SimNode): void {
    this.#byKey.set(publicHex, node)
  }

  /** A key that nobody asked this network for makes all nodes derive theirs, once. */
  nodeByKey(publicKey: Uint8Array): SimNode | undefined {
    const key = toHex(publicKey)
    const known = this.#byKey.get(key)
    if (known !== undefined || this.#byKey.size === this.nodes.length) return known
    return this.nodes.find((node) => node.publicHex === key)
  }

  get traceLog(): Trace {
    return this.#trace
  }

  trace(event: TraceEvent, a?: number, b?: number, c?: number, d?: number, e?: number): void {
    this.#trace.add(this.engine.nowMs, event, a, b, c, d, e)
  }

  /** A number that stands for this word in the trace. */
  word(word: string): number {
    return this.#trace.word(word)
  }

  /** How long an HTLC takes over this link, this time. */
  hopDelayMs(link: ChannelLink): number {
    return (
      this.latency.logNormal(link.hopMs, this.plan.latency.sigma) + link.from.plan.latencyMs + link.to.plan.latencyMs
    )
  }

  /** The chain's height now. */
  get height(): number {
    return this.chain.height
  }

  /** Calls back after `ms`, as an event of the network. */
  after(ms: number, callback: () => void, background = false): void {
    this.engine.push(this.engine.nowMs + ms, new Call(callback, background), 0)
  }

  /** Sends a payment. `resolve` is called once, unless the process loses sight of it. */
  send(sender: SimNode, plan: HtlcPlan, resolve: (outcome: PaymentOutcome) => void): HtlcAttempt {
    const attempt = new HtlcAttempt(++this.#attempts, this, sender, plan, this.faults.troubleFor(plan.links), resolve)
    this.counts.sent++
    sender.recordSent(plan.hashKey)
    sender.underWay.add(attempt)
    const killed = this.faults.consume('killed-after-send', sender)
    if (killed === undefined) attempt.start()
    else this.#sendAndDie(attempt, killed)
    return attempt
  }

  /** Sends a payment that no process asked for and whose outcome goes to none. */
  sendForeign(sender: SimNode, plan: HtlcPlan): void {
    this.foreign.sent++
    new HtlcAttempt(++this.#attempts, this, sender, plan, undefined, (outcome) => {
      this.foreign[outcome.status === 'failed' ? 'failed' : 'settled']++
    }).start()
  }

  /** The payment's node is killed; how soon decides what becomes of the payment. */
  #sendAndDie(attempt: HtlcAttempt, { afterMs = 10, forMs = RESTART_MS, ghostMs = GHOST_MS }: Killed): void {
    const { sender } = attempt
    this.after(afterMs, () => this.outages.goOffline(sender, forMs))
    if (afterMs > GHOST_UNTIL_MS) {
      attempt.start()
      return
    }
    // Neither sent nor forgotten, until somebody looks for its HTLC and finds none.
    const doubtMs = afterMs < GHOST_FROM_MS ? 0 : ghostMs
    if (doubtMs < Infinity) this.after(afterMs + forMs + doubtMs, () => this.decided(attempt, NEVER_SENT))
  }

  /** A payment has its outcome: the process gets it, or a later one does. */
  decided(attempt: HtlcAttempt, failure: PaymentFailure | undefined): void {
    const { sender, plan } = attempt
    const isForeign = !sender.underWay.has(attempt)
    const outcome: PaymentOutcome = failure ?? {
      status: plan.phantom ? 'delivered' : 'settled',
      feeMsat: BigInt(attempt.feeMsat),
      ...(plan.isLocked === true && attempt.preimage !== undefined ? { preimage: attempt.preimage } : {}),
    }
    sender.underWay.delete(attempt)
    if (!isForeign) {
      sender.recordOutcome(plan.hashKey, outcome)
      this.counts[failure === undefined ? 'settled' : 'failed']++
    }
    this.trace(
      'decided',
      attempt.id,
      sender.index,
      failure === undefined ? 1 : 0,
      failure === undefined ? attempt.feeMsat : 0,
    )
    if (isForeign) attempt.resolve?.(outcome)
    else if (attempt.resolve !== undefined) {
      this.engine.callOut()
      attempt.resolve(outcome)
    } else if (sender.isListening) sender.process?.emit({ type: 'payment-resolved', hash: plan.hash.slice(), outcome })
    else if (sender.process !== undefined) sender.recordUndelivered({ hash: plan.hash.slice(), outcome })
  }

  /** A keysend was settled by its destination. */
  arrived(node: SimNode, attempt: HtlcAttempt): void {
    const { record, records, amountMsat, hash } = attempt.plan
    this.trace('arrival', node.index, node.settleIndex + 1, record.length)
    node.addArrival({ record, ...(records && { records }), amountMsat, hash })
  }

  /** Whatever contradicts the conservation of money or a bound; empty when all is well. */
  audit(): readonly string[] {
    const problems: string[] = []
    for (const channel of this.channels) {
      const sum = channel.links.reduce((total, link) => total + link.balanceMsat + link.inFlightMsat, 0)
      if (sum !== channel.capacityMsat)
        problems.push(`channel ${channel.id} holds ${sum} msat of ${channel.capacityMsat}`)
      for (const link of channel.links) {
        if (link.balanceMsat < 0 || link.inFlightMsat < 0)
          problems.push(`channel ${channel.id}: negative balance of ${link.from.name}`)
        if (link.slotsUsed < 0)
          problems.push(`channel ${channel.id}: ${link.slotsUsed} slots used by ${link.from.name}`)
        if (link.slotsUsed === 0 && link.inFlightMsat !== 0)
          problems.push(`channel ${channel.id}: ${link.inFlightMsat} msat in no HTLC`)
      }
    }
    return problems
  }
}

type Killed = FaultArguments['killed-after-send']

const NEVER_SENT: PaymentFailure = { status: 'failed', reason: 'node-away', place: 'local' }

/** How much a node remembers at most. */
interface NodeMemory {
  readonly arrivals: number
  readonly hashes: number
}

function memoryOf(programs: number, remembers: number): NodeMemory {
  const share = (inAll: number, least: number, most: number): number =>
    Math.min(remembers, Math.max(least, Math.min(most, Math.floor(inAll / programs))))
  return {
    arrivals: share(MAX_KEPT_ARRIVALS_IN_ALL, LEAST_KEPT_ARRIVALS, MAX_KEPT_ARRIVALS),
    hashes: share(MAX_REMEMBERED_HASHES_IN_ALL, LEAST_REMEMBERED_HASHES, MAX_REMEMBERED_HASHES),
  }
}

class Call implements EventHandler {
  readonly background: boolean
  readonly #callback: () => void

  constructor(callback: () => void, background: boolean) {
    this.background = background
    this.#callback = callback
  }

  fire(): void {
    this.#callback()
  }
}
