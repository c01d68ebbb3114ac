/** A network of six around bob: whom carol could suspect, and what two connections of alice have in common. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Endpoint } from '../../../src/index.ts'
import { fromHex } from '../../../src/floor/bytes.ts'
import { pathsIn } from '../../regtest/opened-packets.ts'
import type { Network } from '../../regtest/network.ts'
import { within } from '../../regtest/until.ts'
import { attack } from '../../attack/attack.ts'
import { describedGraph } from './described-graph.ts'
import { compare, type ComparedField, fieldsOf, sharedRuns } from './two-connections.ts'
import { plainEndpoint, Witness } from './witness.ts'

export type HubName = 'alice' | 'bob' | 'carol' | 'dave' | 'erin' | 'frank'

export interface HubResult {
  readonly nodes: number
  /** Reply paths that carol was given, of both connections. */
  readonly paths: number
  /** Names of the nodes that fit all of them, by the graph that carol's lnd describes. */
  readonly candidates: readonly string[]
  readonly fields: readonly ComparedField[]
  /** Runs of six bytes or more that stand in the packets or paths of both connections, beside what may be equal. */
  readonly sharedRuns: readonly string[]
}

/** Each connection carries so much each way: a few payments. */
const BYTES = 3_000
const PORT = 8
const DEADLINE_MS = 120_000

export async function runHub(network: Network<HubName>): Promise<HubResult> {
  const carol = network.node('carol')
  const witness = await Witness.open(carol)
  const alice = await plainEndpoint(network.node('alice'))
  const server = witness.endpoint.createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.resume().end(randomBytes(BYTES))
  })
  await server.listen(PORT)
  for (const which of ['first', 'second']) {
    await within(`the ${which} connection`, converse(alice, carol.publicKey), DEADLINE_MS)
  }
  await Promise.all([alice.close(), witness.close()])

  const opened = await witness.opened()
  const [first, second] = opened
  if (first === undefined || second === undefined || opened.length !== 2)
    throw new Error(`carol saw ${opened.length} connections in place of two`)
  const graph = await describedGraph(carol)
  const paths = opened.flatMap(({ frames }) => pathsIn(frames))
  const candidates = attack({ graph, responder: fromHex(carol.publicKey), paths })
  const names = new Map<string, string>([...network.nodes].map(([name, { publicKey }]) => [publicKey, name]))
  const payments = witness.payments()
  const [one, other] = [fieldsOf(first, payments, names), fieldsOf(second, payments, names)]
  return {
    nodes: graph.nodes.length,
    paths: paths.length,
    candidates: candidates.map((key) => names.get(key) ?? key).toSorted(),
    fields: compare(one, other),
    sharedRuns: sharedRuns(first, second),
  }
}

/** Sends random bytes and takes the answer, to the end of both. */
async function converse(from: Endpoint, publicKey: string): Promise<void> {
  const socket = from.createConnection(publicKey, PORT)
  const closed = once(socket, 'close')
  socket.resume().end(randomBytes(BYTES))
  await closed
}
