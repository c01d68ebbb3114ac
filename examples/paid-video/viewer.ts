/**
 * Who watches: knows publishers and their catalogues, buys films piece by piece out of one purse, keeps what it bought,
 * and sells on what it has whole.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Endpoint } from 'keysock'
import {
  costMsat,
  FilmError,
  type FilmIndex,
  type FilmOffer,
  leastKilobyteMsat,
  MAX_CATALOGUE_BYTES,
  MAX_INDEX_BYTES,
  MAX_KILOBYTE_MSAT,
  readCatalogue,
  readIndex,
  type Segment,
  spanOf,
} from './film.ts'
import { FilmFile, HEADER } from './film-file.ts'
import { Publisher } from './publisher.ts'
import { Purse } from './purse.ts'
import { CATALOGUE_PORT, type Request, requestLine } from './requests.ts'
import { Source, type SourceState, type Wait } from './source.ts'

export interface ViewerOptions {
  readonly endpoint: Endpoint
  /** The `maxFee` of the endpoint, msat. */
  readonly maxFeeMsat: number
  /** As buyers of what it sells on see it. */
  readonly name: string
  /** Where films and the list of publishers are kept. */
  readonly folder: string
  /** What it may spend in all, fees included, msat. */
  readonly capMsat: bigint
  readonly wait?: Wait
}

/** A film, as one publisher offers it. */
export interface Offer {
  /** In this process. */
  readonly key: string
  readonly address: string
  readonly seller: string
  readonly film: FilmOffer
}

interface Shop {
  readonly address: string
  state: 'loading' | 'ready' | 'failed'
  name: string
  message: string
  offers: readonly Offer[]
}

/** A cap is reached; the answer is how much more may be spent. */
export interface Question {
  readonly capMsat: bigint
  readonly spentMsat: bigint
  /** Enough for the rest of the film. */
  readonly restMsat: bigint
}

/** The film that is being watched. */
interface Watching {
  readonly offer: Offer
  readonly index: FilmIndex
  readonly file: FilmFile
  readonly free: Source
  readonly paid: Source
  /** By segment: reads under way. */
  readonly pending: Map<number, Promise<Buffer>>
  state: SourceState
  message: string
}

/** Public keys have 66 digits; hints of private channels come behind. */
const MAX_ADDRESS = 2_000
const MAX_SHOPS = 32
/** What one look at a catalogue or an index may cost, msat: a few packets. And a preview: the words that ask for it. */
const LOOK_MSAT = 60_000n
const PREVIEW_MSAT = 60_000n
const LOOK_TIMEOUT_MS = 60_000
/** A catalogue that does not come is asked for again after so long, ms, so often. */
const LOOK_AGAIN_MS = 2_000
const LOOK_TRIES = 4

/** A yes or a change is not possible, or money is needed; `code` says which. */
export class ViewerError extends Error {
  readonly code: 'capped' | 'unknown' | 'not-whole' | 'bad-value' | 'full'

  constructor(code: ViewerError['code'], message: string) {
    super(message)
    this.name = 'ViewerError'
    this.code = code
  }
}

export class Viewer {
  readonly purse: Purse
  readonly #options: ViewerOptions
  readonly #wait: Wait
  readonly #shops: Map<string, Shop> = new Map()
  readonly #indexes: Map<string, FilmIndex> = new Map()
  readonly #files: Map<string, FilmFile> = new Map()
  readonly #selling: Map<string, { kilobyteMsat: number; offer: Offer }> = new Map()
  #publisher: Promise<Publisher> | undefined
  #sells: Publisher | undefined
  #address = ''
  #watching: Watching | undefined
  #question: Question | undefined
  /** The film that is to be opened, by its key; the latest counts. */
  #opening = ''
  /** The last no: nothing more is paid until it is asked again. */
  #isRefused = false
  #nextKey = 1
  #isClosed = false
  #changed: () => void = () => undefined

  constructor(options: ViewerOptions) {
    this.#options = options
    this.#wait = options.wait ?? wallWait
    this.purse = new Purse(options.capMsat)
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  }

  /** Called when something other than sums of money has changed. */
  onChange(listener: () => void): void {
    this.#changed = listener
  }

  get question(): Question | undefined {
    return this.#question
  }

  get watching(): Readonly<Pick<Watching, 'offer' | 'state' | 'message' | 'file' | 'index'>> | undefined {
    return this.#watching
  }

