import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { createEndpoint, MemoryStore, type StoreChange } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'

/** Writes down what was stored, when that is on disk. */
class WatchedStore extends MemoryStore {
  readonly stored: StoreChange[] = []
  override async write(changes: readonly StoreChange[]): Promise<void> {
    await super.write(changes)
    await Promise.resolve()
    this.stored.push(...changes)
  }
}

/** On a disk that takes its time for releases. */
class SlowStore extends WatchedStore {
  readonly #sim: Simulation
  constructor(sim: Simulation) {
    super()
    this.#sim = sim
  }
  override async write(changes: readonly StoreChange[]): Promise<void> {
    const { clock } = this.#sim
    if (changes.some(({ type }) => type === 'release')) {
      await new Promise<void>((resolve) => {
        clock.schedule(clock.now() + 2_000, resolve, { ref: true })
      })
    }
    await super.write(changes)
  }
}

/** A node that may forget, with what it was told to, and what was stored by then. */
function forgetful(sim: Simulation, store: WatchedStore): { readonly backend: Backend; readonly forgotten: string[] } {
  const forgotten: string[] = []
  const backend: Backend = sim.backend('alice')
  backend.forgetPayment = (hash) => {
    const isReleased = store.stored.some((change) => change.type === 'release' && change.hash === toHex(hash))
    forgotten.push(isReleased ? toHex(hash) : `${toHex(hash)} too early`)
  }
  return { backend, forgotten }
}

it('lets its node forget each payment once, when its outcome is stored', async () => {
  const sim = createSimulation(demoNetwork({ failure: 0.2 }), { seed: 3 })
  const store = new WatchedStore()
  const { backend, forgotten } = forgetful(sim, store)
  const alice = await sim.drive(createEndpoint({ backend, store }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => socket.pipe(socket)).listen(7)
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
  socket.end(Buffer.alloc(20_000))
  await sim.drive(socket.toArray())
  await sim.drive(alice.close())
  const reserved = store.stored.flatMap((change) => (change.type === 'reserve' ? [change.hash] : []))
  expect(reserved.length).toBeGreaterThan(20)
  expect(forgotten.toSorted()).toEqual(reserved.toSorted())
  await sim.drive(bob.close())
})

it('stops its node only when what was decided is stored, so that the node can forget that, too', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const store = new SlowStore(sim)
  const { backend, forgotten } = forgetful(sim, store)
  let forgottenByThen = -1
  const stop = backend.stop.bind(backend)
  backend.stop = async () => {
    forgottenByThen = forgotten.length
    await stop()
  }
  const alice = await sim.drive(createEndpoint({ backend, store }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob.createServer((socket) => socket.resume().on('end', () => socket.end())).listen(7)
  const socket = await sim.drive(alice.connect(bob.publicKeyHex, 7))
  socket.end(Buffer.alloc(20_000))
  await sim.drive(once(socket.resume(), 'close'))
  await sim.drive(alice.close())
  const released = store.stored.filter(({ type }) => type === 'release')
  expect(released.length).toBeGreaterThan(10)
  expect(forgottenByThen).toBe(released.length)
  await sim.drive(bob.close())
})

it('tells a warning of the start of its backend to whoever listens when it is open', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const backend: Backend = sim.backend('alice')
  const start = backend.start.bind(backend)
  backend.start = async (options) => {
    options.sink({ type: 'warning', code: 'prune-denied', message: 'they stay' })
    return await start(options)
  }
  const codes: string[] = []
  const opening = createEndpoint({ backend }).then((endpoint) => {
    endpoint.on('warning', ({ code }) => codes.push(code))
    return endpoint
  })
  const alice = await sim.drive(opening)
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
  expect(codes).toEqual(['prune-denied'])
  await sim.drive(alice.close())
})

it('lets it forget what a former process has paid, when the node has told what became of it', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const store = new WatchedStore()
  await store.open()
  const hashes = ['aa', 'bb'].map((byte) => byte.repeat(32))
  await store.write(
    hashes.map((hash) => ({ type: 'reserve' as const, hash, peer: '', amountMsat: 1_000n, feeMsat: 0n })),
  )
  await store.close()
  const { backend, forgotten } = forgetful(sim, store)
  backend.track = async (hash) =>
    toHex(hash) === hashes[0] ? { status: 'settled', feeMsat: 0n } : { status: 'in-flight' }
  const alice = await sim.drive(createEndpoint({ backend, store }))
  await sim.drive(
    new Promise<void>((resolve) => {
      sim.clock.schedule(sim.clock.now() + 1_000, resolve, { ref: true })
    }),
  )
  expect(forgotten).toEqual([hashes[0]])
  await sim.drive(alice.close())
})
