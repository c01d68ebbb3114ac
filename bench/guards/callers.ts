/** What the nodes of a public graph get as guards, by the rule of spec §9.12 and by the one before it. */
import { crowdBehind, type Outward } from '../../src/backends/paths/candidates.ts'
import { fits, type PathOption, relaysInOrder, SecondBest } from '../../src/backends/paths/guard-rule.ts'
import { MAX_CHAINS_OF_TWO } from '../../src/backends/paths/limits.ts'
import {
  classOf,
  entranceCost,
  packetCostMsat,
  type PathClasses,
  PHANTOM_DELTA_BLOCKS,
  totalCost,
  withInboundCost,
} from '../../src/backends/paths/path-classes.ts'
import type { RelayWish } from '../../src/medium/reply-path.ts'
import { DEFAULT_MAX_FEE_MSAT } from '../../src/medium/limits.ts'
import type { Gossip, Inward } from './gossip.ts'

/** A path of a caller, as everybody could know it. */
export interface Chosen extends PathOption {
  readonly introduction: number
  /** The same for all paths that look alike. */
  readonly look: string
}

/** 'first': the peer that comes first by the secret order, whatever it costs and hides: before the rule. */
export type Rule = 'first' | RelayWish

export class Callers {
  readonly #gossip: Gossip
  readonly #classes: PathClasses
  readonly #random: () => number
  readonly #crowds = new Map<string, ReadonlySet<number>>()
  readonly #hasFit = new Map<number, boolean>()

  constructor(gossip: Gossip, classes: PathClasses, random: () => number) {
    this.#gossip = gossip
    this.#classes = classes
    this.#random = random
  }

  /** Nodes with so many channels or more. */
  withChannels(least: number): number[] {
    return Array.from({ length: this.#gossip.size }, (_, node) => node).filter(
      (node) => this.#gossip.inward(node).length >= least,
    )
  }

  /** Undefined: the node can make no path that a payer takes. */
  choose(node: number, rule: Rule): Chosen | undefined {
    const peers = this.#shuffled(this.#gossip.inward(node))
    if (rule === 'first') return this.#single(peers).next().value
    const rest = new SecondBest<Chosen>(Number(DEFAULT_MAX_FEE_MSAT), rule)
    for (const relays of relaysInOrder(rule, Uint8Array.of(Math.floor(this.#random() * 256)))) {
      for (const option of relays === 1 ? this.#single(peers) : this.#double(node, peers)) {
        if (fits(option)) return option
        rest.consider(option)
      }
    }
    return rest.best
  }

  /** Who could have made a path, by the graph alone. */
  crowd({ look }: Chosen): ReadonlySet<number> {
    return this.#crowds.get(look) ?? new Set()
  }

  /** The same by one who knows the rule, too: of a path that does not fit, only those who have none that does. */
  crowdByRule(chosen: Chosen): number {
    const crowd = this.crowd(chosen)
    return fits(chosen) ? crowd.size : [...crowd].filter((node) => !this.#hasAnyFit(node)).length
  }

  /** Of a node's paths with one relay, the share that looks like each, where it takes one of those that fit. */
  shares(node: number): Map<string, number> {
    const fitting = [...this.#single(this.#gossip.inward(node))].filter(fits)
    const shares = new Map<string, number>()
    for (const { look } of fitting) shares.set(look, (shares.get(look) ?? 0) + 1 / fitting.length)
    return shares
  }

  #hasAnyFit(node: number): boolean {
    let has = this.#hasFit.get(node)
    if (has === undefined) {
      has = isAny(this.#single(this.#gossip.inward(node)), fits)
      this.#hasFit.set(node, has)
    }
    return has
  }

  *#single(peers: readonly Inward[]): Generator<Chosen, undefined> {
    for (const link of peers) {
      const option = this.#option([link])
      if (option !== undefined) yield option
    }
    return undefined
  }

  *#double(node: number, peers: readonly Inward[]): Generator<Chosen> {
    let left = MAX_CHAINS_OF_TWO
    for (const inner of peers) {
      for (const outer of this.#shuffled(this.#gossip.inward(inner.from))) {
        if (outer.from === node) continue
        if (left-- === 0) return
        const option = this.#option([outer, inner])
        if (option !== undefined) yield option
      }
    }
  }

  #option(links: readonly Inward[]): Chosen | undefined {
    const first = links[0] as Inward
    const { from: introduction } = first
    const others = this.#gossip.outward(introduction).filter(({ to }) => to !== first.to)
    if (others.length === 0) return undefined
    const entrance = entranceCost(others.map(({ inbound }: Outward<number>) => inbound))
    const costs = links.map(({ cost }, i) => withInboundCost(cost, links[i - 1]?.inboundThere ?? entrance))
    const totals = classOf(totalCost(costs, PHANTOM_DELTA_BLOCKS), this.#classes)
    if (totals === undefined) return undefined
    const relays = links.length === 1 ? 1 : 2
    const { baseFeeMsat, feePpm, cltvDelta, minHtlcMsat } = totals
    const look = [introduction, relays, baseFeeMsat, feePpm, cltvDelta, minHtlcMsat].join(' ')
    let crowd = this.#crowds.get(look)
    if (crowd === undefined) {
      crowd = crowdBehind(this.#gossip, { introduction, relays, totals }, undefined, this.#classes)
      this.#crowds.set(look, crowd)
    }
    return { introduction, look, relays, totals, crowd: crowd.size }
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, rank: this.#random() }))
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ item }) => item)
  }
}

function isAny<T>(items: Iterable<T>, holds: (item: T) => boolean): boolean {
  for (const item of items) if (holds(item)) return true
  return false
}

/** What a packet over it costs its payer from the introduction node on, msat. */
export function costOf({ totals }: Chosen): number {
  return packetCostMsat(totals)
}
