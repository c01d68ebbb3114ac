/**
 * What a responder can work out about who connected: for each reply path that it was given, the nodes of the
 * public graph that could have made it, and those that could have made all of them; and what it finds out when it pays
 * its answers over ways that tell (own-node-way.ts).
 */
import { pathToFileURL } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { type CandidateGraph, graphView } from '../../src/backends/paths/candidates.ts'
import { toHex } from '../../src/floor/bytes.ts'
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
import { GuardRule } from './guard-rule.ts'
import { OwnNodeWay } from './own-node-way.ts'

/** What a responder holds: the public graph, its own key, and the reply paths that it was given. */
export interface Holdings {
  readonly graph: CandidateGraph
  readonly responder: Uint8Array
  readonly paths: readonly Uint8Array[]
}

/** Public keys, in hex, of all nodes that fit every path. */
export function attack({ graph, responder, paths }: Holdings): string[] {
  return inAll(paths.map((path) => candidateInitiators(graph, decodePath(path), responder)))
}

/** The same by one who knows how guards are chosen (spec §9.12): who would have chosen otherwise is left out. */
export function attackByRule({ graph, responder, paths }: Holdings): string[] {
  const rule = new GuardRule(graphView(graph), toHex(responder))
  const each = paths.map((path) => {
    const { introduction, blindedIds, totals } = decodePath(path)
    return rule.makers({ introduction: toHex(introduction), relays: blindedIds.length - 1, totals })
  })
  return inAll(each)
}

function inAll(sets: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = sets
  return others.reduce<readonly string[]>((left, set) => left.filter((key) => set.includes(key)), first).toSorted()
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

/** Some packets for each neighbour that an introduction node has in these networks. */
const ANSWER_BYTES = 20_000

const SHAPES: Readonly<Record<string, Shape>> = {
  hub: { network: hubNetwork(), initiator: 'leaf0', responder: 'leaf5' },
  demo: { network: demoNetwork(), initiator: 'alice', responder: 'bob' },
  line: { network: line(3), initiator: 'n0', responder: 'n2' },
}

async function main(): Promise<void> {
  const { network, relays, seed } = new Command('attack')
    .description('connect over a simulated network, then list who could have connected, by what the responder holds')
    .option('--network <name>', Object.keys(SHAPES).join(', '), shapeName, 'hub')
    .option('--relays <n>', 'blinded relays of a reply path, 1, 2 or auto', relayWish, 'auto')
    .option('--seed <text>', 'of the simulation', '1')
    .parse()
    .opts<{ network: string; relays: 1 | 2 | 'auto'; seed: string }>()
  const shape = SHAPES[network] as Shape
  const sim = createSimulation(shape.network, { seed, observe: [shape.responder] })
  const alice = await sim.drive(createEndpoint({ backend: sim.backend(shape.initiator), relays }))
  const trying = new OwnNodeWay(sim.backend(shape.responder), sim.publicGraph(), sim.keyOf(shape.responder))
  const bob = await sim.drive(createEndpoint({ backend: trying.backend }))
  alice.on('warning', ({ message }: { message: string }) => console.log(`warning to the initiator: ${message}`))
  const server = bob.createServer((socket) => socket.resume().end(new Uint8Array(ANSWER_BYTES)))
  await sim.drive(server.listen(7))
  const socket = alice.createConnection(sim.keyOf(shape.responder), 7)
  socket.end('a question')
  await sim.drive(socket.toArray())

  const graph = sim.publicGraph()
  const aliasOf = new Map(graph.nodes.map((node) => [node.publicKey, node.alias]))
  const paths = pathsPaidOver(sim.observed(shape.responder))
  const holdings = { graph, responder: sim.keyOf(shape.responder), paths }
  const candidates = attack(holdings)
  const byRule = attackByRule(holdings)
  console.log(`${network}: ${graph.nodes.length} public nodes; ${shape.initiator} connected to ${shape.responder}`)
  console.log(`reply paths paid over: ${paths.length}`)
  const names = (keys: readonly string[]): string =>
    `${keys.map((key) => aliasOf.get(key) ?? key).join(', ')} (${keys.length})`
  console.log(`candidates, by looking: ${names(candidates)}`)
  console.log(`of these, by the rule for guards: ${names(byRule)}`)
  const next = inAll(paths.map((path) => trying.nextHops(path)))
  console.log(`ways to the introduction node that were tried, with one payment each: ${trying.payments}`)
  console.log(`behind it stands, by the way that fails: ${names(next)}`)
  console.log(`candidates, by trying: ${names(inAll(paths.map((path) => trying.makers(path))))}`)
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

function shapeName(text: string): string {
  if (Object.hasOwn(SHAPES, text)) return text
  throw new InvalidArgumentError(`one of ${Object.keys(SHAPES).join(', ')}`)
}

function relayWish(text: string): 1 | 2 | 'auto' {
  if (text === '1') return 1
  if (text === '2') return 2
  if (text === 'auto') return text
  throw new InvalidArgumentError('1, 2 or auto')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
