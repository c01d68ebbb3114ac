import { BoundedMap } from '../../../floor/bounded.ts'
import { MAX_MSAT } from '../../../wire/bolt4/integers.ts'
import { parseShortChannelId } from '../../../wire/bolt4/short-channel-id.ts'
import { fromHex, toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { RouteHint, RoutePreference } from '../../../medium/route.ts'
import { BackendError } from '../../backend.ts'
import { EXPIRY_MARGIN_BLOCKS, FINAL_DELTA_BLOCKS } from '../../../medium/limits.ts'
import { FIND_MS, MAX_POLICIES, QUERIES_PER_ROUTE, QUERY_AMOUNTS_MSAT } from '../limits.ts'
import { isAway, isDenied, isLate } from '../rpc/errors.ts'
import { type LndClient } from '../rpc/client.ts'
import type { RawChannel, RawHop } from '../rpc/raw-messages.ts'
import { idsOf } from './own-channels.ts'
import type { Policies, HopPolicy } from './policies.ts'

/** A search for ways to a node. */
export interface WaySearch {
  /** Hex. */
  readonly from: string
  readonly to: string
  /** The amount that arrives at `to`. */
  readonly amountMsat: bigint
  readonly maxFeeMsat: bigint
  readonly count: number
  /** Blocks until the expiry that have to be left on arrival. */
  readonly finalDelta: number
  /** Channels to go around, as they stand in `HopPolicy.channel`. */
  readonly avoid: ReadonlySet<string>
  readonly hints: readonly RouteHint[]
  readonly prefer: RoutePreference
  readonly own: readonly RawChannel[]
}

/** A search with the time by which it has to end. */
interface TimedSearch extends WaySearch {
  readonly untilMs: number
}

export interface RouteFinderNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly policies: Policies
}

/** What a query has to avoid. */
interface Detour {
  /** Directed pairs of nodes, `from>to`. lnd knows no single channels here. */
  readonly pairs: ReadonlySet<string>
  /** Own channels, by decimal id. */
  readonly firstChannels: ReadonlySet<string>
}

/** Finds ways by lnd's own pathfinding, one query for each. */
export class RouteFinder {
  readonly #needs: RouteFinderNeeds
  /** Pairs of nodes by channel, for `avoid`. */
  readonly #pairs = new BoundedMap<string, string>(MAX_POLICIES)

  constructor(needs: RouteFinderNeeds) {
    this.#needs = needs
  }

