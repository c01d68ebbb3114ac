import { MAX_CHANNELS, MAX_EXACT_MSAT, MAX_INBOUND_BASE_MSAT, MAX_NODES } from './limits.ts'
import type {
  Amount,
  ChannelDescription,
  HangOptions,
  LatencyName,
  LatencyOptions,
  NetworkDescription,
  NodeOptions,
  PeerLimitOptions,
  PolicyOptions,
  RandomFault,
} from './description.ts'
import { SimulationError } from './errors.ts'
import { checkDescriptionNames } from './option-names.ts'
import { BATCH_MS, LATENCIES, PAYMENTS_PER_SECOND } from './timing.ts'

/** One direction of a channel: what its sending node asks. Amounts as numbers, everything set. */
export interface Policy {
  readonly baseFeeMsat: number
  readonly feePpm: number
  /** For what comes in over the channel; negative: a discount (bLIP 18). */
  readonly inboundBaseFeeMsat: number
  readonly inboundFeePpm: number
  readonly cltvDelta: number
  readonly minHtlcMsat: number
  readonly maxHtlcMsat: number
  readonly maxHtlcs: number
  readonly maxInFlightMsat: number
  /** Slots that others hold on average. */
  readonly othersHtlcs: number
  readonly disabled: boolean
}

/** What a relay lets each peer send; Infinity where there is no limit. */
export interface PeerLimits {
  readonly maxPending: number
  readonly perHour: number
}

export interface NodePlan {
  readonly name: string
  readonly paymentsPerSecond: number
  readonly latencyMs: number
  readonly keysend: boolean
  readonly routeBlinding: boolean
  readonly public: boolean
  readonly requireInterceptor: boolean
  readonly pairShare: number
  readonly peerLimits: PeerLimits
  /** Share of what reaches it that hangs at it. */
  readonly hang: number
}

export interface ChannelPlan {
  readonly id: string
  /** Indexes into the nodes. */
  readonly ends: readonly [number, number]
  readonly capacityMsat: number
  readonly balanceMsat: number
  readonly private: boolean
  /** From the first end, from the second. */
  readonly policies: readonly [Policy, Policy]
  readonly hopMs: number | undefined
}

/** A description with every default filled in and every number checked. */
export interface NetworkPlan {
  readonly nodes: readonly NodePlan[]
  readonly channels: readonly ChannelPlan[]
  readonly latency: Required<LatencyOptions>
  readonly failure: number
  readonly hang: Required<HangOptions>
  readonly traffic: { readonly perSecond: number; readonly meanMsat: number }
  readonly blocks: { readonly startHeight: number; readonly intervalMs: number; readonly random: boolean }
  readonly rpc: { readonly findRoutesMs: number; readonly makePathsMs: number; readonly sharedSecretMs: number }
  readonly faults: readonly RandomFault[]
}

const MAX_HTLCS = 483
const NO_PEER_LIMITS: PeerLimits = { maxPending: Infinity, perHour: Infinity }
const FIRST_CHANNEL_BLOCK = 700_000

/** Fills in the defaults. Throws SimulationError 'bad-description' with the entry's place. */
export function resolveDescription(description: NetworkDescription): NetworkPlan {
  checkDescriptionNames(description)
  const nodes = resolveNodes(description)
  const hang = typeof description.hang === 'number' ? { probability: description.hang } : description.hang
  return {
    nodes,
    channels: resolveChannels(description, nodes),
    latency: resolveLatency(description.latency ?? 'reference'),
    failure: number('failure', description.failure ?? 0, 0, 1),
    hang: {
      probability: number('hang.probability', hang?.probability ?? 0, 0, 1),
      leastMs: number('hang.leastMs', hang?.leastMs ?? 120_000, 1),
      mostMs: number('hang.mostMs', hang?.mostMs ?? Math.max(hang?.leastMs ?? 0, 6 * 3_600_000), hang?.leastMs ?? 1),
      landing: number('hang.landing', hang?.landing ?? 0.3, 0, 1),
    },
    traffic: {
      perSecond: number('traffic.perSecond', description.traffic?.perSecond ?? 0, 0, 1e6),
      meanMsat: amount('traffic.meanMsat', description.traffic?.meanMsat ?? 1_000_000),
    },
    blocks: {
      startHeight: whole('blocks.startHeight', description.blocks?.startHeight ?? 850_000, 1, 16_000_000),
      intervalMs: number('blocks.intervalMs', description.blocks?.intervalMs ?? 600_000, 1),
      random: description.blocks?.random ?? false,
    },
    rpc: {
      findRoutesMs: number('rpc.findRoutesMs', description.rpc?.findRoutesMs ?? 13, 0),
      makePathsMs: number('rpc.makePathsMs', description.rpc?.makePathsMs ?? 5, 0),
      sharedSecretMs: number('rpc.sharedSecretMs', description.rpc?.sharedSecretMs ?? 11, 0),
    },
    faults: description.faults ?? [],
  }
}

