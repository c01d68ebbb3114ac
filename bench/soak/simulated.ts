/** Hours of mixed traffic in simulated time, with crashes, restarts and faults; what must stay flat is looked at. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pause } from '../../src/floor/clock.ts'
import { BackendError, createEndpoint, type EndpointStats } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Fault, type Simulation } from '../../src/sim.ts'
import { Random } from '../../src/backends/sim/random.ts'
import { bytesBelow, Disk, WatchedStore } from './disk.ts'
import { MUST_BE_GONE, REMEMBERED } from './counters.ts'
import { memoryNow, type Sample } from './sample.ts'
import { Party, Tally } from './traffic.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS: number = 60 * MINUTE_MS
const SAMPLE_MS = 2 * MINUTE_MS
const HOMES = ['alice', 'bob', 'carol', 'erin'] as const
/**
 * Programs here die without a word. The others are closed, and have their account in their folders: of a process that
 * dies the system closes the files, here nobody would.
 */
const KILLED: ReadonlySet<string> = new Set(['alice', 'carol'])
/** Between two things that are done, on average. */
const ACT_MS = 8_000
const CRASH_MS = 6 * MINUTE_MS
const FAULT_MS = 2 * MINUTE_MS
/** After the trouble: what hangs, waits and lingers has come to its end. */
const PEACE_MS = HOUR_MS
/** Then everything that is remembered for a while is forgotten. */
const FORGETTING_MS = 24 * HOUR_MS
const AGAIN_MS = 5_000
/**
 * What simulated nodes remember of payments is theirs, and a real one has it on its disk: so little that it is full
 * within the first part of a soak.
 */
const NODES_REMEMBER = 500
const LONGEST_HANG_MS = 5 * MINUTE_MS
const CAP_MSAT = 100_000_000n

const FAULTS: readonly ((node: string, random: Random) => Fault)[] = [
  (node, random) => ({ name: 'node-restart', node, forMs: random.below(20_000) }),
  (node, random) => ({ name: 'node-offline', node, forMs: random.below(MINUTE_MS) }),
  (node, random) => ({ name: 'stream-lost', node, forMs: random.below(20_000) }),
  (node) => ({ name: 'interceptor-drops', node, forMs: 5_000 }),
  (node) => ({ name: 'routes-forgotten', node }),
  (node) => ({ name: 'arrivals-replayed', node, count: 20 }),
  (node) => ({ name: 'duplicate-offer', node, count: 3 }),
  (node) => ({ name: 'offered-again', node, count: 3 }),
  (node) => ({ name: 'verdict-lost', node, end: 'payer-fails', count: 2 }),
  (node) => ({ name: 'verdict-lost', node, end: 'relay-keeps', count: 1 }),
  (from, random) => ({ name: 'payment-hangs', from, forMs: random.below(LONGEST_HANG_MS), end: 'land', count: 3 }),
  (from, random) => ({ name: 'payment-hangs', from, forMs: random.below(LONGEST_HANG_MS), end: 'fail', count: 3 }),
  (node) => ({ name: 'foreign-bytes', node, count: 50, overMs: 30_000 }),
  () => ({ name: 'blocks-found', count: 2 }),
  () => ({ name: 'policy-change' }),
]

export interface Soaked {
  readonly seed: number
  readonly hours: number
  readonly samples: readonly Sample[]
  readonly payments: number
  /** How often what happened: connections that closed, errors by code, datagrams, restarts. */
  readonly counts: Readonly<Record<string, number>>
  /** By the name of a counter: of all programs a day after the end, where that is not 0. */
  readonly kept: Readonly<Record<string, number>>
  /** What was left that must not be; empty when all is well. */
  readonly left: readonly string[]
}

interface Home {
  readonly name: string
  party: Party | undefined
  store: WatchedStore | undefined
  isDown: boolean
}

