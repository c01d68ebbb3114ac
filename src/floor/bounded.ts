/** Tables with a bound: what a peer can make grow forgets its oldest entry instead of growing for ever. */

/** A Map of at most `most` entries: a new one beyond that drops the entry that was inserted first. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #most: number

  constructor(most: number, entries: Iterable<readonly [Key, Value]> = []) {
    super()
    this.#most = most
    for (const [key, value] of entries) this.set(key, value)
  }

  /** An entry that is there keeps its place in the order. */
  override set(key: Key, value: Value): this {
    super.set(key, value)
    dropOldest(this, this.#most)
    return this
  }

  /** Sets an entry as the newest, whether it was there or not. */
  renew(key: Key, value: Value): void {
    this.delete(key)
    this.set(key, value)
  }
}

/** A Set of at most `most` values: a new one beyond that drops the value that was added first. */
export class BoundedSet<Value> extends Set<Value> {
  readonly #most: number

  constructor(most: number, values: Iterable<Value> = []) {
    super()
    this.#most = most
    for (const value of values) this.add(value)
  }

  /** A value that is there keeps its place in the order. */
  override add(value: Value): this {
    super.add(value)
    dropOldest(this, this.#most)
    return this
  }
}

/** Drops what was inserted first until `most` entries are left. */
function dropOldest<Key>(
  table: { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean },
  most: number,
): void {
  if (table.size <= most) return
  for (const oldest of table.keys()) {
    table.delete(oldest)
    if (table.size <= most) return
  }
}
