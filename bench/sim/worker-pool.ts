import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

const WORKER = new URL('worker.ts', import.meta.url)

/** What a worker is asked, and what it answers. */
interface Task {
  readonly job: unknown
}
type Reply<Result> = { readonly ok: true; readonly result: Result } | { readonly ok: false; readonly error: string }

/**
 * Does all jobs in `size` child processes, each one job at a time, in the order given. Results in the order of the
 * jobs; `onDone` hears of each as it comes. `program` is what a child runs: worker.ts beside this file. Throws what the
 * first failing job threw, and ends the others.
 */
export async function runInWorkers<Result>(
  jobs: readonly unknown[],
  size: number,
  onDone: (result: Result) => void,
  program: URL = WORKER,
): Promise<readonly Result[]> {
  const results: Result[] = []
  let next = 0
  const children: ChildProcess[] = []
  const work = async (): Promise<void> => {
    const child = fork(program, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    children.push(child)
    while (next < jobs.length) {
      const index = next++
      const result = await ask<Result>(child, jobs[index])
      results[index] = result
      onDone(result)
    }
    child.disconnect()
  }
  try {
    await Promise.all(Array.from({ length: Math.min(size, jobs.length) }, work))
  } finally {
    for (const child of children) child.kill()
  }
  return results
}

/** What the child's program calls: does one job after the other with `run`, and tells what came of it. */
export function serveJobs(run: (job: never) => Promise<unknown>): void {
  process.on('message', ({ job }: { readonly job: never }) => {
    run(job).then(
      (result) => send({ ok: true, result }),
      (error: unknown) => send({ ok: false, error: `${JSON.stringify(job)}: ${String(error)}` }),
    )
  })
}

function send(reply: Reply<unknown>): void {
  process.send?.(reply)
}

async function ask<Result>(child: ChildProcess, job: unknown): Promise<Result> {
  const task: Task = { job }
  child.send(task)
  const gone = new AbortController()
  const options = { signal: gone.signal }
  try {
    const [reply] = (await Promise.race([
      once(child, 'message', options),
      once(child, 'exit', options).then(([code]) => {
        throw new Error(`a worker ended with code ${String(code)}`)
      }),
    ])) as [Reply<Result>]
    if (!reply.ok) throw new Error(reply.error)
    return reply.result
  } finally {
    gone.abort()
  }
}
