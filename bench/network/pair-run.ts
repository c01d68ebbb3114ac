import type { PathResult, RelayWish } from '../../src/medium/reply-path.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, type Endpoint, type EndpointOptions, type Socket } from '../../src/index.ts'
import type { Simulation } from '../../src/sim.ts'
import { median } from '../sim/statistics.ts'
import { pause } from '../../src/floor/clock.ts'
import { watch, type Watch } from '../sim/watch.ts'
import type { PreparedNetwork } from './networks.ts'
import { ECHO_BYTES, GIVE_UP_MS, PAIRS_AT_ONCE } from './settings.ts'

/** What came of one caller's question to one other node. Times are virtual, amounts msat. */
export interface PairRun {
  /** What the caller asked of its reply paths. */
  readonly wish: RelayWish
  readonly from: string
  readonly to: string
  /** Channels in use of both. */
  readonly channels: readonly [number, number]
  /** undefined: the answer came; else the code of the error. */
  readonly error: string | undefined
  /** From the call until the answer was read, or the error was heard. */
  readonly ms: number
  /** Who could stand behind the caller's reply paths; what these cost their payer; how many relays. */
  readonly candidates: number | undefined
  readonly pathMsat: number | undefined
  readonly relays: number | undefined
  /** What one packet of the caller cost, and one of the answer: medians, amount and fee. */
  readonly packetMsat: number | undefined
  readonly replyMsat: number | undefined
  /** By policy alone; undefined: no way. */
  readonly cheapestMsat: number | undefined
  readonly cheapestBackMsat: number | undefined
  readonly payments: number
}

const PORT = 7
/** What is under way when a pair is done may hang for hours: nobody waits longer than this for it. */
const CLOSE_MS = 60_000

/** Which pairs, by number, and what their callers ask of their reply paths. */
export interface PairsWanted {
  readonly first: number
  readonly count: number
  readonly wish: RelayWish
}

/** Some pairs, one after the other in one simulation. */
export async function runPairs(network: PreparedNetwork, { first, count, wish }: PairsWanted): Promise<PairRun[]> {
  const simulation = network.simulation(`pairs ${Math.floor(first / PAIRS_AT_ONCE)}`)
  const runs: PairRun[] = []
  for (let i = first; i < first + count; i++) runs.push(await runPair(network, simulation, network.pair(i), wish))
  return runs
}

async function runPair(
  network: PreparedNetwork,
  simulation: Simulation,
  [from, to]: readonly [string, string],
  wish: RelayWish,
): Promise<PairRun> {
  const now = (): number => simulation.clock.now()
  const backends = [simulation.backend(from), simulation.backend(to)] as const
  const caller = watch(backends[0], now)
  const called = watch(backends[1], now)
  let made: PathResult | undefined
  const path = watchPaths(caller.backend, (result) => (made ??= result))
  const startMs = now()
  const question = ask(simulation, { backend: path, relays: wish }, called.backend, simulation.keyOf(to))
  const { error, ends } = await simulation.drive(question, { withinMs: Infinity })
  const ms = now() - startMs
  await simulation.drive(closeAll(simulation, ends, backends), { withinMs: Infinity })
  return {
    wish,
    from,
    to,
    channels: [network.ways.channelsInUse(from), network.ways.channelsInUse(to)],
    error,
    ms,
    candidates: made?.candidates,
    pathMsat: made?.costMsat === undefined ? undefined : Number(made.costMsat),
    relays: made?.relays,
    packetMsat: packetMsat(caller),
    replyMsat: packetMsat(called),
    cheapestMsat: network.ways.packetMsat(from, to),
    cheapestBackMsat: network.ways.packetMsat(to, from),
    payments: caller.payments.length + called.payments.length,
  }
}

interface Asked {
  readonly error: string | undefined
  readonly ends: readonly Endpoint[]
}

async function ask(simulation: Simulation, caller: EndpointOptions, called: Backend, key: Uint8Array): Promise<Asked> {
  const ends: Endpoint[] = []
  const answered = Promise.withResolvers<string | undefined>()
  const stop = simulation.clock.schedule(simulation.clock.now() + GIVE_UP_MS, () => answered.resolve('no answer'))
  try {
    ends.push(await createEndpoint({ backend: called }), await createEndpoint(caller))
    await ends[0]?.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(PORT)
    const socket = ends[1]?.createConnection(key, PORT) as Socket
    let bytes = 0
    socket.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes >= ECHO_BYTES) answered.resolve(undefined)
    })
    socket.on('error', (error) => answered.resolve(codeOf(error)))
    socket.on('close', () => answered.resolve('closed'))
    socket.write(simulation.entropy.bytes(ECHO_BYTES))
  } catch (error) {
    answered.resolve(codeOf(error))
  }
  const error = await answered.promise
  stop()
  return { error, ends }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code ?? error)
}

/** Closes both, or stops their backends when that takes too long. */
async function closeAll(
  simulation: Simulation,
  ends: readonly Endpoint[],
  backends: readonly Backend[],
): Promise<void> {
  await Promise.race([pause(CLOSE_MS, simulation.clock), Promise.all(ends.map((end) => end.close()))])
  await Promise.all(backends.map((backend) => backend.stop()))
}

/** Looks at the reply paths that a process makes. */
function watchPaths(backend: Backend, onMade: (result: PathResult) => void): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'makePaths') return value
      return async (...args: Parameters<Backend['makePaths']>) => {
        const result = await backend.makePaths(...args)
        onMade(result)
        return result
      }
    },
  })
}

function packetMsat({ payments }: Watch): number | undefined {
  const costs = payments.filter(({ settled }) => settled).map(({ costMsat }) => Number(costMsat))
  return costs.length === 0 ? undefined : median(costs)
}
