const TICK_MS = 2

/** Watches how long the event loop of this thread does one thing. */
export class StallWatch {
  /** Of the processor. */
  longestMs = 0
  /** By the clock. */
  longestByClockMs = 0
  readonly #timer: NodeJS.Timeout
  #processorMs: number = processorMs()
  #clockMs: number = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const used = processorMs()
    const now = performance.now()
    this.longestMs = Math.max(this.longestMs, used - this.#processorMs)
    this.longestByClockMs = Math.max(this.longestByClockMs, now - this.#clockMs - TICK_MS)
    this.#processorMs = used
    this.#clockMs = now
  }
}

/** What this thread has used of the processor; Node.js before 23.9 does not tell, and gives the clock. */
function processorMs(): number {
  const { threadCpuUsage } = process as Partial<Pick<NodeJS.Process, 'threadCpuUsage'>>
  if (threadCpuUsage === undefined) return performance.now()
  const { user, system } = threadCpuUsage.call(process)
  return (user + system) / 1_000
}
