import { buildLnd } from '../lnd-build/build.ts'
import { Btcd, type Outputs } from './btcd.ts'
import {
  addressOf,
  type ChannelSpec,
  connectPeers,
  disconnectPeers,
  endChannel,
  fundChannel,
  type OpenChannel,
  ownChannel,
  waitChannelActive,
  waitChannelGone,
  waitChannelKnown,
} from './channels.ts'
import { LndNode, type NodeOptions } from './lnd-node.ts'
import { Nest } from './nest.ts'
import { told, until } from './until.ts'

/** A channel can be announced when its funding has this many blocks. */
const ANNOUNCE_BLOCKS = 6
/** What every node gets for fees, and as the reserve that lnd asks for before it takes part in a channel. */
const RESERVE_SAT = 1_000_000
/** What opening a channel takes beside its capacity. */
const OPENING_SAT = 50_000

interface NodeSpec<Name extends string = string> extends NodeOptions {
  readonly name: Name
  /** The file of another lnd than the one that tests run. */
  readonly program?: string
}

export interface NetworkDescription<Name extends string = string> {
  /** A name, or a name with options. */
  readonly nodes: readonly (Name | NodeSpec<Name>)[]
  readonly channels?: readonly ChannelSpec<NoInfer<Name>>[]
  /** Options for all nodes; a node's own come before them. */
  readonly every?: NodeOptions
  /** Leaves the files in place when it closes; so does KEYSOCK_KEEP_NODES=1. */
  readonly keep?: boolean
}

/** So much for a node, in one output. */
interface Coin {
  readonly node: LndNode
  readonly sat: number
}

interface Parts<Name extends string> {
  readonly nest: Nest
  readonly btcd: Btcd
  readonly nodes: ReadonlyMap<Name, LndNode>
}

/** A chain on regtest and lnds on it, all on 127.0.0.1. */
export class Network<Name extends string = string> {
  readonly nodes: ReadonlyMap<Name, LndNode>
  /** The channels that this object opened and did not close. */
  readonly channels: OpenChannel[] = []
  /** Coins that were made for channels which were not opened: the next ones take them. */
  readonly #spare: Coin[] = []
  readonly #nest: Nest
  readonly #btcd: Btcd
  #isClosed = false

  constructor({ nest, btcd, nodes }: Parts<Name>) {
    this.#nest = nest
    this.#btcd = btcd
    this.nodes = nodes
  }

  /** Where all files are: logs, keys and databases. */
  get folder(): string {
    return this.#nest.folder
  }

