import { Heap, type HeapItem } from '../../src/floor/heap.ts'
import type { NetworkDescription, PolicyOptions } from '../../src/sim.ts'

/** One direction, as gossip tells it. Amounts in msat. */
interface Direction {
  readonly from: number
  readonly leastMsat: number
  readonly mostMsat: number
  readonly baseFeeMsat: number
  readonly feePpm: number
  /** What the node behind it asks for what came in over it. */
  readonly inboundBaseMsat: number
  readonly inboundPpm: number
  /** What its sender can spend. */
  readonly balanceMsat: number
}

interface Reached extends HeapItem {
  readonly node: number
  amountMsat: number
  /** What the node asks of that for sending it on. */
  feeMsat: number
  isDone: boolean
}

/** The cheapest way between two nodes by policy alone: what a packet costs at least, whatever fails or hangs. */
export class CheapestWays {
  readonly #numbers = new Map<string, number>()
  /** By the number of the node that they lead to. */
  readonly #towards: Direction[][]
  readonly #channelsInUse: number[]

  constructor({ nodes, channels }: NetworkDescription) {
    for (const [i, { name }] of nodes.entries()) this.#numbers.set(name, i)
    this.#towards = nodes.map(() => [])
    this.#channelsInUse = nodes.map(() => 0)
    const hidden = new Set(nodes.filter((node) => node.public === false).map(({ name }) => name))
    for (const { between, capacityMsat, balanceMsat = 0, policies = {} } of channels) {
      if (between.some((name) => hidden.has(name))) continue
      const ends = between.map((name) => this.#numbers.get(name) as number) as [number, number]
      const asked = between.map((name) => policies[name]) as [PolicyOptions | undefined, PolicyOptions | undefined]
      for (const i of [0, 1] as const) {
        const policy = asked[i]
        if (policy === undefined || policy.disabled === true) continue
        const inbound = asked[1 - i]
        const spendable = i === 0 ? Number(balanceMsat) : Number(capacityMsat) - Number(balanceMsat)
        this.#towards[ends[1 - i] as number]?.push({
          from: ends[i],
          leastMsat: Number(policy.minHtlcMsat ?? 0),
          mostMsat: Math.min(Number(policy.maxHtlcMsat ?? capacityMsat), Number(capacityMsat)),
          baseFeeMsat: Number(policy.baseFeeMsat ?? 0),
          feePpm: policy.feePpm ?? 0,
          inboundBaseMsat: inbound?.inboundBaseFeeMsat ?? 0,
          inboundPpm: inbound?.inboundFeePpm ?? 0,
          balanceMsat: spendable,
        })
      }
      if (asked.every((policy) => policy?.disabled === false || (policy !== undefined && !policy.disabled))) {
        for (const end of ends) this.#channelsInUse[end] = (this.#channelsInUse[end] as number) + 1
      }
    }
  }

  /** Channels of this node that are in use both ways. */
  channelsInUse(name: string): number {
    return this.#channelsInUse[this.#numbers.get(name) ?? -1] ?? 0
  }

  /** What the payer's own channel carries, amount and fee together, so that 1 msat arrives; undefined: no way. */
  packetMsat(from: string, to: string): number | undefined {
    const start = this.#numbers.get(to) as number
    const end = this.#numbers.get(from) as number
    const reached: Reached[] = []
    const heap = new Heap<Reached>((a, b) => a.amountMsat < b.amountMsat)
    const first: Reached = { node: start, amountMsat: 1, feeMsat: 0, isDone: false, heapIndex: -1 }
    reached[start] = first
    heap.put(first)
    for (let at = heap.take(); at !== undefined; at = heap.take()) {
      if (at.node === end) return at.amountMsat
      at.isDone = true
      for (const way of this.#towards[at.node] ?? []) this.#extend(at, way, { start, end, reached, heap })
    }
    return undefined
  }

  #extend(
    at: Reached,
    way: Direction,
    search: { readonly start: number; readonly end: number; readonly reached: Reached[]; readonly heap: Heap<Reached> },
  ): void {
    const known = search.reached[way.from]
    if (known?.isDone === true) return
    const inboundMsat =
      at.node === search.start
        ? 0
        : Math.max(-at.feeMsat, way.inboundBaseMsat + Math.trunc((at.amountMsat * way.inboundPpm) / 1e6))
    const carriedMsat = Math.max(at.amountMsat + inboundMsat, way.leastMsat)
    const isOwn = way.from === search.end
    if (carriedMsat > way.mostMsat || (isOwn && carriedMsat > way.balanceMsat)) return
    const feeMsat = isOwn ? 0 : way.baseFeeMsat + Math.floor((carriedMsat * way.feePpm) / 1e6)
    const amountMsat = carriedMsat + feeMsat
    if (known !== undefined && known.amountMsat <= amountMsat) return
    const next = known ?? { node: way.from, amountMsat, feeMsat, isDone: false, heapIndex: -1 }
    next.amountMsat = amountMsat
    next.feeMsat = feeMsat
    search.reached[way.from] = next
    search.heap.put(next)
  }
}
