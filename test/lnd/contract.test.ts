import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend, BackendEvent } from '../../src/backends/backend.ts'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { pause } from '../../src/floor/clock.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'

type Name = 'alice' | 'bob' | 'carol' | 'dave' | 'lonely'

/** Two relays between alice and carol, so that there are two ways, and one whose only peer is alice. */
const CAPACITY = { capacitySat: 5_000_000, pushSat: 2_500_000 }
const SETTLE_MS = 60_000

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
}, 180_000)

afterAll(async () => {
  await network?.close()
})

function contractNode(name: Name): ContractNode {
  if (network === undefined) throw new Error('there is no network')
  const node = network.node(name)
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
    const payer = await started('lonely')
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
    await Promise.all([payer.stop(), receiver.stop()])
  })

  it('lets foreign payments pass while its application is blocked', async () => {
    const relay = await started('bob')
    const payer = contractNode('carol').publicKey
    await relay.makePaths({ count: 1, payer, relays: 1, lifetimeBlocks: 100 })
    const from = await started('alice')
    const routes = await from.findRoutes({
      destination: { lane: 'node', publicKey: payer },
      amountMsat: 1_000n,
      maxFeeMsat: 100_000n,
      count: 2,
    })
    const through = network?.channel('bob', 'carol').id ?? ''
    const route = routes.find(({ channels }) => channels.includes(through))
    const preimage = processEntropy.bytes(32)
    const hash = sha256(preimage)
    const outcome = from.pay({
      routeId: route?.id ?? '',
      hash,
      preimage,
      record: new Uint8Array(9),
      amountMsat: 5_000n,
    })
    await pause(30)
    const until = performance.now() + 3_000
    while (performance.now() < until);
    expect(await outcome).toMatchObject({ status: 'settled' })
    expect(await resolvedAfterMs('alice', hash)).toBeLessThan(2_000)
    await Promise.all([from.stop(), relay.stop()])
  })
})

/** How long a payment took, by the clock of the lnd that made it. */
function resolvedAfterMs(name: Name, hash: Uint8Array): Promise<number> {
  interface Tracked {
    readonly htlcs: readonly { readonly attempt_time_ns: string; readonly resolve_time_ns: string }[]
  }
  interface Router {
    trackPaymentV2(request: object): { on(event: 'data', listener: (payment: Tracked) => void): void }
  }
  const router = network?.node(name).lnd.router as Router
  return new Promise((resolve) => {
    router.trackPaymentV2({ payment_hash: hash }).on('data', ({ htlcs: [htlc] }) => {
      resolve(Number(BigInt(htlc?.resolve_time_ns ?? 0) - BigInt(htlc?.attempt_time_ns ?? 0)) / 1e6)
    })
  })
}
