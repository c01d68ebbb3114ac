import { afterEach, beforeEach, expect, it } from 'vitest'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { Code } from '../../src/wire/errors.ts'
import { errorOf } from './worlds.ts'

let sim: Simulation
let alice: Endpoint
let bob: Endpoint | undefined

beforeEach(async () => {
  sim = createSimulation(demoNetwork(), { seed: 3 })
  alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
})

afterEach(async () => {
  await sim.drive(Promise.all([alice.close(), bob?.close()]))
  bob = undefined
  expect(sim.audit()).toEqual([])
})

const openBob = async (phantomLane: boolean): Promise<void> => {
  bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), phantomLane }))
}
const keyOfBob = (): Uint8Array => sim.keyOf('bob')

it('a process at the phantom of a node answers a probe, which costs neither side anything', async () => {
  await openBob(true)
  const balances = sim.stats().nodes.map(({ balanceMsat }) => balanceMsat)
  const result = await sim.drive(alice.probe(keyOfBob()))
  expect(result).toMatchObject({ answeredBy: 'keysock', code: Code.PROTOCOL, attempts: 1 })
  expect(result.roundTripMs).toBeGreaterThan(0)
  expect(result.hops).toBe(result.route.length - 1)
  expect(alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n })
  expect(sim.stats().nodes.map(({ balanceMsat }) => balanceMsat)).toEqual(balances)
})

it('a node at whose phantom nobody is answers itself', async () => {
  const without = await sim.drive(alice.probe(keyOfBob()))
  await openBob(false)
  const onNodeLane = await sim.drive(alice.probe(keyOfBob()))
  for (const result of [without, onNodeLane]) expect(result).toMatchObject({ answeredBy: 'node', code: undefined })
  expect(alice.stats.spentMsat).toBe(0n)
})

it('a node to which no way leads is unreachable, and one that is silent out of time', async () => {
  sim.fault({ name: 'node-offline', node: 'bob' })
  expect(await errorOf(sim, alice.probe(keyOfBob()))).toMatchObject({ code: 'EHOSTUNREACH' })
  sim.fault({ name: 'node-online', node: 'bob' })
  sim.fault({ name: 'payment-hangs', from: 'alice' })
  expect(await errorOf(sim, alice.probe(keyOfBob(), { timeout: 5_000 }))).toMatchObject({ code: 'ETIMEDOUT' })
  expect(alice.stats.spentMsat).toBe(0n)
})

it('turns down its own node, wrong options, and ways that are too dear', async () => {
  expect(await errorOf(sim, alice.probe(alice.publicKeyHex))).toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  const misspelt: object = { maxfee: 1 }
  expect(await errorOf(sim, alice.probe(keyOfBob(), misspelt))).toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
  expect(await errorOf(sim, alice.probe(keyOfBob(), { maxFee: 1 }))).toMatchObject({ code: 'ERR_KEYSOCK_FEE' })
  const stop = AbortSignal.abort(new Error('enough'))
  await expect(sim.drive(alice.probe(keyOfBob(), { signal: stop }))).rejects.toThrow('enough')
})
