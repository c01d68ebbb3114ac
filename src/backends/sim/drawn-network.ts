import type { ChannelDescription, NetworkDescription, NodeDescription, PolicyOptions } from './description.ts'
import { SimulationError } from './errors.ts'
import type { GossipChannel, GossipGraph, GossipPolicy } from './gossip-graph.ts'
import { checkDescriptionNames, checkDrawNames, checkIsObject } from './option-names.ts'
import { Random } from './random.ts'
import { LATENCIES } from './timing.ts'

/** How to draw what gossip does not tell, and the other options of a description. spec/simulator.md has the sources. */
export interface DrawOptions extends Omit<NetworkDescription, 'nodes' | 'channels'> {
  /** One seed draws one network. Default 1. */
  readonly seed?: string | number
  /**
   * Where the money of a channel lies. 'uniform': anywhere. 'bimodal' (default): near either end, at a distance of
   * 300,000 sat or a tenth of the capacity on average, whichever is less.
   */
  readonly balances?: 'uniform' | 'bimodal'
  /**
   * HTLCs that a direction admits. A number, 1..483: for all. 'implementations' (default): by what the node's own
   * policies say about its software (lnd 483, LDK 50, Core Lightning and Eclair 30; of two ends the lower), and 114 for
   * 2 % of the channels.
   */
  readonly slots?: 'implementations' | number
  /** Deviation of the logarithm of a channel's median delay around that of `latency`. Default 0.5; 0: all alike. */
  readonly latencySpread?: number
  /** Share of the nodes that let one pair of channels have 5 % of their slots (BOLTs #1280). Default 0. */
  readonly pairLimits?: number
  /** Share of the nodes with a circuit breaker: 5 HTLCs of a peer under way, 1,800 an hour. Default 0. */
  readonly circuitBreakers?: number
  /** Mean share of a direction's slots that payments of others hold, exponential over the directions. Default 0.05. */
  readonly others?: number
  /** Nodes behind private channels, for each public node: `private-0`, `private-1` ... Default 0.05. */
  readonly privateNodes?: number
  /** Share of the nodes that run LDK, beside those whose policies show it. Default 0. */
  readonly ldk?: number
  /** Share of the nodes at which a tenth of the payments hang, for times as in `hang`. Default 0. */
  readonly hangingNodes?: number
}

/** lnd's own scale of a bimodal balance: routerrpc.bimodal.scale is 300,000 sat. */
const BIMODAL_SCALE_MSAT = 300_000_000
const BIMODAL_SHARE = 0.1
const PAIR_SHARE = 0.05
/** An operator's settings in circuitbreaker: 5 pending a peer, one each 2 s. */
const BREAKER = { maxPending: 5, perHour: 1_800 } as const
/** A third of the nodes behind private channels has a second one. */
const SECOND_CHANNEL = 1 / 3
/** Block of the ids of private channels: lnd's range of aliases. */
const ALIAS_BLOCK = 16_000_000
const ALIASES_PER_BLOCK = 1_000_000

/** What hangs at a node that holds payments: as a tenth of its peers being away at any time would do. An assumption. */
const HANGING_SHARE = 0.1
/** LDK lets a tenth of a channel's capacity be under way towards it (`max_inbound_htlc_value_in_flight_percent`). */
const LDK_IN_FLIGHT_SHARE = 0.1
/**
 * LDK announces what the other end asked for when the channel was opened; who wants no payments that the chain does not
 * take asks for the dust limit, 354 sat (BOLT 3, for outputs of any segwit version). Their share is an assumption.
 */
const AT_DUST_LIMIT = { share: 0.1, leastMsat: 354_000 } as const

const SLOTS = { lnd: 483, ldk: 50, coreLightning: 30, eclair: 30 } as const
/** Channels without a fee in their commitments hold 114 (BOLTs #1228). Nobody has counted them: an assumption. */
const ZERO_FEE = { slots: 114, share: 0.02 } as const
type Software = keyof typeof SLOTS

