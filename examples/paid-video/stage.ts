/** The demonstration: a publisher and two viewers with a page each, on a simulated network or on real nodes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEndpoint, type Endpoint, FolderStore } from 'keysock'
import { createLndBackend } from 'keysock/lnd'
import { createSimulation, type NetworkDescription, type Simulation } from 'keysock/sim'
import { ownClips } from './clips.ts'
import { readLedger, type Side } from './ledger.ts'
import { PageServer } from './page-server.ts'
import { FREE_DAY_SAT, Publisher } from './publisher.ts'
import { CATALOGUE_PORT } from './requests.ts'
import { Viewer } from './viewer.ts'

export interface StageOptions {
  /** JSON of `./dev example NAME --lnd`: by name what createLndBackend takes. Without it the network is simulated. */
  readonly nodes?: string | undefined
  /** What each viewer may spend, msat. */
  readonly capMsat: bigint
  /** The page of the first viewer; that of the second has the next one. 0: any free ports. */
  readonly pagePort: number
  readonly log?: (line: string) => void
}

/** What is to be closed again. */
interface Opened {
  readonly close: () => Promise<void>
}

export interface Watcher {
  readonly name: string
  readonly endpoint: Endpoint
  readonly viewer: Viewer
  readonly page: PageServer
}

/** What one of them paid and received, msat. */
interface Account {
  readonly name: string
  /** As a viewer. */
  readonly bought: Side
  /** As a publisher. */
  readonly sold: Side
}

export interface Books {
  readonly accounts: readonly Account[]
  /** What viewers paid, and what publishers received: the same, to the msat. */
  readonly paidMsat: bigint
  readonly earnedMsat: bigint
  readonly agree: boolean
}

/** Two ways between any two of them, as on the public network. */
const NETWORK: NetworkDescription = {
  nodes: ['studio', 'anna', 'ben', 'north', 'south', 'east'].map((name) => ({ name })),
  channels: [
    ['anna', 'north'],
    ['anna', 'south'],
    ['ben', 'south'],
    ['ben', 'east'],
    ['studio', 'north'],
    ['studio', 'east'],
    ['studio', 'south'],
    ['north', 'south'],
    ['south', 'east'],
  ].map(([one = '', two = '']) => ({ between: [one, two], capacityMsat: 10_000_000_000 })),
  failure: 0.05,
}
const NAMES = { publisher: 'Studio North', viewers: ['Anna', 'Ben'] } as const
/**
 * Of the nodes of `./dev example NAME --lnd`: who is who. carol is between the two, and watches, too: with a publisher
 * as its only peer that has others, nobody could introduce its hidden replies, so they are direct.
 */
const LND_NODES = { publisher: 'bob', viewers: ['alice', 'carol'] } as const
const LND_DIRECT = 'carol'
const SIM_NODES = { publisher: 'studio', viewers: ['anna', 'ben'] } as const
/** The purse bounds what a viewer spends, and what viewers paid what a seller does; caps of keysock stand behind. */
const CAPS = { peer: 1_000_000_000n, process: 1_000_000_000n }
const POLICY = { ports: { [CATALOGUE_PORT]: { daySat: FREE_DAY_SAT } } }
/** What one packet may cost, msat: four fifths of the lowest price of the clips. */
const MAX_FEE_MSAT = 3_200
/** How long payments are waited for at the end, and how often is looked, ms. */
const DECIDED_MS = 60_000
const LOOK_MS = 250
/** What came in last is confirmed by the node soon, ms. */
const CONFIRMED_MS = 2_000

export class Stage {
  readonly publisher: Publisher
  readonly publisherEndpoint: Endpoint
  readonly watchers: readonly Watcher[]
  readonly sim: Simulation | undefined
  readonly #folder: string

  private constructor(parts: Pick<Stage, 'publisher' | 'publisherEndpoint' | 'watchers' | 'sim'>, folder: string) {
    this.publisher = parts.publisher
    this.publisherEndpoint = parts.publisherEndpoint
    this.watchers = parts.watchers
    this.sim = parts.sim
    this.#folder = folder
  }

