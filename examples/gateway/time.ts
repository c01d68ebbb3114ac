/** Where the time comes from: the machine, or in tests a clock of their own. */
export interface Time {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back once after so many milliseconds; the result cancels it. */
  after(ms: number, callback: () => void): () => void
}

export const systemTime: Time = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** The day of a time, UTC: 2026-11-30. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

export function pause(time: Time, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = time.after(ms, done)
    if (signal?.aborted === true) done()
    else signal?.addEventListener('abort', done, { once: true })
  })
}

/** What a promise comes to, or undefined where it takes longer. */
export async function within<T>(time: Time, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const cancel = time.after(ms, () => resolve(undefined))
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}