const SILENT: PolicyOptions = { disabled: true }

/** Fills in what gossip does not tell. Throws SimulationError 'bad-option'. */
export function drawNetwork(graph: GossipGraph, options: DrawOptions): NetworkDescription {
  checkDrawOptions(options)
  const {
    seed = 1,
    balances = 'bimodal',
    slots = 'implementations',
    latencySpread = 0.5,
    pairLimits = 0,
    circuitBreakers = 0,
    others = 0.05,
    privateNodes = 0.05,
    ldk = 0,
    hangingNodes = 0,
    ...rest
  } = options
  const random = new Random(String(seed), 'drawn network')
  const draws: Draws = {
    balance: random.child('balances'),
    slots: random.child('slots'),
    others: random.child('others'),
    latency: random.child('latencies'),
    dust: random.child('dust limits'),
  }
  const latency = rest.latency ?? 'slow'
  const { hopMs } = typeof latency === 'string' ? LATENCIES[latency] : latency
  const software = softwareOf(graph)
  const ldkDraws = random.child('ldk')
  for (const { name } of graph.nodes) if (ldkDraws.chance(ldk)) software.set(name, 'ldk')
  const draw = new ChannelDraw({ draws, balances, slots, others, hopMs, latencySpread, software })
  const hidden = hiddenNodes(graph, privateNodes, random.child('private nodes'))
  const limits = random.child('limits')
  const hangs = random.child('hanging nodes')
  const nodes = graph.nodes.map((node): NodeDescription => {
    const isPairLimited = limits.chance(pairLimits)
    const hasBreaker = limits.chance(circuitBreakers)
    const holds = hangs.chance(hangingNodes)
    return {
      name: node.name,
      ...(!node.routeBlinding && { routeBlinding: false }),
      ...(isPairLimited && { pairShare: PAIR_SHARE }),
      ...(hasBreaker && { peerLimits: BREAKER }),
      ...(holds && { hang: HANGING_SHARE }),
    }
  })
  checkDescriptionNames({ ...rest, nodes: [], channels: [] })
  return {
    ...rest,
    latency,
    nodes: [...nodes, ...hidden.names.map((name) => ({ name, public: false }))],
    channels: [...graph.channels, ...hidden.channels].map((channel) => draw.describe(channel)),
  }
}

interface Draws {
  readonly balance: Random
  readonly slots: Random
  readonly others: Random
  readonly latency: Random
  readonly dust: Random
}

interface ChannelDrawOptions {
  readonly draws: Draws
  readonly balances: 'uniform' | 'bimodal'
  readonly slots: 'implementations' | number
  readonly others: number
  readonly hopMs: number
  readonly latencySpread: number
  readonly software: ReadonlyMap<string, Software>
}

/** Draws what is not known of a channel. Each property has a stream of its own. */
class ChannelDraw {
  readonly #options: ChannelDrawOptions

  constructor(options: ChannelDrawOptions) {
    this.#options = options
  }

  describe({ id, ends, capacityMsat, policies }: GossipChannel): ChannelDescription {
    const { draws, hopMs, latencySpread } = this.#options
    const slots = this.#slotsOf(ends)
    return {
      between: ends,
      capacityMsat,
      balanceMsat: this.#balance(capacityMsat),
      ...(id !== undefined && { id }),
      policies: {
        [ends[0]]: this.#policy(policies[0], slots, capacityMsat, ends),
        [ends[1]]: this.#policy(policies[1], slots, capacityMsat, [ends[1], ends[0]]),
      },
      ...(latencySpread > 0 && hopMs > 0 && { hopMs: Math.round(draws.latency.logNormal(hopMs, latencySpread)) }),
    }
  }

