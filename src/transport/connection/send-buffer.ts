import { NONE, withLast } from '../../floor/light.ts'
import { SMALL_WRITE_BYTES } from './limits.ts'
import { RangeSet } from './range-set.ts'

interface Chunk {
  readonly start: number
  readonly bytes: Uint8Array
  size: number
}

/** A part of the stream to put into a packet. */
export interface Piece {
  readonly start: number
  /** Excluded. */
  readonly end: number
}

/**
 * What the application wrote, from the first byte that is not delivered on: what was never sent, what is
 * under way, what has to go again. Bytes are kept once; packets refer to them by offset (spec §8.3).
 */
export class SendBuffer {
  #chunks: Chunk[] = NONE
  /** Bytes that were written since the beginning. */
  written = 0
  #next = 0
  /** Every byte below is known to have arrived. */
  delivered = 0
  // Delivered above #delivered.
  #above: RangeSet | undefined
  // At the peer's node, and not known to have been read there.
  #settled: RangeSet | undefined
  #arrivedEnd = 0
  // To be sent again: below #next, never delivered.
  #again: RangeSet | undefined

  /** The end of what was ever sent. */
  get sentEnd(): number {
    return this.#next
  }

  get buffered(): number {
    return this.written - this.delivered
  }

  get hasAgain(): boolean {
    return this.#again !== undefined && !this.#again.isEmpty
  }

  /** The first byte to send again. */
  get againStart(): number {
    return this.#again?.start(0) ?? this.#next
  }

  /** Bytes to send again. */
  get againBytes(): number {
    const again = this.#again
    if (again === undefined) return 0
    let bytes = 0
    for (let index = 0; index < again.count; index++) bytes += again.end(index) - again.start(index)
    return bytes
  }

  /** Bytes never sent. */
  get unsent(): number {
    return this.written - this.#next
  }

