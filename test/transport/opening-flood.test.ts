import { expect, it } from 'vitest'
import { text } from 'node:stream/consumers'
import type { Backend } from '../../src/backends/backend.ts'
import { createEndpoint, risingPrice } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'

const FLOOD_MS = 60_000
/** A wave of callers every so many ms. */
const WAVE_MS = 500
const WAVE = 2

/** A backend that counts what it is asked to agree on. */
function counting(backend: Backend, count: () => void): Backend {
  return new Proxy(backend, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (name === 'sharedSecret') count()
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

it.for([
  ['pay up to 1,000 sat each', 1_000_000],
  ['pay up to 10,000 sat each', 10_000_000],
  ['pay nothing', 0],
] as const)(
  'a flood of callers without an address, who %s, costs them ten times what it costs the server',
  async ([, maxOpeningPrice]) => {
    const sim = createSimulation(demoNetwork(), { seed: 5 })
    let agreements = 0
    const backend = counting(sim.backend('bob'), () => (agreements += 1))
    const bob = await sim.drive(createEndpoint({ backend, phantomLane: true }))
    const caps = { process: 10n ** 12n, peer: 10n ** 12n }
    const flood = await sim.drive(createEndpoint({ backend: sim.backend('alice'), caps }))
    const server = bob.createServer({ openingPrice: risingPrice() }, (socket) => {
      socket.resume().on('error', () => undefined)
      socket.end('who is it?')
    })
    await server.listen(7)

    const callers: Promise<string>[] = []
    for (let ms = 0; ms < FLOOD_MS; ms += WAVE_MS) {
      for (let i = 0; i < WAVE; i++) {
        const socket = flood.createConnection(bob.publicKeyHex, 7, {
          lane: 'phantom',
          maxOpeningPrice,
          maxCost: 20_000_000,
          connectTimeout: 10_000,
        })
        callers.push(text(socket).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? ''))
        socket.end()
      }
      await sim.runFor(WAVE_MS)
    }
    const ends = await sim.drive(Promise.all(callers))
    const taken = ends.filter((end) => end === 'who is it?').length
    const costToCallers = flood.stats.spentMsat
    const costToServer = bob.stats.spentMsat

    expect(callers.length).toBe(240)
    expect(costToCallers).toBeGreaterThanOrEqual(10n * costToServer)
    // What was refused has cost nobody anything, and what all of it cost the node in agreements is within spec §14.
    expect(taken > 0).toBe(maxOpeningPrice > 0)
    expect(agreements).toBeLessThanOrEqual(100 + 20 * (FLOOD_MS / 1_000))
    if (maxOpeningPrice === 0) expect([costToCallers, costToServer, agreements]).toEqual([0n, 0n, 0])

    // It is over in minutes: then an honest caller pays the least again.
    await sim.runFor(600_000)
    const honest = await sim.drive(
      flood.connect(bob.publicKeyHex, 7, { lane: 'phantom', maxOpeningPrice: 100_000, maxCost: 1_000_000 }),
    )
    honest.end()
    expect(await sim.drive(text(honest))).toBe('who is it?')
    await sim.drive(Promise.all([flood.close(), bob.close()]))
    expect(sim.audit()).toEqual([])
  },
)