  /** What the first of `ends` asks of what it sends to the second. */
  #policy(
    policy: GossipPolicy | undefined,
    maxHtlcs: number,
    capacityMsat: number,
    [from, to]: readonly [string, string],
  ): PolicyOptions {
    const { draws, others, software } = this.#options
    const othersHtlcs = others === 0 ? 0 : round(Math.min(maxHtlcs, draws.others.exponential(others * maxHtlcs)))
    if (policy === undefined) return SILENT
    const { disabled, maxHtlcMsat, inboundBaseFeeMsat, inboundFeePpm, ...asked } = policy
    const maxInFlightMsat = software.get(to) === 'ldk' ? Math.floor(capacityMsat * LDK_IN_FLIGHT_SHARE) : 0
    const mostMsat = Math.min(maxHtlcMsat || Infinity, maxInFlightMsat || Infinity)
    const isAtDust = software.get(from) === 'ldk' && draws.dust.chance(AT_DUST_LIMIT.share)
    return {
      ...asked,
      ...(isAtDust && { minHtlcMsat: Math.max(asked.minHtlcMsat, AT_DUST_LIMIT.leastMsat) }),
      ...(mostMsat < Infinity && { maxHtlcMsat: mostMsat }),
      ...(maxInFlightMsat > 0 && { maxInFlightMsat }),
      ...(inboundBaseFeeMsat !== 0 && { inboundBaseFeeMsat }),
      ...(inboundFeePpm !== 0 && { inboundFeePpm }),
      ...(disabled && { disabled }),
      maxHtlcs,
      ...(othersHtlcs > 0 && { othersHtlcs }),
    }
  }

  #balance(capacityMsat: number): number {
    const { draws, balances } = this.#options
    if (balances === 'uniform') return Math.floor(draws.balance.fraction() * (capacityMsat + 1))
    const isNear = draws.balance.chance(0.5)
    const mean = Math.min(BIMODAL_SCALE_MSAT, capacityMsat * BIMODAL_SHARE)
    const distance = Math.min(capacityMsat, Math.floor(draws.balance.exponential(mean)))
    return isNear ? distance : capacityMsat - distance
  }

  /** A channel takes what both ends admit. */
  #slotsOf(ends: readonly [string, string]): number {
    const { draws, slots, software } = this.#options
    if (slots !== 'implementations') return slots
    const isZeroFee = draws.slots.chance(ZERO_FEE.share)
    const least = Math.min(...ends.map((name) => SLOTS[software.get(name) ?? 'lnd']))
    return isZeroFee ? Math.min(least, ZERO_FEE.slots) : least
  }
}

/** Keeps the description short where it is written as JSON. */
function round(value: number): number {
  return Math.round(value * 100) / 100
}

/**
 * What each node runs, by the defaults that it published: a delta of 34 is Core Lightning's (6 and 14 before), 72 is
 * LDK's, and 144 with a least amount of 1 msat is Eclair's; lnd has 80, 40 before, and whatever its users write.
 */
function softwareOf(graph: GossipGraph): Map<string, Software> {
  const votes = new Map<string, Map<Software, number>>()
  for (const { ends, policies } of graph.channels) {
    for (const [i, policy] of policies.entries()) {
      if (policy === undefined) continue
      const name = ends[i] as string
      const counts = votes.get(name) ?? new Map<Software, number>()
      const software = softwareBehind(policy)
      counts.set(software, (counts.get(software) ?? 0) + 1)
      votes.set(name, counts)
    }
  }
  const found = new Map<string, Software>()
  for (const [name, counts] of votes) {
    const [most] = [...counts].toSorted(([, a], [, b]) => b - a)
    if (most !== undefined) found.set(name, most[0])
  }
  return found
}

function softwareBehind({ cltvDelta, minHtlcMsat }: GossipPolicy): Software {
  if (cltvDelta === 34 || cltvDelta === 14 || cltvDelta === 6) return 'coreLightning'
  if (cltvDelta === 72) return 'ldk'
  return cltvDelta === 144 && minHtlcMsat <= 1 ? 'eclair' : 'lnd'
}

/** What lnd asks where nobody said anything else. */
const DEFAULT_POLICY: GossipPolicy = {
  baseFeeMsat: 1_000,
  feePpm: 1,
  inboundBaseFeeMsat: 0,
  inboundFeePpm: 0,
  cltvDelta: 80,
  minHtlcMsat: 1_000,
  maxHtlcMsat: 0,
  disabled: false,
}

