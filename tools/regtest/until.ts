import { setTimeout as sleep } from 'node:timers/promises'

/**
 * It bounds a hang, and nothing else: two cores that others keep busy take 15 s for the longest step, the start of
 * lnd, and may have to do it for each node at once.
 */
const DEADLINE_MS = 180_000

export interface UntilOptions {
  /** Three minutes unless told. */
  readonly deadlineMs?: number
  /** The pause between two looks: 50 ms unless told. */
  readonly everyMs?: number
  /** What makes waiting pointless, in words; undefined as long as there is hope. */
  readonly hopeless?: () => string | undefined
}

/**
 * Looks again and again until `look` returns something. One that throws has not seen it yet.
 * @throws Error at the deadline, or as soon as it is hopeless: with `what`, and why the last look failed
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  { deadlineMs = DEADLINE_MS, everyMs = 50, hopeless }: UntilOptions = {},
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  for (let last: unknown; ;) {
    try {
      const seen = await look()
      if (seen !== undefined) return seen
    } catch (error) {
      last = error
    }
    const reason = hopeless?.()
    if (reason !== undefined) throw new Error(`${what}: ${reason}`, { cause: last })
    if (Date.now() >= deadline)
      throw new Error(`${what}: not within ${deadlineMs / 1_000} s${last === undefined ? '' : `; ${told(last)}`}`, {
        cause: last,
      })
    await sleep(everyMs)
  }
}

/** What a promise comes to. @throws Error when that takes longer than the deadline */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs: number = DEADLINE_MS): Promise<T> {
  const done = new AbortController()
  const late = sleep(deadlineMs, undefined, { signal: done.signal }).then(() => {
    throw new Error(`${what}: not within ${deadlineMs / 1_000} s`)
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw error instanceof Error ? error : new Error(`${what}: ${told(error)}`, { cause: error })
  } finally {
    done.abort()
  }
}

/** What an error says. npm `lightning` throws arrays: a number, a code and details. */
export function told(error: unknown): string {
  if (Array.isArray(error)) {
    const { err } = (error[2] ?? {}) as { readonly err?: { readonly details?: unknown } }
    const words = typeof err?.details === 'string' ? err.details : JSON.stringify(error[2] ?? {})
    return `${error.slice(0, 2).join(' ')}: ${words}`
  }
  return error instanceof Error ? error.message : String(error)
}
