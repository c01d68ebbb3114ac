import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Simulation } from '../../src/sim.ts'
import { prepareNetwork } from '../network/networks.ts'
import { LoadRun } from './load.ts'
import { HOUR_MS, type ScaleSetting } from './settings.ts'

/** What had happened after a part of the time, and what it had taken. */
export interface Sample {
  readonly hours: number
  readonly payments: number
  readonly cpuMs: number
  /** Heap and array buffers after garbage collection, all of the process. */
  readonly heldBytes: number
}

/** One load on one network. Times of the processor, of this process alone. */
export interface ScaleRun {
  readonly setting: ScaleSetting
  readonly nodes: number
  readonly channels: number
  /** To read or draw the network and to build it; to start the programs. */
  readonly buildMs: number
  readonly startMs: number
  /** For all that the load did. */
  readonly cpuMs: number
  readonly payments: number
  readonly failed: number
  readonly events: number
  readonly opened: number
  /** Errors of connections, by code; each was opened again. */
  readonly lost: readonly (readonly [code: string, count: number])[]
  readonly answers: number
  readonly bulkBytes: number
  /** Held with the network alone, and at the end. */
  readonly networkBytes: number
  readonly heldBytes: number
  readonly mostResidentBytes: number
  readonly samples: readonly Sample[]
}

/** Payments that a simulated node remembers: more than are under way when a program starts again. */
const NODES_REMEMBER = 500

/** So often the load is looked at on its way. */
const SAMPLES = 12

export async function runScale(setting: ScaleSetting): Promise<ScaleRun> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = (): number => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const { load } = setting
  const beganMs = cpuMs()
  let network: ReturnType<typeof prepareNetwork> | undefined = prepareNetwork(setting.network)
  const sim = network.simulation('scale', NODES_REMEMBER)
  const { nodes, channels } = network
  const builtMs = cpuMs()
  const networkBytes = held()
  const startMs = cpuMs()
  const run = await sim.drive(LoadRun.start(network, sim, load))
  network = undefined
  const readyMs = cpuMs()
  const before = sim.stats()
  run.begin()
  const samples: Sample[] = []
  let spentMs = 0
  for (let i = 1; i <= SAMPLES; i++) {
    spentMs += await spentBy(sim, (load.hours * HOUR_MS) / SAMPLES)
    const payments = sim.stats().payments.sent - before.payments.sent
    samples.push({ hours: (load.hours * i) / SAMPLES, payments, cpuMs: spentMs, heldBytes: held() })
    process.stderr.write(
      `  ${((load.hours * i) / SAMPLES).toFixed(2)} h: ${payments} payments, ${(spentMs / 1_000).toFixed(0)} s\n`,
    )
  }
  const after = sim.stats()
  const problems = sim.audit()
  if (problems.length > 0) throw new Error(`the network contradicts itself: ${problems[0]}`)
  const { opened, lost, answers, bulkBytes } = run.counts
  return {
    setting,
    nodes,
    channels,
    buildMs: builtMs - beganMs,
    startMs: readyMs - startMs,
    cpuMs: spentMs,
    payments: after.payments.sent - before.payments.sent,
    failed: after.payments.failed - before.payments.failed,
    events: after.events - before.events,
    opened,
    lost: [...lost],
    answers,
    bulkBytes,
    networkBytes,
    heldBytes: samples.at(-1)?.heldBytes ?? networkBytes,
    mostResidentBytes: process.resourceUsage().maxRSS * 1_024,
    samples,
  }
}

async function spentBy(sim: Simulation, ms: number): Promise<number> {
  const startMs = cpuMs()
  await sim.runFor(ms)
  return cpuMs() - startMs
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
