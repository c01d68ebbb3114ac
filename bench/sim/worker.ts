/** A child process of worker-pool.ts: measures what it is told to, one job after the other. */
import { measureGoodput } from './goodput.ts'
import { serveJobs } from './worker-pool.ts'

serveJobs(measureGoodput)
