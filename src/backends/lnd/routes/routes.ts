import { BoundedMap } from '../../../floor/bounded.ts'
import { MAX_MSAT } from '../../../wire/bolt4/integers.ts'
import { phantomOf } from '../../../wire/bolt4/phantom.ts'
import { formatShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { Entropy } from '../../../floor/entropy.ts'
import { packetCostMsat, routeFeeMsat, type Route, type RouteRequest } from '../../../medium/route.ts'
import { BackendError } from '../../backend.ts'
import { MAX_PATH_DELTA_BLOCKS, PHANTOM_DELTA_BLOCKS } from '../../paths/path-classes.ts'
import { MAX_PINNED_ROUTES, MAX_ROUTES_PER_REQUEST } from '../../../medium/limits.ts'
import { MAX_CHANNEL_HTLCS, MAX_SHADOW_BLOCKS, CHANNELS_AGE_MS } from '../limits.ts'
import type { LndClient } from '../rpc/client.ts'
import type { OwnBalance } from './own-balance.ts'
import { idsOf, type OwnChannels } from './own-channels.ts'
import type { Policies, HopPolicy } from './policies.ts'
import { decodePath } from '../../paths/reply-path.ts'
import { amountRange, recordRoom, totalDelta, wholeFee, type RoutePlan } from './route-costs.ts'
import { deltaOnArrival, RouteFinder, type WaySearch } from './route-finder.ts'

/** A route that can be paid over until it is dropped. */
export interface PinnedRoute {
  readonly route: Route
  readonly plan: RoutePlan
  /** A record of the route's `recordBytes` fits for amounts up to this. */
  readonly sizedForMsat: bigint
}

export interface RoutesNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly entropy: Entropy
  readonly policies: Policies
  readonly channels: OwnChannels
  readonly balance: OwnBalance
  /** Hex. */
  readonly ownKey: string
  height(): number
}

/** Finds routes and keeps them, by id, for payments. */
export class Routes {
  readonly #needs: RoutesNeeds
  readonly #finder: RouteFinder
  readonly #pinned = new BoundedMap<string, PinnedRoute>(MAX_PINNED_ROUTES)
  #made = 0

  constructor(needs: RoutesNeeds) {
    this.#needs = needs
    this.#finder = new RouteFinder(needs)
  }

  get(routeId: string): PinnedRoute | undefined {
    const pinned = this.#pinned.get(routeId)
    if (pinned === undefined) return undefined
    // The next to be dropped is the one unused for longest: a route that is paid over stays, however many are found.
    this.#pinned.renew(routeId, pinned)
    return pinned
  }

  /** Drops every route over a channel whose policy is not what it was. */
  forgetChannel(channel: string): void {
    for (const [id, { plan }] of this.#pinned) {
      const at = plan.hops.findIndex((each) => each.channel === channel)
      if (at < 0) continue
      this.#pinned.delete(id)
      // The fee is asked at two channels: the one that leads on, and the one that it came in over.
      for (const hop of plan.hops.slice(Math.max(0, at - 1), at + 1)) this.#needs.policies.forget(hop.chanId)
    }
  }

