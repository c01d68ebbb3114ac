/** A child process of worker-pool.ts: measures what it is told to, one job after the other. */
import type { Reply } from './worker-pool.ts'
import { type GoodputJob, type GoodputRun, measureGoodput } from './goodput.ts'

function send(reply: Reply<GoodputRun>): void {
  process.send?.(reply)
}

process.on('message', ({ job }: { readonly job: GoodputJob }) => {
  measureGoodput(job).then(
    (result) => send({ ok: true, result }),
    (error: unknown) => send({ ok: false, error: `${job.setting}, seed ${job.seed}: ${String(error)}` }),
  )
})
