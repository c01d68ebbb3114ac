import { GUARD_TRUST_MS, MAX_AVOIDED_GUARDS } from '../limits.ts'

/**
 * The peers of the own node over which its reply paths lead, by what came over them in this process (spec §9.5). One is
 * kept for as long as it brings anything: every other that is tried tells a payer more about who hides behind them.
 */
export class Guards {
  readonly #byPath: Map<string, string> = new Map()
  /** As many as the node has peers, at most. */
  readonly #heardAt: Map<string, number> = new Map()
  readonly #avoided: string[] = []

  /** Over which no paths are made any more; undefined: none. */
  get avoided(): readonly string[] | undefined {
    return this.#avoided.length === 0 ? undefined : this.#avoided
  }

  /** These paths were made over `guard`. */
  made(pathIds: readonly string[], guard: string): void {
    for (const pathId of pathIds) this.#byPath.set(pathId, guard)
  }

  closed(pathId: string): void {
    this.#byPath.delete(pathId)
  }

  /** Something authentic came over this path. */
  heard(now: number, pathId: string): void {
    const guard = this.#byPath.get(pathId)
    if (guard !== undefined) this.#heardAt.set(guard, now)
  }

  /** What was to come over `guard` did not. True: from now on it is avoided. */
  silent(now: number, guard: string): boolean {
    if (this.#avoided.includes(guard)) return true
    const heardAt = this.#heardAt.get(guard)
    const isTrusted = heardAt !== undefined && now - heardAt < GUARD_TRUST_MS
    if (isTrusted || this.#avoided.length >= MAX_AVOIDED_GUARDS) return false
    this.#avoided.push(guard)
    return true
  }

  /** There is no way without them: one that brought nothing is better than none. */
  forgive(): void {
    this.#avoided.length = 0
  }
}