/** A policy with some of its fields changed. `capacityMsat` bounds its amounts. */
export function changePolicy(where: string, policy: Policy, change: PolicyOptions, capacityMsat: number): Policy {
  return resolvePolicy(where, capacityMsat, { ...policy, ...change })
}

function resolveNodes(description: NetworkDescription): NodePlan[] {
  if (description.nodes.length === 0) fail('nodes', 'a network needs at least one node')
  if (description.nodes.length > MAX_NODES) fail('nodes', `${description.nodes.length} nodes; at most ${MAX_NODES}`)
  const names = new Set<string>()
  return description.nodes.map((node, i) => {
    const where = `nodes[${i}]`
    if (typeof node.name !== 'string' || node.name === '') fail(where, 'a node needs a name')
    if (names.has(node.name)) fail(where, `two nodes are called '${node.name}'`)
    names.add(node.name)
    const options: NodeOptions = { ...description.nodeDefaults, ...node }
    return {
      name: node.name,
      paymentsPerSecond: number(
        [where, 'paymentsPerSecond'],
        options.paymentsPerSecond ?? PAYMENTS_PER_SECOND,
        1e-3,
        1e9,
      ),
      latencyMs: number([where, 'latencyMs'], options.latencyMs ?? 0, 0),
      keysend: options.keysend ?? true,
      routeBlinding: options.routeBlinding ?? true,
      public: options.public ?? true,
      requireInterceptor: options.requireInterceptor ?? false,
      pairShare: number([where, 'pairShare'], options.pairShare ?? 0, 0, 1),
      peerLimits: options.peerLimits === undefined ? NO_PEER_LIMITS : peerLimits(where, options.peerLimits),
      hang: number([where, 'hang'], options.hang ?? 0, 0, 1),
    }
  })
}

function peerLimits(where: string, { maxPending, perHour }: PeerLimitOptions): PeerLimits {
  return {
    maxPending: maxPending === undefined ? Infinity : whole([where, 'peerLimits.maxPending'], maxPending, 1, MAX_HTLCS),
    perHour: perHour === undefined ? Infinity : number([where, 'peerLimits.perHour'], perHour, 1, 1e9),
  }
}

function resolveChannels(description: NetworkDescription, nodes: readonly NodePlan[]): ChannelPlan[] {
  if (description.channels.length > MAX_CHANNELS)
    fail('channels', `${description.channels.length} channels; at most ${MAX_CHANNELS}`)
  const indexes = new Map(nodes.map((node, i) => [node.name, i]))
  const ids = new Set<string>()
  const policyOf = new Map<string, PolicyOptions>()
  for (const { name, policy } of description.nodes) if (policy !== undefined) policyOf.set(name, policy)
  return description.channels.map((channel, i) => {
    const where = `channels[${i}]`
    const ends = channel.between.map((name) => indexes.get(name) ?? fail(where, `there is no node '${name}'`)) as [
      number,
      number,
    ]
    if (ends[0] === ends[1]) fail(where, 'a channel lies between two different nodes')
    const id = channel.id ?? `${FIRST_CHANNEL_BLOCK + i}x1x0`
    if (!/^\d{1,8}x\d{1,8}x\d{1,5}$/.test(id)) fail(where, `'${id}' is not a short channel id like 700000x1x0`)
    if (ids.has(id)) fail(where, `two channels have the id ${id}`)
    ids.add(id)
    const capacityMsat = amount([where, 'capacityMsat'], channel.capacityMsat)
    const balanceMsat = amount([where, 'balanceMsat'], channel.balanceMsat ?? Math.floor(capacityMsat / 2))
    if (balanceMsat > capacityMsat) fail(where, `a balance of ${balanceMsat} msat in a channel of ${capacityMsat} msat`)
    for (const name of Object.keys(channel.policies ?? {})) {
      if (!channel.between.includes(name)) fail(`${where}.policies`, `'${name}' is not an end of this channel`)
    }
    return {
      id,
      ends,
      capacityMsat,
      balanceMsat,
      private: channel.private ?? ends.some((end) => nodes[end]?.public === false),
      policies: [
        directionPolicy(where, { description, policyOf, channel, from: 0, capacityMsat }),
        directionPolicy(where, { description, policyOf, channel, from: 1, capacityMsat }),
      ],
      hopMs: channel.hopMs === undefined ? undefined : number([where, 'hopMs'], channel.hopMs, 0),
    }
  })
}

