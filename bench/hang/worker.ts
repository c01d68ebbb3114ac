/** A child process of the bench `hang`: runs what it is told to, one job after the other. */
import { serveJobs } from '../sim/worker-pool.ts'
import { SCENES, type SceneRun } from './rows.ts'
import { hangTransfer } from './transfer.ts'

export interface HangJob {
  readonly scene: string
  readonly seed: string
}

async function run({ scene, seed }: HangJob): Promise<SceneRun> {
  const known = SCENES.find(({ name }) => name === scene)
  if (known === undefined) throw new Error(`there is no scene '${scene}'`)
  return { scene, seed, ...(await hangTransfer(known.network, seed, known.bytes)) }
}

serveJobs(run)
