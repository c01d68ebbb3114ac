import { afterAll, beforeAll } from 'vitest'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { processEntropy, pause } from '../../src/backends/lnd/realtime.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { fromHex } from '../../src/wire/bytes.ts'
import { lndAvailable } from '../nodes/available.ts'
import { startNetwork, type Network } from '../nodes/network.ts'

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

const missing = available.ok ? undefined : available.reason

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
  ...(missing === undefined ? { lacks: { faults: 'nobody tells a real relay to fail' } } : { lacks: {} }),
})
