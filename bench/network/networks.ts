import {
  createSimulation,
  type DrawOptions,
  mainnetLike,
  type NetworkDescription,
  networkFromGraph,
  type Simulation,
} from '../../src/sim.ts'
import { Random } from '../../src/backends/sim/random.ts'
import { CheapestWays } from './cheapest.ts'
import { readGraphFile } from './graph-file.ts'
import { FAILING, HANGING, LATENCY, type NetworkSetting } from './settings.ts'

/** A network that is asked many times, with what is known of it. */
export interface PreparedNetwork {
  readonly nodes: number
  readonly channels: number
  readonly ways: CheapestWays
  /** Callers and those who are called, drawn by seed; the same for every number of them. */
  pair(index: number): readonly [from: string, to: string]
  /** So many of the nodes that pairs are drawn from, by seed. */
  someNodes(count: number): readonly string[]
  simulation(seed: string, remembers?: number): Simulation
}

/** Reads or draws what the setting names. */
export function describeNetwork(setting: NetworkSetting): NetworkDescription {
  const drawn: DrawOptions = {
    ...setting.drawn,
    seed: setting.seed,
    latency: LATENCY,
    failure: FAILING,
    hang: HANGING,
  }
  return setting.graph === undefined
    ? mainnetLike({ ...drawn, nodes: setting.nodes })
    : networkFromGraph(readGraphFile(setting.graph), drawn)
}

export function prepareNetwork(setting: NetworkSetting): PreparedNetwork {
  const description = describeNetwork(setting)
  const ways = new CheapestWays(description)
  const names = description.nodes
    .filter((node) => node.public !== false && ways.channelsInUse(node.name) >= setting.leastChannels)
    .map(({ name }) => name)
  if (names.length < 2) throw new Error(`the network has no two nodes with ${setting.leastChannels} channels in use`)
  return {
    nodes: description.nodes.length,
    channels: description.channels.length,
    ways,
    pair: (index) => {
      const random = new Random(setting.seed, `pair ${index}`)
      const from = random.below(names.length)
      const to = (from + 1 + random.below(names.length - 1)) % names.length
      return [names[from] as string, names[to] as string]
    },
    someNodes: (count) => {
      const random = new Random(setting.seed, 'some nodes')
      const left = [...names]
      return Array.from({ length: Math.min(count, left.length) }, () => {
        const at = random.below(left.length)
        return left.splice(at, 1)[0] as string
      })
    },
    simulation: (seed, remembers) =>
      createSimulation(description, {
        seed: `${setting.seed}/${seed}`,
        ...(remembers !== undefined && { remembers }),
      }),
  }
}
