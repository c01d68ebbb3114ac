/** The network of a story, and the nodes on which its programs run. */
import {
  demoNetwork,
  hubNetwork,
  line,
  mainnetLike,
  type NetworkDescription,
  randomNetwork,
  type ShapeOptions,
} from '../../src/sim.ts'
import { LONGEST_HANG_MS, MAX_PROGRAMS, type Story } from './story.ts'

/** Hung payments are over within the time that a story waits for. */
const HANG = { leastMs: 20_000, mostMs: LONGEST_HANG_MS, landing: 0.5 } as const
/** Nodes with fewer channels are often out of everybody's reach. */
const LEAST_CHANNELS = 4
const LEAST_MAINNET_NODES = 40

export interface Place {
  readonly description: NetworkDescription
  /** Where programs run. */
  readonly homes: readonly string[]
  /** Between any two of them there is a way. */
  readonly isConnected: boolean
}

export function placeOf({ network, seed }: Story): Place {
  const { kind, nodes, latency, failure, hang, slots } = network
  const options: ShapeOptions = {
    latency,
    failure,
    hang: { probability: hang, ...HANG },
    policyDefaults: { maxHtlcs: slots },
  }
  switch (kind) {
    case 'demo':
      return { description: demoNetwork(options), homes: ['alice', 'bob', 'erin', 'carol'], isConnected: true }
    case 'line':
      return { description: line(5, options), homes: ['n0', 'n4', 'n3', 'n1'], isConnected: true }
    case 'hub':
      return {
        description: hubNetwork(options),
        homes: Array.from({ length: MAX_PROGRAMS }, (_, i) => `leaf${i}`),
        isConnected: true,
      }
    case 'random': {
      const description = randomNetwork({ seed, nodes: Math.max(nodes, MAX_PROGRAMS), ...options })
      return { description, homes: description.nodes.map(({ name }) => name).toReversed(), isConnected: true }
    }
    case 'mainnet': {
      const description = mainnetLike({
        nodes: Math.max(LEAST_MAINNET_NODES, nodes),
        seed,
        latency: latency === 'reference' ? 'fast' : latency,
        failure,
        slots: slots === 483 ? 'implementations' : slots,
        hang: { probability: hang, ...HANG },
      })
      return { description, homes: wellConnected(description), isConnected: false }
    }
  }
}

/** The nodes with most channels in use first come last: the largest of all are no homes. */
function wellConnected({ nodes, channels, policyDefaults }: NetworkDescription): string[] {
  const degrees = new Map(nodes.map(({ name }) => [name, 0]))
  for (const { between, policies = {}, policy } of channels) {
    const isUsed = between.every((name) => {
      const { disabled = policy?.disabled ?? policyDefaults?.disabled ?? false } = policies[name] ?? {}
      return !disabled
    })
    if (isUsed) for (const name of between) degrees.set(name, (degrees.get(name) ?? 0) + 1)
  }
  const sorted = [...degrees].toSorted(([, a], [, b]) => a - b)
  const fit = sorted.filter(([, degree]) => degree >= LEAST_CHANNELS)
  return (fit.length >= MAX_PROGRAMS ? fit : sorted.slice(-MAX_PROGRAMS)).map(([name]) => name)
}
