/** A graph as `lncli describegraph` prints it, changed so that a real lnd takes it and keeps it. */
import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { publicKey } from '../../src/wire/keys.ts'

/** What one end of a channel asks; the fields that lnd's import reads are all handed on. */
interface DescribedPolicy {
  readonly disabled?: boolean
  readonly last_update: number
}

interface DescribedNode {
  readonly pub_key: string
  readonly last_update: number
}

interface DescribedEdge {
  readonly node1_pub: string
  readonly node2_pub: string
  readonly node1_policy: DescribedPolicy | null
  readonly node2_policy: DescribedPolicy | null
}

export interface DescribedGraph {
  readonly nodes: readonly DescribedNode[]
  readonly edges: readonly DescribedEdge[]
}

/** @throws Error where the file is not what lncli prints */
export async function readGraph(file: string): Promise<DescribedGraph> {
  const stream = createReadStream(file)
  const graph = JSON.parse(await text(file.endsWith('.gz') ? stream.pipe(createGunzip()) : stream)) as DescribedGraph
  if (!Array.isArray(graph.nodes) || !Array.isArray(graph.edges))
    throw new Error(`${file} has no lists "nodes" and "edges": it is not what lncli describegraph prints`)
  return graph
}

/** The node with the most channels of which a direction is enabled. @throws Error where there is none */
export function bestConnected({ edges }: DescribedGraph): { readonly key: string; readonly channels: number } {
  const counts = new Map<string, number>()
  for (const edge of edges.filter(isUsable))
    for (const key of [edge.node1_pub, edge.node2_pub]) counts.set(key, (counts.get(key) ?? 0) + 1)
  let best: { readonly key: string; readonly channels: number } | undefined
  for (const [key, channels] of counts) if (channels > (best?.channels ?? 0)) best = { key, channels }
  if (best === undefined) throw new Error('the graph has no channel')
  return best
}

/**
 * The graph with a node of ours, which its lnd knows already, in the place of another. All of it is as new as `seconds`
 * says (lnd drops channels without news for two weeks), and what is disabled has no policy: lnd's import does not know
 * the flag. Made-up keys that are no points of the curve, which lnd refuses, get others in their place.
 */
export function fitted(graph: DescribedGraph, replaced: string, ours: string, seconds: number): DescribedGraph {
  const policy = (of: DescribedPolicy | null): DescribedPolicy | null =>
    of === null || of.disabled === true ? null : { ...of, last_update: seconds }
  const keys = new Map([[replaced, ours]])
  const keyOf = (key: string): string => {
    const known = keys.get(key)
    if (known !== undefined) return known
    const bytes = fromHex(key)
    const valid = secp256k1.utils.isValidPublicKey(bytes, true) ? key : toHex(publicKey(sha256(bytes)))
    keys.set(key, valid)
    return valid
  }
  const edges = graph.edges.map((edge) => {
    const ends = [
      { key: keyOf(edge.node1_pub), policy: policy(edge.node1_policy) },
      { key: keyOf(edge.node2_pub), policy: policy(edge.node2_policy) },
    ] as const
    // BOLT 7: the lesser key comes first.
    const [one, two] = ends[0].key < ends[1].key ? ends : ([ends[1], ends[0]] as const)
    return { ...edge, node1_pub: one.key, node1_policy: one.policy, node2_pub: two.key, node2_policy: two.policy }
  })
  const nodes = graph.nodes.filter(({ pub_key: key }) => key !== replaced && key !== ours)
  return { nodes: nodes.map((node) => ({ ...node, pub_key: keyOf(node.pub_key), last_update: seconds })), edges }
}

function isUsable({ node1_policy: one, node2_policy: two }: DescribedEdge): boolean {
  return [one, two].some((policy) => policy !== null && policy.disabled !== true)
}
