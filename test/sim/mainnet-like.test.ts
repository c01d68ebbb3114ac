import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitRows } from '../../bench/network/fit-section.ts'
import { graphStatistics, liveDegrees } from '../../bench/network/graph-statistics.ts'
import { mainnetGraph } from '../../src/backends/sim/mainnet-like.ts'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, mainnetLike } from '../../src/sim.ts'

const SNAPSHOT_NODES = 17_324

const sizes = fc.record({ nodes: fc.integer({ min: 10, max: 400 }), seed: fc.integer() })

describe('a network like the public one', () => {
  it('stands in spec/simulator.md beside the snapshot as it comes out', () => {
    const page = readFileSync(new URL('../../spec/simulator.md', import.meta.url), 'utf8')
    const drawn = fitRows(graphStatistics(mainnetGraph(SNAPSHOT_NODES, '1')))
    expect(drawn.length).toBeGreaterThan(10)
    const inPage = drawn.map(([name]) => {
      const line = page.split('\n').find((each) => each.startsWith(`| ${name} |`))
      return [name, line?.split(' | ')[2]?.slice(0, -2)]
    })
    expect(inPage).toEqual(drawn)
  })

  it('hangs together, with the nodes that have most channels in use first and those without any last', () => {
    fc.assert(
      fc.property(sizes, ({ nodes, seed }) => {
        const graph = mainnetGraph(nodes, String(seed))
        expect(graph.nodes).toHaveLength(nodes)
        const degrees = liveDegrees(graph)
        const names = Array.from({ length: degrees.size }, (_, i) => `n${i}`)
        expect(new Set(degrees.keys())).toEqual(new Set(names))
        const { values } = graphStatistics(graph).find(({ name }) => name.includes('hangs together')) ?? { values: [] }
        expect(values).toEqual([1])
      }),
      { numRuns: 60 },
    )
  })

  it('is the same for the same seed, and makes a simulation that conserves money', () => {
    fc.assert(
      fc.property(sizes, ({ nodes, seed }) => {
        const description = mainnetLike({ nodes, seed, pairLimits: 0.5, circuitBreakers: 0.1 })
        expect(mainnetLike({ nodes, seed, pairLimits: 0.5, circuitBreakers: 0.1 })).toEqual(description)
        const sim = createSimulation(description, { seed })
        expect(sim.audit()).toEqual([])
        expect(sim.stats().nodes).toHaveLength(nodes + Math.round(nodes * 0.05))
      }),
      { numRuns: 20 },
    )
  })

  it('survives JSON', () => {
    const description = mainnetLike({ nodes: 50, seed: 3, failure: 0.05, hang: 0.005 })
    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
  })

  it('of the size of the public one carries a connection', async () => {
    const sim = createSimulation(mainnetLike({ nodes: SNAPSHOT_NODES, seed: 5, latency: 'fast' }), { seed: 5 })
    const there = await sim.drive(createEndpoint({ backend: sim.backend('n40') }))
    const here = await sim.drive(createEndpoint({ backend: sim.backend('n90') }))
    await there.createServer((socket) => socket.pipe(socket)).listen(7)
    const socket = here.createConnection(there.publicKeyHex, 7)
    socket.end('hello')
    expect(String(await sim.drive(once(socket, 'data')))).toBe('hello')
    await sim.drive(Promise.all([here.close(), there.close()]))
    expect(sim.audit()).toEqual([])
  })

  it.for<[object, string]>([
    [{}, 'nodes is a whole number of 10..50000; got undefined'],
    [{ nodes: 9 }, 'got 9'],
    [{ nodes: 50_001 }, 'got 50001'],
    [{ nodes: 10.5 }, 'got 10.5'],
    [{ nodes: 100, node: 1 }, 'there is no option node'],
  ])('is refused with %o', ([options, message]) => {
    const make = (): unknown => mainnetLike(options as never)
    expect(make).toThrow(expect.objectContaining({ code: 'bad-option' }))
    expect(make).toThrow(message)
  })

  it('of more nodes than the simulator takes is refused', () => {
    const nodes = Array.from({ length: 50_001 }, (_, i) => ({ name: `n${i}` }))
    const make = (): unknown => createSimulation({ nodes, channels: [] })
    expect(make).toThrow('nodes: 50001 nodes; at most 50000')
  })
})
