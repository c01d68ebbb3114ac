/** What the simulator's options are called: any other name is refused, and where it is said. */
import { unknownOption, type OptionNames } from '../../floor/option-names.ts'
import type {
  BlockOptions,
  ChannelDescription,
  HangOptions,
  LatencyOptions,
  NetworkDescription,
  NodeDescription,
  NodeOptions,
  PeerLimitOptions,
  PolicyOptions,
  RandomFault,
  RpcOptions,
  TrafficOptions,
} from './description.ts'
import type { DrawOptions } from './drawn-network.ts'
import { SimulationError, type SimulationErrorCode } from './errors.ts'
import type { FaultArguments, FaultName } from './fault-table.ts'

/** Every option of `Options`, as the compiler makes sure. */
type NamesOf<Options> = Readonly<Record<keyof Options, true>>

const POLICY_NAMES: NamesOf<PolicyOptions> = {
  baseFeeMsat: true,
  feePpm: true,
  inboundBaseFeeMsat: true,
  inboundFeePpm: true,
  cltvDelta: true,
  minHtlcMsat: true,
  maxHtlcMsat: true,
  maxHtlcs: true,
  maxInFlightMsat: true,
  othersHtlcs: true,
  disabled: true,
}
const NODE_OPTION_NAMES: NamesOf<NodeOptions> = {
  paymentsPerSecond: true,
  latencyMs: true,
  keysend: true,
  routeBlinding: true,
  public: true,
  requireInterceptor: true,
  pairShare: true,
  peerLimits: true,
  hang: true,
  policy: true,
}
const PEER_LIMIT_NAMES: NamesOf<PeerLimitOptions> = { maxPending: true, perHour: true }
const NODE_NAMES: NamesOf<NodeDescription> = { ...NODE_OPTION_NAMES, name: true }
const CHANNEL_NAMES: NamesOf<ChannelDescription> = {
  between: true,
  capacityMsat: true,
  balanceMsat: true,
  id: true,
  private: true,
  policy: true,
  policies: true,
  hopMs: true,
}
/** What holds for a whole network, described or drawn. */
const SETTING_NAMES: NamesOf<Omit<NetworkDescription, 'nodes' | 'channels'>> = {
  nodeDefaults: true,
  policyDefaults: true,
  latency: true,
  failure: true,
  hang: true,
  traffic: true,
  blocks: true,
  rpc: true,
  faults: true,
}
const NETWORK_NAMES: NamesOf<NetworkDescription> = { nodes: true, channels: true, ...SETTING_NAMES }
const LATENCY_NAMES: NamesOf<LatencyOptions> = { hopMs: true, sigma: true, batchMs: true }
const HANG_NAMES: NamesOf<HangOptions> = { probability: true, leastMs: true, mostMs: true, landing: true }
const TRAFFIC_NAMES: NamesOf<TrafficOptions> = { perSecond: true, meanMsat: true }
const BLOCK_NAMES: NamesOf<BlockOptions> = { startHeight: true, intervalMs: true, random: true }
const RPC_NAMES: NamesOf<RpcOptions> = { findRoutesMs: true, makePathsMs: true, sharedSecretMs: true }
const RANDOM_FAULT_NAMES: NamesOf<RandomFault> = { name: true, chance: true, perHour: true, with: true }

const FAULT_NAMES: { readonly [Name in FaultName]: NamesOf<FaultArguments[Name]> } = {
  'payment-fails': { from: true, to: true, channel: true, hop: true, count: true },
  'payment-hangs': { from: true, to: true, hop: true, forMs: true, end: true, count: true },
  'relay-keeps': { from: true, to: true, node: true, msat: true, count: true },
  'node-offline': { node: true, forMs: true },
  'node-online': { node: true },
  'node-restart': { node: true, forMs: true },
  'process-crash': { node: true },
  'channel-drained': { channel: true, from: true },
  'channel-closed': { channel: true },
  'channel-force-closed': { channel: true },
  'policy-change': { channel: true, from: true, policy: true },
  'interceptor-drops': { node: true, forMs: true },
  'verdict-lost': { node: true, end: true, count: true },
  'duplicate-offer': { node: true, count: true },
  'offered-again': { node: true, afterMs: true, count: true },
  'zombie-offers': { node: true, count: true },
  'killed-after-settle': { node: true, afterMs: true, forMs: true, count: true },
  'killed-after-send': { from: true, afterMs: true, forMs: true, ghostMs: true, count: true },
  'process-blocked': { node: true, forMs: true },
  'foreign-payments': { from: true, to: true, msat: true, count: true, overMs: true },
  'foreign-bytes': { from: true, node: true, kind: true, lane: true, count: true, overMs: true },
  'stream-lost': { node: true, forMs: true },
  'arrivals-replayed': { node: true, count: true },
  'routes-forgotten': { node: true },
  'liquidity-shift': { channel: true, from: true, msat: true },
  'blocks-found': { count: true },
  'block-interval': { intervalMs: true },
}

