/** Tables with a bound: what a peer can make grow forgets its oldest entry instead of growing for ever. */

/** A Map of at most `max` entries: a new one beyond that drops the entry that was inserted first. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  #max: number

  constructor(max: number, entries: Iterable<readonly [Key, Value]> = []) {
    super()
    this.#max = max
    for (const [key, value] of entries) this.set(key, value)
  }

  /** An entry that is there keeps its place in the order. */
  override set(key: Key, value: Value): this {
    super.set(key, value)
    dropOldest(this, this.#max)
    return this
  }

  /** Holds at most `max` from now on. */
  limit(max: number): void {
    this.#max = max
    dropOldest(this, max)
  }

  /** Sets an entry as the newest, whether it was there or not. */
  renew(key: Key, value: Value): void {
    this.delete(key)
    this.set(key, value)
  }
}

/** A Set of at most `max` values: a new one beyond that drops the value that was added first. */
export class BoundedSet<Value> extends Set<Value> {
  #max: number
  readonly #dropped: ((value: Value) => void) | undefined

  /** @param dropped is told of each value that is dropped */
  constructor(max: number, values: Iterable<Value> = [], dropped?: (value: Value) => void) {
    super()
    this.#max = max
    this.#dropped = dropped
    for (const value of values) this.add(value)
  }

  /** Holds at most `max` from now on. */
  limit(max: number): void {
    this.#max = max
    dropOldest(this, max, this.#dropped)
  }

  /** A value that is there keeps its place in the order. */
  override add(value: Value): this {
    super.add(value)
    dropOldest(this, this.#max, this.#dropped)
    return this
  }
}

/** Drops what was inserted first until `max` entries are left. */
function dropOldest<Key>(
  table: { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean },
  max: number,
  dropped?: (key: Key) => void,
): void {
  if (table.size <= max) return
  for (const oldest of table.keys()) {
    table.delete(oldest)
    dropped?.(oldest)
    if (table.size <= max) return
  }
}
