/** The real part of `./dev soak`: three lnds in a row, a program on each of them, and restarts of all of these. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getChannels, getInvoices } from 'lightning'
import { type Contents, contentsOf } from '../footprint/contents.ts'
import { Random } from '../../src/backends/sim/random.ts'
import { pause, processClock } from '../../src/floor/clock.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { bytesBelow } from './disk.ts'
import type { Look, Order, ProgramSettings } from './lnd-program.ts'
import type { Sample } from './sample.ts'
import { MINUTE_MS } from './simulated.ts'

const NAMES = ['alice', 'bob', 'carol'] as const
export type NodeName = (typeof NAMES)[number]
const PROGRAM = new URL('lnd-program.ts', import.meta.url)
const SAMPLE_MS = 20_000
const ACT_MS = 3_000
/** A program is killed or closed, by turns; the one at carol never is, so that its memory is that of the whole time. */
const RESTARTS_MS = 90_000
const STAYS: NodeName = 'carol'
const NODE_RESTARTS_MS = 4 * MINUTE_MS
const DOWN_MS = 3_000
/** In the end, for what is under way. */
const PEACE_MS = 2 * MINUTE_MS
/** A process without work ends by itself. */
const EXIT_MS = 20_000

export interface LndSample extends Sample {
  readonly of: NodeName
  readonly rssBytes: number
}

export interface LndSoaked {
  readonly minutes: number
  readonly samples: readonly LndSample[]
  readonly megabytes: number
  readonly payments: number
  readonly counts: Readonly<Record<string, number>>
  /** What each lnd has more than before. */
  readonly grown: Readonly<Record<NodeName, Contents>>
  readonly left: readonly string[]
}

