/** The command line's edge to real time and real chance: the only file of src/cli with either in it. */
import { randomBytes } from 'node:crypto'
import type { Clock, Entropy } from '../index.ts'

/** The longest delay that one timer of Node takes: 2^31 - 1 ms. */
const LONGEST_TIMER_MS = 2_147_483_647

/** Milliseconds since the process started. */
export const processClock: Clock = {
  now: () => performance.now(),
  schedule(atMs, callback, options) {
    const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(atMs - performance.now())))
    const timer = setTimeout(callback, delayMs)
    if (options?.ref !== true) timer.unref()
    return () => clearTimeout(timer)
  },
}

export const processEntropy: Entropy = { bytes: (length) => Uint8Array.from(randomBytes(length)) }