function directionPolicy(
  where: string,
  options: {
    readonly description: NetworkDescription
    /** By name, of the nodes that have one. */
    readonly policyOf: ReadonlyMap<string, PolicyOptions>
    readonly channel: ChannelDescription
    readonly from: 0 | 1
    readonly capacityMsat: number
  },
): Policy {
  const { description, policyOf, channel, capacityMsat } = options
  const name = channel.between[options.from]
  return resolvePolicy(`${where} from '${name}'`, capacityMsat, {
    ...description.policyDefaults,
    ...description.nodeDefaults?.policy,
    ...policyOf.get(name),
    ...channel.policy,
    ...channel.policies?.[name],
  })
}

function resolvePolicy(where: string, capacityMsat: number, options: PolicyOptions): Policy {
  const maxHtlcMsat = amount([where, 'maxHtlcMsat'], options.maxHtlcMsat ?? capacityMsat)
  return {
    baseFeeMsat: amount([where, 'baseFeeMsat'], options.baseFeeMsat ?? 1_000),
    feePpm: whole([where, 'feePpm'], options.feePpm ?? 1, 0, 1_000_000),
    inboundBaseFeeMsat: whole(
      [where, 'inboundBaseFeeMsat'],
      options.inboundBaseFeeMsat ?? 0,
      -MAX_INBOUND_BASE_MSAT,
      MAX_INBOUND_BASE_MSAT,
    ),
    inboundFeePpm: whole([where, 'inboundFeePpm'], options.inboundFeePpm ?? 0, -1_000_000, 1_000_000),
    cltvDelta: whole([where, 'cltvDelta'], options.cltvDelta ?? 80, 1, 2_016),
    minHtlcMsat: amount([where, 'minHtlcMsat'], options.minHtlcMsat ?? 1_000),
    maxHtlcMsat: Math.min(maxHtlcMsat, capacityMsat),
    maxInFlightMsat: amount([where, 'maxInFlightMsat'], options.maxInFlightMsat ?? capacityMsat),
    maxHtlcs: whole([where, 'maxHtlcs'], options.maxHtlcs ?? MAX_HTLCS, 1, MAX_HTLCS),
    othersHtlcs: number([where, 'othersHtlcs'], options.othersHtlcs ?? 0, 0, MAX_HTLCS),
    disabled: options.disabled ?? false,
  }
}

function resolveLatency(latency: LatencyName | LatencyOptions): Required<LatencyOptions> {
  if (typeof latency === 'string' && !Object.hasOwn(LATENCIES, latency)) {
    fail('latency', `'${latency}' is not one of ${Object.keys(LATENCIES).join(', ')}`)
  }
  const options = typeof latency === 'string' ? LATENCIES[latency] : latency
  return {
    hopMs: number('latency.hopMs', options.hopMs, 0),
    sigma: number('latency.sigma', options.sigma, 0, 3),
    batchMs: number('latency.batchMs', options.batchMs ?? BATCH_MS, 0),
  }
}

/** An entry of the description, or an entry and its field: text is made of it where something is wrong. */
type Place = string | readonly [entry: string, field: string]

/** An amount as a number. Throws 'bad-description' unless it is a whole number of 0..10^15 msat. */
function amount(where: Place, value: Amount): number {
  if (typeof value === 'string' && !/^\d{1,16}$/.test(value)) fail(where, `'${value}' is not an amount in millisatoshi`)
  return whole(where, Number(value), 0, MAX_EXACT_MSAT)
}

function whole(where: Place, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value)) fail(where, `${value} is not a whole number`)
  return number(where, value, min, max)
}

function number(where: Place, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!(value >= min && value <= max)) fail(where, `${value} is not between ${min} and ${max}`)
  return value
}

function fail(where: Place, what: string): never {
  throw new SimulationError('bad-description', `${typeof where === 'string' ? where : where.join('.')}: ${what}`)
}
