/** Real lnds with a node of LDK between them, on one chain. */
import { beforeEach } from 'vitest'
import { buildLdk } from '../../tools/ldk-node/build.ts'
import { type LdkChannelOpened, openLdkChannels, waitLdkActive } from '../../tools/ldk-node/ldk-channels.ts'
import { LdkNode } from '../../tools/ldk-node/ldk-node.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { NetworkState } from '../../tools/regtest/network-state.ts'
import { until } from '../../tools/regtest/until.ts'

const HALF = { capacitySat: 5_000_000, pushSat: 2_500_000 }

/** What bob takes from a peer at once: fewer than dora does. */
export const BOB_SLOTS = 30

export type Name = 'alice' | 'carol' | 'bob'

/**
 * alice - carol - dora - bob, where dora is LDK. bob has no other peer, so dora is the guard of a bob that hides; for
 * an alice that hides carol is the guard, and dora the relay before it.
 */
export class LdkNetwork {
  readonly lnds: Network<Name>
  readonly dora: LdkNode
  readonly channels: readonly LdkChannelOpened[]

  private constructor(lnds: Network<Name>, dora: LdkNode, channels: readonly LdkChannelOpened[]) {
    this.lnds = lnds
    this.dora = dora
    this.channels = channels
  }

  static async start(): Promise<LdkNetwork> {
    const program = await buildLdk()
    const lnds = await startNetwork<Name>({ nodes: ['alice', 'carol', { name: 'bob', maxHtlcs: BOB_SLOTS }] })
    try {
      // News of channels travels among peers.
      await Promise.all([lnds.connect('alice', 'carol'), lnds.connect('carol', 'bob')])
      const { chain, folder } = lnds
      const dora = await LdkNode.start({ chain, folder, program, name: 'dora' })
      const [carol, bob] = [lnds.node('carol'), lnds.node('bob')]
      const channels = await openLdkChannels(lnds, [
        { opener: carol, other: dora, ...HALF },
        // Each of the two opens one of dora's channels.
        { opener: dora, other: bob, payer: bob, ...HALF },
      ])
      await lnds.openChannel({ between: ['alice', 'carol'], ...HALF })
      return new LdkNetwork(lnds, dora, channels)
    } catch (error) {
      await lnds.close()
      throw error
    }
  }

  /** The id of dora's channel with this node. */
  channel(name: 'carol' | 'bob'): string {
    const { publicKey } = this.lnds.node(name)
    const found = this.channels.find(({ opener, other }) => [opener, other].some((end) => end.publicKey === publicKey))
    return found?.id ?? ''
  }

  /** Waits until dora's channels can be used; nodes that are apart are connected. */
  async waitActive(): Promise<void> {
    await Promise.all(this.channels.map(waitLdkActive))
  }

  async close(): Promise<void> {
    await this.dora.kill()
    await this.lnds.close()
  }
}

/** Makes each test of this `describe` leave lnds and dora as it found them, however the test ends. */
export function leavesLdkAsFound(network: () => LdkNetwork | undefined): void {
  beforeEach(async ({ onTestFinished }) => {
    const present = network()
    if (present === undefined) return
    const { dora, lnds } = present
    const found = await NetworkState.of(lnds)
    const [options, policies] = [dora.options, await dora.channels()]
    // Registered first, this comes last.
    onTestFinished(async () => {
      if (!dora.isRunning) await dora.start(options)
      for (const node of lnds.nodes.values()) node.resume()
      await present.waitActive()
      await found.restore()
      await present.waitActive()
      for (const { peer, baseFeeMsat, feeRatePpm, timeLockDelta } of policies)
        await dora.setPolicy({ peer, baseFeeMsat, feeRatePpm, timeLockDelta })
      await until(
        'dora holds no payment',
        async () => (await dora.channels()).every(({ incoming, outgoing }) => incoming + outgoing === 0) || undefined,
      )
    })
  })
}