  get shops(): readonly Readonly<Shop>[] {
    return [...this.#shops.values()]
  }

  /** What others type to buy here; '' until something is sold on. */
  get address(): string {
    return this.#address
  }

  /** What 1,000 bytes cost at least where they are sold on, msat. */
  get leastKilobyteMsat(): number {
    return leastKilobyteMsat(this.#options.maxFeeMsat)
  }

  /** What those cost who looked around at what is sold on, msat. */
  get givenMsat(): bigint {
    return this.#sells?.givenMsat ?? 0n
  }

  sales(): ReturnType<Publisher['sales']> {
    return this.#sells?.sales() ?? []
  }

  /** Whether the whole film is here, by its id. */
  owns(id: string): boolean {
    return this.#files.get(id)?.isWhole === true
  }

  /** Bytes of the film that are here. */
  bytesOf(id: string): number {
    return this.#files.get(id)?.bytes ?? 0
  }

  offer(key: string): Offer {
    for (const { offers } of this.#shops.values()) {
      const found = offers.find((offer) => offer.key === key)
      if (found !== undefined) return found
    }
    throw new ViewerError('unknown', 'this film is offered no more')
  }

  // ---- Publishers --------------------------------------------------------------------------------------

  /** The publishers of former processes. */
  knownPublishers(): string[] {
    try {
      const list: unknown = JSON.parse(readFileSync(this.#listFile, 'utf8'))
      return Array.isArray(list) ? list.filter((address): address is string => typeof address === 'string') : []
    } catch {
      return []
    }
  }

  /** Reads the catalogue of a publisher; also again. @throws ViewerError where it is no address */
  async addPublisher(address: string): Promise<void> {
    const trimmed = address.trim()
    if (!/^0[23][0-9a-f]{64}/i.test(trimmed) || trimmed.length > MAX_ADDRESS)
      throw new ViewerError('bad-value', 'an address begins with 66 hexadecimal digits')
    if (this.#shops.size >= MAX_SHOPS && !this.#shops.has(trimmed))
      throw new ViewerError('full', `${MAX_SHOPS} publishers at most`)
    const shop: Shop = this.#shops.get(trimmed) ?? {
      address: trimmed,
      state: 'loading',
      name: '',
      message: '',
      offers: [],
    }
    this.#shops.set(trimmed, shop)
    await this.#load(shop)
    if (!this.#isClosed) this.#save()
  }

  /** Forgets a publisher and its offers; what was bought of it stays. */
  async removePublisher(address: string): Promise<void> {
    if (this.#watching?.offer.address === address) await this.leave()
    this.#shops.delete(address)
    this.#save()
    this.#changed()
  }

  #save(): void {
    writeFileSync(this.#listFile, JSON.stringify([...this.#shops.keys()]), { mode: 0o600 })
  }

  async #load(shop: Shop): Promise<void> {
    shop.state = 'loading'
    this.#changed()
    try {
      const json = await this.#look(shop.address, { get: 'catalogue' }, MAX_CATALOGUE_BYTES)
      const { publisher, films } = readCatalogue(json)
      shop.name = publisher
      const former = new Map(shop.offers.map((offer) => [offer.film.id, offer.key]))
      shop.offers = films.map((film) => ({
        key: former.get(film.id) ?? String(this.#nextKey++),
        address: shop.address,
        seller: publisher,
        film,
      }))
      shop.state = 'ready'
    } catch (error) {
      shop.state = 'failed'
      shop.message = error instanceof Error ? error.message : String(error)
      if (isNoAddress(error)) {
        this.#shops.delete(shop.address)
        throw new ViewerError('bad-value', shop.message)
      }
    } finally {
      this.#changed()
    }
  }

  get #listFile(): string {
    return join(this.#options.folder, 'publishers.json')
  }

  /** Asks the free port for a text. */
  async #look(address: string, request: Request, most: number): Promise<string> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#lookOnce(address, request, most)
      } catch (error) {
        if (tries >= LOOK_TRIES || error instanceof ViewerError || isNoAddress(error)) throw error
        await this.#wait(LOOK_AGAIN_MS)
      }
    }
  }

  async #lookOnce(address: string, request: Request, most: number): Promise<string> {
    const socket = this.purse.open(LOOK_MSAT, (maxCost) =>
      this.#options.endpoint.createConnection(address, CATALOGUE_PORT, {
        maxCost,
        maxTariff: { packet: 0 },
        connectTimeout: LOOK_TIMEOUT_MS,
        idleTimeout: LOOK_TIMEOUT_MS,
      }),
    )
    if (socket === undefined) throw new ViewerError('capped', 'the cap leaves no room for a look around')
    socket.on('data', () => {
      if (socket.bytesRead > most) socket.destroy(new RangeError('it sends too much'))
    })
    socket.end(requestLine(request))
    return await text(socket)
  }

