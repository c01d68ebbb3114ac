import { COMMON_LEAST_MSAT, type KnownCosts } from './least-costs.ts'

/** What a search knows of what is to come. */
interface LeastToCome {
  /** What a channel costs at least. */
  readonly hopCost: number
  /** ... and the one at the goal: each of them, where the known costs tell them apart, else the cheapest. */
  readonly firstCosts: readonly number[]
  /** Where more is known than the distance. */
  readonly known?: KnownCosts | undefined
  /** What costs more is not looked for. */
  readonly limit?: number
}

/** Distances are bytes; routes are at most 20 channels long. */
const MAX_DISTANCE = 255

/**
 * What one search for a route writes down about the nodes, in arrays by their numbers, and which of those that it has
 * reached comes next: a binary heap. One serves all searches of a network, one after the other; a new one starts with
 * what the last one touched, not with all nodes.
 *
 * The search is A*: what comes next is what was reached at the least cost together with what is to come at least, by
 * the channels that lie between a node and the search's goal, or by what these are known to cost.
 */
export class SearchSpace {
  /** From this node to the destination; Infinity where it was not reached. */
  readonly costs: Float64Array
  /** What this node is to be sent. */
  readonly amounts: Float64Array
  /** What it asks for sending on over the link that was found. */
  readonly fees: Float64Array
  /** Channels from here to the destination. */
  readonly lengths: Uint8Array
  readonly done: Uint8Array
  /** Index of the link that leads on. */
  readonly next: Int32Array
  /** `costs`, and what is to come at least. */
  readonly #bounds: Float64Array
  /** Numbers of nodes, the lowest bound at 0; of two that are alike, the one with the lower number first. */
  readonly #heap: Int32Array
  /** Where a node stands in the heap; -1: nowhere. */
  readonly #places: Int32Array
  readonly #touched: Int32Array
  /** The neighbours of node i from #offsets[i] to #offsets[i + 1]. */
  readonly #neighbours: Int32Array
  readonly #offsets: Int32Array
  /** Channels between each node and the goal, at most #farthest; 0 for those that are further away. */
  readonly #distances: Uint8Array
  readonly #queue: Int32Array
  #farthest = 0
  #queued = 0
  #goal = -1
  #hopCost = 0
  #firstCosts: readonly number[] = []
  #known: KnownCosts | undefined
  #limit = Infinity
  /** Where the distances were measured from, and up to. */
  #aimedAt = -1
  #aimedFrom = -1
  #size = 0
  #touches = 0

  /** `ends`: the two nodes of each channel. */
  constructor(nodes: number, ends: readonly (readonly [number, number])[]) {
    this.costs = new Float64Array(nodes).fill(Infinity)
    this.amounts = new Float64Array(nodes)
    this.fees = new Float64Array(nodes)
    this.lengths = new Uint8Array(nodes)
    this.done = new Uint8Array(nodes)
    this.next = new Int32Array(nodes)
    this.#heap = new Int32Array(nodes)
    this.#places = new Int32Array(nodes).fill(-1)
    this.#touched = new Int32Array(nodes)
    this.#bounds = new Float64Array(nodes)
    this.#distances = new Uint8Array(nodes)
    this.#queue = new Int32Array(nodes)
    this.#offsets = new Int32Array(nodes + 1)
    this.#neighbours = new Int32Array(2 * ends.length)
    for (const [a, b] of ends) {
      this.#add(this.#offsets, a + 1, 1)
      this.#add(this.#offsets, b + 1, 1)
    }
    for (let i = 0; i < nodes; i++) this.#add(this.#offsets, i + 1, this.#offsets[i] as number)
    const next = this.#offsets.slice()
    for (const [a, b] of ends) {
      this.#neighbours[this.#add(next, a, 1)] = b
      this.#neighbours[this.#add(next, b, 1)] = a
    }
  }

