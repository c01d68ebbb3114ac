/** What others can make grow in the backend of lnd, pushed against its bound (docs/bounds.md). */
import { expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import {
  CONFIRM_POLL_MS,
  MAX_NODES_KNOWN,
  MAX_POLICIES,
  MAX_SETTLED,
  MAX_UNCONFIRMED,
} from '../../src/backends/lnd/limits.ts'
import { AnsweredCircuits } from '../../src/backends/lnd/phantom/answered-circuits.ts'
import { Confirmations, type ConfirmationsNeeds } from '../../src/backends/lnd/phantom/confirmations.ts'
import { Crowd } from '../../src/backends/lnd/phantom/crowd.ts'
import { Policies } from '../../src/backends/lnd/routes/policies.ts'
import type { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { turn } from '../../src/floor/clock.ts'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { MAX_TRACKING } from '../../src/transport/limits.ts'
import { ScriptedBackend } from '../transport/scripted-backend.ts'
import { ManualClock } from '../manual-clock.ts'

it('8,192 settled HTLCs are looked for until their money is there, and one more is not', async () => {
  const clock = new ManualClock(turn)
  const events: BackendEvent[] = []
  const channels = {
    list: async () => [{ chan_id: '1', pending_htlcs: [] }],
  } as unknown as ConfirmationsNeeds['channels']
  const confirmations = new Confirmations({ clock, channels, emit: (event) => events.push(event) })
  for (let i = 0; i <= MAX_UNCONFIRMED; i++) {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, i)
    confirmations.settled({ hash, amountMsat: 1n, chanId: '1' })
  }
  await clock.advance(2 * CONFIRM_POLL_MS)
  expect(events.length).toBe(MAX_UNCONFIRMED)
  expect(clock.timers).toBe(0)
})

it('16 payments of former processes are asked for at once, and the others when these were answered', async () => {
  const store = new MemoryStore()
  await store.open()
  const hashes = Array.from({ length: 3 * MAX_TRACKING }, (_, i) => String(i).padStart(64, '0'))
  await store.write(hashes.map((hash) => ({ type: 'reserve', hash, peer: '', amountMsat: 1n, feeMsat: 0n })))
  await store.close()
  const backend = new ScriptedBackend()
  const answers: (() => void)[] = []
  backend.tracks = async () =>
    await new Promise((resolve) => {
      answers.push(() => resolve({ status: 'settled', feeMsat: 0n }))
    })
  const endpoint = await createEndpoint({ backend, store })
  await backend.clock.advance(1_000)
  expect(backend.tracked.length).toBe(MAX_TRACKING)
  for (const answer of answers.splice(0, 3)) answer()
  await backend.clock.advance(1_000)
  expect(backend.tracked.length).toBe(MAX_TRACKING + 3)
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
})

it('the preimages of 65,536 settled circuits are at hand, and so many circuits get no second look', () => {
  const circuits = new AnsweredCircuits()
  const hash = new Uint8Array(32)
  const settled = { hash, preimage: new Uint8Array(32), amountMsat: 1n, excess: {} }
  for (let i = 0; i < MAX_SETTLED; i++) {
    circuits.meet(`1:${i}`)
    circuits.settle(`1:${i}`, settled)
  }
  expect([circuits.isMet('1:0'), circuits.settledOn('1:0', hash)]).toEqual([true, settled])
  // Who pays the same hash over another circuit does not get it.
  expect(circuits.settledOn('1:0', new Uint8Array(32).fill(1))).toBeUndefined()
  for (const name of ['2:0', '2:1']) {
    circuits.meet(name)
    circuits.settle(name, settled)
  }
  expect([circuits.isMet('1:1'), circuits.settledOn('1:1', hash)]).toEqual([false, undefined])
  expect([circuits.isMet('1:2'), circuits.settledOn('1:2', hash)]).toEqual([true, settled])
})

/** An lnd that knows every channel and node of which it is asked. */
class AskedLnd {
  asked = 0
  readonly client = {
    call: async () => {
      this.asked++
      return await Promise.resolve({})
    },
  } as unknown as LndClient
}

it('the policies of 16,384 channels are kept: for the oldest the node is asked again', async () => {
  const lnd = new AskedLnd()
  const policies = new Policies(lnd.client, new ManualClock())
  for (let i = 0; i <= MAX_POLICIES; i++) await policies.edge(String(i))
  await policies.edge('1')
  expect(lnd.asked).toBe(MAX_POLICIES + 1)
  await policies.edge('0')
  expect(lnd.asked).toBe(MAX_POLICIES + 2)
})

it('32 nodes are kept with their channels, and none for longer than two seconds', async () => {
  const clock = new ManualClock()
  const crowd = new Crowd(new AskedLnd().client, clock)
  for (let i = 0; i < 2 * MAX_NODES_KNOWN; i++) await crowd.node(String(i))
  expect(crowd.known).toBe(MAX_NODES_KNOWN)
  clock.pass(2_000)
  expect([crowd.known, clock.timers]).toEqual([0, 0])
})
