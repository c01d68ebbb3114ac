/** A child process of the bench `hang`: runs what it is told to, one job after the other. */
import { serveJobs } from '../sim/worker-pool.ts'
import { patientFlood } from '../floods/patient-flood.ts'
import { createSimulation } from '../../src/sim.ts'
import { RECEIVER, SENDER } from './networks.ts'
import { type Scene, SCENES, type SceneRun } from './rows.ts'
import { hangTransfer } from './transfer.ts'

/** A payment takes 2 s, seldom 20; no flood of these takes an hour; money is not what holds it back. */
const FLOOD_BOUNDS = { patienceMs: 20_000, limitMs: 3_600_000, maxPacketMsat: 1_000_000 } as const

export interface HangJob {
  readonly scene: string
  readonly seed: string
}

async function run({ scene, seed }: HangJob): Promise<SceneRun> {
  const known = SCENES.find(({ name }) => name === scene)
  if (known === undefined) throw new Error(`there is no scene '${scene}'`)
  const transfer = await hangTransfer(known.network, seed, known.bytes)
  return { scene, seed, ...transfer, floodBytesPerSecond: await floodOf(known, seed) }
}

async function floodOf({ flood, bytes }: Scene, seed: string): Promise<number | undefined> {
  if (flood === undefined) return undefined
  const { network, inFlight, routes } = flood
  const one = { from: SENDER, to: RECEIVER, inFlight, routes: 1, bytes: bytes / routes, ...FLOOD_BOUNDS }
  const { rate } = await patientFlood(createSimulation(network, { seed }), one)
  return rate * routes
}

serveJobs(run)
