import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { type Pair, pairOn } from './worlds.ts'

const storage = new AsyncLocalStorage<string>()
let pair: Pair

beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 7 }))
})

afterEach(async () => {
  const { sim, alice, bob } = pair
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

const CLIENTS = Array.from({ length: 8 }, (_, i) => `client ${i}`)
const EVENTS = ['connect', 'ready', 'data', 'drain', 'timeout', 'message', 'end', 'finish', 'close'] as const

/** Writes down in which context each event came; nothing for those in the right one. */
function watch(socket: Socket, context: string, strays: string[], seen: Set<string>): void {
  for (const name of EVENTS) {
    socket.on(name, () => {
      seen.add(name)
      if (storage.getStore() !== context) strays.push(`${context}: ${name} in ${storage.getStore()}`)
    })
  }
}

it('each connection and each listener keeps the context in which it was made', async () => {
  const { sim, alice, bob } = pair
  const strays: string[] = []
  const seen = new Set<string>()
  await storage.run('listener', async () => {
    const server = bob.createServer((socket) => {
      if (storage.getStore() !== 'listener') strays.push(`'connection' in ${storage.getStore()}`)
      watch(socket, 'listener', strays, seen)
      socket.on('data', () => socket.sendMessage('noted'))
      socket.pipe(socket)
    })
    await server.listen(7)
  })
  const closed = CLIENTS.map((name) =>
    storage.run(name, () => {
      const socket = alice.createConnection(bob.publicKeyHex, 7, { timeout: 10 })
      watch(socket, name, strays, seen)
      const note = (what: string): void => {
        if (storage.getStore() !== name) strays.push(`${name}: ${what} in ${storage.getStore()}`)
      }
      socket.once('connect', () => {
        socket.setTimeout(0)
      })
      socket.write(Buffer.alloc(80_000), () => note('the callback of a write'))
      socket.once('drain', () => socket.end(() => note('the callback of end')))
      return once(socket, 'close')
    }),
  )
  await sim.drive(Promise.all(closed))
  expect(strays).toEqual([])
  expect([...seen].toSorted()).toEqual([...EVENTS].toSorted())
})

it("a write's callback comes in the context of the write", async () => {
  const { sim, alice, bob } = pair
  await bob.createServer((socket) => socket.on('error', () => undefined).resume()).listen(7)
  const socket = await sim.drive(
    storage.run('maker', () => alice.connect(bob.publicKeyHex, 7, { maxCost: 10_000_000 })),
  )
  const contexts: (string | undefined)[] = []
  const write = (): Promise<void> =>
    new Promise((resolve) => {
      socket.write(Buffer.alloc(400_000), () => {
        contexts.push(storage.getStore())
        resolve()
      })
    })
  await sim.drive(storage.run('first', write))
  await sim.drive(storage.run('second', write))
  expect(contexts).toEqual(['first', 'second'])
  socket.destroy()
})

it('what an endpoint tells comes in the context in which it was made', async () => {
  const { sim } = pair
  const endpoint = await sim.drive(storage.run('maker', () => createEndpoint({ backend: sim.backend('carol') })))
  const contexts: (string | undefined)[] = []
  endpoint.on('offline', () => contexts.push(storage.getStore()))
  storage.run('somebody else', () => sim.fault({ name: 'node-offline', node: 'carol', forMs: 1_000 }))
  await sim.runFor(5_000)
  expect(contexts).toEqual(['maker'])
  await sim.drive(endpoint.close())
})
