/** What servers ask of this user, and whether that is paid: a price is shown, asked for once, and remembered. */
import type { ConnectOptions, Tariff, TariffOptions } from '../../index.ts'
import type { CliEvent } from '../events.ts'
import { HomeFile } from '../home/home-file.ts'
import { keyInWords } from '../words.ts'
import { MAX_PRICES } from './limits.ts'
import { acceptOptions, isWithin, tariffInWords, tariffOf } from './price-text.ts'

/** Who asks: 66 hexadecimal digits, and a port. */
export interface Seller {
  readonly publicKey: string
  readonly port: number
}

interface PricesOptions {
  readonly environment: NodeJS.ProcessEnv
  /** What is paid without a question (--accept-price). */
  readonly accept: TariffOptions | undefined
  /** Asks a person, in words that end with a question; undefined: nobody is there. */
  readonly ask: ((words: string) => Promise<boolean>) | undefined
  readonly emit: (event: CliEvent) => void
}

/** By `KEY:PORT`: the parts of a tariff, msat in decimal, as a person has accepted them. The latest is the last. */
type Accepted = Readonly<Record<string, Readonly<Record<string, string>>>>

const FREE = { opening: 0, packet: 0, kilobyte: 0, upload: 0, second: 0, message: 0 }

/** Decides what is paid to whom, for all connections of a process. */
export class Prices {
  readonly #options: PricesOptions
  readonly #file: HomeFile<Accepted>
  /** Questions that wait for an answer, by seller and price: connections of one page ask the same. */
  readonly #asking: Map<string, Promise<boolean>> = new Map()
  /** What was said of a seller's price last: it is told once. */
  readonly #told: Map<string, string> = new Map()
  readonly #current: Map<string, Tariff> = new Map()

  constructor(options: PricesOptions) {
    this.#options = options
    const { environment } = options
    this.#file = new HomeFile({
      environment,
      name: 'prices.json',
      code: 'ERR_CLI_PRICES',
      parse: acceptedOf,
      empty: {},
    })
  }

  /** What a connection to a seller is made with: every price is put to `agrees`. */
  optionsFor(seller: Seller): Pick<ConnectOptions, 'maxTariff' | 'onPrice'> {
    return { maxTariff: FREE, onPrice: (tariff) => this.agrees(seller, tariff) }
  }

  /** What a seller asked last; undefined: nothing was heard. */
  of(seller: Seller): Tariff | undefined {
    return this.#current.get(nameOf(seller))
  }

  /** Whether a price is paid. @throws KeysockError ERR_CLI_PRICES where what was accepted cannot be read or kept */
  async agrees(seller: Seller, tariff: Tariff): Promise<boolean> {
    const name = nameOf(seller)
    remember(this.#current, name, tariff)
    const { accept, ask } = this.#options
    if (isWithin(tariff, tariffOf(accept ?? {}))) return this.#tell(seller, tariff, 'option')
    const before = this.#remembered(name)
    if (before !== undefined && isWithin(tariff, before)) return this.#tell(seller, tariff, 'remembered')
    if (ask === undefined) return !this.#tell(seller, tariff, 'refused')
    const key = `${name} ${tariffInWords(tariff)}`
    const asking = this.#asking.get(key) ?? this.#ask({ seller, tariff, before, ask })
    this.#asking.set(key, asking)
    try {
      return await asking
    } finally {
      this.#asking.delete(key)
    }
  }

  async #ask(given: {
    readonly seller: Seller
    readonly tariff: Tariff
    readonly before: Tariff | undefined
    readonly ask: (words: string) => Promise<boolean>
  }): Promise<boolean> {
    const { seller, tariff, before, ask } = given
    const rose = before === undefined ? '' : ` (before: ${tariffInWords(before)})`
    const words = `${sellerInWords(seller)} asks ${tariffInWords(tariff)}${rose}.`
    if (!(await ask(`${words} Pay that from now on?`))) return !this.#tell(seller, tariff, 'refused')
    await this.#file.update((accepted) => {
      const others = Object.entries(accepted).filter(([name]) => name !== nameOf(seller))
      return Object.fromEntries([...others.slice(1 - MAX_PRICES), [nameOf(seller), toStored(tariff)]])
    })
    return this.#tell(seller, tariff, 'asked')
  }

  #remembered(name: string): Tariff | undefined {
    const accepted = this.#file.read()
    return Object.hasOwn(accepted, name) ? fromStored(accepted[name] ?? {}) : undefined
  }

  /** Says once what becomes of a price. Gives true. */
  #tell(seller: Seller, tariff: Tariff, by: 'option' | 'remembered' | 'asked' | 'refused'): true {
    const words = tariffInWords(tariff)
    const name = nameOf(seller)
    if (this.#told.get(name) === `${by} ${words}` || words === 'nothing') return true
    remember(this.#told, name, `${by} ${words}`)
    const { publicKey, port } = seller
    const isAccepted = by !== 'refused'
    const how = `${acceptOptions(tariff)} does`
    const message = isAccepted
      ? `${sellerInWords(seller)} asks ${words}`
      : `${sellerInWords(seller)} asks ${words}, which nobody has accepted: ${how}`
    this.#options.emit({ event: 'price', publicKey, port, isAccepted, by, tariff: inSat(tariff), message })
    return true
  }
}

/** For a connection that ended with ERR_KEYSOCK_PRICE. */
export function priceRefused(seller: Seller, tariff: Tariff | undefined): string {
  if (tariff === undefined) return `${sellerInWords(seller)} asks more than is paid here`
  return `${sellerInWords(seller)} asks ${tariffInWords(tariff)}, which nobody has accepted: ${acceptOptions(tariff)} does`
}

function sellerInWords({ publicKey, port }: Seller): string {
  return `${keyInWords(publicKey)}, port ${port},`
}

function nameOf({ publicKey, port }: Seller): string {
  return `${publicKey}:${port}`
}

/** The last MAX_PRICES. */
function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.delete(name)
  map.set(name, value)
  const [oldest] = map.keys()
  if (map.size > MAX_PRICES && oldest !== undefined) map.delete(oldest)
}

function inSat(tariff: Tariff): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(tariff).map(([key, msat]: [string, bigint]) => [key.replace(/Msat$/, 'Sat'), Number(msat) / 1_000]),
  )
}

function toStored(tariff: Tariff): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tariff).map(([key, msat]: [string, bigint]) => [key, msat.toString()]))
}

function fromStored(parts: Readonly<Record<string, string>>): Tariff {
  const none = tariffOf({})
  const keys = Object.keys(none) as (keyof Tariff)[]
  return { ...none, ...Object.fromEntries(keys.map((key) => [key, BigInt(parts[key] ?? '0')])) }
}

function acceptedOf(value: unknown): Accepted | undefined {
  if (!isObject(value)) return undefined
  const isWhole = Object.values(value).every(
    (parts) =>
      isObject(parts) && Object.values(parts).every((msat) => typeof msat === 'string' && /^\d{1,16}$/.test(msat)),
  )
  return isWhole ? (value as Accepted) : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
