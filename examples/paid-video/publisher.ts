/**
 * Sells films on a node: the catalogue, indexes and previews on one port at no price, and each film on a port of its
 * own, by the kilobyte.
 */
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import type { Endpoint, Server, Socket } from 'keysock'
import { checkPrice, type FilmIndex, type FilmOffer, MAX_POSTER_BYTES, type Span } from './film.ts'
import { CATALOGUE_PORT, type Request, RequestReader } from './requests.ts'

/** A film, as it is put up for sale. */
export interface Film {
  readonly path: string
  readonly index: FilmIndex
  readonly title: string
  readonly about: string
  readonly bytes: number
  readonly durationMs: number
  readonly width: number
  readonly height: number
  /** What 1,000 bytes cost, msat. */
  readonly kilobyteMsat: number
  /** How much of the start is free, ms: whole segments. */
  readonly freeMs: number
  /** A JPEG. */
  readonly poster: Buffer
}

/** What one film brought so far. */
export interface Sale {
  readonly id: string
  readonly title: string
  readonly port: number
  readonly kilobyteMsat: number
  /** Connections of viewers that are open. */
  readonly viewers: number
  /** Bytes that viewers have. */
  readonly soldBytes: number
  /** What came in on the film's port, msat: the price, and the least amounts of packets. */
  readonly earnedMsat: bigint
  /** What its packets cost this side, fees included, msat. */
  readonly spentMsat: bigint
}

export interface PublisherOptions {
  readonly endpoint: Endpoint
  /** The `maxFee` of the endpoint, msat: no film is sold for less than its packets may cost. */
  readonly maxFeeMsat: number
  readonly name: string
  readonly log?: (line: string) => void
}

/** Viewers of a film, and those who look around, at once. */
const MAX_VIEWERS = 64
const MAX_FILMS = 100
/** So many bytes are written and not sent, at most. */
const PIECE_BYTES = 16_384
/** What answering one who looks around may cost, msat: a catalogue or a preview of some 300 kB. */
const FREE_COST_MSAT = 1_000_000
/** What all of them together may cost on a day, sat: for the policy of the endpoint, which outlives a process. */
export const FREE_DAY_SAT = 5_000
/** Who only looks has to ask soon, ms. */
const FREE_IDLE_MS = 60_000
/** Who pauses for longer comes again over a new connection: it may have left without the money for a word, ms. */
const PAID_IDLE_MS = 120_000

interface Shelf {
  readonly film: Film
  readonly offer: FilmOffer
  readonly file: number
  readonly server: Server
  readonly sockets: Set<Socket>
  /** Of connections that have closed. */
  past: { soldBytes: number; earnedMsat: bigint; spentMsat: bigint }
}

export class Publisher {
  readonly #endpoint: Endpoint
  readonly #maxFeeMsat: number
  readonly #name: string
  readonly #log: (line: string) => void
  readonly #catalogue: Server
  readonly #shelves: Map<string, Shelf> = new Map()
  readonly #sockets: Set<Socket> = new Set()
  #nextPort = CATALOGUE_PORT + 1
  /** By connections to the catalogue that have closed, msat. */
  #pastGivenMsat = 0n

  private constructor({ endpoint, maxFeeMsat, name, log = () => undefined }: PublisherOptions) {
    this.#endpoint = endpoint
    this.#maxFeeMsat = maxFeeMsat
    this.#name = name
    this.#log = log
    // What is free costs its publisher, not who looks.
    const options = { answers: 'own', maxCost: FREE_COST_MSAT, idleTimeout: FREE_IDLE_MS, allowHalfOpen: true } as const
    this.#catalogue = endpoint.createServer(options, (socket) => this.#welcome(socket, undefined))
    this.#catalogue.maxConnections = MAX_VIEWERS
  }

  static async open(options: PublisherOptions): Promise<Publisher> {
    const publisher = new Publisher(options)
    await publisher.#catalogue.listen(CATALOGUE_PORT)
    return publisher
  }

