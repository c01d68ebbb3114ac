import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { told } from '../../tools/regtest/until.ts'
import type { DescribedGraph } from './described-graph.ts'

/** lnd makes ready what several calls bring while it commits one of them. */
const CALLS_AT_ONCE = 8
const ITEMS_A_CALL = 200

interface RawClient {
  readonly describeGraph: { readonly responseSerialize: (graph: object) => Buffer }
  makeUnaryRequest(
    path: string,
    serialize: (graph: object) => Buffer,
    deserialize: (bytes: Buffer) => Buffer,
    graph: object,
    done: (error: unknown) => void,
  ): void
}

/** Puts a graph into an lnd that was built with the tag `dev`. @throws Error with lnd's reason */
export async function importGraph(node: LndNode, { nodes, edges }: DescribedGraph): Promise<void> {
  const client = node.lnd.default as RawClient
  await inCalls(nodes, (part) => importPart(client, { nodes: part, edges: [] }))
  await inCalls(edges, (part) => importPart(client, { nodes: [], edges: part }))
}

async function inCalls<Item>(items: readonly Item[], call: (part: readonly Item[]) => Promise<void>): Promise<void> {
  let from = 0
  const work = async (): Promise<void> => {
    while (from < items.length) {
      const part = items.slice(from, from + ITEMS_A_CALL)
      from += ITEMS_A_CALL
      await call(part)
    }
  }
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work))
}

/** The method takes what DescribeGraph answers; npm lightning does not know it. */
function importPart(client: RawClient, part: DescribedGraph): Promise<void> {
  const { responseSerialize } = client.describeGraph
  return new Promise((resolve, reject) => {
    const done = (error: unknown): void =>
      error === null ? resolve() : reject(new Error(`lnd does not import the graph: ${told(error)}`))
    client.makeUnaryRequest('/devrpc.Dev/ImportGraph', responseSerialize, (bytes) => bytes, part, done)
  })
}