const DRAW_NAMES: NamesOf<DrawOptions> = {
  seed: true,
  balances: true,
  slots: true,
  latencySpread: true,
  pairLimits: true,
  circuitBreakers: true,
  others: true,
  privateNodes: true,
  ldk: true,
  hangingNodes: true,
  ...SETTING_NAMES,
}

/** @throws SimulationError with `code` for a name that is not in `names`; `where` says which object it stands in */
export function checkNames(
  where: string,
  options: unknown,
  names: OptionNames,
  code: SimulationErrorCode = 'bad-description',
): void {
  if (typeof options !== 'object' || options === null) return
  const complaint = unknownOption(options, names)
  if (complaint !== undefined) throw new SimulationError(code, `${where}: ${complaint}`)
}

/** As a program in JavaScript may pass them. @throws SimulationError 'bad-option' */
export function checkIsObject(options: unknown): void {
  if (typeof options === 'object' && options !== null) return
  throw new SimulationError('bad-option', `the options are an object; got ${String(options)}`)
}

/** @throws SimulationError 'bad-option' */
export function checkDrawNames(options: DrawOptions): void {
  checkNames('what is drawn', options, DRAW_NAMES, 'bad-option')
}

/** @throws SimulationError 'bad-description' */
export function checkDescriptionNames(description: NetworkDescription): void {
  const { nodes, channels, nodeDefaults, faults = [] } = description
  checkNames('the description', description, NETWORK_NAMES)
  checkNames('nodeDefaults', nodeDefaults, NODE_OPTION_NAMES)
  checkNames('nodeDefaults.peerLimits', nodeDefaults?.peerLimits, PEER_LIMIT_NAMES)
  checkNames('nodeDefaults.policy', nodeDefaults?.policy, POLICY_NAMES)
  checkNames('policyDefaults', description.policyDefaults, POLICY_NAMES)
  checkNames('latency', description.latency, LATENCY_NAMES)
  checkNames('hang', description.hang, HANG_NAMES)
  checkNames('traffic', description.traffic, TRAFFIC_NAMES)
  checkNames('blocks', description.blocks, BLOCK_NAMES)
  checkNames('rpc', description.rpc, RPC_NAMES)
  for (const [i, node] of nodes.entries()) {
    checkNames(`nodes[${i}]`, node, NODE_NAMES)
    if (node.peerLimits !== undefined) checkNames(`nodes[${i}].peerLimits`, node.peerLimits, PEER_LIMIT_NAMES)
    if (node.policy !== undefined) checkNames(`nodes[${i}].policy`, node.policy, POLICY_NAMES)
  }
  for (const [i, channel] of channels.entries()) {
    checkNames(`channels[${i}]`, channel, CHANNEL_NAMES)
    if (channel.policy !== undefined) checkNames(`channels[${i}].policy`, channel.policy, POLICY_NAMES)
    for (const [end, policy] of Object.entries(channel.policies ?? {})) {
      checkNames(`channels[${i}].policies.${end}`, policy, POLICY_NAMES)
    }
  }
  for (const [i, fault] of faults.entries()) {
    checkNames(`faults[${i}]`, fault, RANDOM_FAULT_NAMES)
    if (Object.hasOwn(FAULT_NAMES, fault.name)) {
      checkNames(`faults[${i}].with`, fault.with, FAULT_NAMES[fault.name as FaultName])
    }
  }
}

/** Of a fault whose name is known. @throws SimulationError 'bad-fault' */
export function checkFaultNames(fault: { readonly name: FaultName; readonly policy?: unknown }): void {
  checkNames(`the fault '${fault.name}'`, fault, { name: true, ...FAULT_NAMES[fault.name] }, 'bad-fault')
  checkNames(`the policy of the fault '${fault.name}'`, fault.policy, POLICY_NAMES, 'bad-fault')
}