  /** What those who looked around, and previews, cost beyond what they brought, msat. */
  get givenMsat(): bigint {
    const open = [...this.#sockets].filter((socket) => socket.localPort === CATALOGUE_PORT)
    return open.reduce((sum, socket) => sum + givenBy(socket), this.#pastGivenMsat)
  }

  /** Puts a film up for sale, or changes its price. @throws FilmError 'bad-price' */
  async add(film: Film): Promise<FilmOffer> {
    const { id } = film.index
    checkPrice(film.kilobyteMsat, this.#maxFeeMsat)
    const former = this.#shelves.get(id)
    if (former !== undefined) await this.#remove(former)
    if (this.#shelves.size >= MAX_FILMS) throw new RangeError(`a publisher has ${MAX_FILMS} films at most`)
    const port = former?.offer.port ?? this.#nextPort++
    const offer = offerOf(film, port)
    const server = this.#endpoint.createServer(
      {
        tariff: { packet: 0, kilobyte: film.kilobyteMsat },
        // Its packets are paid out of what the viewer paid: a sale costs no more than it brings.
        answers: 'caller',
        idleTimeout: PAID_IDLE_MS,
        allowHalfOpen: true,
      },
      (socket) => this.#welcome(socket, shelf),
    )
    server.maxConnections = MAX_VIEWERS
    const file = openSync(film.path, 'r')
    const past = former?.past ?? { soldBytes: 0, earnedMsat: 0n, spentMsat: 0n }
    const shelf: Shelf = { film, offer, file, server, sockets: new Set(), past }
    await server.listen(port)
    this.#shelves.set(id, shelf)
    return offer
  }

  sales(): Sale[] {
    return [...this.#shelves.values()].map(({ offer, sockets, past }) => {
      let { soldBytes, earnedMsat, spentMsat } = past
      for (const { stats } of sockets) {
        soldBytes += stats.bytesAcknowledged
        earnedMsat += stats.receivedMsat
        spentMsat += stats.paidMsat
      }
      const { id, title, port, kilobyteMsat } = offer
      return { id, title, port, kilobyteMsat, viewers: sockets.size, soldBytes, earnedMsat, spentMsat }
    })
  }

  /** Resets all connections, as a crash or a cable does. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Lets go of everything at once; what viewers still hear of it is the endpoint's to wait for. */
  close(): void {
    this.#catalogue.close()
    for (const shelf of this.#shelves.values()) this.#shut(shelf)
    for (const socket of this.#sockets) socket.destroy()
  }

  async #remove(shelf: Shelf): Promise<void> {
    const closed = once(shelf.server, 'close')
    this.#shut(shelf)
    await closed
  }

  #shut({ film, server, sockets, file }: Shelf): void {
    this.#shelves.delete(film.index.id)
    server.close()
    for (const socket of sockets) socket.destroy()
    closeSync(file)
  }

  /** Answers one viewer, request after request. */
  #welcome(socket: Socket, shelf: Shelf | undefined): void {
    this.#sockets.add(socket)
    shelf?.sockets.add(socket)
    // Who watches leaves when it wants.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (shelf === undefined) this.#pastGivenMsat += givenBy(socket)
      else this.#leave(socket, shelf)
    })
    this.#answerAll(socket, shelf).catch(() => socket.resetAndDestroy())
  }

  #leave(socket: Socket, shelf: Shelf): void {
    const { stats } = socket
    shelf.sockets.delete(socket)
    shelf.past.soldBytes += stats.bytesAcknowledged
    shelf.past.earnedMsat += stats.receivedMsat
    shelf.past.spentMsat += stats.paidMsat
    const sat = (Number(stats.receivedMsat) / 1_000).toLocaleString('en', { maximumFractionDigits: 3 })
    this.#log(
      `${shelf.offer.title}: a viewer took ${stats.bytesAcknowledged.toLocaleString('en')} bytes for ${sat} sat`,
    )
  }

  async #answerAll(socket: Socket, shelf: Shelf | undefined): Promise<void> {
    const requests = new RequestReader()
    for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
      requests.add(bytes as Buffer)
      for (let request = requests.next(); request !== undefined; request = requests.next()) {
        // Its end has to be read, or the connection never closes.
        if (!(await this.#answer(socket, shelf, request))) return void socket.resume()
      }
    }
    socket.end()
  }

  /** Whether more may be asked. */
  async #answer(socket: Socket, shelf: Shelf | undefined, request: Request): Promise<boolean> {
    if ('from' in request) {
      const asked = shelf ?? this.#shelves.get(request.film)
      const most = shelf === undefined ? asked?.offer.freeBytes : asked?.offer.bytes
      if (asked?.offer.id !== request.film || !isWithin(request, most ?? 0))
        throw new TypeError('this is not on sale here')
      await send(socket, asked.file, request)
      return true
    }
    if (shelf !== undefined) throw new TypeError('this is asked on the port of the catalogue')
    socket.end(JSON.stringify(this.#page(request)))
    return false
  }

  #page(request: Exclude<Request, Span>): object {
    if (request.get === 'catalogue')
      return { publisher: this.#name, films: [...this.#shelves.values()].map(({ offer }) => offer) }
    const shelf = this.#shelves.get(request.film)
    if (shelf === undefined) throw new TypeError('this is not on sale here')
    return shelf.film.index
  }
}

function givenBy({ stats }: Socket): bigint {
  return stats.paidMsat - stats.receivedMsat
}

function isWithin({ from, to }: Span, most: number): boolean {
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to && to <= most
}

/** Writes a stretch of a file, not faster than it is taken. */
async function send(socket: Socket, file: number, { from, to }: Span): Promise<void> {
  for (let at = from; at < to;) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, to - at))
    const bytes = readSync(file, piece, 0, piece.length, at)
    if (bytes === 0) throw new RangeError('the file has become shorter')
    at += bytes
    const hasRoom = socket.write(piece.subarray(0, bytes))
    if (!hasRoom) await drained(socket)
  }
}

async function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) throw new Error('the viewer is gone')
  await new Promise<void>((resolve, reject) => {
    const onDrain = (): void => {
      socket.off('close', onClose)
      resolve()
    }
    const onClose = (): void => {
      socket.off('drain', onDrain)
      reject(new Error('the viewer is gone'))
    }
    socket.once('drain', onDrain)
    socket.once('close', onClose)
  })
}

function offerOf(film: Film, port: number): FilmOffer {
  const { index, title, about, bytes, durationMs, width, height, kilobyteMsat, poster } = film
  if (poster.length > MAX_POSTER_BYTES) throw new RangeError(`a poster has ${MAX_POSTER_BYTES} bytes at most`)
  let freeBytes = 0
  let freeMs = 0
  for (const [i, segment] of index.segments.entries()) {
    const endMs = index.segments[i + 1]?.startMs ?? durationMs
    if (endMs > film.freeMs) break
    freeBytes = (freeBytes === 0 ? index.header.bytes : freeBytes) + segment.bytes
    freeMs = endMs
  }
  // The header alone plays nothing, and is needed for all.
  if (freeBytes === 0) freeBytes = index.header.bytes
  return {
    id: index.id,
    title,
    about,
    bytes,
    durationMs,
    width,
    height,
    kilobyteMsat,
    port,
    freeBytes,
    freeMs,
    poster: poster.toString('base64'),
  }
}
