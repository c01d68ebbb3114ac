import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SearchSpace } from '../../src/backends/sim/search-space.ts'

/** Channels between nodes, each with what it costs above the least, in both directions. */
interface Graph {
  readonly nodes: number
  readonly channels: readonly { readonly ends: readonly [number, number]; readonly cost: number }[]
}

const HOP_COST = 100

const graphs: fc.Arbitrary<Graph> = fc.integer({ min: 2, max: 25 }).chain((nodes) =>
  fc.record({
    nodes: fc.constant(nodes),
    channels: fc.array(
      fc.record({
        ends: fc.tuple(fc.nat(nodes - 1), fc.nat(nodes - 1)).filter(([a, b]) => a !== b),
        cost: fc.nat(1_000).map((more) => HOP_COST + more),
      }),
      { maxLength: 80 },
    ),
  }),
)

function spaceOf({ nodes, channels }: Graph): SearchSpace {
  return new SearchSpace(
    nodes,
    channels.map(({ ends }) => ends),
  )
}

/** Cost of the cheapest way, and how many nodes were looked at. */
function search(space: SearchSpace, graph: Graph, from: number, to: number): { cost: number; looks: number } {
  space.aim(from, to)
  space.start(to, 1_000, from, { hopCost: HOP_COST, firstCosts: [HOP_COST] })
  for (let looks = 1; ; looks++) {
    const at = space.nearest()
    if (at < 0) return { cost: Infinity, looks }
    const sofar = space.costs[at] ?? Infinity
    if (at === from) return { cost: sofar, looks }
    for (const { ends, cost } of graph.channels) {
      if (!ends.includes(at)) continue
      const other = ends[0] === at ? ends[1] : ends[0]
      if (space.done[other] === 0 && sofar + cost < (space.costs[other] ?? 0)) space.reach(other, sofar + cost)
    }
  }
}

/** Bellman and Ford: all channels, until nothing changes. */
function cheapest({ nodes, channels }: Graph, from: number, to: number): number {
  const costs = Array.from({ length: nodes }, (_, i) => (i === to ? 0 : Infinity))
  for (let i = 0; i < nodes; i++) {
    for (const { ends, cost } of channels) {
      const [a, b] = ends
      costs[a] = Math.min(costs[a] ?? 0, (costs[b] ?? 0) + cost)
      costs[b] = Math.min(costs[b] ?? 0, (costs[a] ?? 0) + cost)
    }
  }
  return costs[from] ?? Infinity
}

describe('a search for a route', () => {
  it('finds what a search without any order finds, one after the other in the same space', () => {
    fc.assert(
      fc.property(graphs, fc.infiniteStream(fc.nat()), (graph, numbers) => {
        const space = spaceOf(graph)
        for (let i = 0; i < 5; i++) {
          const from = numbers.next().value % graph.nodes
          const to = numbers.next().value % graph.nodes
          if (from === to) continue
          expect(search(space, graph, from, to).cost).toBe(cheapest(graph, from, to))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('looks at what lies between its ends, not at the rest of a large network', () => {
    const side = 100
    const place = (x: number, y: number): number => x * side + y
    const channels: Graph['channels'][number][] = []
    for (let x = 0; x < side; x++) {
      for (let y = 0; y < side; y++) {
        if (x + 1 < side) channels.push({ ends: [place(x, y), place(x + 1, y)], cost: HOP_COST })
        if (y + 1 < side) channels.push({ ends: [place(x, y), place(x, y + 1)], cost: HOP_COST })
      }
    }
    const graph = { nodes: side * side, channels }
    const found = search(spaceOf(graph), graph, place(50, 50), place(50, 60))
    expect(found).toEqual({ cost: 10 * HOP_COST, looks: 11 })
  })
})
