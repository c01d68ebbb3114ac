/**
 * Fair turns: connections that want to send to one peer take turns, one attempt each.
 * A token is any object (the connection); it stands in the row once at most.
 */
export class RoundRobin {
  // A Set keeps the order of insertion: the first is next.
  readonly #row: Set<object> = new Set()

  get size(): number {
    return this.#row.size
  }

  /** Stands `token` at the end of the row, unless it stands in it already. */
  enqueue(token: object): void {
    this.#row.add(token)
  }

  /** Takes the first token out of the row. A connection that wants more is to be enqueued again. */
  next(): object | undefined {
    for (const token of this.#row) {
      this.#row.delete(token)
      return token
    }
    return undefined
  }

  /** A connection that has gone, or wants nothing any more. */
  forget(token: object): void {
    this.#row.delete(token)
  }
}
