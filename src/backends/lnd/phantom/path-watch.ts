import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { PATH_ENTRANCE_MS, PATH_POLICY_MS } from '../limits.ts'
import { isAway } from '../rpc/errors.ts'
import { type LndClient } from '../rpc/client.ts'
import { entranceTo, type Introduction } from './introductions.ts'
import { idsOf, type OwnChannels } from '../routes/own-channels.ts'
import { hopPolicy, type HopPolicy } from '../routes/policies.ts'
import { nodeInfo } from '../routes/public-graph.ts'

/** A path over which payments may come. */
export interface OpenPath {
  /** The made-up channel of its last hop, in decimal. */
  readonly chanId: string
  readonly chain: Introduction
  readonly expiryHeight: number
}

/** By path id. */
type OpenPaths = ReadonlyMap<string, OpenPath>

export interface PathWatchNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly channels: OwnChannels
  emit(event: BackendEvent): void
}

/** Emits 'paths-stale' for open paths whose last channel is gone or down, or whose relays have other policies now. */
export class PathWatch {
  readonly #needs: PathWatchNeeds
  #policiesMs = -Infinity
  #entrancesMs: number

  constructor(needs: PathWatchNeeds) {
    this.#needs = needs
    this.#entrancesMs = needs.clock.now()
  }

  /** @throws RpcError */
  async look(paths: OpenPaths): Promise<void> {
    if (paths.size === 0) return
    await this.#checkPolicies(paths)
    await this.#checkEntrances(paths)
    const channels = await this.#needs.channels.list(1_000)
    const active = new Set(channels.filter((channel) => channel.active).flatMap(idsOf))
    this.#emitStale(paths, ({ chain }) => !active.has(chain.links.at(-1)?.chanId ?? ''))
  }

  async #checkPolicies(paths: OpenPaths): Promise<void> {
    const now = this.#needs.clock.now()
    if (now - this.#policiesMs < PATH_POLICY_MS) return
    this.#policiesMs = now
    const changed = new Set<string>()
    const links = new Map([...paths.values()].flatMap(({ chain }) => chain.links.map((link) => [link.channel, link])))
    for (const link of links.values()) {
      if (!isSame(await this.#policyNow(link), link)) changed.add(link.channel)
    }
    this.#emitStale(paths, ({ chain }) => chain.links.some((link) => changed.has(link.channel)))
  }

  /** What introduction nodes ask for what comes in to them: their data tells them to keep no more than they asked. */
  async #checkEntrances(paths: OpenPaths): Promise<void> {
    const now = this.#needs.clock.now()
    if (now - this.#entrancesMs < PATH_ENTRANCE_MS) return
    this.#entrancesMs = now
    const chains = new Map([...paths.values()].map(({ chain }) => [chain.links[0]?.channel, chain]))
    const dearer = new Set<string | undefined>()
    for (const [channel, { links, entrance }] of chains) {
      const first = links[0] as HopPolicy
      const node = await nodeInfo(this.#needs.client, first.from)
      const asked = node && entranceTo(node, first)
      const isCovered =
        asked !== undefined && asked.baseFeeMsat <= entrance.baseFeeMsat && asked.feePpm <= entrance.feePpm
      if (!isCovered) dearer.add(channel)
    }
    this.#emitStale(paths, ({ chain }) => dearer.has(chain.links[0]?.channel))
  }

  /** Undefined for a channel that is gone. @throws RpcError */
  async #policyNow(link: HopPolicy): Promise<HopPolicy | undefined> {
    try {
      return hopPolicy(await this.#needs.client.call('getChanInfo', { chan_id: link.chanId }), link.from)
    } catch (error) {
      if (isAway(error)) throw error
      return undefined
    }
  }

  #emitStale(paths: OpenPaths, isStale: (path: OpenPath) => boolean): void {
    const pathIds = [...paths].filter(([, path]) => isStale(path)).map(([pathId]) => pathId)
    if (pathIds.length > 0) this.#needs.emit({ type: 'paths-stale', pathIds })
  }
}

function isSame(now: HopPolicy | undefined, then: HopPolicy): boolean {
  return (
    now !== undefined &&
    now.feeBaseMsat === then.feeBaseMsat &&
    now.feePpm === then.feePpm &&
    now.cltvDelta === then.cltvDelta &&
    now.inbound?.baseMsat === then.inbound?.baseMsat &&
    now.inbound?.ppm === then.inbound?.ppm &&
    now.minHtlcMsat === then.minHtlcMsat
  )
}