  write(data: Uint8Array): void {
    if (data.length === 0) return
    const tail = this.#chunks.at(-1)
    if (tail !== undefined && data.length < SMALL_WRITE_BYTES && tail.size + data.length <= tail.bytes.length) {
      tail.bytes.set(data, tail.size)
      tail.size += data.length
    } else if (data.length < SMALL_WRITE_BYTES) {
      const bytes = new Uint8Array(this.#chunks.length === 0 ? data.length : 4 * SMALL_WRITE_BYTES)
      bytes.set(data)
      this.#chunks = withLast(this.#chunks, { start: this.written, bytes, size: data.length })
    } else {
      this.#chunks = withLast(this.#chunks, { start: this.written, bytes: data, size: data.length })
    }
    this.written += data.length
  }

  /** The next piece to send, oldest first: at most `room` bytes, new ones below `limit` only. It counts as sent. */
  take(room: number, limit: number): Piece | undefined {
    if (room <= 0) return undefined
    const again = this.#again
    if (again !== undefined && !again.isEmpty) {
      const start = again.start(0)
      const end = Math.min(again.end(0), start + room)
      again.remove(start, end)
      return { start, end }
    }
    const end = Math.min(this.written, this.#next + room, limit)
    if (end <= this.#next) return undefined
    const start = this.#next
    this.#next = end
    return { start, end }
  }

  /** Takes [start, end) out of what is to be sent again: a copy of it goes otherwise. */
  covered(start: number, end: number): void {
    this.#again?.remove(start, end)
  }

  /** The bytes of a piece, as a view where they lie together. */
  bytes(piece: Piece): Uint8Array {
    let index = this.#search(piece.start)
    let chunk = this.#chunks[index]
    if (chunk === undefined || chunk.start > piece.start || piece.end > this.written) {
      throw new RangeError(`bytes ${piece.start} to ${piece.end} are not in the buffer`)
    }
    if (piece.end <= chunk.start + chunk.size) {
      return chunk.bytes.subarray(piece.start - chunk.start, piece.end - chunk.start)
    }
    const whole = new Uint8Array(piece.end - piece.start)
    let at = piece.start
    while (at < piece.end && chunk !== undefined) {
      const stop = Math.min(piece.end, chunk.start + chunk.size)
      whole.set(chunk.bytes.subarray(at - chunk.start, stop - chunk.start), at - piece.start)
      at = stop
      chunk = this.#chunks[++index]
    }
    return whole
  }

  // The chunk that holds byte `offset`.
  #search(offset: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const chunk = this.#chunks[middle]
      if (chunk !== undefined && chunk.start + chunk.size > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The end of what has arrived, or is at the peer's node, whatever is missing below. */
  get arrivedEnd(): number {
    return this.#arrivedEnd
  }

  /** [start, end) is at the peer's node, whose process will read it. */
  markSettled(start: number, end: number): void {
    ;(this.#settled ??= new RangeSet()).add(start, end)
    this.#again?.remove(start, end)
    this.#arrivedEnd = Math.max(this.#arrivedEnd, end)
  }

  /** The parts of [start, end) that are not known to be at the peer's node: start, end ... */
  missing(start: number, end: number): number[] {
    const parts = this.undelivered(start, end)
    const settled = this.#settled
    if (settled === undefined) return parts
    const missing: number[] = []
    for (let i = 0; i < parts.length; i += 2) missing.push(...settled.missing(parts[i] ?? 0, parts[i + 1] ?? 0))
    return missing
  }

  /** The first byte of [start, end) that is not known to be at the peer's node; undefined: all are. */
  firstMissing(start: number, end: number): number | undefined {
    let from: number | undefined = Math.max(start, this.delivered)
    for (;;) {
      const above: number | undefined =
        from < end && this.#above !== undefined ? this.#above.firstMissing(from, end) : from
      if (above === undefined || above >= end) return undefined
      from = this.#settled === undefined ? above : this.#settled.firstMissing(above, end)
      if (from === undefined || from === above) return from
    }
  }

  /** [start, end) has arrived. True when that is news. */
  markDelivered(start: number, end: number): boolean {
    this.#arrivedEnd = Math.max(this.#arrivedEnd, end)
    if (end <= this.delivered || start >= end) return false
    this.#again?.remove(start, end)
    if (start > this.delivered) {
      const above = (this.#above ??= new RangeSet())
      if (above.covers(start, end)) return false
      above.add(start, end)
      return true
    }
    this.delivered = end
    const above = this.#above
    while (above !== undefined && !above.isEmpty && above.start(0) <= this.delivered) {
      this.delivered = Math.max(this.delivered, above.dropLowest())
    }
    this.#release()
    return true
  }

  #release(): void {
    this.#settled?.remove(0, this.delivered)
    if (this.#settled?.isEmpty === true) this.#settled = undefined
    let gone = 0
    for (const chunk of this.#chunks) {
      if (chunk.start + chunk.size > this.delivered) break
      gone++
    }
    if (gone === this.#chunks.length) this.#chunks = NONE
    else if (gone > 0) this.#chunks.splice(0, gone)
  }

  /** [start, end) is to be sent again, but for what has arrived. True when something is. */
  markLost(start: number, end: number): boolean {
    this.#settled?.remove(start, end)
    const parts = this.undelivered(start, end)
    for (let i = 0; i < parts.length; i += 2) {
      ;(this.#again ??= new RangeSet()).add(parts[i] ?? 0, parts[i + 1] ?? 0)
    }
    return parts.length > 0
  }

  /** The parts of [start, end) that are not known to have arrived: start, end, start, end ... */
  undelivered(start: number, end: number): number[] {
    const from = Math.max(start, this.delivered)
    if (from >= end) return []
    return this.#above === undefined ? [from, end] : this.#above.missing(from, end)
  }

  /** Whether all of [start, end) is to be sent again. */
  waitsAgain(start: number, end: number): boolean {
    return this.#again?.covers(start, end) === true
  }

  /** Lets go of everything; the stream is over. */
  clear(): void {
    this.#chunks = NONE
    this.#again = undefined
    this.#settled = undefined
  }
}
