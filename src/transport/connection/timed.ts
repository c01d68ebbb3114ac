import type { State } from './interface.ts'

/** A part of a connection for which time counts. All of them stand in one list, in parts.ts. */
export interface Timed {
  /** The next of its times that lies after `after`, ms. What is past waits for a grant, not for the time. */
  dueAt(after: number): number | undefined
  /** Does what is due at `now`. Comes before every input, so that no time is missed. */
  run(now: number): void
  /** Does what follows from an input. Comes after every input. */
  settle?(now: number): void
  /**
   * The connection lingers, resets or is closed: what was to be repeated or waited for in other states is not any more.
   */
  stop(state: State): void
}

/** The earliest of `times` that lies after `after`. */
export function earliest(after: number, ...times: readonly (number | undefined)[]): number | undefined {
  let first = Infinity
  for (const time of times) if (time !== undefined && time > after && time < first) first = time
  return first === Infinity ? undefined : first
}

export function isDue(time: number | undefined, now: number): boolean {
  return time !== undefined && time <= now
}