  static async open(options: StageOptions): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), 'paid-video-'))
    const sim =
      options.nodes === undefined ? createSimulation(NETWORK, { mode: 'real-time', seed: Date.now() }) : undefined
    const opened: Opened[] = []
    try {
      return await Stage.#open(options, folder, sim, opened)
    } catch (error) {
      // They would hold the process, and nodes would stay taken.
      for (const one of opened.toReversed()) await one.close()
      sim?.close()
      rmSync(folder, { recursive: true })
      throw error
    }
  }

  static async #open(
    { nodes, capMsat, pagePort, log }: StageOptions,
    folder: string,
    sim: Simulation | undefined,
    opened: Opened[],
  ): Promise<Stage> {
    const names = nodes === undefined ? SIM_NODES : LND_NODES
    const known = nodes === undefined ? {} : (JSON.parse(readFileSync(nodes, 'utf8')) as Record<string, object>)
    const open = async (name: string): Promise<Endpoint> => {
      const backend = sim?.backend(name) ?? createLndBackend({ ...known[name], network: 'regtest' })
      const replies = nodes !== undefined && name === LND_DIRECT ? 'direct' : 'phantom'
      const store = new FolderStore(join(folder, name))
      const endpoint = await createEndpoint({
        backend,
        store,
        caps: CAPS,
        maxFee: MAX_FEE_MSAT,
        policy: POLICY,
        phantomLane: true,
        replies,
      })
      opened.push(endpoint)
      return endpoint
    }
    const publisherEndpoint = await open(names.publisher)
    const publisher = await Publisher.open({
      endpoint: publisherEndpoint,
      maxFeeMsat: MAX_FEE_MSAT,
      name: NAMES.publisher,
      ...(log && { log }),
    })
    for (const clip of ownClips()) await publisher.add(clip)
    const address = await publisherEndpoint.address()
    const watchers: Watcher[] = []
    for (const [i, name] of NAMES.viewers.entries()) {
      const endpoint = await open(names.viewers[i] ?? '')
      const viewer = new Viewer({
        endpoint,
        maxFeeMsat: MAX_FEE_MSAT,
        name,
        folder: join(folder, `${name}-films`),
        capMsat,
      })
      const page = await PageServer.open(viewer, name, pagePort === 0 ? 0 : pagePort + i)
      opened.push(viewer, page)
      watchers.push({ name, endpoint, viewer, page })
    }
    // It comes while the pages are opened; they say how it goes.
    for (const { viewer } of watchers) void viewer.addPublisher(address)
    return new Stage({ publisher, publisherEndpoint, watchers, sim }, folder)
  }

  /** Ends everything in good order, and says what was paid. */
  async close(): Promise<Books> {
    for (const { page, viewer } of this.watchers) {
      await page.close()
      await viewer.close()
    }
    const endpoints = [this.publisherEndpoint, ...this.watchers.map(({ endpoint }) => endpoint)]
    for (let waited = 0; waited < DECIDED_MS && !endpoints.every(isDecided); waited += LOOK_MS) await wait(LOOK_MS)
    this.publisher.close()
    await wait(CONFIRMED_MS)
    const books = await this.#books()
    await Promise.all(endpoints.map((endpoint) => endpoint.close()))
    this.sim?.close()
    rmSync(this.#folder, { recursive: true })
    return books
  }

  async #books(): Promise<Books> {
    const parties = [{ name: NAMES.publisher, endpoint: this.publisherEndpoint }, ...this.watchers]
    const accounts = await Promise.all(
      parties.map(async ({ name, endpoint }): Promise<Account> => {
        const { bought, sold } = await readLedger(endpoint.account)
        return { name, bought: sumOf([...bought.values()]), sold }
      }),
    )
    const bought = sumOf(accounts.map((account) => account.bought))
    const sold = sumOf(accounts.map((account) => account.sold))
    const [paidMsat, earnedMsat] = [bought.paidMsat, sold.receivedMsat]
    return { accounts, paidMsat, earnedMsat, agree: paidMsat === earnedMsat }
  }
}

function isDecided({ stats }: Endpoint): boolean {
  return stats.reservedMsat === 0n
}

function sumOf(sides: readonly Side[]): Side {
  const sum = (of: (side: Side) => bigint): bigint => sides.reduce((all, side) => all + of(side), 0n)
  return {
    paidMsat: sum(({ paidMsat }) => paidMsat),
    feesMsat: sum(({ feesMsat }) => feesMsat),
    receivedMsat: sum(({ receivedMsat }) => receivedMsat),
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
