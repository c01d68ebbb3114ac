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
  /**
   * Milliseconds since 1970, UTC, by the clock on the wall, which people may set: for accounts and for what counts by
   * the day, never for how long something takes. A clock without it is taken to count from 1970 itself.
   */
  wall?(): number
}

/** The longest delay that one timer of Node takes: 2^31 - 1 ms. Node fires a longer one at once. */
export const LONGEST_TIMER_MS = 2_147_483_647

/**
 * Real time, in whole milliseconds since the process (or the worker thread) started: most of what follows from one
 * event has one time, and a state machine that was asked at that time needs to look at its deadlines once.
 */
export const processClock: Required<Clock> = {
  now: () => Math.floor(performance.now()),
  schedule(atMs, callback, options) {
    let timer: NodeJS.Timeout | undefined
    const arm = (): void => {
      // By `now`, which counts whole ones.
      const delayMs = Math.max(0, Math.ceil(Math.ceil(atMs) - performance.now()))
      // What is further away than one timer reaches takes several, one after the other.
      timer = setTimeout(fire, Math.min(delayMs, LONGEST_TIMER_MS))
      if (options?.ref !== true) timer.unref()
    }
    // Node counts from the beginning of its turn, and can be a millisecond early.
    const fire = (): void => (processClock.now() < atMs ? arm() : callback())
    arm()
    return () => clearTimeout(timer)
  },
  soon,
  wall: () => Date.now(),
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

/** Milliseconds since 1970, UTC, whole ones, by a clock; see `Clock.wall`. */
export function wallTime(clock: Clock): number {
  return Math.max(0, Math.floor(clock.wall?.() ?? clock.now()))
}

/** A day, ms. */
export const DAY_MS = 86_400_000

/** An hour, ms. */
export const HOUR_MS = 3_600_000

/** A time of the wall as text, UTC: 2026-11-30T12:00:00.000Z. */
export function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString()
}

/** Its day, UTC: 2026-11-30. */
export function dayText(wallMs: number): string {
  return timeText(wallMs).slice(0, 10)
}

/** When the next period of a length that divides the day begins, UTC, ms since 1970: DAY_MS, HOUR_MS. */
export function nextPeriodMs(wallMs: number, lengthMs: number): number {
  return (Math.floor(wallMs / lengthMs) + 1) * lengthMs
}

/** When a day such as 2026-11-30 begins, UTC; undefined for a text that is none. */
export function dayMs(text: string): number | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