  /** What was there before is the result. */
  #add(array: Int32Array, at: number, what: number): number {
    const before = array[at] as number
    array[at] = before + what
    return before
  }

  /** Measures how far `goal` is from all nodes that are no further than `from`; one aim is enough for many searches. */
  aim(goal: number, from: number): void {
    if (goal === this.#aimedAt && from === this.#aimedFrom) return
    this.#aimedAt = goal
    this.#aimedFrom = from
    for (let i = 0; i < this.#queued; i++) this.#distances[this.#queue[i] as number] = 0
    this.#queue[0] = goal
    this.#queued = 1
    let distance = 0
    for (let at = 0; at < this.#queued && this.#distances[from] === 0; at++) {
      const node = this.#queue[at] as number
      distance = Math.min(MAX_DISTANCE, (this.#distances[node] as number) + 1)
      for (let i = this.#offsets[node] as number; i < (this.#offsets[node + 1] as number); i++) {
        const neighbour = this.#neighbours[i] as number
        if (neighbour === goal || this.#distances[neighbour] !== 0) continue
        this.#distances[neighbour] = distance
        this.#queue[this.#queued++] = neighbour
      }
    }
    this.#farthest = Math.max(1, distance)
  }

  /** Forgets the last search, and begins at this node to look for the goal. */
  start(node: number, amountMsat: number, goal: number, least: LeastToCome): void {
    this.#goal = goal
    this.#hopCost = least.hopCost
    this.#firstCosts = least.firstCosts
    this.#known = least.known
    this.#limit = least.limit ?? Infinity
    for (let i = 0; i < this.#touches; i++) {
      const touched = this.#touched[i] as number
      this.costs[touched] = Infinity
      this.done[touched] = 0
      this.#places[touched] = -1
    }
    this.#size = 0
    this.#touches = 0
    this.amounts[node] = amountMsat
    this.fees[node] = 0
    this.lengths[node] = 0
    this.reach(node, 0)
  }

  /** A node was reached, or reached more cheaply than before. */
  reach(node: number, cost: number): void {
    if (this.costs[node] === Infinity) this.#touched[this.#touches++] = node
    this.costs[node] = cost
    this.#bounds[node] = cost + this.#leastToCome(node)
    let at = this.#places[node] as number
    if (at < 0) {
      if (this.#bounds[node] > this.#limit) return
      at = this.#size++
    }
    while (at > 0) {
      const parent = this.#heap[(at - 1) >>> 1] as number
      if (!this.#isBefore(node, parent)) break
      this.#place(parent, at)
      at = (at - 1) >>> 1
    }
    this.#place(node, at)
  }

  /** Takes out the cheapest node that was reached, and counts it as done; -1 where there is none. */
  nearest(): number {
    if (this.#size === 0) return -1
    const first = this.#heap[0] as number
    const last = this.#heap[--this.#size] as number
    this.done[first] = 1
    this.#places[first] = -1
    if (this.#size > 0) this.#down(last)
    return first
  }

  #leastToCome(node: number): number {
    if (node === this.#goal) return 0
    if (this.#known !== undefined) return this.#knownToCome(node, this.#known)
    const distance = (this.#distances[node] as number) || this.#farthest
    return (this.#firstCosts[0] as number) + (distance - 1) * this.#hopCost
  }

  #knownToCome(node: number, { ways, rest, low, discounts }: KnownCosts): number {
    const mayFallMsat = Math.min(this.fees[node] as number, discounts[node] as number)
    const lackingMsat = COMMON_LEAST_MSAT - ((this.amounts[node] as number) - mayFallMsat)
    let least = Infinity
    for (let way = 0; way < ways; way++) {
      let cost = rest[node * ways + way] as number
      if (low !== undefined && lackingMsat > 0) {
        // All the way over channels that pass so little; or what is lacking is paid to nodes on the way.
        const distance = (this.#distances[node] as number) || this.#farthest
        cost = Math.min(low[node * ways + way] as number, Math.max(cost, lackingMsat + (distance - 1) * this.#hopCost))
      }
      cost += this.#firstCosts[way] as number
      if (cost < least) least = cost
    }
    return least - mayFallMsat
  }

  #down(node: number): void {
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= this.#size) break
      const right = left + 1
      const isRight = right < this.#size && this.#isBefore(this.#heap[right] as number, this.#heap[left] as number)
      const childAt = isRight ? right : left
      const child = this.#heap[childAt] as number
      if (!this.#isBefore(child, node)) break
      this.#place(child, at)
      at = childAt
    }
    this.#place(node, at)
  }

  #isBefore(a: number, b: number): boolean {
    const boundA = this.#bounds[a] as number
    const boundB = this.#bounds[b] as number
    return boundA < boundB || (boundA === boundB && a < b)
  }

  #place(node: number, at: number): void {
    this.#heap[at] = node
    this.#places[node] = at
  }
}
