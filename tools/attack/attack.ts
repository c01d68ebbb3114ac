/**
 * What a responder can work out about who connected: for each reply path that it was given, the nodes of the
 * public graph that could have made it, and those that could have made all of them.
 */
import { pathToFileURL } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import type { CandidateGraph } from '../../src/backends/paths/candidates.ts'
import { createEndpoint } from '../../src/index.ts'
import {
  candidateInitiators,
  createSimulation,
  decodePath,
  demoNetwork,
  hubNetwork,
  line,
  type NetworkDescription,
  type Observation,
} from '../../src/sim.ts'

/** What a responder holds: the public graph, its own key, and the reply paths that it was given. */
export interface Holdings {
  readonly graph: CandidateGraph
  readonly responder: Uint8Array
  readonly paths: readonly Uint8Array[]
}

/** Public keys, in hex, of all nodes that fit every path. */
export function attack({ graph, responder, paths }: Holdings): string[] {
  let left: string[] | undefined
  for (const path of paths) {
    const fits = candidateInitiators(graph, decodePath(path), responder)
    left = left === undefined ? fits : left.filter((key) => fits.includes(key))
  }
  return left ?? []
}

/** The reply paths that a responder's process paid over, out of what it asked of its backend. */
export function pathsPaidOver(observed: readonly Observation[]): Uint8Array[] {
  return observed.flatMap((each) => {
    if (each.kind !== 'call' || each.call !== 'findRoutes') return []
    const { destination } = each.argument as { destination: { lane: string; path?: Uint8Array } }
    return destination.path === undefined ? [] : [destination.path]
  })
}

interface Shape {
  readonly network: NetworkDescription
  readonly initiator: string
  readonly responder: string
}

const SHAPES: Readonly<Record<string, Shape>> = {
  hub: { network: hubNetwork(), initiator: 'leaf0', responder: 'leaf5' },
  demo: { network: demoNetwork(), initiator: 'alice', responder: 'bob' },
  line: { network: line(3), initiator: 'n0', responder: 'n2' },
}

async function main(): Promise<void> {
  const { network, relays, seed } = new Command('attack')
    .description('connect over a simulated network, then list who could have connected, by what the responder holds')
    .option('--network <name>', Object.keys(SHAPES).join(', '), shapeName, 'hub')
    .option('--relays <n>', 'blinded relays of a reply path, 1 or 2', relayCount, 1)
    .option('--seed <text>', 'of the simulation', '1')
    .parse()
    .opts<{ network: string; relays: 1 | 2; seed: string }>()
  const shape = SHAPES[network] as Shape
  const sim = createSimulation(shape.network, { seed, observe: [shape.responder] })
  const alice = await sim.drive(createEndpoint({ backend: sim.backend(shape.initiator), relays }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend(shape.responder) }))
  alice.on('warning', ({ message }: { message: string }) => console.log(`warning to the initiator: ${message}`))
  const server = bob.createServer((socket) => socket.resume().end('an answer'))
  await sim.drive(server.listen(7))
  const socket = alice.createConnection(sim.keyOf(shape.responder), 7)
  socket.end('a question')
  await sim.drive(socket.toArray())

  const graph = sim.publicGraph()
  const aliasOf = new Map(graph.nodes.map((node) => [node.publicKey, node.alias]))
  const paths = pathsPaidOver(sim.observed(shape.responder))
  const candidates = attack({ graph, responder: sim.keyOf(shape.responder), paths })
  console.log(`${network}: ${graph.nodes.length} public nodes; ${shape.initiator} connected to ${shape.responder}`)
  console.log(`reply paths paid over: ${paths.length}`)
  console.log(`candidates: ${candidates.map((key) => aliasOf.get(key) ?? key).join(', ')} (${candidates.length})`)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

function shapeName(text: string): string {
  if (Object.hasOwn(SHAPES, text)) return text
  throw new InvalidArgumentError(`one of ${Object.keys(SHAPES).join(', ')}`)
}

function relayCount(text: string): 1 | 2 {
  if (text === '1') return 1
  if (text === '2') return 2
  throw new InvalidArgumentError('1 or 2')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
