import type { NetworkDescription } from './description.ts'
import { drawNetwork, type DrawOptions } from './drawn-network.ts'
import { SimulationError } from './errors.ts'
import { MSAT_PER_SAT, type GossipChannel, type GossipGraph, type GossipPolicy } from './gossip-graph.ts'
import { MAX_NODES } from './limits.ts'
import { MAINNET } from './mainnet-tables.ts'
import { checkIsObject } from './option-names.ts'
import { Random } from './random.ts'

export interface MainnetOptions extends DrawOptions {
  /** Public nodes: 10..50,000. Those behind private channels come on top (`privateNodes`). */
  readonly nodes: number
}

/** What a public graph was like. A list of values stands for a distribution: each is as likely as the others. */
export interface MainnetTables {
  /** Share of the nodes without a channel that is in use both ways. */
  readonly idleNodes: number
  /** Of the other nodes: shares of them, and how many such channels the last of so many has, most first. */
  readonly degrees: readonly (readonly [share: number, channels: number])[]
  /** What the largest of them has, as a share of their number. */
  readonly largestShare: number
  /** The same as `degrees` for idle nodes. */
  readonly idleDegrees: readonly (readonly [share: number, channels: number])[]
  /** Of the channels of idle nodes: share that leads to other ones. */
  readonly idleToUsed: number
  /** By class: channels with idle nodes, for each channel in use. */
  readonly idleByClass: readonly number[]
  /** Channels out of use between two nodes that have others, for each channel in use. */
  readonly idleBetweenUsed: number
  /** Of the channels that are not in use both ways: share that is one way, by how many of the ends are not idle. */
  readonly oneWay: readonly [number, number, number]
  /** By class of the end with fewer channels. */
  readonly capacitiesSat: readonly (readonly number[])[]
  readonly idleCapacitiesSat: readonly number[]
  /** The largest HTLC as a share of the capacity. */
  readonly mostShares: readonly number[]
  /** By class of the node that asks. */
  readonly policies: readonly PolicyTable[]
}

export interface PolicyTable {
  /** The commonest together: share of all, base fee, least HTLC, delta. */
  readonly common: readonly (readonly [share: number, baseFeeMsat: number, leastMsat: number, delta: number])[]
  /** Of the others. */
  readonly baseFeesMsat: readonly number[]
  readonly leastMsat: readonly number[]
  readonly deltas: readonly number[]
  /** Of all. */
  readonly ppm: readonly number[]
}

/** Classes of nodes by their channels in use: the least of each. Those of class 0 have none. */
export const DEGREE_CLASSES: readonly number[] = [0, 1, 3, 10, 50, 200]

export function degreeClass(channels: number): number {
  return DEGREE_CLASSES.findLastIndex((least) => channels >= least)
}

/** A direction asks what its node asks elsewhere with this probability: so many directions of a node agree. */
const LIKE_NODE = 0.5
/** The same for millionths, which operators set channel by channel. */
const PPM_LIKE_NODE = 0.25
/** A node with one or two channels often has one with a large node, as wallets do: the largest of so many. */
const LEAF_DRAWS = 12
const LEAF_SHARE = 0.62
/** So often another end is drawn where a channel would lead from a node to itself. */
const OTHER_DRAWS = 8
const LEAST_NODES = 10

/**
 * A network like the public one of February 2026, drawn by seed: numbers of channels, capacities, fees, least amounts,
 * deltas, directions that are disabled. spec/simulator.md shows how well it fits. Nodes are called n0, n1, ...: those
 * with the most channels in use first, and those without any (two of three) last. Throws SimulationError 'bad-option'.
 */
export function mainnetLike(options: MainnetOptions): NetworkDescription {
  checkIsObject(options)
  const { nodes, ...rest } = options
  if (!(Number.isInteger(nodes) && nodes >= LEAST_NODES && nodes <= MAX_NODES)) {
    throw new SimulationError('bad-option', `nodes is a whole number of ${LEAST_NODES}..${MAX_NODES}; got ${nodes}`)
  }
  return drawNetwork(mainnetGraph(nodes, String(options.seed ?? 1)), rest)
}

