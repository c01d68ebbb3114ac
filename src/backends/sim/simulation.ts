import type { Clock } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { Backend } from '../backend.ts'
import type { NetworkDescription } from './description.ts'
import { Engine, type RunBounds, type RunEnd } from './engine.ts'
import { FaultEffects } from './fault-effects.ts'
import { SimulationError } from './errors.ts'
import type { Fault } from './fault-table.ts'
import { Network } from './network.ts'
import { Observations, type Observation } from './observations.ts'
import { checkNames } from './option-names.ts'
import { publicGraph, type PublicGraph } from './public-graph.ts'
import { resolveDescription } from './resolve.ts'
import { SimBackend } from './sim-backend.ts'
import { Traffic } from './traffic.ts'

export interface SimulationOptions {
  /** One seed gives one trace. Default 1. */
  readonly seed?: string | number
  /** 'virtual' (default): time passes in `run`, `runFor` and `drive`. 'real-time': it passes by itself. */
  readonly mode?: 'virtual' | 'real-time'
  /** Real-time mode: virtual milliseconds a real one. Default 1. */
  readonly speed?: number
  /** Keep the trace's lines; the hash is there in any case. Default false. */
  readonly keepTrace?: boolean
  /** Nodes for which `observed` has what they saw. Default none. */
  readonly observe?: readonly string[] | 'all'
  /**
   * An instant of virtual time ends after this many turns of the event loop without a call from a process. Default 1;
   * more for a process that waits in chains of setImmediate.
   */
  readonly quietTurns?: number
  /**
   * How many of its last payments a node remembers, and how many arrivals it can hand over again. Default 1,000,000 and
   * 20,000; fewer for a simulation of many hours whose memory is looked at.
   */
  readonly remembers?: number
}

export interface SimulationStats {
  readonly nowMs: number
  readonly height: number
  /** Events that the engine fired, and turns of the event loop that it waited for. */
  readonly events: number
  readonly turns: number
  readonly payments: {
    readonly sent: number
    readonly settled: number
    readonly failed: number
    readonly underWay: number
  }
  /** Payments, offers and verdicts that armed faults still wait for. */
  readonly faultsWaiting: number
  /** Payments of others, by the fault 'foreign-payments' or 'foreign-bytes'. */
  readonly foreign: { readonly sent: number; readonly settled: number; readonly failed: number }
  readonly nodes: readonly NodeStats[]
}

export interface NodeStats {
  readonly name: string
  readonly online: boolean
  /** Spendable in its channels, in msat. */
  readonly balanceMsat: number
  /** In HTLCs that it offered, in msat. */
  readonly inFlightMsat: number
  /** HTLC slots in use on the channel with the most of them. */
  readonly slotsUsed: number
  readonly settleIndex: number
  readonly heldOffers: number
}

/** A simulated Lightning network with processes on its nodes. */
export interface Simulation {
  /** The clock that all backends share. */
  readonly clock: Clock
  /** Seeded bytes for the caller's own use; backends have their own. */
  readonly entropy: Entropy
  /** A new process on this node; a restarted one is a new one again. Throws SimulationError 'unknown-name'. */
  backend(name: string): Backend
  /** The node's public key: 33 bytes. */
  keyOf(name: string): Uint8Array
  /** The id of a channel between two nodes. */
  channelBetween(a: string, b: string): string
  /** Lets the time pass; see RunBounds. Without bounds: until nothing but blocks and other traffic is left. */
  run(bounds?: RunBounds): Promise<RunEnd>
  /** Lets this many milliseconds pass. */
  runFor(ms: number): Promise<RunEnd>
  /**
   * Lets the time pass until `promise` settles. Throws SimulationError 'quiet' or 'time-bound' (default: a day) when it
   * doesn't.
   */
  drive<T>(promise: PromiseLike<T>, options?: { readonly withinMs?: number }): Promise<T>
  /** Makes a fault happen, now or at a time: see `FAULTS` and `FaultArguments`. */
  fault(fault: Fault, atMs?: number): void
  /**
   * Lifts what is wrong: from now on nothing is left to chance (`failure`, `hang`, `faults`), and what is armed is
   * forgotten. A fault by name can still be made. What hangs or is away already stays so until its time is over.
   */
  liftFaults(): void
  publicGraph(): PublicGraph
  /** Lines of everything that happened, with `keepTrace`. */
  trace(): readonly string[]
  /** SHA-256 over everything that happened so far, in hex. */
  traceHash(): string
  /** What this node and its processes saw, with `observe`. */
  observed(name: string): readonly Observation[]
  stats(): SimulationStats
  /** What contradicts the conservation of money or a bound; empty when all is well. */
  audit(): readonly string[]
  /** Real-time mode: stops the clock for good. */
  close(): void
}

/** Builds a network from its description. Throws SimulationError 'bad-description', 'bad-option'. */
export function createSimulation(description: NetworkDescription, options: SimulationOptions = {}): Simulation {
  return new LiveSimulation(description, options)
}

const OPTION_NAMES: Readonly<Record<keyof SimulationOptions, true>> = {
  seed: true,
  mode: true,
  speed: true,
  keepTrace: true,
  observe: true,
  quietTurns: true,
  remembers: true,
}

