/**
 * The page of a viewer: a web server on this machine alone. Who has its link, with the key in it, may spend the
 * viewer's money. The key is in the fragment of the link and in a header of each call, never in a cookie, which a
 * browser sends to every port of this machine: no other server and no other page learns it, or can have it sent.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { costMsat, FilmError } from './film.ts'
import { FREE_DAY_SAT } from './publisher.ts'
import { SourceError } from './source.ts'
import { endOf, type Offer, type Viewer, ViewerError } from './viewer.ts'

const HOST = '127.0.0.1'
const MAX_BODY_BYTES = 8_192
/** Pages that are open, at most. */
const MAX_LISTENERS = 16
/** How often sums of money are looked at, ms. */
const LOOK_MS = 250
const KEY_BYTES = 16
const KEY_HEADER = 'x-key'
/** What a browser says of a call that the page itself makes, or somebody who typed the address. */
const OWN_SITES = ['same-origin', 'none']

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/program.js': ['program.js', 'text/javascript; charset=utf-8'],
  '/player.js': ['player.js', 'text/javascript; charset=utf-8'],
  '/words.js': ['words.js', 'text/javascript; charset=utf-8'],
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; media-src blob:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

type Fields = Readonly<Record<string, unknown>>

export class PageServer {
  readonly #viewer: Viewer
  readonly #name: string
  readonly #key = randomBytes(KEY_BYTES).toString('hex')
  readonly #server: http.Server
  readonly #listeners: Set<http.ServerResponse> = new Set()
  #timer: NodeJS.Timeout | undefined
  #told = ''

