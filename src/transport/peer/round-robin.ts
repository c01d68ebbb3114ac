/**
 * Fair turns: connections that want to send to one peer take turns, one attempt each. Those that have hardly anything
 * under way stand in a row of their own, so that a small message does not wait for all who send much; the two rows take
 * turns, so neither ever gets less than half.
 * A token is any object (the connection); it stands in one row once at most.
 */
export class RoundRobin {
  // A Set keeps the order of insertion: the first is next.
  readonly #row: Set<object> = new Set()
  readonly #alone: Set<object> = new Set()
  #wasAlone = false

  get size(): number {
    return this.#row.size + this.#alone.size
  }

  /** Stands `token` at the end of its row, unless it stands in one already. */
  enqueue(token: object, isAlone = false): void {
    if (!this.#row.has(token) && !this.#alone.has(token)) (isAlone ? this.#alone : this.#row).add(token)
  }

  /** Takes the first token out of its row. A connection that wants more is to be enqueued again. */
  next(): object | undefined {
    const isAlone = this.#alone.size > 0 && (!this.#wasAlone || this.#row.size === 0)
    this.#wasAlone = isAlone
    const row = isAlone ? this.#alone : this.#row
    for (const token of row) {
      row.delete(token)
      return token
    }
    return undefined
  }

  /** A connection that has gone, or wants nothing any more. */
  forget(token: object): void {
    this.#row.delete(token)
    this.#alone.delete(token)
  }
}
