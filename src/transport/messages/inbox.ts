import { MAX_LETTER_BYTES, MAX_LETTERS } from '../limits.ts'
import type { StoreChange, StoredLetter } from '../store/store.ts'
import { type PaidMessage, readLetter, type WaitingMessage, writeLetter } from './letters.ts'
import { MAX_UNCLAIMED_LETTERS } from './limits.ts'

/** Messages that were paid and wait to be read, by port, in the order in which they came. Bounded. */
export class Inbox {
  readonly #byPort: Map<number, WaitingMessage[]> = new Map()
  /** By serial: those that are being stored, or whose payment may yet go back. */
  readonly #hidden = new Set<number>()
  #count = 0
  #bytes = 0
  #lastSerial: number

  constructor(stored: { readonly letters: ReadonlyMap<string, StoredLetter>; readonly lastSerial: number }) {
    this.#lastSerial = stored.lastSerial
    for (const letter of stored.letters.values()) this.#put(readLetter(letter))
  }

  get size(): number {
    return this.#count
  }

  /** How many of a port can be read. */
  count(port: number): number {
    return this.after(port, 0, MAX_LETTERS).length
  }

  /**
   * Takes one in, which can be read once it is shown; the change is for the store. Undefined: there is no room.
   *
   * @param isClaimed whether somebody reads this port
   */
  add(message: PaidMessage, isClaimed: boolean): { readonly serial: number; readonly change: StoreChange } | undefined {
    const isFull = this.#count >= MAX_LETTERS || this.#bytes + sizeOf(message) > MAX_LETTER_BYTES
    if (isFull || (!isClaimed && (this.#byPort.get(message.port)?.length ?? 0) >= MAX_UNCLAIMED_LETTERS))
      return undefined
    const serial = ++this.#lastSerial
    const waiting = { ...message, serial }
    this.#put(waiting)
    this.#hidden.add(serial)
    return { serial, change: { type: 'letter', ...writeLetter(waiting) } }
  }

  /** It is stored, and paid. */
  show(serial: number): void {
    this.#hidden.delete(serial)
  }

  has(port: number, id: string): boolean {
    return this.#byPort.get(port)?.some((each) => each.id === id) ?? false
  }

  /**
   * Those of a port after a serial, the oldest first, up to the first one that is hidden: a cursor beyond it would let
   * go of it unread.
   */
  after(port: number, serial: number, limit: number): readonly WaitingMessage[] {
    const waiting = this.#byPort.get(port) ?? []
    const from = waiting.findIndex((each) => each.serial > serial)
    if (from < 0) return []
    const isHidden = ({ serial: each }: WaitingMessage): boolean => each > serial && this.#hidden.has(each)
    const hidden = this.#hidden.size === 0 ? -1 : waiting.findIndex(isHidden)
    return waiting.slice(from, Math.min(from + limit, hidden < 0 ? Infinity : hidden))
  }

  /** Those of a port up to a serial are read; the change is for the store. */
  read(port: number, serial: number): StoreChange[] {
    const dropped = this.#drop(port, (each) => each.serial <= serial && !this.#hidden.has(each.serial))
    return dropped === 0 ? [] : [{ type: 'letter-read', port, serial }]
  }

  /** This one was not paid after all. */
  withdraw(port: number, serial: number): StoreChange[] {
    const dropped = this.#drop(port, (each) => each.serial === serial)
    this.#hidden.delete(serial)
    return dropped === 0 ? [] : [{ type: 'letter-withdrawn', port, serial }]
  }

  #put(message: WaitingMessage): void {
    const waiting = this.#byPort.get(message.port) ?? []
    waiting.push(message)
    this.#byPort.set(message.port, waiting)
    this.#count += 1
    this.#bytes += sizeOf(message)
  }

  #drop(port: number, isOver: (message: WaitingMessage) => boolean): number {
    const waiting = this.#byPort.get(port) ?? []
    const left = waiting.filter((each) => !isOver(each))
    const dropped = waiting.length - left.length
    for (const each of waiting) if (isOver(each)) this.#bytes -= sizeOf(each)
    this.#count -= dropped
    if (left.length === 0) this.#byPort.delete(port)
    else this.#byPort.set(port, left)
    return dropped
  }
}

/** What counts for the bound: the bytes, and about what the rest takes. */
function sizeOf({ data, records }: PaidMessage): number {
  return 256 + data.length + records.reduce((sum, { value }) => sum + value.length, 0)
}
