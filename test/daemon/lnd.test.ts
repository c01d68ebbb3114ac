import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { pause } from '../../src/floor/clock.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { createDaemonBackend, type Daemon, startDaemon } from '../../src/daemon.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'

type Name = 'alice' | 'bob' | 'carol' | 'dave' | 'lonely'

/** Two relays between alice and carol, so that there are two ways, and one whose only peer is alice. */
const CAPACITY = { capacitySat: 5_000_000, pushSat: 2_500_000 }
/** Bounds a hang, however busy the machine. */
const SETTLE_MS = 180_000

const available = lndAvailable()
const folder = mkdtempSync(join(tmpdir(), 'keysock-daemon-'))
const daemons = new Map<string, Daemon>()
let network: Network<Name> | undefined

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
  for (const name of ['alice', 'carol', 'lonely'] as const) {
    const node = network.node(name)
    const { hex } = await node.bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket: node.socket, cert: node.certPath, macaroon: hex })
    daemons.set(name, await startDaemon({ backend, socket: join(folder, name), state: join(folder, `${name}.state`) }))
  }
})

afterAll(async () => {
  await Promise.all([...daemons.values()].map((daemon) => daemon.stop()))
  await network?.close()
  rmSync(folder, { recursive: true, force: true })
})

function contractNode(name: Name): ContractNode {
  if (network === undefined) throw new Error('there is no network')
  return {
    publicKey: fromHex(network.node(name).publicKey),
    attach: () => createDaemonBackend({ socket: join(folder, name) }),
  }
}

describe.skipIf(!available.ok)(`real nodes${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  backendContract({
    name: 'a daemon on lnd',
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
    sharesNodes: true,
    lacks: { faults: 'nobody tells a real relay to fail' },
  })
})
