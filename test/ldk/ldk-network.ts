/** Real lnds with nodes of LDK among them, on one chain. */
import { isDeepStrictEqual } from 'node:util'
import { beforeEach } from 'vitest'
import { buildLdk } from '../../tools/ldk-node/build.ts'
import {
  type LdkChannelOpened,
  type LdkChannelSpec,
  openLdkChannels,
  waitLdkActive,
} from '../../tools/ldk-node/ldk-channels.ts'
import { LdkNode } from '../../tools/ldk-node/ldk-node.ts'
import type { NodeOptions } from '../../tools/regtest/lnd-node.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { NetworkState } from '../../tools/regtest/network-state.ts'
import { until } from '../../tools/regtest/until.ts'

/** Room both ways in every channel. */
const HALF = { capacitySat: 5_000_000, pushSat: 2_500_000 }

/** What an LDK opens is paid for by the first lnd. */
type Ends<Name extends string> = readonly [opener: Name, other: Name]

export interface LdkNetworkDescription<Lnd extends string, Ldk extends string> {
  readonly lnds: Readonly<Record<Lnd, NodeOptions>>
  readonly ldks: readonly Ldk[]
  readonly channels: readonly Ends<NoInfer<Lnd | Ldk>>[]
  /** Not announced; only between an lnd, which opens them, and an LDK. */
  readonly privateChannels?: readonly Ends<NoInfer<Lnd | Ldk>>[]
}

interface Parts<Lnd extends string, Ldk extends string> {
  readonly lnds: Network<Lnd>
  readonly ldks: ReadonlyMap<Ldk, LdkNode>
  readonly ldkChannels: readonly LdkChannelOpened[]
}

export class LdkNetwork<Lnd extends string, Ldk extends string> {
  readonly lnds: Network<Lnd>
  readonly ldks: ReadonlyMap<Ldk, LdkNode>
  /** Those with an LDK at one end or at both. */
  readonly ldkChannels: readonly LdkChannelOpened[]

  private constructor({ lnds, ldks, ldkChannels }: Parts<Lnd, Ldk>) {
    this.lnds = lnds
    this.ldks = ldks
    this.ldkChannels = ldkChannels
  }

  /** Returns when all channels can be used, and every lnd knows them. */
  static async start<const Lnd extends string, const Ldk extends string>(
    description: LdkNetworkDescription<Lnd, Ldk>,
  ): Promise<LdkNetwork<Lnd, Ldk>> {
    const program = await buildLdk()
    const names = Object.keys(description.lnds) as Lnd[]
    const lnds = await startNetwork<Lnd>({ nodes: names.map((name) => ({ name, ...description.lnds[name] })) })
    try {
      const [first, ...others] = names
      if (first === undefined) throw new Error('no lnd would know of the channels')
      // News of channels travels among peers.
      for (const name of others) await lnds.connect(first, name)
      const { chain, folder } = lnds
      const ldks = new Map<Ldk, LdkNode>()
      for (const name of description.ldks) ldks.set(name, await LdkNode.start({ chain, folder, program, name }))
      const hasLdk = (ends: Ends<Lnd | Ldk>): boolean => ends.some((name) => ldks.has(name as Ldk))
      const spec = ([opener, other]: Ends<Lnd | Ldk>, isPrivate: boolean): LdkChannelSpec => ({
        opener: ldks.get(opener as Ldk) ?? lnds.node(opener as Lnd),
        other: ldks.get(other as Ldk) ?? lnds.node(other as Lnd),
        payer: lnds.node(first),
        private: isPrivate,
        ...HALF,
      })
      const { channels, privateChannels = [] } = description
      const ldkChannels = await openLdkChannels(lnds, [
        ...channels.filter((ends) => hasLdk(ends)).map((ends) => spec(ends, false)),
        ...privateChannels.map((ends) => spec(ends, true)),
      ])
      const between = channels.filter((ends): ends is Ends<Lnd> => !hasLdk(ends))
      await lnds.openChannels(between.map((ends) => ({ between: ends, ...HALF })))
      return new LdkNetwork({ lnds, ldks, ldkChannels })
    } catch (error) {
      await lnds.close()
      throw error
    }
  }

  ldk(name: Ldk): LdkNode {
    const node = this.ldks.get(name)
    if (node === undefined) throw new Error(`no LDK ${name}; there are ${[...this.ldks.keys()].join(', ')}`)
    return node
  }

  /** The id of the channel between two nodes, one of which is an LDK. */
  channelOf(one: Lnd | Ldk, two: Lnd | Ldk): string {
    const ends = [one, two].toSorted().join()
    const found = this.ldkChannels.find(({ opener, other }) => [opener.name, other.name].toSorted().join() === ends)
    if (found === undefined) throw new Error(`no channel ${ends}`)
    return found.id
  }

  /** Waits until the channels with LDKs can be used; nodes that are apart are connected. */
  async waitActive(): Promise<void> {
    await Promise.all(this.ldkChannels.map(waitLdkActive))
  }

  async close(): Promise<void> {
    for (const node of this.ldks.values()) await node.kill()
    await this.lnds.close()
  }
}

/** Makes each test of this `describe` leave all nodes as it found them, however the test ends. */
export function leavesLdkAsFound<Lnd extends string, Ldk extends string>(
  network: () => LdkNetwork<Lnd, Ldk> | undefined,
): void {
  beforeEach(async ({ onTestFinished }) => {
    const present = network()
    if (present === undefined) return
    const { lnds } = present
    const ldks = [...present.ldks.values()]
    const found = await NetworkState.of(lnds)
    const ldksFound = await Promise.all(
      ldks.map(async (node) => ({ node, options: node.options, policies: await node.channels() })),
    )
    // Registered first, this comes last.
    onTestFinished(async () => {
      for (const { node, options } of ldksFound) {
        if (node.isRunning && isDeepStrictEqual(node.options, options)) continue
        await node.stop()
        await node.start(options)
      }
      for (const node of lnds.nodes.values()) node.resume()
      await present.waitActive()
      await found.restore()
      // An lnd that had to be started again is away from its peers.
      await present.waitActive()
      for (const { node, policies } of ldksFound) {
        for (const { peer, baseFeeMsat, feeRatePpm, timeLockDelta } of policies)
          await node.setPolicy({ peer, baseFeeMsat, feeRatePpm, timeLockDelta })
        await until(`${node.name} holds no payment`, async () => {
          const channels = await node.channels()
          return channels.every(({ incoming, outgoing }) => incoming + outgoing === 0) || undefined
        })
      }
    })
  })
}
