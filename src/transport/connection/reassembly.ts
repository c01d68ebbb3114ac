import { NONE } from '../../floor/light.ts'
import { JOINED_BYTES, MAX_SEGMENTS } from './limits.ts'

interface Segment {
  offset: number
  bytes: Uint8Array
  size: number
  /** `bytes` is ours and may be written to behind `length`. */
  owned: boolean
}

/**
 * Puts stream bytes in order by offset (spec §7.1). What was read or is held already is ignored, a gap is
 * never skipped. Neighbouring segments are joined while they are small, so their number stays bounded by
 * the gaps and by the window.
 */
export class Reassembly {
  // Sorted by offset, disjoint.
  #segments: Segment[] = NONE
  /** Bytes below were read. */
  readOffset = 0
  /** Every byte below has arrived. */
  contiguous = 0

  /** Bytes that can be read now; none once they were let go of. */
  get readable(): number {
    return this.#segments[0]?.offset === this.readOffset ? this.contiguous - this.readOffset : 0
  }

  get segments(): number {
    return this.#segments.length
  }

  /**
   * Whether data at `offset` may be inserted (spec §14). What continues the stream always may: it only ever closes a
   * gap.
   */
  hasRoom(offset: number): boolean {
    return offset <= this.contiguous || this.#segments.length < MAX_SEGMENTS
  }

  /** Takes in data; it may be kept as a view. Returns the number of bytes that are new. */
  insert(offset: number, data: Uint8Array): number {
    const end = offset + data.length
    let start = Math.max(offset, this.readOffset)
    let fresh = 0
    let index = this.#search(start)
    while (start < end) {
      const next = this.#segments[index]
      if (next !== undefined && next.offset <= start) {
        start = Math.max(start, next.offset + next.size)
        index++
        continue
      }
      const stop = next === undefined ? end : Math.min(end, next.offset)
      fresh += stop - start
      index = this.#place(index, start, data.subarray(start - offset, stop - offset))
      // What was placed may have been joined with what follows it.
      const placed = this.#segments[index - 1]
      start = placed === undefined ? stop : placed.offset + placed.size
    }
    if (fresh > 0) this.#advance()
    return fresh
  }

  /** The next bytes in order, at most one segment of them; undefined when the next byte is missing. */
  read(): Uint8Array | undefined {
    const head = this.#segments[0]
    if (head === undefined || head.offset !== this.readOffset) return undefined
    if (this.#segments.length === 1) this.#segments = NONE
    else this.#segments.shift()
    this.readOffset += head.size
    return head.size === head.bytes.length ? head.bytes : head.bytes.subarray(0, head.size)
  }

  /** Lets go of everything held. */
  clear(): void {
    this.#segments = NONE
  }

  /** Lets go of what lies beyond the first missing byte. */
  clearGaps(): void {
    this.#segments = this.#segments.slice(0, this.#search(this.contiguous))
  }

  // The first segment that ends behind `offset`.
  #search(offset: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const segment = this.#segments[middle]
      if (segment !== undefined && segment.offset + segment.size > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  // Puts bytes into the gap before segment `index`; returns the index of what follows them.
  #place(index: number, offset: number, data: Uint8Array): number {
    const before = this.#segments[index - 1]
    if (before !== undefined && before.offset + before.size === offset && join(before, data)) {
      this.#joinNext(before, index)
      return index
    }
    // A small piece of a large packet would hold all of it.
    const bytes = data.length * 2 < data.buffer.byteLength ? data.slice() : data
    const placed: Segment = { offset, bytes, size: data.length, owned: false }
    if (this.#segments.length === 0) this.#segments = [placed]
    else this.#segments.splice(index, 0, placed)
    this.#joinNext(placed, index + 1)
    return index + 1
  }

  #joinNext(segment: Segment, nextIndex: number): void {
    const next = this.#segments[nextIndex]
    if (next === undefined || segment.offset + segment.size !== next.offset) return
    if (join(segment, next.bytes.subarray(0, next.size))) this.#segments.splice(nextIndex, 1)
  }

  #advance(): void {
    for (let index = this.#search(this.contiguous); index < this.#segments.length; index++) {
      const segment = this.#segments[index]
      if (segment === undefined || segment.offset > this.contiguous) return
      this.contiguous = segment.offset + segment.size
    }
  }
}

// Appends to a segment while the whole stays small; its room doubles, so a byte is copied about once.
function join(segment: Segment, data: Uint8Array): boolean {
  const length = segment.size + data.length
  if (length > JOINED_BYTES) return false
  if (!segment.owned || length > segment.bytes.length) {
    const room = new Uint8Array(Math.min(JOINED_BYTES, 2 * length))
    room.set(segment.bytes.subarray(0, segment.size))
    segment.bytes = room
    segment.owned = true
  }
  segment.bytes.set(data, segment.size)
  segment.size = length
  return true
}
