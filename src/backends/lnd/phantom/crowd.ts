import { BoundedMap } from '../../../floor/bounded.ts'
import type { Clock } from '../../../floor/clock.ts'
import { crowdBehind, type GraphView, type Outward, type PathShape } from '../../paths/candidates.ts'
import { MIN_CROWD_OF_TWO } from '../../paths/limits.ts'
import {
  CHANNELS_AGE_MS,
  CROWD_ASKED,
  FEATURES_AGE_MS,
  MAX_FEATURES,
  MAX_NODES_KNOWN,
  NODES_BEHIND,
} from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import { blindsRoutes, type RawEdge, type RawNodeInfo, type RawPolicy } from '../rpc/raw-messages.ts'
import { inboundCost, nodeInfo } from '../routes/public-graph.ts'

interface Dated<T> {
  readonly value: Promise<T>
  readonly atMs: number
}

/** Who could stand behind a path, by what lnd says of a few nodes: the whole graph would take it seconds. */
export class Crowd {
  readonly #client: LndClient
  readonly #clock: Clock
  readonly #nodes = new BoundedMap<string, Dated<RawNodeInfo | undefined>>(MAX_NODES_KNOWN)
  readonly #blinding = new BoundedMap<string, Dated<boolean>>(MAX_FEATURES)
  /** Whether a timer stands that drops old nodes. */
  #willDrop = false

  constructor(client: LndClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Nodes that are kept with their channels. */
  get known(): number {
    return this.#nodes.size
  }

  /** A node with its channels, as lnd had it two seconds ago at most. @throws RpcError */
  node(key: string): Promise<RawNodeInfo | undefined> {
    const info = this.#kept(this.#nodes, key, CHANNELS_AGE_MS, () => nodeInfo(this.#client, key))
    this.#dropLater()
    return info
  }

  /**
   * How many nodes could have made a path of this shape for this payer (spec §9.5). Of a large crowd some are asked
   * after, the same ones whoever asks, and the others are taken to be like them. Behind two relays what a few of the
   * nodes between tell has to do: there can be more. @throws RpcError
   */
  async size(shape: PathShape<string>, between: readonly string[], payer: string): Promise<number> {
    const known = new Map<string, RawNodeInfo>()
    await this.#learn(known, shape.introduction)
    let crowd = new Set<string>()
    const view = viewOf(known)
    const asked = shape.relays === 1 ? [] : [...between, ...inOrder(neighbours(view, shape, between))]
    if (shape.relays === 1) crowd = crowdBehind(view, shape, payer)
    for (const key of asked.slice(0, between.length + NODES_BEHIND)) {
      await this.#learn(known, key)
      crowd = crowdBehind(view, shape, payer)
      if (crowd.size >= 2 * MIN_CROWD_OF_TWO) break
    }
    const sample = inOrder(crowd).slice(0, CROWD_ASKED)
    const answers = await Promise.all(sample.map((key) => this.#blinds(key)))
    const relaying = answers.filter(Boolean).length
    return sample.length === crowd.size ? relaying : Math.floor((crowd.size * relaying) / sample.length)
  }

  async #learn(known: Map<string, RawNodeInfo>, key: string): Promise<void> {
    const info = await this.node(key)
    if (info !== undefined) known.set(key, info)
  }

  #blinds(key: string): Promise<boolean> {
    return this.#kept(this.#blinding, key, FEATURES_AGE_MS, async () => {
      const info = await nodeInfo(this.#client, key, false)
      return isRelaying(info)
    })
  }

  /** Nodes are let go of when they are too old to be used: one can have thousands of channels. */
  #dropLater(): void {
    const [oldest] = this.#nodes.values()
    if (this.#willDrop || oldest === undefined) return
    this.#willDrop = true
    this.#clock.schedule(oldest.atMs + CHANNELS_AGE_MS, () => {
      this.#willDrop = false
      const now = this.#clock.now()
      for (const [key, { atMs }] of this.#nodes) if (now - atMs >= CHANNELS_AGE_MS) this.#nodes.delete(key)
      this.#dropLater()
    })
  }

  #kept<T>(table: BoundedMap<string, Dated<T>>, key: string, ageMs: number, ask: () => Promise<T>): Promise<T> {
    const atMs = this.#clock.now()
    const known = table.get(key)
    if (known !== undefined && atMs - known.atMs < ageMs) return known.value
    const value = ask()
    const entry = { value, atMs }
    table.renew(key, entry)
    value.catch(() => {
      if (table.get(key) === entry) table.delete(key)
    })
    return value
  }
}

/** A node of which nothing is known yet counts as one that relays blinded payments. */
function viewOf(known: ReadonlyMap<string, RawNodeInfo>): GraphView<string> {
  const outward = new Map<string, readonly Outward<string>[]>()
  return {
    blinds: (key) => !known.has(key) || isRelaying(known.get(key)),
    outward: (key) => {
      const kept = outward.get(key)
      const info = known.get(key)
      if (kept !== undefined || info === undefined) return kept ?? []
      const made = info.channels.flatMap((edge) => outwardOf(edge, key))
      outward.set(key, made)
      return made
    },
  }
}

function outwardOf(edge: RawEdge, from: string): Outward<string>[] {
  const isFirst = edge.node1_pub === from
  const policy = isFirst ? edge.node1_policy : edge.node2_policy
  if (policy === null || policy.disabled) return []
  const to = isFirst ? edge.node2_pub : edge.node1_pub
  return [{ to, cost: costOf(policy), inbound: inboundCost(edge, from), inboundThere: inboundCost(edge, to) }]
}

function costOf(policy: RawPolicy): Outward<string>['cost'] {
  return {
    baseFeeMsat: Number(policy.fee_base_msat),
    feePpm: Number(policy.fee_rate_milli_msat),
    cltvDelta: policy.time_lock_delta,
    minHtlcMsat: Number(policy.min_htlc),
  }
}

function isRelaying(info: RawNodeInfo | undefined): boolean {
  return info?.node !== undefined && info.node !== null && blindsRoutes(info.node.features)
}

function neighbours(view: GraphView<string>, { introduction }: PathShape<string>, but: readonly string[]): Set<string> {
  return new Set(
    view
      .outward(introduction)
      .map(({ to }) => to)
      .filter((key) => !but.includes(key)),
  )
}

/** By their keys, which is by chance, and the same for everybody. */
function inOrder(keys: Iterable<string>): string[] {
  return [...keys].toSorted()
}
