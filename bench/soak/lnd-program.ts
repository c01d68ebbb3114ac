/** A program of `./dev soak --lnd`, in a process of its own: it serves, calls the others, and tells what it takes. */
import { BackendError, createEndpoint, type Endpoint, FolderStore } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { pause } from '../../src/floor/clock.ts'
import { Random } from '../../src/backends/sim/random.ts'
import { MUST_BE_GONE, REMEMBERED } from './counters.ts'
import { memoryNow, type Sample } from './sample.ts'
import { Party, Tally } from './traffic.ts'

const PLENTY_MSAT = 1_000_000_000_000n
const CAP_MSAT = 10_000_000n
/** After the end of everything, until what is left is counted: sockets close in the meantime. */
const CLOSING_MS = 2_000
const AGAIN_MS = 2_000

export interface ProgramSettings {
  readonly socket: string
  readonly cert: string
  readonly macaroon: string
  readonly folder: string
  /** Public keys of the others, hexadecimal. */
  readonly others: readonly string[]
  readonly seed: number
  readonly prune: boolean
  /** Between two things that are done, on average. */
  readonly actMs: number
}

export type Order = 'look' | 'rest' | 'end'

/** What the program takes now. */
export interface Look extends Omit<Sample, 'atMs' | 'payments' | 'storeBytes'> {
  readonly rssBytes: number
  readonly counts: Readonly<Record<string, number>>
  readonly stats: Readonly<Record<string, number>>
}

const COUNTERS = [...MUST_BE_GONE, ...REMEMBERED, 'reservedMsat', 'deadlines'] as const

/** A node that was started a moment ago may not take everything yet. */
async function opened({ cert, folder, macaroon, prune, socket }: ProgramSettings): Promise<Endpoint> {
  for (;;) {
    const store = new FolderStore(folder)
    try {
      return await createEndpoint({
        backend: createLndBackend({ socket, cert, macaroon, prune }),
        store,
        caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT },
        maxCost: CAP_MSAT,
        phantomLane: true,
      })
    } catch (error) {
      if (!(error instanceof BackendError && error.code === 'offline')) throw error
      await store.close()
      await pause(AGAIN_MS)
    }
  }
}

async function main(settings: ProgramSettings): Promise<void> {
  const { actMs, others, seed } = settings
  const random = new Random(String(seed), 'program')
  const tally = new Tally()
  const endpoint = await opened(settings)
  endpoint.on('warning', ({ code }) => tally.count(`warning ${code}`))
  const party = await Party.serve(endpoint, tally)
  let isActing = true

  const look = (): Look => {
    const { stats } = endpoint
    const counted = Object.fromEntries(COUNTERS.map((name) => [name, Number(stats[name])]))
    return {
      ...memoryNow(),
      rssBytes: process.memoryUsage().rss,
      connections: stats.connections,
      deadlines: stats.deadlines,
      replyPaths: stats.replyPaths,
      tableEntries: REMEMBERED.reduce((sum, name) => sum + stats[name], 0),
      counts: tally.counts,
      stats: counted,
    }
  }

  process.on('message', (order: Order) => {
    if (order === 'look') process.send?.(look())
    else if (order === 'rest') isActing = false
    else void end()
  })

  async function end(): Promise<void> {
    isActing = false
    party.destroyAll()
    await party.close()
    await pause(CLOSING_MS)
    process.send?.(look())
    // What is left now keeps the process alive, which is looked at from outside.
    process.disconnect()
  }

  process.send?.('ready')
  while (isActing) {
    party.act(random.oneOf(others), random)
    await pause(random.exponential(actMs))
  }
}

await main(JSON.parse(process.argv[2] ?? '{}') as ProgramSettings)