/** A program's process, and what it has told. */
class Running {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(settings: ProgramSettings): Promise<Running> {
    const child = fork(PROGRAM, [JSON.stringify(settings)], { execArgv: ['--disable-warning=DEP0123'] })
    const [word] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown]
    if (word !== 'ready') throw new Error(`a program ended with ${String(word)}`)
    return new Running(child)
  }

  async ask(order: Order): Promise<Look> {
    const answer = once(this.#child, 'message') as Promise<[Look]>
    this.#child.send(order)
    const [look] = await answer
    return look
  }

  rest(): void {
    this.#child.send('rest' satisfies Order)
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  /** Closes everything; what is there then, and whether the process ended by itself. */
  async end(): Promise<{ readonly look: Look; readonly hasEnded: boolean }> {
    const exit = once(this.#child, 'exit')
    const look = await this.ask('end')
    const hasEnded = await Promise.race([exit.then(() => true), pause(EXIT_MS).then(() => false)])
    if (!hasEnded) await this.kill()
    return { look, hasEnded }
  }
}

export class LndSoak {
  readonly #random: Random
  readonly #seed: number
  readonly #programs = new Map<NodeName, Running>()
  readonly #samples: LndSample[] = []
  readonly #counts: Record<string, number> = {}
  readonly #left: string[] = []
  #folder = ''
  #starts = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(String(seed), 'soak on lnd')
  }

  async run(minutes: number, told: (sample: LndSample) => void): Promise<LndSoaked> {
    this.#folder = await mkdtemp(join(tmpdir(), 'keysock-soak-'))
    const network = await startNetwork<NodeName>({
      nodes: NAMES,
      channels: [
        { between: ['alice', 'bob'], capacitySat: 10_000_000, pushSat: 5_000_000 },
        { between: ['bob', 'carol'], capacitySat: 10_000_000, pushSat: 5_000_000 },
      ],
    })
    try {
      const before = await this.#contents(network)
      await network.waitActive()
      for (const name of NAMES) await this.#start(network, name)
      await this.#traffic(network, minutes * MINUTE_MS, told)
      await this.#end(network)
      const after = await this.#contents(network)
      const grown = Object.fromEntries(
        NAMES.map((name) => [
          name,
          {
            payments: after[name].payments - before[name].payments,
            invoices: after[name].invoices - before[name].invoices,
            databaseBytes: after[name].databaseBytes - before[name].databaseBytes,
          },
        ]),
      ) as Record<NodeName, Contents>
      return {
        minutes,
        samples: this.#samples,
        megabytes: (this.#counts['bytes'] ?? 0) / 1e6,
        payments: NAMES.reduce((sum, name) => sum + grown[name].payments, 0),
        counts: this.#counts,
        grown,
        left: this.#left,
      }
    } finally {
      for (const each of this.#programs.values()) await each.kill()
      await network.close()
      await rm(this.#folder, { recursive: true, force: true })
    }
  }

  async #contents(network: Network<NodeName>): Promise<Record<NodeName, Contents>> {
    const found: [NodeName, Contents][] = []
    for (const name of NAMES) found.push([name, await contentsOf(network.node(name))])
    return Object.fromEntries(found) as Record<NodeName, Contents>
  }

  // ---- Programs ----------------------------------------------------------------------------------------------------

  async #start(network: Network<NodeName>, name: NodeName): Promise<void> {
    const { certPath, macaroonPath, socket } = network.node(name)
    const others = NAMES.filter((each) => each !== name).map((each) => network.node(each).publicKey)
    const running = await Running.start({
      socket,
      cert: certPath,
      macaroon: macaroonPath,
      folder: join(this.#folder, name),
      others,
      seed: this.#seed * 1_000 + this.#starts++,
      prune: name === 'alice',
      actMs: ACT_MS,
    })
    this.#programs.set(name, running)
  }

  #count(counts: Readonly<Record<string, number>>): void {
    for (const [what, times] of Object.entries(counts)) this.#counts[what] = (this.#counts[what] ?? 0) + times
  }

  async #restart(network: Network<NodeName>): Promise<void> {
    const name = this.#random.oneOf(NAMES.filter((each) => each !== STAYS))
    const running = this.#programs.get(name)
    if (running === undefined) return
    this.#programs.delete(name)
    if (this.#random.chance(0.5)) {
      this.#count({ ...(await running.ask('look')).counts, 'program killed': 1 })
      await running.kill()
    } else await this.#endOne(name, running)
    await this.#start(network, name)
  }

  async #endOne(name: NodeName, running: Running): Promise<Look> {
    const { hasEnded, look } = await running.end()
    this.#count({ ...look.counts, 'program closed': 1 })
    if (!hasEnded) this.#left.push(`the program of ${name} did not end by itself`)
    const { connections, deadlines, replyPaths } = look
    if (connections + deadlines + replyPaths > 0)
      this.#left.push(
        `${connections} connections, ${deadlines} timers, ${replyPaths} reply paths of ${name} after its end`,
      )
    return look
  }

  async #restartNode(network: Network<NodeName>): Promise<void> {
    const name = this.#random.oneOf(NAMES)
    const node = network.node(name)
    const isKilled = this.#random.chance(0.5)
    this.#count({ [isKilled ? 'lnd killed' : 'lnd restarted']: 1 })
    if (isKilled) await node.kill()
    else await node.stop()
    await pause(DOWN_MS)
    await node.start()
    await network.waitActive()
  }

  // ---- Traffic -----------------------------------------------------------------------------------------------------

  async #traffic(network: Network<NodeName>, forMs: number, told: (sample: LndSample) => void): Promise<void> {
    const startMs = processClock.now()
    const due = { sample: SAMPLE_MS, restart: RESTARTS_MS, node: NODE_RESTARTS_MS }
    for (;;) {
      const atMs = processClock.now() - startMs
      if (atMs >= forMs) return
      if (atMs >= due.sample) {
        await this.#sample(atMs, told)
        due.sample = atMs + SAMPLE_MS
      }
      if (atMs >= due.restart) {
        await this.#restart(network)
        due.restart = processClock.now() - startMs + RESTARTS_MS
      }
      if (atMs >= due.node) {
        await this.#restartNode(network)
        due.node = processClock.now() - startMs + NODE_RESTARTS_MS
      }
      await pause(1_000)
    }
  }

  async #sample(atMs: number, told: (sample: LndSample) => void): Promise<void> {
    for (const [name, running] of this.#programs) {
      const { bufferBytes, connections, deadlines, handles, heapBytes, replyPaths, rssBytes, tableEntries } =
        await running.ask('look')
      const storeBytes = await bytesBelow(join(this.#folder, name))
      const sample: LndSample = {
        of: name,
        atMs,
        heapBytes,
        bufferBytes,
        rssBytes,
        handles,
        payments: 0,
        connections,
        deadlines,
        replyPaths,
        tableEntries,
        storeBytes,
      }
      this.#samples.push(sample)
      told(sample)
    }
  }

  // ---- The end -----------------------------------------------------------------------------------------------------

  async #end(network: Network<NodeName>): Promise<void> {
    for (const running of this.#programs.values()) running.rest()
    await pause(PEACE_MS)
    for (const [name, running] of this.#programs) await this.#endOne(name, running)
    this.#programs.clear()
    for (const name of NAMES) await this.#lookAt(network, name)
  }

  /** No HTLC, no invoice that is held, no file that nobody knows; and a new program can do everything. */
  async #lookAt(network: Network<NodeName>, name: NodeName): Promise<void> {
    const { lnd } = network.node(name)
    const pending = async (): Promise<number> =>
      (await getChannels({ lnd })).channels.reduce((sum, { pending_payments }) => sum + pending_payments.length, 0)
    try {
      await until(`${name} has no payment under way`, async () => (await pending()) === 0 || undefined)
    } catch {
      this.#left.push(`${await pending()} HTLCs at ${name}`)
    }
    const { invoices } = await getInvoices({ lnd })
    const held = invoices.filter(({ is_held }) => is_held === true).length
    if (held > 0) this.#left.push(`${held} invoices at ${name} are held`)
    const files = await readdir(join(this.#folder, name))
    const unknown = files.filter((file) => file !== 'journal' && file !== 'account')
    if (unknown.length > 0) this.#left.push(`files of ${name}: ${unknown.join(', ')}`)
    // spec/lnd.md §5: an lnd has one interceptor; where a former one were left, the next could not have it.
    await this.#start(network, name)
    const running = this.#programs.get(name)
    this.#programs.delete(name)
    running?.rest()
    if (running !== undefined) await this.#endOne(name, running)
  }
}
