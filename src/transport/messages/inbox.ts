import { MAX_LETTER_BYTES, MAX_LETTERS } from '../limits.ts'
import type { StoreChange, StoredLetter } from '../store/store.ts'
import { type PaidMessage, readLetter, type WaitingMessage, writeLetter } from './letters.ts'
import { MAX_UNCLAIMED_LETTERS } from './limits.ts'

/** Messages that were paid and wait to be read, by port, in the order in which they came. Bounded. */
export class Inbox {
  readonly #byPort: Map<number, WaitingMessage[]> = new Map()
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

  /** How many of a port wait. */
  count(port: number): number {
    return this.#byPort.get(port)?.length ?? 0
  }

  /**
   * Takes one in; the change is for the store. Undefined: there is no room.
   *
   * @param isClaimed whether somebody reads this port
   */
  add(message: PaidMessage, isClaimed: boolean): { readonly serial: number; readonly change: StoreChange } | undefined {
    const isFull = this.#count >= MAX_LETTERS || this.#bytes + sizeOf(message) > MAX_LETTER_BYTES
    if (isFull || (!isClaimed && this.count(message.port) >= MAX_UNCLAIMED_LETTERS)) return undefined
    const serial = ++this.#lastSerial
    const waiting = { ...message, serial }
    this.#put(waiting)
    return { serial, change: { type: 'letter', ...writeLetter(waiting) } }
  }

  has(port: number, id: string): boolean {
    return this.#byPort.get(port)?.some((each) => each.id === id) ?? false
  }

  /** Those of a port after a serial, the oldest first. */
  after(port: number, serial: number, limit: number): readonly WaitingMessage[] {
    const waiting = this.#byPort.get(port) ?? []
    const from = waiting.findIndex((each) => each.serial > serial)
    return from < 0 ? [] : waiting.slice(from, from + limit)
  }

  /** Those of a port up to a serial are read; the change is for the store. */
  read(port: number, serial: number): StoreChange[] {
    const dropped = this.#drop(port, (each) => each.serial <= serial)
    return dropped === 0 ? [] : [{ type: 'letter-read', port, serial }]
  }

  /** This one was not paid after all. */
  withdraw(port: number, serial: number): StoreChange[] {
    const dropped = this.#drop(port, (each) => each.serial === serial)
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
