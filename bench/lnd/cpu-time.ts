import { readFileSync } from 'node:fs'

/** Processor time of this process, all threads, since it was cleared. */
export class CpuTime {
  #before = process.cpuUsage()

  clear(): void {
    this.#before = process.cpuUsage()
  }

  ms(): number {
    const { user, system } = process.cpuUsage(this.#before)
    return (user + system) / 1_000
  }
}

/** Linux counts processor time in hundredths of a second. */
const MS_PER_TICK = 10

/** Processor time of another process so far; NaN where the system does not tell. */
export function cpuMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    // Fields 14 and 15 of proc_pid_stat(5): utime and stime; the split took two away and counts from 0.
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
  } catch {
    return Number.NaN
  }
}
