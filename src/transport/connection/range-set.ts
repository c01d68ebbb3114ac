/**
 * A set of whole numbers as sorted, disjoint, non-adjacent ranges [start, end), end excluded. All look-ups
 * are binary searches; an insertion or removal moves what stands behind it.
 */
export class RangeSet {
  // start, end, start, end ...
  #bounds: number[] = []

  /** Ranges, not numbers. */
  get count(): number {
    return this.#bounds.length / 2
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0
  }

  /** Start of range `index`, 0 being the lowest. */
  start(index: number): number {
    return this.#at(2 * index)
  }

  /** End of range `index`, excluded. */
  end(index: number): number {
    return this.#at(2 * index + 1)
  }

  #at(position: number): number {
    const bound = this.#bounds[position]
    if (bound === undefined) throw new RangeError('no such range')
    return bound
  }

  // The first range that ends behind `value`; `count` when there is none.
  #search(value: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(2 * middle + 1) > value) high = middle
      else low = middle + 1
    }
    return low
  }

  has(value: number): boolean {
    const index = this.#search(value)
    return index < this.count && this.start(index) <= value
  }

  /** Whether all of [start, end) is in the set. */
  covers(start: number, end: number): boolean {
    if (start >= end) return true
    const index = this.#search(start)
    return index < this.count && this.start(index) <= start && this.end(index) >= end
  }

  /** The first number of [start, end) that is not in the set; undefined: all are. */
  firstMissing(start: number, end: number): number | undefined {
    const index = this.#search(start)
    const from = index < this.count && this.start(index) <= start ? this.end(index) : start
    return from < end ? from : undefined
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const bounds = this.#bounds
    // Most sets of an idle connection have one range: no more room than for that.
    if (bounds.length === 0) {
      this.#bounds = [start, end]
      return
    }
    const top = this.#at(bounds.length - 1)
    // The usual case: at the upper end.
    if (start > top) {
      bounds.push(start, end)
      return
    }
    // Ranges that touch [start, end], adjacent ones included, become one.
    const first = this.#search(start - 1)
    let last = first
    let from = start
    let to = end
    while (last < this.count && this.start(last) <= end) {
      from = Math.min(from, this.start(last))
      to = Math.max(to, this.end(last))
      last++
    }
    if (last === first + 1) {
      bounds[2 * first] = from
      bounds[2 * first + 1] = to
    } else {
      bounds.splice(2 * first, 2 * (last - first), from, to)
    }
  }

  remove(start: number, end: number): void {
    if (start >= end) return
    const first = this.#search(start)
    let last = first
    const rest: number[] = []
    while (last < this.count && this.start(last) < end) {
      if (this.start(last) < start) rest.push(this.start(last), start)
      if (this.end(last) > end) rest.push(end, this.end(last))
      last++
    }
    if (last > first) this.#bounds.splice(2 * first, 2 * (last - first), ...rest)
  }

  /** The parts of [start, end) that are not in the set: start, end, start, end ... */
  missing(start: number, end: number): number[] {
    const parts: number[] = []
    let from = start
    for (let index = this.#search(start); index < this.count && this.start(index) < end; index++) {
      if (this.start(index) > from) parts.push(from, this.start(index))
      from = this.end(index)
    }
    if (from < end) parts.push(from, end)
    return parts
  }

  /** Takes the lowest range out; its end, excluded. */
  dropLowest(): number {
    const end = this.end(0)
    this.#bounds.splice(0, 2)
    return end
  }

  clear(): void {
    this.#bounds.length = 0
  }
}