  /** @throws BackendError 'bad-request', or 'unsupported' where lnd found none in time; RpcError */
  async find(request: RouteRequest): Promise<readonly Route[]> {
    checkRequest(request)
    const { destination } = request
    const blinded = 'path' in destination ? decodePath(destination.path) : undefined
    const to = toHex('path' in destination ? (blinded?.introduction ?? new Uint8Array()) : destination.publicKey)
    const phantom =
      destination.lane === 'phantom' && !('path' in destination) ? phantomHop(destination.publicKey) : undefined
    // spec §9.6: paths with a longer delta are not paid over; a payee could hold our money for as long.
    if (to === this.#needs.ownKey || (blinded?.totals.cltvDelta ?? 0) > MAX_PATH_DELTA_BLOCKS) return []
    const own = await this.#needs.channels.list(CHANNELS_AGE_MS)
    this.#needs.balance.look(own, request.amountMsat)
    const search: WaySearch = {
      from: this.#needs.ownKey,
      to,
      amountMsat: request.amountMsat,
      maxFeeMsat: request.maxFeeMsat,
      count: request.count,
      prefer: request.prefer ?? 'balanced',
      finalDelta: deltaOnArrival(blinded?.totals.cltvDelta ?? phantom?.cltvDelta, MAX_SHADOW_BLOCKS),
      avoid: new Set(request.avoid),
      hints: 'path' in destination ? [] : (destination.hints ?? []),
      own,
    }
    const ways = await this.#finder.find(search)
    const slots = new Map(
      own.flatMap((channel) =>
        idsOf(channel).map((id) => [id, channel.local_constraints?.max_accepted_htlcs ?? MAX_CHANNEL_HTLCS] as const),
      ),
    )
    const routes: PinnedRoute[] = []
    for (const way of ways) {
      const hops = phantom === undefined ? way : [...way, phantom]
      const plan: RoutePlan = {
        hops,
        shadowBlocks: MAX_SHADOW_BLOCKS,
        phantom: phantom !== undefined,
        ...(blinded && { blinded }),
      }
      const pinned = this.#pin(plan, request.amountMsat, slots)
      const { route } = pinned
      // One channel's most may be below another's least: then nothing fits.
      const isFit = route.recordBytes >= 0 && route.minAmountMsat <= route.maxAmountMsat
      if (isFit && routeFeeMsat(route, request.amountMsat) <= request.maxFeeMsat) routes.push(pinned)
    }
    const sorted = inOrder(routes, request)
    for (const pinned of sorted) this.#pinned.set(pinned.route.id, pinned)
    return sorted.map(({ route }) => route)
  }

  #pin(plan: RoutePlan, askedMsat: bigint, slots: ReadonlyMap<string, number>): PinnedRoute {
    const { min, max } = amountRange(plan)
    const sizedForMsat = askedMsat > min ? askedMsat : min
    const channels = plan.hops.map((hop) => hop.channel)
    // What lies behind an introduction node is hidden; two paths behind the same one share it for all we know.
    if (plan.blinded !== undefined) channels.push(`behind ${toHex(plan.blinded.introduction)}`)
    const route: Route = {
      id: `r${++this.#made}`,
      recordBytes: recordRoom(plan, sizedForMsat, this.#needs.height()),
      minAmountMsat: min,
      maxAmountMsat: max,
      ...wholeFee(plan),
      channels,
      firstChannelSlots: slots.get((plan.hops[0] as HopPolicy).chanId) ?? MAX_CHANNEL_HTLCS,
      cltvDelta: totalDelta(plan),
    }
    return { route, plan, sizedForMsat }
  }
}

/** From a node to the phantom behind it, over a channel that does not exist, without a fee (spec §2.9). */
function phantomHop(node: Uint8Array): HopPolicy {
  const { publicKey, channelId } = phantomOf(node)
  return {
    channel: formatShortChannelId(channelId),
    chanId: channelId.toString(),
    from: toHex(node),
    to: toHex(publicKey),
    feeBaseMsat: 0n,
    feePpm: 0n,
    cltvDelta: PHANTOM_DELTA_BLOCKS,
    minHtlcMsat: 1n,
    maxHtlcMsat: MAX_MSAT - 1n,
  }
}

function checkRequest(request: RouteRequest): void {
  if (!(request.count >= 1 && request.count <= MAX_ROUTES_PER_REQUEST))
    throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_ROUTES_PER_REQUEST} routes`)
  if (request.amountMsat < 1n || request.amountMsat > MAX_MSAT)
    throw new BackendError('bad-request', `amountMsat is ${request.amountMsat}; it must be 1..${MAX_MSAT}`)
}

/** Cheapest first, by what a packet costs over it: a least amount counts as the fee does (spec §9.6). */
function inOrder(routes: readonly PinnedRoute[], request: RouteRequest): PinnedRoute[] {
  return routes.toSorted((a, b) => Number(packetCostMsat(a.route) - packetCostMsat(b.route))).slice(0, request.count)
}