/**
 * Nodes that gossip does not know, each behind a channel or two with a public node. A channel is like one that the
 * public node has, drawn from all that are in use: so large nodes have most of them.
 */
function hiddenNodes(
  graph: GossipGraph,
  share: number,
  random: Random,
): { readonly names: readonly string[]; readonly channels: readonly GossipChannel[] } {
  const used = graph.channels.filter(({ policies }) => policies.every((policy) => policy?.disabled === false))
  const taken = new Set(graph.nodes.map(({ name }) => name))
  const count = used.length === 0 ? 0 : Math.round(graph.nodes.length * share)
  const names: string[] = []
  const channels: GossipChannel[] = []
  const nextId = unusedAliases(graph)
  for (let i = 0; names.length < count; i++) {
    const name = `private-${i}`
    if (taken.has(name)) continue
    names.push(name)
    const own = random.chance(SECOND_CHANNEL) ? 2 : 1
    for (let j = 0; j < own; j++) {
      const model = used[random.below(used.length)] as GossipChannel
      const end = random.below(2) as 0 | 1
      channels.push({
        id: nextId(),
        ends: [model.ends[end], name],
        capacityMsat: model.capacityMsat,
        policies: [model.policies[end], { ...DEFAULT_POLICY, maxHtlcMsat: model.capacityMsat }],
      })
    }
  }
  return { names, channels }
}

/** Gives ids for private channels, one after the other; none that a channel of the graph has. */
function unusedAliases(graph: GossipGraph): () => string {
  const taken = new Set(graph.channels.map(({ id }) => id))
  let number = 0
  return () => {
    for (;;) {
      const id = `${ALIAS_BLOCK + Math.floor(number / ALIASES_PER_BLOCK)}x${number % ALIASES_PER_BLOCK}x0`
      number++
      if (!taken.has(id)) return id
    }
  }
}

/** @throws SimulationError 'bad-option' */
function checkDrawOptions(options: DrawOptions): void {
  checkIsObject(options)
  checkDrawNames(options)
  const { seed = 1, balances = 'bimodal', slots = 'implementations' } = options
  if (typeof seed !== 'string' && !Number.isFinite(seed)) badOption('seed', 'a text or a number', seed)
  if (!['uniform', 'bimodal'].includes(balances)) badOption('balances', "'uniform' or 'bimodal'", balances)
  const isNumber = typeof slots === 'number' && Number.isInteger(slots) && slots >= 1 && slots <= SLOTS.lnd
  if (slots !== 'implementations' && !isNumber) {
    badOption('slots', `'implementations' or a whole number of 1..${SLOTS.lnd}`, slots)
  }
  const { pairLimits = 0, circuitBreakers = 0, others = 0, privateNodes = 0, ldk = 0, hangingNodes = 0 } = options
  const { latencySpread = 0, latency } = options
  const shares = { pairLimits, circuitBreakers, others, privateNodes, ldk, hangingNodes }
  for (const [name, share] of Object.entries(shares)) {
    if (!isWithin(share, 1)) badOption(name, 'a share of 0..1', share)
  }
  if (!isWithin(latencySpread, 3)) badOption('latencySpread', 'a number of 0..3', latencySpread)
  const isKnown = typeof latency === 'string' ? Object.hasOwn(LATENCIES, latency) : typeof latency === 'object'
  if (latency !== undefined && !isKnown) {
    badOption('latency', `one of ${Object.keys(LATENCIES).join(', ')}, or an object`, latency)
  }
}

/** Programs in JavaScript pass anything: a text compares like the number in it, and counts as one nowhere else. */
function isWithin(value: unknown, most: number): boolean {
  return typeof value === 'number' && value >= 0 && value <= most
}

function badOption(name: string, what: string, value: unknown): never {
  throw new SimulationError('bad-option', `${name} is ${what}; got ${String(value)}`)
}