/** What gossip would tell of such a network. */
export function mainnetGraph(nodes: number, seed: string): GossipGraph {
  return new Draw(nodes, new Random(seed, 'mainnet-like')).graph()
}

/** Numbers of channels and profiles of the nodes, while channels are drawn between them. */
class Draw {
  readonly #degrees: readonly number[]
  readonly #idleDegrees: readonly number[]
  readonly #channels: GossipChannel[] = []
  readonly #profiles = new Map<number, GossipPolicy>()
  readonly #ends: Random
  readonly #capacities: Random
  readonly #policies: Random

  constructor(nodes: number, random: Random) {
    const used = Math.max(2, Math.round(nodes * (1 - MAINNET.idleNodes)))
    const most = Math.max(2, Math.round(MAINNET.largestShare * used))
    this.#degrees = byRank(MAINNET.degrees, used).map((degree) => Math.min(most, degree))
    this.#idleDegrees = byRank(MAINNET.idleDegrees, nodes - used)
    this.#ends = random.child('ends')
    this.#capacities = random.child('capacities')
    this.#policies = random.child('policies')
  }

  graph(): GossipGraph {
    this.#joinUsed()
    const used = this.#channels.length
    const stubs = stubsOf(this.#degrees)
    for (let i = 0; i < used * MAINNET.idleBetweenUsed; i++) this.#joinIdle(this.#pick(stubs), this.#pick(stubs))
    this.#joinIdleNodes(stubs)
    const count = this.#degrees.length + this.#idleDegrees.length
    return {
      nodes: Array.from({ length: count }, (_, i) => ({ name: `n${i}`, routeBlinding: true })),
      channels: this.#channels,
    }
  }

  /**
   * Channels in use: each node has its first with one that came before it, so that all hang together; what its number
   * asks for besides leads to nodes that want more, too.
   */
  #joinUsed(): void {
    const open: number[] = Array.from({ length: this.#degrees[0] as number }, () => 0)
    for (let node = 1; node < this.#degrees.length; node++) {
      const degree = this.#degrees[node] as number
      const peer = open.length === 0 ? this.#ends.below(node) : this.#takeOpen(open, degree)
      this.#join(node, peer)
      for (let i = 1; i < degree; i++) open.push(node)
    }
    while (open.length > 1) {
      const node = open.pop() as number
      const peer = this.#takeOther(open, node)
      if (peer !== undefined) this.#join(node, peer)
    }
  }

  /** Takes one of what is open: a node with few channels has the largest of several that are drawn. */
  #takeOpen(open: number[], degree: number): number {
    let at = this.#ends.below(open.length)
    // The nodes come by their number of channels, most first.
    const isLeaf = degree < (DEGREE_CLASSES[2] as number)
    const draws = isLeaf && this.#ends.chance(LEAF_SHARE) ? LEAF_DRAWS : 1
    for (let i = 1; i < draws; i++) {
      const other = this.#ends.below(open.length)
      if ((open[other] as number) < (open[at] as number)) at = other
    }
    return takeAt(open, at)
  }

  #takeOther(open: number[], node: number): number | undefined {
    for (let i = 0; i < OTHER_DRAWS; i++) {
      const at = this.#ends.below(open.length)
      if (open[at] !== node) return takeAt(open, at)
    }
    return undefined
  }