  /** For nodes that are not lnd. */
  get chain(): Btcd {
    return this.#btcd
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  node(name: Name): LndNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`no node ${name}; there are ${[...this.nodes.keys()].join(', ')}`)
    return node
  }

  /** The first open channel between two nodes, in either direction. */
  channel(one: Name, two: Name): OpenChannel {
    const ends = [one, two].toSorted()
    const found = this.channels.find(({ opener, other }) => [opener.name, other.name].toSorted().join() === ends.join())
    if (found === undefined) throw new Error(`no channel ${one} - ${two}`)
    return found
  }

  /** The block height. */
  height(): Promise<number> {
    return this.#btcd.height()
  }

  /** Mines blocks, and waits until every running node has seen them. Returns the height. */
  async mine(blocks = 1): Promise<number> {
    await this.#btcd.generate(blocks)
    const height = await this.#btcd.height()
    await this.waitForSync(height)
    return height
  }

  /** Waits until every running node knows the chain, up to a height if told. */
  async waitForSync(height?: number): Promise<void> {
    await Promise.all(this.#running().map((node) => node.waitForSync(height)))
  }

  /**
   * Waits until both ends can use every channel whose ends run. Peers that are apart are connected: by itself lnd may
   * take as long as one of them was away.
   */
  async waitActive(): Promise<void> {
    const usable = this.channels.filter(({ opener, other }) => opener.isRunning && other.isRunning)
    await Promise.all(
      usable.map(async (channel) => {
        await connectPeers(channel.opener, channel.other)
        await waitChannelActive(channel)
      }),
    )
  }

  async connect(from: Name, to: Name): Promise<void> {
    await connectPeers(this.node(from), this.node(to))
  }

  async disconnect(from: Name, to: Name): Promise<void> {
    await disconnectPeers(this.node(from), this.node(to))
  }

  /** Gives nodes coins of the chain, in satoshi by name, and mines them. */
  async fund(coins: readonly Coin[]): Promise<void> {
    if (coins.length === 0) return
    const outputs: [string, number][] = []
    for (const { node, sat } of coins) outputs.push([await addressOf(node), sat])
    await this.#btcd.pay(Object.fromEntries(outputs) satisfies Outputs)
    await this.mine()
  }

  /** Whether a coin of a channel that was not opened is large enough. */
  #takeSpare({ node, sat }: Coin): boolean {
    const index = this.#spare.findIndex((coin) => coin.node === node && coin.sat >= sat)
    if (index === -1) return false
    this.#spare.splice(index, 1)
    return true
  }

  async openChannel(spec: ChannelSpec<Name>): Promise<OpenChannel> {
    const [channel] = await this.openChannels([spec])
    if (channel === undefined) throw new Error('no channel was opened')
    return channel
  }

  /** Opens channels at the same time. Returns when payments can go over all of them, from everywhere if public. */
  async openChannels(specs: readonly ChannelSpec<Name>[]): Promise<OpenChannel[]> {
    const fundings = specs.map(
      ({ between: [opener, other], capacitySat, pushSat = 0, private: isPrivate = false }) => ({
        opener: this.node(opener),
        other: this.node(other),
        capacitySat,
        pushSat,
        isPrivate,
      }),
    )
    const coins = fundings.map(({ opener, capacitySat }) => ({ node: opener, sat: capacitySat + OPENING_SAT }))
    await this.fund(coins.filter((coin) => !this.#takeSpare(coin)))
    const openers = Map.groupBy(fundings, ({ opener }) => opener)
    const pending = await Promise.all(
      [...openers.values()].map(async (own) => {
        const funded = []
        // lnd spends its largest coin first: in this order each channel gets the one that was made for it.
        for (const funding of own.toSorted((a, b) => b.capacitySat - a.capacitySat)) {
          try {
            await connectPeers(funding.opener, funding.other)
            funded.push(await fundChannel(funding))
          } catch (error) {
            this.#spare.push({ node: funding.opener, sat: funding.capacitySat + OPENING_SAT })
            throw error
          }
        }
        return funded
      }),
    )
    const waiting = new Set(pending.flat().map(({ transactionId }) => transactionId)).size
    await until('the funding waits to be mined', async () => (await this.#btcd.waiting()) >= waiting || undefined)
    await this.mine(ANNOUNCE_BLOCKS)
    const opened = await Promise.all(pending.flat().map(waitChannelActive))
    const known = opened.filter(({ isPrivate }) => !isPrivate)
    await Promise.all(this.#running().flatMap((node) => known.map((channel) => waitChannelKnown(node, channel))))
    this.channels.push(...opened)
    return opened
  }

  /** Closes a channel and mines its end. `by` is the opener unless told; by force without asking the other one. */
  async closeChannel(
    channel: OpenChannel,
    { force = false, by = channel.opener }: { readonly force?: boolean; readonly by?: LndNode } = {},
  ): Promise<void> {
    await endChannel(channel, by, force)
    await until('the closing waits to be mined', async () => (await this.#btcd.waiting()) > 0 || undefined)
    await this.mine(ANNOUNCE_BLOCKS)
    await waitChannelGone(channel)
    this.channels.splice(this.channels.indexOf(channel), 1)
  }

  /**
   * Takes from `channels` what one of its ends does not list as open any more, whoever closed it, and waits until the
   * other one has seen that too. Returns those.
   */
  async dropClosed(): Promise<OpenChannel[]> {
    const dropped: OpenChannel[] = []
    for (const channel of this.channels) {
      const listed = await Promise.all([channel.opener, channel.other].map((end) => ownChannel(end, channel)))
      if (listed.includes(undefined)) dropped.push(channel)
    }
    if (dropped.length > 0) await this.mine(ANNOUNCE_BLOCKS)
    await Promise.all(dropped.map(waitChannelGone))
    for (const channel of dropped) this.channels.splice(this.channels.indexOf(channel), 1)
    return dropped
  }

  /** Ends everything at once and removes all files. Nothing of it outlives this process in any case. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.nodes.values()].map((node) => node.kill()))
    await this.#btcd.end('SIGKILL')
    this.#nest.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #running(): LndNode[] {
    return [...this.nodes.values()].filter(({ isRunning }) => isRunning)
  }
}

/** Starts a network. Returns when its channels can be used. What was started ends again if something fails. */
export async function startNetwork<const Name extends string>(
  description: NetworkDescription<Name>,
): Promise<Network<Name>> {
  const { lnd, btcd: btcdProgram } = await buildLnd()
  const nest = new Nest()
  if (description.keep === true || process.env['KEYSOCK_KEEP_NODES'] === '1') nest.keep()
  try {
    const btcd = await Btcd.start(nest, btcdProgram)
    const specs = description.nodes.map((spec) => (typeof spec === 'string' ? { name: spec } : spec))
    const nodes = await Promise.all(
      specs.map(async ({ name, program = lnd, ...options }) => {
        const settings = { nest, btcd, program, name, options: { ...description.every, ...options } }
        return [name, await LndNode.start(settings)] as const
      }),
    )
    const network = new Network<Name>({ nest, btcd, nodes: new Map(nodes) })
    await network.fund(nodes.map(([, node]) => ({ node, sat: RESERVE_SAT })))
    if (description.channels !== undefined) await network.openChannels(description.channels)
    return network
  } catch (error) {
    nest.close()
    throw new Error(`the network does not start: ${told(error)}`, { cause: error })
  }
}
