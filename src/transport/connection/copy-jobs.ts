import { Heap, type HeapItem } from '../../floor/heap.ts'
import type { WantReason } from './interface.ts'
import type { SentPacket } from './sent-packets.ts'

/** Why a copy goes (spec §8.5). */
export type CopyReason = Extract<WantReason, 'early' | 'hedge' | 'urgent'>

/** A copy of what `origin` carries, waiting for a grant (spec §8.5). */
export class CopyJob {
  readonly origin: SentPacket
  readonly #lateAt: number
  #rest: readonly number[] | undefined

  /** Before `lateAtMs` it goes within the budget for what is not late. */
  constructor(origin: SentPacket, lateAtMs: number) {
    this.origin = origin
    this.#lateAt = lateAtMs
  }

  get lateAt(): number {
    return this.#lateAt
  }

  /** Its place in the stream; what carries none of it comes first. */
  get from(): number {
    return this.origin.parts.ranges[0] ?? -1
  }

  /** Stream bytes that still have to be copied: start, end ... */
  get rest(): readonly number[] {
    return this.#rest ?? this.origin.parts.ranges
  }

  /** All bytes are in copies. */
  get isWhole(): boolean {
    return this.#rest === undefined || this.#rest.length === 0
  }

  /** A copy was made; `rest` did not fit. */
  copied(rest: readonly number[]): void {
    this.#rest = rest
  }
}

/** Where a job stands now, and when to look whether it is to stand elsewhere, ms. */
export interface Standing {
  readonly row: CopyReason
  readonly untilMs: number
}

class Entry implements HeapItem {
  readonly job: CopyJob
  readonly row: CopyReason
  readonly change: Change
  heapIndex = -1

  constructor(job: CopyJob, { row, untilMs }: Standing) {
    this.job = job
    this.row = row
    this.change = { job, atMs: untilMs, heapIndex: -1 }
  }
}

interface Change extends HeapItem {
  readonly job: CopyJob
  readonly atMs: number
}

/**
 * Copies that wait for a grant, one for each original, in three rows, each by the place in the stream: the next one is
 * found without looking through them, and there may be as many as payments in flight.
 */
export class CopyJobs {
  readonly #byOrigin: Map<SentPacket, Entry> = new Map()
  readonly #rows: Readonly<Record<CopyReason, Heap<Entry>>> = {
    urgent: new Heap(isLower),
    hedge: new Heap(isLower),
    early: new Heap(isLower),
  }
  readonly #changes: Heap<Change> = new Heap(isSooner)

  get size(): number {
    return this.#byOrigin.size
  }

  get(origin: SentPacket): CopyJob | undefined {
    return this.#byOrigin.get(origin)?.job
  }

  /** Puts a job where it belongs; one that stands elsewhere moves. */
  put(job: CopyJob, standing: Standing): void {
    this.delete(job.origin)
    const entry = new Entry(job, standing)
    this.#byOrigin.set(job.origin, entry)
    this.#rows[standing.row].put(entry)
    if (standing.untilMs < Infinity) this.#changes.put(entry.change)
  }

  delete(origin: SentPacket): void {
    const entry = this.#byOrigin.get(origin)
    if (entry === undefined) return
    this.#byOrigin.delete(origin)
    this.#rows[entry.row].remove(entry)
    this.#changes.remove(entry.change)
  }

  /** The lowest of a row. */
  first(row: CopyReason): CopyJob | undefined {
    return this.#rows[row].first?.job
  }

  /** One whose standing may have changed by now. */
  changed(now: number): CopyJob | undefined {
    const { first } = this.#changes
    return first !== undefined && first.atMs <= now ? first.job : undefined
  }
}

/** A total order, so that no removal changes it: of two at the same byte the one that was sent first. */
function isLower(a: Entry, b: Entry): boolean {
  return a.job.from < b.job.from || (a.job.from === b.job.from && a.job.origin.id < b.job.origin.id)
}

function isSooner(a: Change, b: Change): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.job.origin.id < b.job.origin.id)
}
