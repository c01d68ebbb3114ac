import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Backend, BackendEvent } from '../../src/backends/backend.ts'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { pause } from '../../src/floor/clock.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'

type Name = 'alice' | 'bob' | 'carol' | 'dave' | 'lonely'

/** Two relays between alice and carol, so that there are two ways, and one whose only peer is alice. */
const CAPACITY = { capacitySat: 5_000_000, pushSat: 2_500_000 }
/** Bounds a hang, however busy the machine. */
const SETTLE_MS = 180_000

/** Bounds how long this process is blocked where the payment waits for it. Vitest gives it up after a minute. */
const BLOCKED_MS = 45_000
const paying = import.meta.resolve('./fixtures/payer.ts')

const available = lndAvailable()
let network: Network<Name> | undefined
let permitted: Readonly<Record<string, string>> = {}

beforeAll(async () => {
  if (!available.ok) return
  network = await startNetwork<Name>({
    nodes: ['alice', 'bob', 'carol', 'dave', 'lonely'],
    channels: [
      { between: ['alice', 'bob'], ...CAPACITY },
      { between: ['bob', 'carol'], ...CAPACITY },
      { between: ['alice', 'dave'], ...CAPACITY },
      { between: ['dave', 'carol'], ...CAPACITY },
      { between: ['alice', 'lonely'], ...CAPACITY },
    ],
  })
  const macaroons: Record<string, string> = {}
  for (const [name, node] of network.nodes) macaroons[name] = (await node.bakeMacaroon(lndPermissions)).hex
  permitted = macaroons
})

afterAll(async () => {
  await network?.close()
})

function nodeOf(name: Name): LndNode {
  if (network === undefined) throw new Error('there is no network')
  return network.node(name)
}

function contractNode(name: Name): ContractNode {
  const node = nodeOf(name)
  return {
    publicKey: fromHex(node.publicKey),
    // Only what spec/lnd.md asks for.
    attach: () => createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: permitted[name] ?? '' }),
  }
}

describe.skipIf(!available.ok)(`real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  backendContract({
    name: 'lnd',
    open: async () => ({
      payer: contractNode('alice'),
      receiver: contractNode('carol'),
      lonely: contractNode('lonely'),
      entropy: processEntropy,
      settle: async (promise) => {
        const late = pause(SETTLE_MS).then(() => {
          throw new Error(`nothing happened for ${SETTLE_MS} ms`)
        })
        return await Promise.race([promise, late])
      },
      advance: pause,
      close: async () => undefined,
    }),
    lacks: { faults: 'nobody tells a real relay to fail' },
  })
})

describe.skipIf(!available.ok)('the lnd backend', () => {
  async function started(name: Name, sink: (event: BackendEvent) => void = () => undefined): Promise<Backend> {
    const backend = contractNode(name).attach()
    await backend.start({ sink })
    return backend
  }

  it('is paid over two blinded relays', async () => {
    const preimage = processEntropy.bytes(32)
    const offers: BackendEvent[] = []
    const receiver = await started('carol', (event) => {
      if (event.type !== 'offer') return
      offers.push(event)
      void receiver.answer(event.offerId, { action: 'settle', preimage })
    })
    onTestFinished(() => receiver.stop())
    const payer = await started('lonely')
    onTestFinished(() => payer.stop())
    const key = contractNode('lonely').publicKey
    const made = await receiver.makePaths({ count: 1, payer: key, relays: 2, lifetimeBlocks: 100 })
    const path = made.paths[0]?.bytes ?? new Uint8Array()
    // Three hops after the introduction node, which is alice: bob or dave, carol, the phantom.
    expect(path[1]).toBe(3)
    expect(path.slice(2, 35)).toEqual(contractNode('alice').publicKey)
    const [route] = await payer.findRoutes({
      destination: { lane: 'phantom', path },
      amountMsat: 1_000n,
      maxFeeMsat: 100_000n,
      count: 1,
    })
    const record = new Uint8Array(route?.recordBytes ?? 0).fill(7)
    const outcome = await payer.pay({ routeId: route?.id ?? '', hash: sha256(preimage), record, amountMsat: 5_000n })
    expect(outcome).toMatchObject({ status: 'delivered' })
    expect(offers).toMatchObject([{ record, amountMsat: 5_000n }])
  })

  it('lets foreign payments pass while its application is blocked', async () => {
    const relay = await started('bob')
    onTestFinished(() => relay.stop())
    const payer = contractNode('carol').publicKey
    await relay.makePaths({ count: 1, payer, relays: 1, lifetimeBlocks: 100 })
    // Nothing runs in this process until another one has paid through the node.
    const { socket, certPath, macaroonPath } = nodeOf('alice')
    const first = network?.channel('alice', 'bob').id ?? ''
    const args = [fileURLToPath(paying), socket, certPath, macaroonPath, toHex(payer), first]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: BLOCKED_MS })
    expect(stdout.trim()).toBe('paid')
  })
})
