import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_SPENT_DAYS, MAX_SPENT_GROUPS } from '../limits.ts'
import type { Spent } from './store.ts'

/** What was spent on the latest days, by port and program. Where those are too many, the day still counts all of it. */
export class SpentByDay {
  readonly #days: BoundedMap<string, Map<string, Spent>> = new BoundedMap(MAX_SPENT_DAYS)

  get size(): number {
    return [...this.#days.values()].reduce((sum, groups) => sum + groups.size, 0)
  }

  add(spent: Spent): void {
    this.#put(spent, (before) => before + spent.msat)
  }

  /** What was spent in all, whatever was known before. */
  set(spent: Spent): void {
    this.#put(spent, () => spent.msat)
  }

  all(): Spent[] {
    return [...this.#days.values()].flatMap((groups) => [...groups.values()])
  }

  #put(spent: Spent, sum: (before: bigint) => bigint): void {
    const groups = this.#days.get(spent.day) ?? new Map<string, Spent>()
    // The day that was spent on last is the last to go, also where the clock was set back.
    this.#days.renew(spent.day, groups)
    const key = `${spent.port} ${spent.program}`
    const isKnown = groups.has(key) || groups.size < MAX_SPENT_GROUPS
    const group = isKnown ? spent : { ...spent, port: 0, program: '' }
    const groupKey = isKnown ? key : '0 '
    groups.set(groupKey, { ...group, msat: sum(groups.get(groupKey)?.msat ?? 0n) })
  }
}
