/** A public graph from a file: what `lncli describegraph` prints, also gzipped. Nodes go by numbers here. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { GraphView, Outward } from '../../src/backends/paths/candidates.ts'

interface Policy {
  readonly time_lock_delta: number
  readonly min_htlc: string
  readonly fee_base_msat: string
  readonly fee_rate_milli_msat: string
  readonly disabled: boolean
  readonly inbound_fee_base_msat?: number
  readonly inbound_fee_rate_milli_msat?: number
}

interface Described {
  readonly nodes: readonly { readonly pub_key: string; readonly features?: Readonly<Record<string, unknown>> }[]
  readonly edges: readonly {
    readonly node1_pub: string
    readonly node2_pub: string
    readonly node1_policy: Policy | null
    readonly node2_policy: Policy | null
  }[]
}

/** Feature bits of route blinding (BOLT 9). */
const BLINDING = ['24', '25']

export interface Gossip extends GraphView<number> {
  readonly size: number
  /** The channels of a node that are in force both ways, as its peers have them towards it. */
  inward(node: number): readonly Inward[]
}

/** A channel towards a node, as the other end sends over it. */
export type Inward = Outward<number> & { readonly from: number }

/** Channels with both directions enabled; a graph that tells no features is taken to be one of today's nodes. */
export function readGossip(file: string): Gossip {
  const bytes = readFileSync(file)
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString()
  const { nodes, edges } = JSON.parse(text) as Described
  const numbers = new Map(nodes.map(({ pub_key: key }, i) => [key, i]))
  const outward: Outward<number>[][] = nodes.map(() => [])
  const inward: Inward[][] = nodes.map(() => [])
  for (const { node1_pub: one, node2_pub: two, node1_policy: there, node2_policy: back } of edges) {
    const [first, second] = [numbers.get(one), numbers.get(two)]
    if (first === undefined || second === undefined || !isInForce(there) || !isInForce(back)) continue
    const ends = [first, second] as const
    const policies = [there, back] as const
    for (const i of [0, 1] as const) {
      const other = i === 0 ? 1 : 0
      const link = {
        to: ends[other],
        cost: costOf(policies[i]),
        inbound: inboundOf(policies[i]),
        inboundThere: inboundOf(policies[other]),
      }
      outward[ends[i]]?.push(link)
      inward[ends[other]]?.push({ ...link, from: ends[i] })
    }
  }
  const blinds = nodes.map(({ features }) => features === undefined || BLINDING.some((bit) => bit in features))
  return {
    size: nodes.length,
    blinds: (node) => blinds[node] === true,
    outward: (node) => outward[node] ?? [],
    inward: (node) => inward[node] ?? [],
  }
}

function isInForce(policy: Policy | null): policy is Policy {
  return policy !== null && !policy.disabled
}

function costOf(policy: Policy): Outward<number>['cost'] {
  return {
    baseFeeMsat: Number(policy.fee_base_msat),
    feePpm: Number(policy.fee_rate_milli_msat),
    cltvDelta: policy.time_lock_delta,
    minHtlcMsat: Number(policy.min_htlc),
  }
}

function inboundOf(policy: Policy): Outward<number>['inbound'] {
  return { baseFeeMsat: policy.inbound_fee_base_msat ?? 0, feePpm: policy.inbound_fee_rate_milli_msat ?? 0 }
}