  #joinIdleNodes(stubs: readonly number[]): void {
    const first = this.#degrees.length
    const open = stubsOf(this.#idleDegrees).map((node) => node + first)
    shuffle(open, this.#ends)
    const mostIdle = Math.max(...MAINNET.idleByClass)
    while (open.length > 0) {
      const node = open.pop() as number
      if (this.#ends.chance(MAINNET.idleToUsed)) {
        let peer = this.#pick(stubs)
        for (let i = 0; i < OTHER_DRAWS; i++) {
          const weight = MAINNET.idleByClass[degreeClass(this.#degrees[peer] as number)] as number
          if (this.#ends.chance(weight / mostIdle)) break
          peer = this.#pick(stubs)
        }
        this.#joinIdle(node, peer)
      } else if (open.length > 0) {
        const peer = this.#takeOther(open, node)
        if (peer !== undefined) this.#joinIdle(node, peer)
      }
    }
  }

  /** A channel that is in use both ways. */
  #join(a: number, b: number): void {
    const least = Math.min(this.#degrees[a] as number, this.#degrees[b] as number)
    const capacitySat = this.#capacities.oneOf(MAINNET.capacitiesSat[degreeClass(least)] as readonly number[])
    this.#add([a, b], capacitySat, [true, true])
  }

  /** A channel that is in use one way at most. */
  #joinIdle(a: number, b: number): void {
    if (a === b) return
    const used = [a, b].filter((node) => node < this.#degrees.length).length as 0 | 1 | 2
    const isOneWay = this.#ends.chance(MAINNET.oneWay[used])
    const way = this.#ends.below(2)
    const capacitySat = this.#capacities.oneOf(MAINNET.idleCapacitiesSat)
    this.#add([a, b], capacitySat, [isOneWay && way === 0, isOneWay && way === 1])
  }

  #add(ends: readonly [number, number], capacitySat: number, enabled: readonly [boolean, boolean]): void {
    const capacityMsat = capacitySat * MSAT_PER_SAT
    const policy = (i: 0 | 1): GossipPolicy | undefined => {
      if (!enabled[i]) return undefined
      const share = this.#policies.oneOf(MAINNET.mostShares)
      return { ...this.#policyOf(ends[i]), maxHtlcMsat: Math.max(1, Math.floor(capacityMsat * share)) }
    }
    this.#channels.push({
      id: undefined,
      ends: [`n${ends[0]}`, `n${ends[1]}`],
      capacityMsat,
      policies: [policy(0), policy(1)],
    })
  }

  #policyOf(node: number): GossipPolicy {
    const degree = this.#degrees[node] ?? 0
    const table = MAINNET.policies[degreeClass(degree)] as PolicyTable
    const profile = this.#profiles.get(node) ?? drawPolicy(table, this.#policies)
    this.#profiles.set(node, profile)
    const like = this.#policies.chance(LIKE_NODE) ? profile : drawPolicy(table, this.#policies)
    return this.#policies.chance(PPM_LIKE_NODE)
      ? { ...like, feePpm: profile.feePpm }
      : { ...like, feePpm: this.#policies.oneOf(table.ppm) }
  }

  #pick(stubs: readonly number[]): number {
    return this.#ends.oneOf(stubs)
  }
}

function drawPolicy(table: PolicyTable, random: Random): GossipPolicy {
  const [baseFeeMsat, minHtlcMsat, cltvDelta] = drawKind(table, random)
  return {
    baseFeeMsat,
    minHtlcMsat,
    cltvDelta,
    feePpm: random.oneOf(table.ppm),
    inboundBaseFeeMsat: 0,
    inboundFeePpm: 0,
    maxHtlcMsat: 0,
    disabled: false,
  }
}

function drawKind(table: PolicyTable, random: Random): readonly [number, number, number] {
  let left = random.fraction()
  for (const [share, ...kind] of table.common) {
    left -= share
    if (left < 0) return kind
  }
  const { baseFeesMsat, leastMsat, deltas } = table
  return [random.oneOf(baseFeesMsat), random.oneOf(leastMsat), random.oneOf(deltas)]
}

/** Numbers of channels of so many nodes, most first: on the table's lines between two entries, in logarithms. */
function byRank(table: MainnetTables['degrees'], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const share = (i + 1) / count
    const at = table.findIndex(([upTo]) => upTo >= share)
    const [upTo, channels] = table[at] as readonly [number, number]
    const [from, more] = table[at - 1] ?? [upTo, channels]
    const part = upTo === from ? 0 : Math.log(share / from) / Math.log(upTo / from)
    return Math.max(1, Math.round(more * (channels / more) ** part))
  })
}

function stubsOf(degrees: readonly number[]): number[] {
  return degrees.flatMap((degree, node) => Array.from({ length: degree }, () => node))
}

function takeAt(list: number[], at: number): number {
  const taken = list[at] as number
  const last = list.pop() as number
  if (at < list.length) list[at] = last
  return taken
}

function shuffle(list: number[], random: Random): void {
  for (let i = list.length - 1; i > 0; i--) {
    const other = random.below(i + 1)
    const moved = list[i] as number
    list[i] = list[other] as number
    list[other] = moved
  }
}
