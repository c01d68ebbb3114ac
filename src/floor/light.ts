/**
 * Tables that take next to no room while nothing is in them. An empty Map has 184 bytes and an empty Set 152, and each
 * idle connection would hold a dozen of them.
 */

/** A list for `withLast` to begin with: one for all, that nothing is ever put into. */
export const NONE: never[] = Object.freeze<never[]>([]) as never[]

/** So many items are few: their list has no room for more. */
const FEW = 4

/**
 * `list` with one more item at its end: the same list, or while it is short another one that has room for no more. One
 * that is pushed to gets room for 17 at once.
 */
export function withLast<Item>(list: Item[], item: Item): Item[] {
  if (list.length === 0) return [item]
  if (list.length < FEW) return list.concat([item])
  list.push(item)
  return list
}

const NO_ENTRIES: Map<never, never> = new Map<never, never>()

/** A Map that is there only while something is in it. Who walks through it may delete entries, and adds none. */
export class LightMap<Key, Value> {
  #map: Map<Key, Value> | undefined

  get size(): number {
    return this.#map === undefined ? 0 : this.#map.size
  }

  get(key: Key): Value | undefined {
    return this.#map?.get(key)
  }

  has(key: Key): boolean {
    return this.#map?.has(key) === true
  }

  set(key: Key, value: Value): void {
    ;(this.#map ??= new Map()).set(key, value)
  }

  /** True: it was there. */
  delete(key: Key): boolean {
    const map = this.#map
    if (map?.delete(key) !== true) return false
    if (map.size === 0) this.#map = undefined
    return true
  }

  clear(): void {
    this.#map = undefined
  }

  values(): MapIterator<Value> {
    return (this.#map ?? NO_ENTRIES).values()
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return (this.#map ?? NO_ENTRIES).entries()
  }
}

const NO_VALUES: Set<never> = new Set<never>()

/** A Set that is there only while something is in it; its values come out in the order in which they were added. */
export class LightSet<Value> {
  #set: Set<Value> | undefined

  get size(): number {
    return this.#set === undefined ? 0 : this.#set.size
  }

  /** The value that was added first; undefined: there is none. */
  get first(): Value | undefined {
    if (this.#set !== undefined) for (const value of this.#set) return value
    return undefined
  }

  has(value: Value): boolean {
    return this.#set?.has(value) === true
  }

  add(value: Value): void {
    ;(this.#set ??= new Set()).add(value)
  }

  /** True: it was there. */
  delete(value: Value): boolean {
    const set = this.#set
    if (set?.delete(value) !== true) return false
    if (set.size === 0) this.#set = undefined
    return true
  }

  clear(): void {
    this.#set = undefined
  }

  values(): SetIterator<Value> {
    return (this.#set ?? NO_VALUES).values()
  }
}
