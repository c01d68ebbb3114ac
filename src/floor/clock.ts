/** The process's edge to real time: the one file of src that reads the time and sets timers. */

/** A source of time and timers. The only way in which keysock learns the time. */
export interface Clock {
  /** Milliseconds since an epoch of the clock's own; never goes back. */
  now(): number
  /**
   * Calls `callback` once at or after `atMs`; the result cancels it. A timer holds the process only while `ref` is true
   * (default false).
   */
  schedule(atMs: number, callback: () => void, options?: { readonly ref?: boolean }): () => void
  /**
   * Calls `callback` in a later turn of the event loop, at this time; the result cancels it. It holds the process, as
   * what a kernel has to tell does. A clock without it takes a timer that is due.
   */
  soon?(callback: () => void): () => void
}

/** The longest delay that one timer of Node takes: 2^31 - 1 ms. Node fires a longer one at once. */
export const LONGEST_TIMER_MS = 2_147_483_647

/** Real time, in milliseconds since the process (or the worker thread) started. */
export const processClock: Clock = {
  now: () => performance.now(),
  schedule(atMs, callback, options) {
    let timer: NodeJS.Timeout | undefined
    const arm = (): void => {
      const delayMs = Math.max(0, Math.ceil(atMs - performance.now()))
      // What is further away than one timer reaches takes several, one after the other.
      timer = setTimeout(delayMs > LONGEST_TIMER_MS ? arm : callback, Math.min(delayMs, LONGEST_TIMER_MS))
      if (options?.ref !== true) timer.unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
  soon,
}

/** Calls `callback` in a later turn of the event loop, before any timer of that; the result cancels it. */
export function soon(callback: () => void): () => void {
  const immediate = setImmediate(callback)
  return () => clearImmediate(immediate)
}

/** Resolves after so many milliseconds of a clock; does not hold the process. */
export function pause(ms: number, clock: Clock = processClock): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(clock.now() + ms, resolve)
  })
}

/** One turn of the event loop: microtasks, nextTicks and what streams put off are done when it resolves. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
