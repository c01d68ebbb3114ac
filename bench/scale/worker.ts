/** A child process of worker-pool.ts: one load, so that its memory is its own. */
import { serveJobs } from '../sim/worker-pool.ts'
import { runScale } from './run.ts'

serveJobs(runScale)
