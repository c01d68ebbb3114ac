import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { turn } from '../../src/floor/clock.ts'
import { createEndpoint, FolderStore, type StoreChange } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import type { Endpoint } from '../../src/transport/sockets/endpoint.ts'

let folder: string
let sim: Simulation
const endpoints: Endpoint[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ks-'))
  sim = createSimulation(demoNetwork(), { mode: 'real-time', speed: 50 })
})
afterEach(async () => {
  for (const endpoint of endpoints.splice(0)) await endpoint.close()
  sim.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(name: string, store?: FolderStore): Promise<Endpoint> {
  const endpoint = await createEndpoint({ backend: sim.backend(name), ...(store && { store }) })
  endpoints.push(endpoint)
  return endpoint
}

/** What a process of a former version left. */
async function left(...changes: readonly StoreChange[]): Promise<void> {
  const store = new FolderStore(folder)
  await store.open()
  await store.write(changes)
  await store.close()
}

it('a store that another node wrote is refused, and left alone', async () => {
  await (await open('alice', new FolderStore(folder))).close()
  const opening = open('bob', new FolderStore(folder))
  await expect(opening).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_OTHER_NODE' })
  const bob = sim.backend('bob')
  await bob.start({ sink: () => undefined })
  await bob.stop()
  await open('alice', new FolderStore(folder))
})

it('a store that is ahead of its node begins at the present, with one warning, and takes what comes', async () => {
  await left({ type: 'settle-index', index: 900n })
  const warnings: unknown[] = []
  const bob = await open('bob', new FolderStore(folder))
  bob.on('warning', ({ code }) => warnings.push(code))
  await bob.createServer((socket) => socket.on('error', () => undefined).end('heard')).listen(7)
  const alice = await open('alice')
  const socket = alice.createConnection(bob.publicKeyHex, 7).on('error', () => undefined)
  expect(String(await once(socket, 'data'))).toBe('heard')
  expect(warnings).toEqual(['ERR_KEYSOCK_NODE_BEHIND'])
  await bob.close()
  const store = new FolderStore(folder)
  const { settleIndex, node } = await store.open()
  await store.close()
  expect(settleIndex).toBeLessThan(900n)
  expect(node).toEqual({ publicKey: bob.publicKeyHex, network: 'sim' })
})

it('a store of a former version, which says nothing of its node, is adopted where it matches', async () => {
  await left({ type: 'settle-index', index: 0n }, { type: 'floor', height: 7 })
  const warnings: unknown[] = []
  const bob = await open('bob', new FolderStore(folder))
  bob.on('warning', (warning) => warnings.push(warning))
  await turn()
  await bob.close()
  expect(warnings).toEqual([])
  await expect(open('alice', new FolderStore(folder))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_OTHER_NODE' })
})