  /**
   * Up to `count` ways, without common channels as far as the graph and FIND_MS allow.
   *
   * @throws BackendError 'unsupported' where lnd gave none and was too slow to say that there is none; RpcError
   */
  async find(search: WaySearch): Promise<HopPolicy[][]> {
    const timed: TimedSearch = { ...search, untilMs: this.#needs.clock.now() + FIND_MS }
    const ways = await this.#ways(timed)
    if (ways.length === 0 && this.#leftMs(timed) <= 0)
      throw new BackendError(
        'unsupported',
        `lnd found no route within ${FIND_MS / 1_000} s; its pathfinding is slow at the moment: try again`,
      )
    return ways
  }

  async #ways(search: TimedSearch): Promise<HopPolicy[][]> {
    const avoided = this.#detour(search.avoid, search)
    const disjoint = await this.#disjoint(search, avoided)
    // `avoid` is a preference: where no way leads around, one that does not avoid is better than none.
    if (disjoint.length === 0 && search.avoid.size > 0) {
      const through = await this.#disjoint(search, { pairs: new Set(), firstChannels: new Set() })
      return through
    }
    if (disjoint.length >= 2 || disjoint.length >= search.count) return disjoint
    return [...disjoint, ...(await this.#overlapping(search, avoided, disjoint))]
  }

  async #disjoint(search: TimedSearch, avoided: Detour): Promise<HopPolicy[][]> {
    const found: HopPolicy[][] = []
    const pairs = new Set(avoided.pairs)
    const firstChannels = new Set(avoided.firstChannels)
    while (found.length < search.count) {
      const way = await this.#query(search, { pairs, firstChannels })
      if (way === undefined) break
      found.push(way)
      firstChannels.add((way[0] as HopPolicy).chanId)
      for (const hop of way.slice(1)) pairs.add(pairOf(hop))
    }
    return found
  }

  /** Ways that differ from the only one in a channel or more. */
  async #overlapping(search: TimedSearch, avoided: Detour, found: readonly HopPolicy[][]): Promise<HopPolicy[][]> {
    const more: HopPolicy[][] = []
    const [only] = found
    if (only === undefined) return more
    const known = new Set([keyOf(only)])
    for (const hop of only.slice(0, QUERIES_PER_ROUTE)) {
      if (found.length + more.length >= search.count) break
      const isFirst = hop === only[0]
      const way = await this.#query(search, {
        pairs: isFirst ? avoided.pairs : new Set([...avoided.pairs, pairOf(hop)]),
        firstChannels: isFirst ? new Set([...avoided.firstChannels, hop.chanId]) : avoided.firstChannels,
      })
      if (way === undefined || known.has(keyOf(way))) continue
      known.add(keyOf(way))
      more.push(way)
    }
    return more
  }

  /** The best way that lnd finds; undefined where it finds none. */
  async #query(search: TimedSearch, detour: Detour): Promise<HopPolicy[] | undefined> {
    const outgoing = search.own.filter(
      (channel) => channel.active && !idsOf(channel).some((id) => detour.firstChannels.has(id)),
    )
    if (outgoing.length === 0) return undefined
    const amounts = amountsOf(search)
    // The only way may be one that lnd rules out for its memory of failures, so the last queries are without it.
    for (const useMissionControl of [true, false]) {
      for (const amountMsat of amounts) {
        if (this.#leftMs(search) <= 0) return undefined
        const hops = await this.#ask(search, detour, { amountMsat, outgoing, useMissionControl })
        const way = hops && (await this.#withPolicies(search, hops))
        if (way !== undefined) return way
      }
    }
    return undefined
  }

  async #ask(
    search: TimedSearch,
    detour: Detour,
    query: { amountMsat: bigint; outgoing: readonly RawChannel[]; useMissionControl: boolean },
  ): Promise<readonly RawHop[] | undefined> {
    const request = {
      pub_key: search.to,
      amt_msat: query.amountMsat.toString(),
      final_cltv_delta: search.finalDelta,
      fee_limit: {
        fixed_msat: (search.maxFeeMsat < MAX_MSAT ? search.maxFeeMsat : MAX_MSAT).toString(),
      },
      use_mission_control: query.useMissionControl,
      time_pref: TIME_PREFERENCES[search.prefer],
      ignored_pairs: [...detour.pairs].map((pair) => {
        const [from = '', to = ''] = pair.split('>')
        return { from: fromHex(from), to: fromHex(to) }
      }),
      ...(detour.firstChannels.size > 0 && { outgoing_chan_ids: query.outgoing.flatMap(idsOf) }),
      ...(search.hints.length > 0 && { route_hints: search.hints.map(rawHint) }),
    }
    const answer = await unlessNone(this.#needs.client.call('queryRoutes', request, this.#leftMs(search)))
    return answer?.routes[0]?.hops
  }

  #leftMs({ untilMs }: TimedSearch): number {
    return untilMs - this.#needs.clock.now()
  }

  async #withPolicies(search: TimedSearch, hops: readonly RawHop[]): Promise<HopPolicy[] | undefined> {
    const way: HopPolicy[] = []
    let from = search.from
    for (const hop of hops) {
      const policy =
        hintedPolicy(search.hints, hop, from, search.to) ??
        (await unlessNone(this.#needs.policies.hop(hop.chan_id, from, this.#leftMs(search))))
      if (policy === undefined) return undefined
      way.push(hop.pub_key === search.to ? takenIn(policy) : policy)
      this.#pairs.renew(policy.channel, pairOf(policy))
      from = hop.pub_key
    }
    return way
  }

  #detour(avoid: ReadonlySet<string>, search: WaySearch): Detour {
    const pairs = new Set<string>()
    const firstChannels = new Set<string>()
    const own = new Set(search.own.flatMap(idsOf))
    for (const channel of avoid) {
      const chanId = decimalId(channel)
      if (chanId !== undefined && own.has(chanId)) firstChannels.add(chanId)
      else {
        const pair = this.#pairs.get(channel)
        if (pair !== undefined) pairs.add(pair)
      }
    }
    return { pairs, firstChannels }
  }
}