/** @throws SimulationError 'bad-option' */
function checkSimulationOptions(options: SimulationOptions): void {
  checkNames("the simulation's options", options, OPTION_NAMES, 'bad-option')
  const { seed = 1, mode = 'virtual', speed = 1, quietTurns = 1, remembers = 1, observe = [] } = options
  if (!['string', 'number'].includes(typeof seed)) badOption('seed', 'a text or a number', seed)
  if (!['virtual', 'real-time'].includes(mode)) badOption('mode', "'virtual' or 'real-time'", mode)
  if (!(Number.isFinite(speed) && speed > 0)) badOption('speed', 'a number above 0', speed)
  if (!(Number.isSafeInteger(quietTurns) && quietTurns >= 1))
    badOption('quietTurns', 'a whole number from 1', quietTurns)
  if (!(Number.isSafeInteger(remembers) && remembers >= 1)) badOption('remembers', 'a whole number from 1', remembers)
  if (observe !== 'all' && !Array.isArray(observe)) badOption('observe', "an array of names, or 'all'", observe)
}

function badOption(name: string, what: string, value: unknown): never {
  throw new SimulationError('bad-option', `${name} is ${what}; got ${String(value)}`)
}

class LiveSimulation implements Simulation {
  readonly clock: Clock
  readonly entropy: Entropy
  readonly #engine: Engine
  readonly #network: Network
  readonly #effects: FaultEffects
  readonly #attachments = new Map<string, number>()

  constructor(description: NetworkDescription, options: SimulationOptions) {
    checkSimulationOptions(options)
    const plan = resolveDescription(description)
    const engine = new Engine({
      ...(options.quietTurns !== undefined && { quietTurns: options.quietTurns }),
      ...(options.mode === 'real-time' && { realTime: { speed: options.speed ?? 1 } }),
    })
    this.#engine = engine
    this.clock = engine
    this.#network = new Network({
      plan,
      seed: String(options.seed ?? 1),
      engine,
      observations: new Observations(options.observe ?? []),
      keepTrace: options.keepTrace ?? false,
      remembers: options.remembers ?? Infinity,
    })
    const bytes = this.#network.random('caller')
    this.entropy = { bytes: (length) => bytes.bytes(length) }
    this.#network.chain.start()
    this.#effects = new FaultEffects(this.#network)
    new Traffic(this.#network).start()
  }

  backend(name: string): Backend {
    const node = this.#network.node(name)
    this.#engine.attached()
    const attachment = this.#attachments.get(name) ?? 0
    this.#attachments.set(name, attachment + 1)
    return new SimBackend(this.#network, node, attachment)
  }

  keyOf(name: string): Uint8Array {
    return this.#network.node(name).publicKey.slice()
  }

  channelBetween(a: string, b: string): string {
    const link = this.#network.node(a).links.find((other) => other.to === this.#network.node(b))
    return this.#network.channel(link?.channel.id ?? `${a} - ${b}`).id
  }

  run(bounds?: RunBounds): Promise<RunEnd> {
    return this.#engine.run(bounds)
  }

  runFor(ms: number): Promise<RunEnd> {
    return this.#engine.run({ untilMs: this.#engine.nowMs + ms })
  }

  drive<T>(promise: PromiseLike<T>, options?: { readonly withinMs?: number }): Promise<T> {
    return this.#engine.drive(promise, options)
  }

  fault(fault: Fault, atMs?: number): void {
    this.#engine.enter()
    if (atMs === undefined) this.#effects.apply(fault)
    else this.#network.after(atMs - this.#engine.nowMs, () => this.#effects.apply(fault))
  }

  liftFaults(): void {
    this.#engine.enter()
    this.#network.faults.lift()
  }

  publicGraph(): PublicGraph {
    return publicGraph(this.#network)
  }

  trace(): readonly string[] {
    return this.#network.traceLog.lines()
  }

  traceHash(): string {
    return this.#network.traceLog.hash()
  }

  observed(name: string): readonly Observation[] {
    return this.#network.observations.of(this.#network.node(name).name)
  }

  stats(): SimulationStats {
    const { nodes, counts, height } = this.#network
    return {
      nowMs: this.#engine.nowMs,
      height,
      events: this.#engine.events,
      turns: this.#engine.turns,
      payments: { ...counts, underWay: counts.sent - counts.settled - counts.failed },
      faultsWaiting: this.#network.faults.waiting,
      foreign: { ...this.#network.foreign },
      nodes: nodes.map((node) => ({
        name: node.name,
        online: node.online,
        balanceMsat: node.links.reduce((sum, link) => sum + link.balanceMsat, 0),
        inFlightMsat: node.links.reduce((sum, link) => sum + link.inFlightMsat, 0),
        slotsUsed: Math.max(0, ...node.links.map((link) => link.slotsUsed)),
        settleIndex: node.settleIndex,
        heldOffers: node.interceptor.heldCount,
      })),
    }
  }

  audit(): readonly string[] {
    return this.#network.audit()
  }

  close(): void {
    this.#engine.close()
  }
}
