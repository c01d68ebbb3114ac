import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/floor/bytes.ts'
import { createEndpoint, type Socket } from '../../src/index.ts'
import type { PathResult } from '../../src/medium/reply-path.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { createSimulation, demoNetwork, hubNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { attack, pathsPaidOver } from '../../tools/attack/attack.ts'
import { OwnNodeWay } from '../../tools/attack/own-node-way.ts'
import { marketNetwork } from './market-network.ts'

/** Some packets for each neighbour of an introduction node. */
const ANSWER_BYTES = 60_000
/** What these cost does not matter here. */
const PLENTY_MSAT = 1_000_000_000n

interface Tried {
  readonly sim: Simulation
  readonly makers: string[]
  readonly nextHops: string[]
  readonly looking: string[]
  readonly payments: number
  /** What the caller made: the introduction node, and the second relay where there is one. */
  readonly relays: readonly string[]
}

interface Call {
  readonly caller: string
  readonly called: string
  readonly relays: 1 | 2
}

/** The called node answers over ways that tell. */
async function answered(network: NetworkDescription, { caller, called, relays }: Call): Promise<Tried> {
  const sim = createSimulation(network, { seed: '1', observe: [called] })
  const graph = sim.publicGraph()
  const trying = new OwnNodeWay(sim.backend(called), graph, sim.keyOf(called))
  const made: PathResult[] = []
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const bob = await sim.drive(createEndpoint({ backend: trying.backend, ...money }))
  const alice = await sim.drive(createEndpoint({ backend: listening(sim.backend(caller), made), relays }))
  alice.on('warning', () => undefined)
  // Ways that tell cost more than it says: it pays for them itself.
  const server = bob.createServer({ answers: 'own' }, (socket) => socket.resume().end(new Uint8Array(ANSWER_BYTES)))
  await sim.drive(server.listen(7))
  const socket = alice.createConnection(sim.keyOf(called), 7)
  socket.end('a question')
  expect(await sim.drive(bytesOf(socket))).toBe(ANSWER_BYTES)
  const [path] = pathsPaidOver(sim.observed(called))
  if (path === undefined) throw new Error('nothing was paid over a reply path')
  const tried = {
    sim,
    makers: trying.makers(path),
    nextHops: trying.nextHops(path),
    looking: attack({ graph, responder: sim.keyOf(called), paths: [path] }),
    payments: trying.payments,
    relays: made[0]?.guards ?? [],
  }
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return tried
}

async function bytesOf(socket: Socket): Promise<number> {
  let bytes = 0
  for await (const piece of socket as AsyncIterable<Uint8Array>) bytes += piece.length
  return bytes
}

function listening(backend: Backend, made: PathResult[]): Backend {
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'makePaths')
        return async (...args: Parameters<Backend['makePaths']>) => {
          const result = await target.makePaths(...args)
          made.push(result)
          return result
        }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('a responder that pays over one neighbour of the introduction node after another (spec §9.5)', () => {
  test('finds the caller behind one relay, with one payment for each neighbour, where looking leaves five', async () => {
    const { sim, makers, looking, payments } = await answered(hubNetwork(), {
      caller: 'leaf0',
      called: 'leaf5',
      relays: 1,
    })
    expect(looking).toHaveLength(5)
    expect(makers).toEqual([toHex(sim.keyOf('leaf0'))])
    expect(payments).toBeLessThanOrEqual(5)
  })

  test('finds the caller in the demo network', async () => {
    const { sim, makers } = await answered(demoNetwork(), { caller: 'alice', called: 'bob', relays: 1 })
    expect(makers).toEqual([toHex(sim.keyOf('alice'))])
  })

  test('finds the second relay behind two, and not the caller', async () => {
    const { sim, makers, nextHops, relays } = await answered(hubNetwork(), {
      caller: 'leaf0',
      called: 'leaf5',
      relays: 2,
    })
    expect(relays).toHaveLength(2)
    expect(nextHops).toEqual([relays[1]])
    expect(makers).toContain(toHex(sim.keyOf('leaf0')))
    expect(makers.length).toBeGreaterThanOrEqual(4)
  })

  test('finds the caller among 16 and more, and behind two relays no more than the second of them', async () => {
    const network = marketNetwork(2)
    const call = { caller: 'n3', called: 'hub0' } as const
    const one = await answered(network, { ...call, relays: 1 })
    const maker = toHex(one.sim.keyOf(call.caller))
    expect(one.looking.length).toBeGreaterThanOrEqual(16)
    expect(one.looking).toContain(maker)
    expect(one.makers).toEqual([maker])
    expect(one.payments).toBeLessThanOrEqual(one.looking.length)
    const two = await answered(network, { ...call, relays: 2 })
    expect(two.relays).toHaveLength(2)
    expect(two.nextHops).toEqual([two.relays[1]])
    expect(two.makers).toContain(maker)
    expect(two.makers.length).toBeGreaterThanOrEqual(4)
  })
})
