import { buffer } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { pairOn } from './worlds.ts'

// Found by the swarm, seed 400177: the node settles, and a relay keeps the money. The caller has paid all that was
// asked, and the server, which lets its callers pay, has nothing to say that it never came with.

const PORT = 7
const BYTES = 15_309

interface Sale {
  readonly name: string
  readonly answers: 'caller' | 'own'
  readonly kilobyte: number
  readonly replies: 'direct' | 'phantom'
}

/** A download over the phantom lane; the first `kept` payments that settle stay with a relay. What came of it. */
async function download(kept: number, { answers, kilobyte, replies }: Sale): Promise<number | string> {
  const sim = createSimulation(demoNetwork(), { seed: kept })
  const { alice, bob } = await pairOn(sim, { bob: { answers, phantomLane: true } })
  const listener = bob.createServer({ tariff: { kilobyte } }, (socket) => {
    socket.on('error', () => undefined).end(Buffer.alloc(BYTES, 1))
  })
  await listener.listen(PORT)
  sim.fault({ name: 'verdict-lost', node: 'bob', end: 'relay-keeps', count: kept })
  const options = { lane: 'phantom', replies, maxTariff: { kilobyte } } as const
  const socket = alice.createConnection(bob.publicKeyHex, PORT, options)
  socket.end()
  const read = await sim.drive(
    buffer(socket).then(
      ({ length }) => length,
      (error: NodeJS.ErrnoException) => error.code ?? '',
    ),
  )
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  sim.close()
  return read
}

const SALES: readonly Sale[] = [
  { name: 'at no price', answers: 'caller', kilobyte: 0, replies: 'direct' },
  { name: 'by the kilobyte', answers: 'caller', kilobyte: 1_000, replies: 'direct' },
  { name: 'by the kilobyte, to a hidden caller', answers: 'caller', kilobyte: 1_000, replies: 'phantom' },
]

it.each(SALES)('a download $name comes whole although a relay keeps its first payments', async (sale) => {
  const came: (number | string)[] = []
  for (let kept = 1; kept <= 6; kept++) came.push(await download(kept, sale))
  expect(came).toEqual(Array.from({ length: 6 }, () => BYTES))
})

it('one from a server that pays for its answers comes whole, or ends with a word about the price', async () => {
  const sale = { name: '', answers: 'own', kilobyte: 1_000, replies: 'direct' } as const
  const came: (number | string)[] = []
  for (let kept = 1; kept <= 4; kept++) came.push(await download(kept, sale))
  expect(came).toEqual([BYTES, BYTES, BYTES, 'ERR_KEYSOCK_PRICE'])
})
