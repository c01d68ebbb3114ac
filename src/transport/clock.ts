import type { Clock } from '../backends/backend.ts'
import { LONGEST_TIMER_MS } from './limits.ts'

/** Real time, for backends that bring no clock of their own. Milliseconds since the process started. */
export const realClock: Clock = {
  now: () => performance.now(),
  schedule(atMs, callback, options) {
    let timer: NodeJS.Timeout | undefined
    const arm = (): void => {
      const delay = atMs - performance.now()
      timer = setTimeout(
        delay > LONGEST_TIMER_MS ? arm : callback,
        Math.min(Math.max(0, Math.ceil(delay)), LONGEST_TIMER_MS),
      )
      if (options?.ref !== true) timer.unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
}
