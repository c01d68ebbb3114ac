import type { ChannelDescription, NetworkDescription, NodeDescription } from './description.ts'
import { checkDescriptionNames } from './option-names.ts'
import { Random } from './random.ts'

/** What every shape can be given: failures, hangs, latency, defaults, faults. */
export type ShapeOptions = Omit<NetworkDescription, 'nodes' | 'channels'> & {
  /** Capacity of each channel; half lies on either side. Default 5,000,000 sat. */
  readonly capacityMsat?: number
}

const CAPACITY_MSAT = 5_000_000_000

/** Nodes n0 - n1 - ... in a row. */
export function line(nodes: number, options: ShapeOptions = {}): NetworkDescription {
  const names = Array.from({ length: nodes }, (_, i) => `n${i}`)
  return shape(
    names,
    names.slice(1).map((name, i) => [names[i] as string, name]),
    options,
  )
}

/**
 * The demo network: alice and bob share no channel; two routes without a common
 * channel or node lead from one to the other, over carol, and over dave and erin.
 * carol and dave are joined, so each can stand behind the other.
 */
export function demoNetwork(options: ShapeOptions = {}): NetworkDescription {
  return shape(
    ['alice', 'bob', 'carol', 'dave', 'erin'],
    [
      ['alice', 'carol'],
      ['carol', 'bob'],
      ['alice', 'dave'],
      ['dave', 'erin'],
      ['erin', 'bob'],
      ['carol', 'dave'],
    ],
    options,
  )
}

/** Six leaves around 'hub', named leaf0 to leaf5; a second hub, 'spare', joins them all as well. */
export function hubNetwork(options: ShapeOptions & { readonly leaves?: number } = {}): NetworkDescription {
  const { leaves = 6, ...rest } = options
  const names = Array.from({ length: leaves }, (_, i) => `leaf${i}`)
  return shape(
    ['hub', 'spare', ...names],
    names.flatMap((name) => [
      ['hub', name],
      ['spare', name],
    ]),
    rest,
  )
}

/** A connected network n0, n1, ... drawn from a seed: a random tree and some channels more (default: as many again). */
export function randomNetwork(
  options: ShapeOptions & { readonly seed: string | number; readonly nodes: number; readonly extraChannels?: number },
): NetworkDescription {
  const { seed, nodes, extraChannels = nodes, ...rest } = options
  const random = new Random(String(seed), 'random network')
  const names = Array.from({ length: nodes }, (_, i) => `n${i}`)
  const pairs: string[][] = names.slice(1).map((name, i) => [names[random.below(i + 1)] as string, name])
  for (let i = 0; i < extraChannels && nodes > 1; i++) {
    const a = random.below(nodes)
    const b = (a + 1 + random.below(nodes - 1)) % nodes
    pairs.push([names[a] as string, names[b] as string])
  }
  return shape(names, pairs, rest)
}

function shape(
  names: readonly string[],
  pairs: readonly (readonly string[])[],
  options: ShapeOptions,
): NetworkDescription {
  const { capacityMsat = CAPACITY_MSAT, ...rest } = options
  const nodes: NodeDescription[] = names.map((name) => ({ name }))
  const channels: ChannelDescription[] = pairs.map(([a, b]) => ({ between: [a as string, b as string], capacityMsat }))
  const description = { nodes, channels, ...rest }
  checkDescriptionNames(description)
  return description
}