/** The simulated part of `./dev soak`. */
export class Soak {
  readonly #seed: number
  readonly #random: Random
  readonly #sim: Simulation
  readonly #disk = new Disk()
  readonly #tally = new Tally()
  readonly #homes: readonly Home[] = HOMES.map((name) => ({ name, party: undefined, store: undefined, isDown: true }))
  readonly #samples: Sample[] = []
  #folder = ''

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(String(seed), 'soak')
    this.#sim = createSimulation(demoNetwork({ failure: 0.05, hang: 0.002 }), { seed, remembers: NODES_REMEMBER })
  }

  async run(hours: number, told: (sample: Sample) => void = () => undefined): Promise<Soaked> {
    this.#folder = await mkdtemp(join(tmpdir(), 'keysock-soak-'))
    try {
      for (const home of this.#homes) await this.#drive(this.#start(home))
      await this.#traffic(hours * HOUR_MS, told)
      const left = await this.#end()
      const { payments } = this.#sim.stats()
      const { kept } = this
      return {
        seed: this.#seed,
        hours,
        samples: this.#samples,
        payments: payments.sent,
        counts: this.#tally.counts,
        kept,
        left,
      }
    } finally {
      this.#sim.close()
      await rm(this.#folder, { recursive: true, force: true })
    }
  }

  // ---- Time --------------------------------------------------------------------------------------------------------

  /** Lets the time pass, but for as long as the disk works. */
  async #runUntil(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    const sim = this.#sim
    while (sim.clock.now() < untilMs && !isOver()) {
      await this.#disk.idle()
      await sim.run({ untilMs, until: () => this.#disk.isBusy || isOver() })
    }
    await this.#disk.idle()
  }

  async #drive<Result>(promise: Promise<Result>): Promise<Result> {
    let isSettled = false
    const settled = promise.finally(() => (isSettled = true))
    settled.catch(() => undefined)
    await this.#runUntil(this.#sim.clock.now() + FORGETTING_MS, () => isSettled)
    return await settled
  }

  // ---- Programs ----------------------------------------------------------------------------------------------------

  async #start(home: Home): Promise<void> {
    for (;;) {
      const isKilled = KILLED.has(home.name)
      home.store = new WatchedStore(join(this.#folder, home.name), this.#disk, { keepsAccount: !isKilled })
      try {
        const endpoint = await createEndpoint({
          backend: this.#sim.backend(home.name),
          store: home.store,
          maxCost: CAP_MSAT,
          caps: { peer: CAP_MSAT * 1_000n, process: CAP_MSAT * 1_000n },
          phantomLane: true,
        })
        endpoint.on('warning', ({ code }) => this.#tally.count(`warning ${code}`))
        home.party = await Party.serve(endpoint, this.#tally)
        home.isDown = false
        return
      } catch (error) {
        // Its node is away: it tries again.
        if (!(error instanceof BackendError && error.code === 'offline')) throw error
        await home.store.close()
        await pause(AGAIN_MS, this.#sim.clock)
      }
    }
  }

  async #restart(home: Home): Promise<void> {
    if (home.isDown) return
    const isCrash = KILLED.has(home.name)
    home.isDown = true
    const { party, store } = home
    home.party = undefined
    this.#tally.count(isCrash ? 'crash' : 'restart')
    if (isCrash) {
      this.#sim.fault({ name: 'process-crash', node: home.name })
      await store?.close()
    } else await party?.close()
    await this.#start(home)
  }

  // ---- Traffic -----------------------------------------------------------------------------------------------------

  async #traffic(forMs: number, told: (sample: Sample) => void): Promise<void> {
    const { clock } = this.#sim
    const startMs = clock.now()
    const dueMs = { act: startMs, crash: startMs + CRASH_MS, fault: startMs + FAULT_MS, sample: startMs + SAMPLE_MS }
    for (;;) {
      const nextMs = Math.min(dueMs.act, dueMs.crash, dueMs.fault, dueMs.sample)
      if (nextMs > startMs + forMs) return
      await this.#runUntil(nextMs)
      const now = clock.now()
      if (now >= dueMs.act) {
        this.#act()
        dueMs.act = now + this.#random.exponential(ACT_MS)
      }
      if (now >= dueMs.crash) {
        this.#crash()
        dueMs.crash = now + this.#random.exponential(CRASH_MS)
      }
      if (now >= dueMs.fault) {
        const [node, fault] = [this.#random.oneOf(HOMES), this.#random.oneOf(FAULTS)]
        this.#sim.fault(fault(node, this.#random))
        dueMs.fault = now + this.#random.exponential(FAULT_MS)
      }
      if (now >= dueMs.sample) {
        const sample = await this.#sample(now - startMs)
        this.#samples.push(sample)
        told(sample)
        dueMs.sample = now + SAMPLE_MS
      }
    }
  }

  #act(): void {
    const from = this.#random.oneOf(this.#homes)
    const to = this.#random.oneOf(this.#homes.filter((home) => home !== from))
    from.party?.act(Buffer.from(this.#sim.keyOf(to.name)).toString('hex'), this.#random)
  }

  #crash(): void {
    const home = this.#random.oneOf(this.#homes)
    this.#restart(home).catch((error: unknown) => this.#tally.count(`failed: ${String(error)}`))
  }

  // ---- What is looked at -------------------------------------------------------------------------------------------

  get #stats(): readonly EndpointStats[] {
    return this.#homes.flatMap(({ party }) => (party === undefined ? [] : [party.endpoint.stats]))
  }

  #sum(names: readonly (keyof EndpointStats)[]): number {
    return this.#stats.reduce((sum, stats) => names.reduce((all, name) => all + Number(stats[name] ?? 0), sum), 0)
  }

  async #sample(atMs: number): Promise<Sample> {
    return {
      atMs,
      ...memoryNow(),
      payments: this.#sim.stats().payments.sent,
      connections: this.#sum(['connections']),
      deadlines: this.#sum(['deadlines']),
      replyPaths: this.#sum(['replyPaths']),
      tableEntries: this.#sum(REMEMBERED),
      storeBytes: await bytesBelow(this.#folder),
    }
  }

  /** What the tables still remember. */
  get kept(): Record<string, number> {
    return this.#kept
  }

  #kept: Record<string, number> = {}

  /** In peace all comes to its end; then everything is closed. Returns what is left over. */
  async #end(): Promise<readonly string[]> {
    const { clock } = this.#sim
    this.#sim.liftFaults()
    await this.#runUntil(clock.now() + PEACE_MS)
    const left: string[] = []
    for (const { name, isDown, party } of this.#homes) {
      if (isDown) left.push(`${name} did not come back`)
      party?.destroyAll()
    }
    await this.#runUntil(clock.now() + FORGETTING_MS)
    for (const name of MUST_BE_GONE) {
      const count = this.#sum([name])
      if (count > 0) left.push(`${count} ${name}`)
    }
    if (this.#sum(['reservedMsat']) > 0) left.push(`${this.#sum(['reservedMsat'])} msat reserved`)
    for (const name of [...REMEMBERED, 'deadlines'] as const) {
      const count = this.#sum([name])
      if (count > 0) this.#kept[name] = count
    }
    for (const { party } of this.#homes) {
      if (party === undefined) continue
      await this.#drive(party.close())
      const { deadlines, replyPaths, connections } = party.endpoint.stats
      if (deadlines + replyPaths + connections > 0) left.push(`${deadlines} timers after the end of a program`)
      if (party.openSockets > 0) left.push(`${party.openSockets} sockets after the end of a program`)
    }
    if ((await this.#sim.run()) !== 'quiet') left.push('something in the network goes on')
    const { nodes, payments } = this.#sim.stats()
    if (payments.underWay > 0) left.push(`${payments.underWay} payments under way`)
    for (const { name, heldOffers, inFlightMsat, slotsUsed } of nodes) {
      if (heldOffers + inFlightMsat + slotsUsed > 0) left.push(`HTLCs at ${name}`)
    }
    return [...left, ...this.#sim.audit()]
  }
}
