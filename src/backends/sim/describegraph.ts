import { SimulationError } from './errors.ts'
import {
  MSAT_PER_SAT,
  type GossipChannel,
  type GossipGraph,
  type GossipNode,
  type GossipPolicy,
} from './gossip-graph.ts'
import { MAX_EXACT_MSAT, MAX_INBOUND_BASE_MSAT } from './limits.ts'

/** What `lncli describegraph` prints, parsed. Numbers may be decimal text, as lncli writes those of 64 bits. */
export interface DescribedGraph {
  readonly nodes: readonly DescribedNode[]
  readonly edges: readonly DescribedEdge[]
}

interface DescribedNode {
  readonly pub_key: string
  /** By bit number. A node that tells its features, and none of 24 and 25, relays no blinded paths. */
  readonly features?: Readonly<Record<string, unknown>> | null
}

interface DescribedEdge {
  /** The short channel id as one number of 64 bits, in decimal text; or as `700000x1x0`. */
  readonly channel_id?: string | number
  readonly node1_pub: string
  readonly node2_pub: string
  /** Satoshi. */
  readonly capacity: string | number
  readonly node1_policy?: DescribedPolicy | null
  readonly node2_policy?: DescribedPolicy | null
}

interface DescribedPolicy {
  readonly time_lock_delta: string | number
  readonly min_htlc?: string | number
  readonly fee_base_msat?: string | number
  readonly fee_rate_milli_msat?: string | number
  readonly disabled?: boolean
  readonly max_htlc_msat?: string | number
  readonly inbound_fee_base_msat?: string | number
  readonly inbound_fee_rate_milli_msat?: string | number
}

/** Bits of `option_route_blinding` (BOLT 9). */
const ROUTE_BLINDING_BITS = ['24', '25'] as const
/** The public network has deltas and rates beyond what the simulator takes: these are paid by nobody. */
const MAX_DELTA_BLOCKS = 2_016
const MAX_PPM = 1_000_000

/** Of what a file may hold, whatever its type says. @throws SimulationError 'bad-graph' with the entry's place */
export function readDescribedGraph(graph: DescribedGraph): GossipGraph {
  const { nodes: described, edges } = fieldsOf('the graph', graph)
  if (!Array.isArray(described) || !Array.isArray(edges)) {
    fail('the graph', "it has no lists 'nodes' and 'edges'; parse what 'lncli describegraph' prints")
  }
  const nodes = new Map<string, GossipNode>()
  for (const [i, value] of (described as readonly unknown[]).entries()) {
    const node = fieldsOf(`nodes[${i}]`, value)
    const name = text([`nodes[${i}]`, 'pub_key'], node['pub_key'])
    if (nodes.has(name)) fail([`nodes[${i}]`, 'pub_key'], `a second node has the key ${name}`)
    nodes.set(name, { name, routeBlinding: relaysBlinded(node['features']) })
  }
  const ids = new Set<string>()
  const channels = (edges as readonly unknown[]).map((edge, i) => readEdge(`edges[${i}]`, edge, ids))
  // A node without an announcement of its own is known by its channels alone.
  for (const { ends } of channels)
    for (const name of ends) if (!nodes.has(name)) nodes.set(name, { name, routeBlinding: false })
  return { nodes: [...nodes.values()], channels }
}

function relaysBlinded(features: unknown): boolean {
  if (typeof features !== 'object' || features === null || Object.keys(features).length === 0) return true
  return ROUTE_BLINDING_BITS.some((bit) => Object.hasOwn(features, bit))
}

