import { LndClient } from '../../src/backends/lnd/rpc/client.ts'
import { type OpenedServices, openServices, readCredentials } from '../../src/backends/lnd/rpc/connection.ts'
import { EXPIRY_MARGIN_BLOCKS, FINAL_DELTA_BLOCKS } from '../../src/medium/limits.ts'
import { hopPolicy, type HopPolicy } from '../../src/backends/lnd/routes/policies.ts'
import { MAX_FEE_MSAT } from './settings.ts'

/** Where an lnd is. Plain data. */
export interface NodeAddress {
  readonly socket: string
  readonly cert: string
  readonly macaroon: string
  /** Hex. */
  readonly publicKey: string
}

/** An lnd with nothing over it but gRPC. */
export interface BareNode {
  readonly client: LndClient
  readonly services: OpenedServices
  readonly height: number
}

export async function openBare(address: NodeAddress): Promise<BareNode> {
  const services = openServices(readCredentials(address))
  const client = new LndClient(services)
  const { block_height: height } = await client.call('getInfo', {})
  return { client, services, height }
}

/** The way that lnd knows to a node, with the policies along it. */
export async function wayTo({ client }: BareNode, from: string, to: string): Promise<HopPolicy[]> {
  const { routes } = await client.call('queryRoutes', {
    pub_key: to,
    amt_msat: '1000',
    final_cltv_delta: FINAL_DELTA_BLOCKS + EXPIRY_MARGIN_BLOCKS,
    fee_limit: { fixed_msat: MAX_FEE_MSAT.toString() },
  })
  const way: HopPolicy[] = []
  let node = from
  for (const hop of routes[0]?.hops ?? []) {
    const policy = hopPolicy(await client.call('getChanInfo', { chan_id: hop.chan_id }), node)
    if (policy === undefined) throw new Error(`no policy of channel ${hop.chan_id} is known`)
    way.push(policy)
    node = hop.pub_key
  }
  return way
}
