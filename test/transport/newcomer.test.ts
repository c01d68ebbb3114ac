import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { type Pair, pairOn } from './worlds.ts'

/** What somebody who uses the library for the first time gets wrong, and is told. */
let pair: Pair
beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork(), { seed: 1 }))
})
afterEach(async () => {
  await pair.sim.drive(Promise.all([pair.alice.close(), pair.bob.close()]))
})

describe('a cap below the price of the first packet', () => {
  it('rejects connect at once with the price and the cap', async () => {
    const { sim, alice, bob } = pair
    const connecting = alice.connect(bob.publicKeyHex, 5, { maxCost: 1000 })
    await expect(sim.drive(connecting)).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_COST',
      message: expect.stringMatching(/costs \d{4,} msat with its fee, and the cap is 1000 msat/),
    })
  })

  it('rejects connect when it is the cap of the process', async () => {
    const { sim, alice, bob } = pair
    alice.setCaps({ process: 900 })
    await expect(sim.drive(alice.connect(bob.publicKeyHex, 5))).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_COST',
      message: expect.stringContaining('the cap is 900 msat'),
    })
  })

  it('pauses a connecting socket, which connects when the cap is raised', async () => {
    const { sim, alice, bob } = pair
    await bob.createServer().listen(5)
    const socket = alice.createConnection(bob.publicKeyHex, 5, { maxCost: 1000 })
    expect(await sim.drive(once(socket, 'paused'))).toEqual(['cost', expect.objectContaining({ capMsat: 1000n })])
    expect(socket.connecting).toBe(true)
    socket.maxCost = 1_000_000
    await sim.drive(once(socket, 'connect'))
  })
})

describe('a public key that cannot be connected to', () => {
  it('is refused when it is no point of the curve', () => {
    expect(() => pair.alice.createConnection(`02${'ff'.repeat(32)}`, 5)).toThrow(
      expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION' }),
    )
  })

  it("is refused when it is the endpoint's own", async () => {
    await expect(pair.alice.connect(pair.alice.publicKeyHex, 5)).rejects.toMatchObject({
      code: 'ERR_KEYSOCK_INVALID_OPTION',
      message: expect.stringContaining('own node'),
    })
  })
})

it('a refusal is told in words, once', async () => {
  const { sim, alice, bob } = pair
  await expect(sim.drive(alice.connect(bob.publicKeyHex, 8))).rejects.toMatchObject({
    code: 'ECONNREFUSED',
    message: `connect ECONNREFUSED ${bob.publicKeyHex}:8 - the peer refused: nobody listens on the port`,
  })
})

it('closing the endpoint rejects a connect that is under way, and says so', async () => {
  const { sim, alice, bob } = pair
  const connecting = alice.connect(bob.publicKeyHex, 5)
  const closing = alice.close()
  await expect(sim.drive(connecting)).rejects.toMatchObject({ code: 'ERR_KEYSOCK_ENDPOINT_CLOSED' })
  await sim.drive(closing)
})

describe('an option that is written in another case', () => {
  const told = (name: string): object =>
    expect.objectContaining({ code: 'ERR_KEYSOCK_INVALID_OPTION', message: expect.stringContaining(name) }) as object

  it('is refused with the right name', async () => {
    const { sim, alice, bob } = pair
    const connectOptions: object = { maxcost: 1 }
    const serverOptions: object = { creditlimit: 1 }
    const endpointOptions = { backend: sim.backend('carol'), caps: { Process: 1 } as object }
    expect(() => alice.createConnection(bob.publicKeyHex, 5, connectOptions)).toThrow(told('maxCost'))
    expect(() => bob.createServer(serverOptions)).toThrow(told('creditLimit'))
    await expect(createEndpoint(endpointOptions)).rejects.toEqual(told('process'))
  })

  it('stays allowed when it is none of ours', () => {
    const options: object = { servername: 'x' }
    expect(() => pair.alice.createConnection(pair.bob.publicKeyHex, 5, options)).not.toThrow()
  })
})

it('every write is called back when a connecting socket is destroyed', async () => {
  const { sim, alice, bob } = pair
  const socket = alice.createConnection(bob.publicKeyHex, 5)
  const failures: (string | undefined)[] = []
  for (const size of [10, 70_000, 10]) {
    socket.write(Buffer.alloc(size), (error) => failures.push((error as NodeJS.ErrnoException | null)?.code))
  }
  await sim.runFor(5)
  socket.destroy()
  await sim.drive(once(socket, 'close'))
  await sim.runFor(1)
  expect(failures).toHaveLength(3)
  expect(failures.slice(1)).toEqual(['ERR_SOCKET_CLOSED', expect.any(String)])
})
