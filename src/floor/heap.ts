import { withLast } from './light.ts'

/** Something that can stand in one heap at a time. */
export interface HeapItem {
  /** Place in the heap; -1 while it stands in none. Written by the heap alone. */
  heapIndex: number
}

/**
 * A binary heap whose items know their place, so that any of them can be moved or taken out in O(log n).
 * `before(a, b)` says whether `a` comes out before `b`. Where that is a total order, items come out in it whatever was
 * moved or taken out before.
 */
export class Heap<Item extends HeapItem> {
  readonly #before: (a: Item, b: Item) => boolean
  #items: Item[] = []

  constructor(before: (a: Item, b: Item) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  /** The item that comes out first; undefined when the heap is empty. */
  get first(): Item | undefined {
    return this.#items[0]
  }

  /** Puts an item in, or to its right place where it stands in the heap already and what orders it has changed. */
  put(item: Item): void {
    if (item.heapIndex < 0) {
      this.#items = withLast(this.#items, item)
      item.heapIndex = this.#items.length - 1
      this.#up(item)
    } else this.#reorder(item)
  }

  /** Takes an item out; one that does not stand in the heap is left alone. */
  remove(item: Item): void {
    const { heapIndex } = item
    if (heapIndex < 0) return
    item.heapIndex = -1
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    last.heapIndex = heapIndex
    this.#reorder(last)
  }

  /** Takes out the item that comes first. */
  take(): Item | undefined {
    const first = this.#items[0]
    if (first === undefined) return undefined
    first.heapIndex = -1
    const last = this.#items.pop()
    if (last !== undefined && last !== first) {
      last.heapIndex = 0
      this.#down(last)
    }
    return first
  }

  clear(): void {
    for (const item of this.#items) item.heapIndex = -1
    this.#items.length = 0
  }

  #reorder(item: Item): void {
    const { heapIndex } = item
    this.#up(item)
    if (item.heapIndex === heapIndex) this.#down(item)
  }

  #up(item: Item): void {
    let at = item.heapIndex
    while (at > 0) {
      const parentAt = (at - 1) >>> 1
      const parent = this.#items[parentAt]
      if (parent === undefined || !this.#before(item, parent)) break
      this.#place(parent, at)
      at = parentAt
    }
    this.#place(item, at)
  }

  #down(item: Item): void {
    let at = item.heapIndex
    for (;;) {
      const left = this.#items[2 * at + 1]
      if (left === undefined) break
      const right = this.#items[2 * at + 2]
      const child = right !== undefined && this.#before(right, left) ? right : left
      if (!this.#before(child, item)) break
      const childAt = child.heapIndex
      this.#place(child, at)
      at = childAt
    }
    this.#place(item, at)
  }

  #place(item: Item, at: number): void {
    this.#items[at] = item
    item.heapIndex = at
  }
}
