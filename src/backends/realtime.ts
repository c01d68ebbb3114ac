import { randomFillSync } from 'node:crypto'
import type { Clock, Entropy } from './backend.ts'

/** The edge of backends on real nodes to real time and real chance: the only file with either in it. */

/** Longest delay that one timer of Node takes: 2^31 - 1 ms. */
const LONGEST_TIMER_MS = 2_147_483_647

/** Milliseconds since the process (or the worker thread) started. */
export const processClock: Clock = {
  now: () => performance.now(),
  schedule(atMs, callback, options) {
    let timer: NodeJS.Timeout | undefined
    const arm = (): void => {
      const delay = Math.max(0, Math.ceil(atMs - performance.now()))
      timer = setTimeout(delay > LONGEST_TIMER_MS ? arm : callback, Math.min(delay, LONGEST_TIMER_MS))
      if (options?.ref !== true) timer.unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
}

/** The operating system's randomness. */
export const processEntropy: Entropy = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}

/** Resolves after so many milliseconds; does not hold the process. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    processClock.schedule(processClock.now() + ms, resolve)
  })
}
