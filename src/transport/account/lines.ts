import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_ACCOUNT_DEFINITIONS } from '../limits.ts'
import type { AccountEntry, AccountParty, PaidEntry } from './entry.ts'

/** The last millisecond that has a date (ECMA-262 §21.4.1.1). */
const LAST_TIME_MS = 8_640_000_000_000_000

/**
 * Lines of an account's file. Whom entries are about, and the ways that payments took, are said once, in a line of
 * their own, under a number that later lines name; a number that is said again means the new one from there on:
 *
 * {"c":3,"connection":"..","peer":"..","port":7000,"role":"initiator"}
 * {"w":5,"channels":["..",".."]}
 * ["p",timeMs,c,"hash","amountMsat","feeMsat",w,"settled","data"]
 * ["r",timeMs,c,"amountMsat","packet"]
 *
 * So a payment takes about 130 bytes. A line that a crash tore is no JSON, whatever is left of it.
 */
export class LineWriterOfAccount {
  readonly #parties: Numbers<AccountParty> = new Numbers()
  readonly #ways: Numbers<readonly string[]> = new Numbers()

  /** The lines of an entry, each with its end. */
  encode(entry: AccountEntry, party: AccountParty): string {
    let lines = ''
    const c = this.#parties.number(party, (number) => {
      const { connection, peer, port, role, program } = party
      const named = program === '' ? {} : { program }
      lines += `${JSON.stringify({ c: number, connection, peer, port, role, ...named })}\n`
    })
    if (entry.type === 'received')
      return `${lines}["r",${entry.timeMs},${c},"${entry.amountMsat}","${entry.purpose}"]\n`
    const w = this.#ways.number(entry.channels, (number) => {
      lines += `${JSON.stringify({ w: number, channels: entry.channels })}\n`
    })
    const { timeMs, hash, amountMsat, feeMsat, outcome, purpose } = entry
    return `${lines}["p",${timeMs},${c},"${hash}","${amountMsat}","${feeMsat}",${w},"${outcome}","${purpose}"]\n`
  }
}

/** Numbers for things that come again: the oldest number is given anew. */
class Numbers<Thing extends object> {
  readonly #numbers: BoundedMap<Thing, number> = new BoundedMap(MAX_ACCOUNT_DEFINITIONS)
  #next = 0

  /** `define` is called where the thing gets a number now. */
  number(thing: Thing, define: (number: number) => void): number {
    const known = this.#numbers.get(thing)
    if (known !== undefined) return known
    const number = this.#next % MAX_ACCOUNT_DEFINITIONS
    this.#next += 1
    this.#numbers.set(thing, number)
    define(number)
    return number
  }
}

/** Reads the lines of one file, in their order. */
export class LineReaderOfAccount {
  readonly #parties: Map<number, AccountParty> = new Map()
  readonly #ways: Map<number, readonly string[]> = new Map()

  /** The entry of a line; undefined where it defines something, was torn, or is none of ours. */
  decode(line: string): AccountEntry | undefined {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      return undefined
    }
    if (Array.isArray(value)) return this.#entry(value as readonly unknown[])
    if (typeof value === 'object' && value !== null) this.#define(value as Readonly<Record<string, unknown>>)
    return undefined
  }

  #define({ c, w, connection, peer, port, role, program = '', channels }: Readonly<Record<string, unknown>>): void {
    if (isNumber(w) && isTexts(channels)) this.#ways.set(w, channels)
    if (!isNumber(c) || !isText(connection) || !isText(peer) || !isCount(port) || !isText(program)) return
    if (role === 'initiator' || role === 'responder' || role === '')
      this.#parties.set(c, { connection, peer, port, role, program })
  }

  #entry([type, timeMs, c, ...rest]: readonly unknown[]): AccountEntry | undefined {
    const party = isNumber(c) ? this.#parties.get(c) : undefined
    if (party === undefined || !isCount(timeMs) || timeMs > LAST_TIME_MS) return undefined
    if (type === 'r') {
      const [amountMsat, purpose] = rest
      const isKnown = purpose === 'packet' || purpose === 'stray'
      if (!isAmount(amountMsat) || !isKnown) return undefined
      return { type: 'received', timeMs, ...party, amountMsat: BigInt(amountMsat), purpose }
    }
    return type === 'p' ? this.#paid(timeMs, party, rest) : undefined
  }

  #paid(timeMs: number, party: AccountParty, rest: readonly unknown[]): PaidEntry | undefined {
    const [hash, amountMsat, feeMsat, w, outcome, purpose] = rest
    if (!isText(hash) || !isAmount(amountMsat) || !isAmount(feeMsat) || !isNumber(w)) return undefined
    if (outcome !== 'delivered' && outcome !== 'settled' && outcome !== 'failed') return undefined
    if (purpose !== 'data' && purpose !== 'control' && purpose !== 'copy' && purpose !== '') return undefined
    const channels = this.#ways.get(w) ?? []
    const amounts = { amountMsat: BigInt(amountMsat), feeMsat: BigInt(feeMsat) }
    return { type: 'paid', timeMs, ...party, hash, ...amounts, channels, outcome, purpose }
  }
}

function isNumber(value: unknown): value is number {
  return isCount(value) && value < MAX_ACCOUNT_DEFINITIONS
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

function isAmount(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9]{1,30}$/.test(value)
}
