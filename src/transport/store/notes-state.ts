import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_LETTERS, MAX_NOTES_SEEN, MAX_NOTES_SENT } from '../limits.ts'
import type { NoteFate, SentNote, StoreChange, StoredLetter, StoredNotes } from './store.ts'

type NoteChangeType =
  | 'note-seen'
  | 'note-floor'
  | 'letter'
  | 'letter-read'
  | 'letter-withdrawn'
  | 'note-sent'
  | 'note-failed'
  | 'note-paid'

/** The kinds of change that are about messages. */
export type NoteChange = Extract<StoreChange, { readonly type: NoteChangeType }>

/** The part of the state that is about messages (spec §18). */
export class NotesState implements StoredNotes {
  floor = 0
  lastSerial = 0
  readonly seen: BoundedMap<string, NoteFate> = new BoundedMap(MAX_NOTES_SEEN)
  readonly letters: BoundedMap<string, StoredLetter> = new BoundedMap(MAX_LETTERS)
  readonly sent: BoundedMap<string, SentNote> = new BoundedMap(MAX_NOTES_SENT)

  apply(change: NoteChange): void {
    switch (change.type) {
      case 'note-seen': {
        const { type: _, id, ...fate } = change
        this.seen.renew(id, fate)
        return
      }
      case 'note-floor':
        this.#raiseFloor(change.height)
        return
      case 'letter': {
        const { type: _, ...letter } = change
        this.lastSerial = Math.max(this.lastSerial, letter.serial)
        this.letters.set(`${letter.port}/${letter.serial}`, letter)
        return
      }
      case 'letter-read':
        // A journal that was written anew begins with one of port 0, for the serial alone.
        this.lastSerial = Math.max(this.lastSerial, change.serial)
        for (const [key, { port, serial }] of this.letters)
          if (port === change.port && serial <= change.serial) this.letters.delete(key)
        return
      case 'letter-withdrawn':
        this.letters.delete(`${change.port}/${change.serial}`)
        return
      case 'note-sent': {
        const known = this.sent.get(change.id)
        const open = new Map(known?.open).set(change.attempt, change.hash)
        const attempts = Math.max(known?.attempts ?? 0, change.attempt + 1)
        this.sent.set(change.id, { ...known, attempts, open })
        return
      }
      case 'note-failed':
      case 'note-paid':
        return void this.sent.set(change.id, decidedNote(this.sent.get(change.id), change))
    }
  }

  /** The fewest changes that lead here. */
  *changes(): Generator<StoreChange> {
    if (this.floor > 0) yield { type: 'note-floor', height: this.floor }
    if (this.lastSerial > 0) yield { type: 'letter-read', port: 0, serial: this.lastSerial }
    for (const [id, fate] of this.seen) yield { type: 'note-seen', id, ...fate }
    for (const letter of this.letters.values()) yield { type: 'letter', ...letter }
    for (const [id, sent] of this.sent) yield* changesOf(id, sent)
  }

  /** How many `changes` there are, about. */
  get size(): number {
    return this.seen.size + this.letters.size + 2 * this.sent.size + 2
  }

  /** A copy that later changes leave alone. */
  snapshot(): StoredNotes {
    const { floor, lastSerial } = this
    return {
      floor,
      lastSerial,
      seen: new Map(this.seen),
      letters: new Map(this.letters),
      sent: new Map(this.sent),
    }
  }

  #raiseFloor(height: number): void {
    if (height <= this.floor) return
    this.floor = height
    for (const [id, fate] of this.seen) if (fate.height < height) this.seen.delete(id)
  }
}

/** What is known of a message once an attempt has its outcome. */
export function decidedNote(
  known: SentNote | undefined,
  change: Extract<NoteChange, { readonly type: 'note-failed' | 'note-paid' }>,
): SentNote {
  const open = new Map(known?.open)
  open.delete(change.attempt)
  const attempts = Math.max(known?.attempts ?? 0, change.attempt + 1)
  if (change.type === 'note-failed') return { ...known, attempts, open }
  const { type: _, id: __, attempt: ___, ...paid } = change
  return { attempts, open, paid: known?.paid ?? paid }
}

function* changesOf(id: string, { attempts, open, paid }: SentNote): Generator<StoreChange> {
  for (const [attempt, hash] of open) yield { type: 'note-sent', id, attempt, hash }
  // The number of the last attempt stands in one that is decided.
  if (paid !== undefined) yield { type: 'note-paid', id, attempt: attempts - 1, ...paid }
  else if (!open.has(attempts - 1)) yield { type: 'note-failed', id, attempt: attempts - 1 }
}
