import { expect, onTestFinished } from 'vitest'
import { createEndpoint, type Endpoint, type EndpointStats } from '../../src/index.ts'
import { UNLISTED_MS } from '../../src/backends/lnd/limits.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import { until } from '../../tools/regtest/until.ts'
import { heldHashes, readLedger, type Ledger } from '../../tools/regtest/ledger.ts'
import { TcpProxy } from './tcp-proxy.ts'

/** One end of a transfer: a program at its node. */
export interface AttachedEndpoint {
  readonly node: LndNode
  readonly endpoint: Endpoint
  /** What the node had paid before. */
  readonly before: Ledger
}

/** With something in between. */
export interface ProxiedEndpoint extends AttachedEndpoint {
  readonly proxy: TcpProxy
}

/** With only what spec/lnd.md asks for, and a cap for the whole process. It is closed with its test. */
export async function attach(node: LndNode, capMsat: bigint, socket: string = node.socket): Promise<AttachedEndpoint> {
  const { base64 } = await node.bakeMacaroon(lndPermissions)
  const backend = createLndBackend({ socket, cert: node.certPath, macaroon: base64 })
  const endpoint = await createEndpoint({ backend, caps: { process: capMsat } })
  onTestFinished(() => endpoint.close())
  return { node, endpoint, before: await readLedger(node) }
}

export async function attachProxied(node: LndNode, capMsat: bigint): Promise<ProxiedEndpoint> {
  const proxy = await TcpProxy.start(node.socket)
  return { ...(await attach(node, capMsat, proxy.socket)), proxy }
}

/**
 * What was spent is to the millisatoshi what lnd says, within the cap, and nothing stays reserved but what lnd itself
 * calls in flight over a channel that went to the chain.
 */
export async function settledUp({ node, endpoint, before }: AttachedEndpoint, capMsat: bigint): Promise<void> {
  // What goes on meanwhile is in one of the two only: both are of one moment when nothing was spent between.
  const look = async (): Promise<{ readonly ledger: Ledger; readonly stats: EndpointStats } | undefined> => {
    const { spentMsat } = endpoint.stats
    const ledger = await readLedger(node, before.lastIndex)
    const { stats } = endpoint
    if (stats.spentMsat !== spentMsat || stats.paymentsUnresolved > ledger.onChain.length) return undefined
    return { ledger, stats }
  }
  const { ledger: after, stats } = await until(`every payment of ${node.name} is decided`, look, {
    // What lnd calls in flight and never sent is believed for UNLISTED_MS.
    deadlineMs: 2 * UNLISTED_MS,
    everyMs: 250,
  })
  // lnd that was killed may call a payment in flight for ever that it never sent (spec/lnd.md §7): no channel holds it.
  const held = await heldHashes(node)
  expect(after.inFlight.filter((hash) => held.has(hash))).toEqual([])
  const { spentMsat, reservedMsat, paymentsUnresolved } = stats
  expect(spentMsat).toBe(after.paidMsat)
  expect(reservedMsat > 0n).toBe(paymentsUnresolved > 0)
  expect(spentMsat + reservedMsat).toBeLessThanOrEqual(capMsat)
}
