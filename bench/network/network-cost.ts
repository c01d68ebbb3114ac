import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSimulation } from '../../src/sim.ts'
import { describeNetwork } from './networks.ts'
import type { NetworkSetting } from './settings.ts'

/** What the network itself takes, in a process of its own. */
export interface NetworkCost {
  readonly nodes: number
  readonly channels: number
  /** Processor time, ms: to read or draw it, and to build a simulation. */
  readonly describeMs: number
  readonly buildMs: number
  /** Heap and array buffers of the simulation after garbage collection; what the process had at most, in all. */
  readonly simulationBytes: number
  readonly mostResidentBytes: number
}

export function measureNetwork(setting: NetworkSetting): NetworkCost {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const before = heldBytes(collect)
  const startMs = cpuMs()
  let description: ReturnType<typeof describeNetwork> | undefined = describeNetwork(setting)
  const describedMs = cpuMs()
  const size = { nodes: description.nodes.length, channels: description.channels.length }
  const simulation = createSimulation(description, { seed: setting.seed })
  const builtMs = cpuMs()
  // The largest it has been: read before the collection of what is left over.
  const mostResidentBytes = process.resourceUsage().maxRSS * 1_024
  description = undefined
  const simulationBytes = heldBytes(collect) - before
  if (simulation.audit().length > 0) throw new Error('the network contradicts itself')
  return {
    ...size,
    describeMs: describedMs - startMs,
    buildMs: builtMs - describedMs,
    simulationBytes,
    mostResidentBytes,
  }
}

function heldBytes(collect: () => void): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