function readEdge(where: string, value: unknown, ids: Set<string>): GossipChannel {
  const edge = fieldsOf(where, value)
  const ends = [text([where, 'node1_pub'], edge['node1_pub']), text([where, 'node2_pub'], edge['node2_pub'])] as const
  if (ends[0] === ends[1]) fail(where, 'a channel lies between two different nodes')
  const id = edge['channel_id'] === undefined ? undefined : channelId([where, 'channel_id'], edge['channel_id'])
  if (id !== undefined && ids.has(id)) fail([where, 'channel_id'], `a second channel has the id ${id}`)
  if (id !== undefined) ids.add(id)
  const policies = [
    readPolicy(`${where}.node1_policy`, edge['node1_policy']),
    readPolicy(`${where}.node2_policy`, edge['node2_policy']),
  ] as const
  const capacitySat = whole([where, 'capacity'], edge['capacity'], 0, MAX_EXACT_MSAT / MSAT_PER_SAT)
  // A node that does not look at the chain knows no capacities, only what its neighbours let pass at most.
  const mostMsat = Math.max(MSAT_PER_SAT, ...policies.map((policy) => policy?.maxHtlcMsat ?? 0))
  const capacityMsat = capacitySat === 0 ? mostMsat : capacitySat * MSAT_PER_SAT
  return { id, ends, capacityMsat, policies }
}

function readPolicy(where: string, value: unknown): GossipPolicy | undefined {
  if (value === null || value === undefined) return undefined
  const policy = fieldsOf(where, value)
  const { disabled = false } = policy
  if (typeof disabled !== 'boolean') fail([where, 'disabled'], `${JSON.stringify(disabled)} is neither true nor false`)
  const read = (name: keyof DescribedPolicy, most: number): number => whole([where, name], policy[name] ?? 0, 0, most)
  const signed = (name: keyof DescribedPolicy, most: number): number =>
    Math.max(-most, whole([where, name], policy[name] ?? 0, Number.MIN_SAFE_INTEGER, most))
  return {
    baseFeeMsat: read('fee_base_msat', MAX_EXACT_MSAT),
    feePpm: read('fee_rate_milli_msat', MAX_PPM),
    inboundBaseFeeMsat: signed('inbound_fee_base_msat', MAX_INBOUND_BASE_MSAT),
    inboundFeePpm: signed('inbound_fee_rate_milli_msat', MAX_PPM),
    cltvDelta: Math.max(1, read('time_lock_delta', MAX_DELTA_BLOCKS)),
    minHtlcMsat: read('min_htlc', MAX_EXACT_MSAT),
    maxHtlcMsat: read('max_htlc_msat', MAX_EXACT_MSAT),
    disabled,
  }
}

/** An entry of the graph, or an entry and its field: text is made of it where something is wrong. */
type Place = string | readonly [entry: string, field: string]

/** Block, transaction and output of a short channel id (BOLT 7). */
function channelId(where: Place, value: unknown): string {
  if (typeof value === 'string' && /^\d{1,8}x\d{1,8}x\d{1,5}$/.test(value)) return value
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    fail(where, `${value} has lost digits as a number; leave it as the text that lncli prints`)
  }
  if (!/^\d{1,20}$/.test(String(value))) fail(where, `'${String(value)}' is no short channel id`)
  const id = BigInt(value as string | number)
  if (id >= 1n << 64n) fail(where, `${id} is no number of 64 bits`)
  return `${id >> 40n}x${(id >> 16n) & 0xff_ffffn}x${id & 0xffffn}`
}

function text(where: Place, value: unknown): string {
  if (typeof value !== 'string' || value === '') fail(where, `${JSON.stringify(value)} is no public key`)
  return value
}

function fieldsOf(where: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(where, 'it is no object')
  return value as Readonly<Record<string, unknown>>
}

/** A whole number, or the same in decimal digits; one that is larger than `most` counts as that. */
function whole(where: Place, value: unknown, least: number, most: number): number {
  const number = typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    fail(where, `${JSON.stringify(value)} is no whole number`)
  }
  if (number < least) fail(where, `${number} is below ${least}`)
  return Math.min(number, most)
}

function fail(where: Place, what: string): never {
  throw new SimulationError('bad-graph', `${typeof where === 'string' ? where : where.join('.')}: ${what}`)
}
