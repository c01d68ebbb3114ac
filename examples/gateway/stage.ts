/** The three nodes of the demonstration: alice's shop asks the gateway on bob's node, and carol is everybody else. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { createEndpoint, FolderStore, type Endpoint } from 'keysock'
import { createLndBackend } from 'keysock/lnd'
import { createSimulation } from 'keysock/sim'
import { endpointFolder } from './gateway.ts'
import { LndNode } from './lnd-node.ts'
import { connectLnd, locationIn } from './lnd-location.ts'
import type { LightningNode } from './node.ts'
import { SimulatedNode } from './simulated-node.ts'
import { systemTime } from './time.ts'

export interface InvoiceWish {
  readonly amountMsat: bigint
  readonly description: string
  readonly expirySeconds?: number
}

export interface Stage {
  /** Of the shop's program. */
  readonly shop: Endpoint
  /** Of the gateway, with its node and a folder for its journal. */
  readonly gateway: Endpoint
  readonly node: LightningNode
  readonly folder: string
  /** Carol's node. */
  readonly customer: LightningNode
  /** What bob can pay at most, and a little more, msat. */
  readonly tooMuchMsat: bigint
  /** An invoice of carol's that is never settled; undefined where carol's rights don't reach so far. */
  readonly held?: (wish: InvoiceWish) => string
  /** Takes bob's node away, or brings it back. */
  readonly setAway?: (isAway: boolean) => void
  close(): Promise<void>
}

const CHANNEL_MSAT = 1_000_000_000
const EXPIRY_S = 3_600

export async function makeInvoice(node: LightningNode, wish: InvoiceWish): Promise<string> {
  return await node.invoice({ preimage: randomBytes(32), expirySeconds: EXPIRY_S, ...wish })
}

/** On a network inside this process: what is said of it stands in simulated-node.ts. */
export async function simulatedStage(): Promise<Stage> {
  const [alice, bob, carol] = ['alice', 'bob', 'carol'] as const
  const channel = { capacityMsat: 2 * CHANNEL_MSAT, balanceMsat: CHANNEL_MSAT }
  const sim = createSimulation(
    {
      nodes: [alice, bob, carol].map((name) => ({ name })),
      channels: [
        { between: [alice, carol], ...channel },
        { between: [carol, bob], ...channel },
        { between: [alice, bob], ...channel },
      ],
    },
    { mode: 'real-time' },
  )
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
  const open = (name: string): Promise<Endpoint> =>
    createEndpoint({
      backend: sim.backend(name),
      phantomLane: true,
      caps: { process: 10 * CHANNEL_MSAT, peer: 10 * CHANNEL_MSAT },
    })
  const endpoints = [await open(alice), await open(bob), await open(carol)] as const
  const [shop, gateway, customerEndpoint] = endpoints
  const balanceOf = (name: string) => (): bigint =>
    BigInt(sim.stats().nodes.find((node) => node.name === name)?.balanceMsat ?? 0)
  const node = new SimulatedNode({ endpoint: gateway, time: systemTime, balanceMsat: balanceOf(bob) })
  const customer = new SimulatedNode({ endpoint: customerEndpoint, time: systemTime, balanceMsat: balanceOf(carol) })
  return {
    shop,
    gateway,
    node,
    folder,
    customer,
    tooMuchMsat: 3n * BigInt(CHANNEL_MSAT),
    held: (wish) => customer.heldInvoice({ preimage: randomBytes(32), expirySeconds: EXPIRY_S, ...wish }),
    setAway: (isAway) => node.setAway(isAway),
    async close() {
      await Promise.all([node.close(), customer.close()])
      await Promise.all(endpoints.map((endpoint) => endpoint.close()))
      sim.close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** On three lnd nodes, by a file of where they are. */
export async function lndStage(file: string): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
  const { shop, gateway } = {
    shop: await openEndpoint(file, 'alice', join(folder, 'alice')),
    gateway: await openEndpoint(file, 'bob', endpointFolder(folder)),
  }
  const node = new LndNode(connectLnd(locationIn(file, 'bob')))
  const customer = new LndNode(connectLnd(locationIn(file, 'carol')))
  return {
    shop,
    gateway,
    node,
    folder,
    customer,
    tooMuchMsat: 6_000_000_000n,
    async close() {
      await Promise.all([node.close(), customer.close(), shop.close(), gateway.close()])
      rmSync(folder, { recursive: true })
    },
  }
}

async function openEndpoint(file: string, name: string, folder: string): Promise<Endpoint> {
  const { socket, cert, macaroon } = locationIn(file, name)
  const backend = createLndBackend({ socket, cert, macaroon })
  return await createEndpoint({ backend, store: new FolderStore(folder), phantomLane: true })
}