  // ---- Watching ----------------------------------------------------------------------------------------

  /** Opens a film: its index, and what of it is here. Pays nothing of its price. */
  async open(key: string): Promise<Watching> {
    const offer = this.offer(key)
    if (this.#watching?.offer.key === key && this.#watching.state !== 'failed') return this.#watching
    await this.leave()
    this.#opening = key
    const { id } = offer.film
    const index = this.#indexes.get(id) ?? (await this.#readIndex(offer))
    if (this.#opening !== key) throw new ViewerError('unknown', 'another film was opened')
    this.#indexes.set(id, index)
    const file = this.#files.get(id) ?? new FilmFile(join(this.#options.folder, 'films'), index)
    this.#files.set(id, file)
    const { endpoint } = this.#options
    const shared = { endpoint, purse: this.purse, wait: this.#wait, address: offer.address }
    const watching: Watching = {
      offer,
      index,
      file,
      free: new Source({ ...shared, port: CATALOGUE_PORT, kilobyteMsat: 0, wishMsat: PREVIEW_MSAT }, (state) =>
        this.#onState(watching, state),
      ),
      paid: new Source({ ...shared, port: offer.film.port, kilobyteMsat: offer.film.kilobyteMsat }, (state) =>
        this.#onState(watching, state),
      ),
      pending: new Map(),
      state: 'idle',
      message: '',
    }
    this.#watching = watching
    this.#changed()
    return watching
  }

  /** The connections of the film that was watched go; what of it was bought stays. */
  async leave(): Promise<void> {
    const watching = this.#watching
    this.#watching = undefined
    this.#question = undefined
    this.#isRefused = false
    if (watching !== undefined) await Promise.all([watching.free.close(), watching.paid.close()])
    this.#changed()
  }

  /** Whether the segment is in the free preview. */
  isFree(offer: Offer, index: FilmIndex, segment: number): boolean {
    return spanOf(index, segment).to <= offer.film.freeBytes
  }

  /**
   * A segment of the film that is open: from the disk, or bought. Waits as long as it takes; `signal` ends that.
   *
   * @throws ViewerError 'capped' after a no, until it is asked again; SourceError; FilmError 'wrong-bytes'
   */
  async segment(number: number, signal?: AbortSignal): Promise<Buffer> {
    const watching = this.#watching
    if (watching === undefined) throw new ViewerError('unknown', 'no film is open')
    if (number < HEADER || number >= watching.index.segments.length)
      throw new ViewerError('unknown', 'the film has no such segment')
    const kept = watching.file.read(number)
    if (kept !== undefined) return kept
    if (this.#isRefused && !this.isFree(watching.offer, watching.index, number))
      throw new ViewerError('capped', 'the cap is reached')
    const under = watching.pending.get(number)
    if (under !== undefined) return await under
    const read = this.#buy(watching, number, signal).finally(() => watching.pending.delete(number))
    watching.pending.set(number, read)
    return await read
  }

  /** Makes the connection of the price before anything is asked over it: then it is there when the preview ends. */
  warm(): void {
    if (this.#watching !== undefined && !this.#watching.file.isWhole) this.#watching.paid.warm()
  }

  async #buy(watching: Watching, number: number, signal?: AbortSignal): Promise<Buffer> {
    const { offer, index, file, free, paid } = watching
    const source = this.isFree(offer, index, number) ? free : paid
    source.retry()
    try {
      const bytes = await source.read(offer.film.id, spanOf(index, number), signal)
      file.write(number, bytes)
      if (source === free && this.#hasPreview(watching)) void free.rest()
      this.#changed()
      return bytes
    } catch (error) {
      if (watching === this.#watching && (source.state === 'failed' || error instanceof FilmError))
        this.#fail(watching, error)
      throw error
    }
  }

  #hasPreview({ offer, index, file }: Watching): boolean {
    const next = index.segments.findIndex((_segment, number) => !file.has(number))
    return file.has(HEADER) && (next === -1 || !this.isFree(offer, index, next))
  }

  #fail(watching: Watching, error: unknown): void {
    watching.state = 'failed'
    watching.message = error instanceof Error ? error.message : String(error)
    this.#changed()
  }

  #onState(watching: Watching, state: SourceState): void {
    watching.state = state
    if (state !== 'failed') watching.message = ''
    if (state === 'capped' && watching === this.#watching) this.#ask(watching)
    // Others left it what it lacked: nothing is to be asked any more.
    if (state === 'open' && watching.free.state !== 'capped' && watching.paid.state !== 'capped')
      this.#question = undefined
    this.#changed()
  }

  async #readIndex({ address, film }: Offer): Promise<FilmIndex> {
    return readIndex(await this.#look(address, { get: 'index', film: film.id }, MAX_INDEX_BYTES), film)
  }

  // ---- The cap -----------------------------------------------------------------------------------------

  #ask({ offer, file }: Watching): void {
    const { capMsat, spentMsat } = this.purse.view()
    const { film } = offer
    const restBytes = Math.max(0, film.bytes - Math.max(file.bytes, film.freeBytes))
    // A fifth more than the price, for the fees of the network, and what a few packets cost.
    const priceMsat = costMsat({ ...film, bytes: restBytes, freeBytes: 0 })
    const restMsat = BigInt(Math.ceil((priceMsat * 1.2 + 20_000) / 1_000) * 1_000)
    this.#question = { capMsat, spentMsat, restMsat }
  }

  /** Asks again, after a no. */
  askAgain(): void {
    if (this.#watching === undefined || !this.#isRefused) return
    this.#ask(this.#watching)
    this.#changed()
  }

  /** The answer to the question: so much more may be spent; 0 is a no. */
  answer(moreMsat: bigint): void {
    if (this.#question === undefined || moreMsat < 0n) return
    this.#question = undefined
    this.#isRefused = moreMsat === 0n
    if (this.#isRefused) {
      this.#watching?.paid.suspend()
      this.#watching?.free.suspend()
    } else this.setCap(this.purse.view().capMsat + moreMsat)
    this.#changed()
  }

  /** Sets the cap anew; what waits for money goes on where there is some again. */
  setCap(capMsat: bigint): void {
    this.purse.setCap(capMsat)
    const { leftMsat } = this.purse.view()
    if (leftMsat > 0n) {
      this.#question = undefined
      this.#isRefused = false
      this.#watching?.paid.resume()
      this.#watching?.free.resume()
    }
    this.#changed()
  }

  // ---- Selling on --------------------------------------------------------------------------------------

  /** Sells a film that is here whole, at this side's own price. @throws ViewerError; FilmError 'bad-price' */
  async sellOn(key: string, kilobyteMsat: number): Promise<void> {
    const offer = this.offer(key)
    const { film } = offer
    const file = this.#files.get(film.id)
    if (file?.isWhole !== true) throw new ViewerError('not-whole', 'watch it to the end first')
    if (!Number.isSafeInteger(kilobyteMsat) || kilobyteMsat < 0 || kilobyteMsat > MAX_KILOBYTE_MSAT)
      throw new ViewerError('bad-value', 'this is no price')
    const { endpoint, maxFeeMsat, name } = this.#options
    this.#publisher ??= Publisher.open({ endpoint, maxFeeMsat, name })
    this.#sells = await this.#publisher
    const { title, about, bytes, durationMs, width, height, freeMs } = film
    const poster = Buffer.from(film.poster, 'base64')
    const facts = { title, about, bytes, durationMs, width, height, freeMs, poster }
    await this.#sells.add({ ...facts, path: file.path, index: file.index, kilobyteMsat })
    this.#selling.set(film.id, { kilobyteMsat, offer })
    this.#address = await endpoint.address()
    this.#changed()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.leave()
    this.#sells?.close()
    for (const file of this.#files.values()) file.close()
  }
}

/** Of a key that is none, broken hints, or this node itself: it is so at each try. */
function isNoAddress(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_KEYSOCK_INVALID_OPTION'
}

function wallWait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}

/** When the segment ends, ms. */
export function endOf({ durationMs }: FilmOffer, segments: readonly Segment[], segment: number): number {
  return segments[segment + 1]?.startMs ?? durationMs
}
