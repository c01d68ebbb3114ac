import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_NOTES_SENT } from '../limits.ts'
import type { PaidNote, SentNote, StoreChange } from '../store/store.ts'

/** What is known of the attempts to send one message. */
export class SentAttempts {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** Its application gave the id, and may give it again, also to a later process. */
  readonly isKept: boolean
  /** The number of the next attempt. */
  #next: number
  /** Those without an outcome: the hash of each, by number. */
  readonly #open: Map<number, string>
  #paid: PaidNote | undefined
  #onOutcome: (() => void) | undefined

  constructor(id: string, isKept: boolean, stored?: SentNote) {
    this.id = id
    this.isKept = isKept
    this.#next = stored?.attempts ?? 0
    this.#open = new Map(stored?.open)
    this.#paid = stored?.paid
  }

  /** `heard` is called at each outcome, in place of whoever was before. */
  listen(heard: (() => void) | undefined): void {
    this.#onOutcome = heard
  }

  get next(): number {
    return this.#next
  }

  get open(): ReadonlyMap<number, string> {
    return this.#open
  }

  /** The first attempt that went through. */
  get paid(): PaidNote | undefined {
    return this.#paid
  }

  /** All attempts with lower numbers have failed for certain. */
  get failedBelow(): number {
    return this.#paid === undefined ? Math.min(this.#next, ...this.#open.keys()) : 0
  }

  /** One goes out; the changes are stored before it does. */
  sent(hash: string): StoreChange[] {
    const attempt = this.#next++
    this.#open.set(attempt, hash)
    return this.isKept ? [{ type: 'note-sent', id: this.id, attempt, hash }] : []
  }

  failed(attempt: number): StoreChange[] {
    this.#open.delete(attempt)
    this.#onOutcome?.()
    return this.isKept ? [{ type: 'note-failed', id: this.id, attempt }] : []
  }

  went(attempt: number, paid: PaidNote): StoreChange[] {
    this.#open.delete(attempt)
    this.#paid ??= paid
    this.#onOutcome?.()
    return this.isKept ? [{ type: 'note-paid', id: this.id, attempt, ...paid }] : []
  }
}

/**
 * Messages by their ids: one that is sent again under its id, by this process or a later one, is not paid for a second
 * time (spec §18.6).
 */
export class SentNotes {
  readonly #kept: BoundedMap<string, SentAttempts> = new BoundedMap(MAX_NOTES_SENT)

  constructor(stored: ReadonlyMap<string, SentNote>) {
    for (const [id, sent] of stored) this.#kept.set(id, new SentAttempts(id, true, sent))
  }

  /** Those that a former process left. */
  all(): IterableIterator<SentAttempts> {
    return this.#kept.values()
  }

  /** `isKept`: the application gave the id. */
  get(id: string, isKept: boolean): SentAttempts {
    const known = this.#kept.get(id)
    if (known !== undefined) return known
    const attempts = new SentAttempts(id, isKept)
    if (isKept) this.#kept.set(id, attempts)
    return attempts
  }
}
