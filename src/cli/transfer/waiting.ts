import type { Duplex } from 'node:stream'
import type { Clock } from '../../index.ts'

/** The clock, as commands use it. */
export type Time = Pick<Clock, 'now' | 'schedule'>

/** Resolves after so many ms, or when the signal comes. Holds the process. */
export function sleep(time: Time, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = time.schedule(time.now() + ms, done, { ref: true })
    if (signal?.aborted === true) done()
    else signal?.addEventListener('abort', done, { once: true })
  })
}

/** Calls back every so many ms until the result is called. Does not hold the process. */
export function every(time: Time, ms: number, callback: () => void): () => void {
  let cancel: (() => void) | undefined
  const arm = (): void => {
    cancel = time.schedule(time.now() + ms, () => {
      arm()
      callback()
    })
  }
  arm()
  return () => cancel?.()
}

/**
 * Resolves when a stream has closed, or after so many ms; it is destroyed then. (A socket of which both sides have
 * ended closes only when the other process has said that it knows.)
 */
export function closed(stream: Duplex, time: Time, withinMs: number): Promise<void> {
  if (stream.closed) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      stream.off('close', done)
      resolve()
    }
    const giveUp = (): void => {
      stream.destroy()
      done()
    }
    const cancel = time.schedule(time.now() + withinMs, giveUp, { ref: true })
    stream.once('close', done)
  })
}

/** Does a piece of work for each item, so many at a time. @throws what failed first, when none is under way any more */
export async function atOnce<Item>(
  most: number,
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]()
  const failures: unknown[] = []
  const lane = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true && failures.length === 0; next = left.next()) {
      await work(next.value).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: most }, lane))
  if (failures.length > 0) throw failures[0]
}

/** Settles as the promise does, or rejects with the signal's reason where that comes first. */
export async function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  promise.catch(() => undefined)
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