  private constructor(viewer: Viewer, name: string) {
    this.#viewer = viewer
    this.#name = name
    this.#server = http.createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => fail(response, error))
    })
  }

  /** @param port 0 for any free one. @throws where it is taken: EADDRINUSE */
  static async open(viewer: Viewer, name: string, port: number): Promise<PageServer> {
    const page = new PageServer(viewer, name)
    page.#server.listen(port, HOST)
    await once(page.#server, 'listening')
    viewer.onChange(() => page.#tell())
    page.#timer = setInterval(() => page.#tell(), LOOK_MS)
    return page
  }

  /** What to open in a browser. */
  get url(): string {
    return `http://${HOST}:${this.#port}/#key=${this.#key}`
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#viewer.onChange(() => undefined)
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const hosts = [`${HOST}:${this.#port}`, `localhost:${this.#port}`]
    // A name of somebody else's that leads here: DNS rebinding.
    if (!hosts.includes(request.headers.host ?? '')) return refuse(response)
    const url = new URL(request.url ?? '/', `http://${HOST}`)
    const method = request.method ?? ''
    const file = FILES[url.pathname]
    if (method === 'GET' && file !== undefined) return sendFile(response, file)
    const { origin, [KEY_HEADER]: key, 'sec-fetch-site': site } = request.headers
    if (!this.#isKey(key) || !OWN_SITES.includes(site ?? 'none')) return refuse(response)
    if (method === 'GET') return await this.#get(url, response)
    if (method !== 'POST' || !hosts.some((host) => origin === `http://${host}`)) return refuse(response)
    answer(response, await this.#post(url.pathname, await readBody(request)))
  }

  #isKey(given: string | readonly string[] | undefined): boolean {
    const [one, two] = [Buffer.from(String(given)), Buffer.from(this.#key)]
    return one.length === two.length && timingSafeEqual(one, two)
  }

  async #get({ pathname, searchParams }: URL, response: http.ServerResponse): Promise<void> {
    if (pathname === '/api/events') return this.#listen(response)
    const [, kind, name = ''] = /^\/api\/(posters|segments)\/(-?\w+)$/.exec(pathname) ?? []
    if (kind === 'posters') {
      const poster = Buffer.from(this.#viewer.offer(name).film.poster, 'base64')
      response.writeHead(200, { ...HEADERS, 'content-type': 'image/jpeg' }).end(poster)
      return
    }
    if (kind === 'segments') {
      if (this.#viewer.watching?.offer.key !== searchParams.get('offer'))
        throw new ViewerError('unknown', 'another film is open')
      const gone = new AbortController()
      response.once('close', () => gone.abort())
      const bytes = await this.#viewer.segment(Number(name), gone.signal)
      response.writeHead(200, { ...HEADERS, 'content-type': 'video/mp4' }).end(bytes)
      return
    }
    throw new ViewerError('unknown', 'there is no such page')
  }

  async #post(pathname: string, fields: Fields): Promise<object> {
    const viewer = this.#viewer
    switch (pathname) {
      case '/api/open':
        return await this.#open(textOf(fields, 'offer'))
      case '/api/warm':
        viewer.warm()
        break
      case '/api/leave':
        await viewer.leave()
        break
      case '/api/publishers':
        await viewer.addPublisher(textOf(fields, 'address'))
        break
      case '/api/forget':
        await viewer.removePublisher(textOf(fields, 'address'))
        break
      case '/api/cap':
        viewer.setCap(msatOf(fields, 'msat'))
        break
      case '/api/answer':
        viewer.answer(msatOf(fields, 'msat'))
        break
      case '/api/ask':
        viewer.askAgain()
        break
      case '/api/sell':
        await viewer.sellOn(textOf(fields, 'offer'), Number(msatOf(fields, 'kilobyteMsat')))
        break
      default:
        throw new ViewerError('unknown', 'there is no such call')
    }
    return {}
  }

  async #open(key: string): Promise<object> {
    const { offer, index } = await this.#viewer.open(key)
    return {
      mimeType: index.mimeType,
      durationMs: offer.film.durationMs,
      segments: index.segments.map(({ startMs }, i) => ({
        startMs,
        endMs: endOf(offer.film, index.segments, i),
        isFree: this.#viewer.isFree(offer, index, i),
      })),
    }
  }

  // ---- What the page shows -----------------------------------------------------------------------------

  #listen(response: http.ServerResponse): void {
    if (this.#listeners.size >= MAX_LISTENERS) return void response.writeHead(503, HEADERS).end()
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/x-ndjson' })
    this.#listeners.add(response)
    response.on('close', () => this.#listeners.delete(response))
    response.write(`${this.#view()}\n`)
  }

  #tell(): void {
    if (this.#listeners.size === 0) return
    const view = this.#view()
    if (view === this.#told) return
    this.#told = view
    for (const listener of this.#listeners) listener.write(`${view}\n`)
  }

  #view(): string {
    const viewer = this.#viewer
    const { watching, question } = viewer
    return JSON.stringify(
      {
        name: this.#name,
        purse: viewer.purse.view(),
        publishers: viewer.shops.map(({ address, name, state, message }) => ({ address, name, state, message })),
        offers: viewer.shops.flatMap(({ offers }) => offers).map((offer) => this.#card(offer)),
        watching: watching && {
          offer: watching.offer.key,
          state: watching.state,
          message: watching.message,
          bytes: watching.file.bytes,
          has: watching.index.segments.map((_segment, i) => watching.file.has(i)),
        },
        question: question ?? null,
        selling: { leastMsat: viewer.leastKilobyteMsat, freeDaySat: FREE_DAY_SAT },
        shop:
          viewer.address === ''
            ? null
            : { address: viewer.address, sales: viewer.sales(), givenMsat: viewer.givenMsat },
      },
      (_name, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
    )
  }

  #card({ key, seller, address, film }: Offer): object {
    const { poster, ...facts } = film
    return {
      ...facts,
      key,
      seller,
      address,
      hasPoster: poster !== '',
      costMsat: costMsat(film),
      haveBytes: this.#viewer.bytesOf(film.id),
      isOwned: this.#viewer.owns(film.id),
      isSold: this.#viewer.sales().some(({ id }) => id === film.id),
    }
  }
}

/** The page itself is no secret; it can do nothing without the key. */
function sendFile(response: http.ServerResponse, [name, type]: readonly [file: string, type: string]): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type })
  response.end(readFileSync(`${import.meta.dirname}/page/${name}`))
}

function refuse(response: http.ServerResponse): void {
  const words = 'This page needs the link that the program printed.'
  response.writeHead(403, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(words)
}

function answer(response: http.ServerResponse, value: object): void {
  response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const STATUS: Readonly<Record<ViewerError['code'], number>> = {
  capped: 402,
  unknown: 404,
  'not-whole': 409,
  'bad-value': 400,
  full: 409,
}

function fail(response: http.ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const isOurs = error instanceof ViewerError
  const code = isOurs || error instanceof SourceError || error instanceof FilmError ? error.code : 'failed'
  const message = error instanceof Error ? error.message : String(error)
  const isBadPrice = error instanceof FilmError && error.code === 'bad-price'
  response.writeHead(isOurs ? STATUS[error.code] : isBadPrice ? 400 : 502, {
    ...HEADERS,
    'content-type': 'application/json',
  })
  response.end(JSON.stringify({ code, message }))
}

async function readBody(request: http.IncomingMessage): Promise<Fields> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > MAX_BODY_BYTES) throw new ViewerError('bad-value', 'this is too long')
    pieces.push(piece)
  }
  if (bytes === 0) return {}
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString())
    if (typeof value === 'object' && value !== null) return value as Fields
  } catch {
    // Told below.
  }
  throw new ViewerError('bad-value', 'this is no JSON object')
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw new ViewerError('bad-value', `"${name}" is missing`)
  return value
}

function msatOf(fields: Fields, name: string): bigint {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new ViewerError('bad-value', `"${name}" is no amount`)
  return BigInt(value)
}