/** lnd's own scale, from -1, price alone, to 1, reliability alone. */
const TIME_PREFERENCES: Readonly<Record<RoutePreference, number>> = { cheap: -1, balanced: 0, fast: 1 }

/** Who is in a hurry leaves out ways of many hops that let less than lnd's default pass. */
function amountsOf({ amountMsat, prefer }: WaySearch): bigint[] {
  const [usual, ...higher] = QUERY_AMOUNTS_MSAT.filter((amount) => amount > amountMsat)
  if (usual === undefined) return [amountMsat]
  return prefer === 'fast' ? [usual, amountMsat, ...higher] : [amountMsat, usual, ...higher]
}

/**
 * Undefined where lnd finds nothing, or not in time.
 *
 * @throws RpcError where the node is away or does not permit the call
 */
async function unlessNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    // lnd says "unable to find a path" and its like as an unknown error.
    if (!isLate(error) && (isAway(error) || isDenied(error))) throw error
    return undefined
  }
}

/** The last channel of a way: a node asks nothing for what it sends on to nobody, or over a path (spec/lnd.md §3). */
function takenIn(policy: HopPolicy): HopPolicy {
  const { inbound, ...rest } = policy
  return inbound === undefined ? policy : rest
}

function pairOf(hop: HopPolicy): string {
  return `${hop.from}>${hop.to}`
}

function keyOf(way: readonly HopPolicy[]): string {
  return way.map((hop) => hop.channel).join(' ')
}

/** The number of a channel that stands as `block x transaction x output`; undefined for other keys. */
function decimalId(channel: string): string | undefined {
  return /^\d+x\d+x\d+$/.test(channel) ? parseShortChannelId(channel).toString() : undefined
}

/** A hint's channel as the caller wrote it: `block x transaction x output` or a number. */
function hintId({ channelId }: RouteHint): string {
  const id = decimalId(channelId) ?? (/^\d{1,20}$/.test(channelId) ? channelId : undefined)
  if (id === undefined) throw new BackendError('bad-request', 'a route hint names no channel; write it as 800000x1x0')
  return id
}

function rawHint(hint: RouteHint): object {
  return {
    hop_hints: [
      {
        node_id: toHex(hint.publicKey),
        chan_id: hintId(hint),
        fee_base_msat: Number(hint.feeBaseMsat),
        fee_proportional_millionths: hint.feePpm,
        cltv_expiry_delta: hint.cltvDelta,
      },
    ],
  }
}

function hintedPolicy(hints: readonly RouteHint[], hop: RawHop, from: string, to: string): HopPolicy | undefined {
  const hint = hints.find(
    (each) => hop.pub_key === to && toHex(each.publicKey) === from && hintId(each) === hop.chan_id,
  )
  return (
    hint && {
      channel: hint.channelId,
      chanId: hop.chan_id,
      from,
      to,
      feeBaseMsat: hint.feeBaseMsat,
      feePpm: BigInt(hint.feePpm),
      cltvDelta: hint.cltvDelta,
      minHtlcMsat: hint.minAmountMsat ?? 1n,
      maxHtlcMsat: MAX_MSAT - 1n,
    }
  )
}

/** Blocks until the expiry that have to be left where a way ends. */
export function deltaOnArrival(blindedDelta: number | undefined, shadowBlocks: number): number {
  return EXPIRY_MARGIN_BLOCKS + shadowBlocks + (blindedDelta ?? FINAL_DELTA_BLOCKS)
}
