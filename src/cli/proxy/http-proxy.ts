import { createServer, type IncomingMessage, request as httpRequest, type Server, ServerResponse } from 'node:http'
import { isIP, type Socket as TcpSocket } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import { closed, type Time } from '../transfer/waiting.ts'
import { type Destination, destinationOf } from './destination.ts'
import { CLIENT_ENDING_MS, CLIENT_GREETING_MS, IDLE_CLIENT_MS, MAX_CLIENTS, MAX_FIELD_BYTES } from './limits.ts'
import type { Outgoing } from './outgoing.ts'
import { Refusal } from './refusal.ts'
import { WebConnections } from './web-connections.ts'

const HTTP_PORT = 80
const HTTPS_PORT = 443
/** Where a browser finds what it sends here. */
const PAC_PATH = '/proxy.pac'

/** RFC 9110 §7.6.1 and what proxies have by custom: of one connection, never handed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const NOT_A_SERVER =
  'This is the HTTP proxy of keysock, not a web server: set it as the proxy of a program, and open http://NAME.keysock/ there.\n' +
  `A browser that takes a configuration by address finds one at ${PAC_PATH}.\n`

/** What a browser asks for that is no proxy request, or is wrong. */
class BadRequest extends Error {}

/** An HTTP proxy (CONNECT, and requests with a whole URL) whose every connection goes over keysock. */
export class HttpProxy {
  readonly server: Server
  readonly #outgoing: Outgoing
  readonly #time: Time
  readonly #web: WebConnections

  constructor(outgoing: Outgoing, time: Time) {
    this.#outgoing = outgoing
    this.#time = time
    this.#web = new WebConnections(outgoing, time)
    // A request takes as long as its payments do; only its head has to come soon.
    this.server = createServer(
      { headersTimeout: CLIENT_GREETING_MS, requestTimeout: 0, keepAliveTimeout: IDLE_CLIENT_MS, noDelay: true },
      (request, response) => this.#request(request, response),
    )
    this.server.maxConnections = MAX_CLIENTS
    this.server.on('connect', (request, socket, head) => void this.#connect(request, socket, head))
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as TcpSocket, head))
  }

  /** Takes nobody any more; what is joined goes on, and connections that wait for another request are let go. */
  close(): void {
    this.server.close()
    this.#web.close()
  }

  // ---- CONNECT -----------------------------------------------------------------------------------------

  async #connect(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    await this.#tunnel(request, client, {
      head,
      destination: () => ofAuthority(request.url ?? '', HTTPS_PORT, this.#resolve),
      begin: () => void client.write('HTTP/1.1 200 Connection established\r\n\r\n'),
    })
  }

  async #tunnel(request: IncomingMessage, client: Duplex, how: TunnelPlan): Promise<void> {
    const gone = new AbortController()
    client.on('error', () => client.destroy())
    client.once('close', () => gone.abort())
    // What it sends meanwhile waits for the connection.
    client.pause()
    if (how.head.length > 0) client.unshift(how.head)
    try {
      const isolation = isolationOf(request)
      const destination = how.destination()
      const remote = await this.#outgoing.dial({ destination, isolation, signal: gone.signal })
      how.begin()
      this.#outgoing.join(client, remote, destination)
    } catch (error) {
      if (!gone.signal.aborted) this.#failRaw(request, client, error)
    }
  }

  /** The client gets this, and nothing else. */
  #failRaw(request: IncomingMessage, client: Duplex, error: unknown): void {
    const { status, text } = this.#failure(request, error)
    const body = Buffer.from(text)
    const headers = ['Content-Type', TEXT, 'Content-Length', String(body.length), 'Connection', 'close']
    client.write(`HTTP/1.1 ${status} ${REASONS[status] ?? 'Failed'}\r\n${headerText(headers)}\r\n`)
    client.end(body)
    client.resume()
    void closed(client, this.#time, CLIENT_ENDING_MS)
  }

  // ---- Upgrade -----------------------------------------------------------------------------------------

  /**
   * A request that may become something else than HTTP, as a WebSocket does: it has its connection to itself. The
   * client is joined to the server when that has agreed, and never else: its next request may be for somebody else.
   */
  #upgrade(request: IncomingMessage, client: TcpSocket, head: Buffer): void {
    client.on('error', () => client.destroy())
    client.pause()
    if (head.length > 0) client.unshift(head)
    try {
      if (hasBody(request)) throw new BadRequest('a request with a body cannot ask for another protocol here.\n')
      const { destination, path, authority } = this.#ofUrl(request)
      const headers = endToEnd(request, authority)
      headers.push('Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? '')
      const upstream = httpRequest({
        agent: this.#web.fresh,
        ...this.#web.options(destination, isolationOf(request)),
        method: request.method,
        path,
        headers,
        setHost: false,
      })
      const leave = (): void => void upstream.destroy()
      client.once('close', leave)
      upstream.on('upgrade', (answer, remote, rest) => {
        client.off('close', leave)
        const changed = ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? '']
        client.write(`HTTP/1.1 101 Switching Protocols\r\n${headerText([...changed, ...endToEnd(answer)])}\r\n`)
        if (rest.length > 0) remote.unshift(rest)
        client.on('close', () => remote.destroy()).pipe(remote)
        remote.on('error', () => remote.destroy())
        remote.on('close', () => client.destroySoon()).pipe(client)
      })
      upstream.on('response', (answer) => {
        const response = new ServerResponse(request)
        response.shouldKeepAlive = false
        response.assignSocket(client)
        response.once('finish', () => client.end().resume())
        this.#answer(request, response, answer)
      })
      upstream.on('error', (error) => {
        if (client.closed || client.writableEnded) return
        this.#failRaw(request, client, error)
      })
      upstream.end()
    } catch (error) {
      this.#failRaw(request, client, error)
    }
  }

  // ---- Requests ----------------------------------------------------------------------------------------

  #request(request: IncomingMessage, response: ServerResponse): void {
    try {
      if (isPac(request)) return this.#pac(request, response)
      const target = this.#ofUrl(request)
      this.#forward(request, response, { ...target, isolation: isolationOf(request), isRetry: false })
    } catch (error) {
      this.#fail(request, response, error)
    }
  }

  #forward(request: IncomingMessage, response: ServerResponse, target: Target): void {
    const { destination, path, authority, isolation, isRetry } = target
    const upstream = httpRequest({
      agent: isRetry ? this.#web.fresh : this.#web.kept,
      ...this.#web.options(destination, isolation),
      method: request.method,
      path,
      headers: endToEnd(request, authority),
      setHost: false,
    })
    const leave = (): void => void upstream.destroy()
    response.once('close', leave)
    upstream.on('response', (answer) => {
      this.#answer(request, response, answer)
    })
    // Nobody asked for another protocol.
    upstream.on('upgrade', (_answer, remote) => {
      remote.destroy()
      this.#fail(request, response, notHttp())
    })
    upstream.on('error', (error) => {
      response.off('close', leave)
      if (response.closed || response.headersSent) return void response.destroy()
      // The web server had ended the connection, and the word of it was still on its way.
      const mayRepeat = upstream.reusedSocket && !isRetry && isSafe(request)
      if (mayRepeat) this.#forward(request, response, { ...target, isRetry: true })
      else this.#fail(request, response, error)
    })
    if (isRetry) upstream.end()
    else request.pipe(upstream)
  }

  #answer(request: IncomingMessage, response: ServerResponse, answer: IncomingMessage): void {
    const { statusCode = 0, statusMessage = '' } = answer
    // Node reads more than it writes.
    if (statusCode < 200) {
      answer.destroy()
      return this.#fail(request, response, notHttp())
    }
    response.writeHead(statusCode, REASON.test(statusMessage) ? statusMessage : '', endToEnd(answer))
    pipeline(answer, response, () => undefined)
  }

  /** @throws BadRequest, Refusal */
  #ofUrl(request: IncomingMessage): Omit<Target, 'isolation' | 'isRetry'> {
    const url = request.url ?? ''
    const match = /^(http|ws|https|wss):\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url)
    if (match === null) throw new BadRequest(NOT_A_SERVER)
    const [, scheme = '', authority = '', rest = '/'] = match
    if (/s$/i.test(scheme)) throw new BadRequest(`${scheme} goes through this proxy by CONNECT alone.\n`)
    const destination = ofAuthority(authority, HTTP_PORT, this.#resolve)
    return { destination, authority, path: rest.startsWith('/') ? rest : `/${rest}` }
  }

  readonly #resolve = (name: string): string => this.#outgoing.resolve(name)

  #pac({ socket }: IncomingMessage, response: ServerResponse): void {
    const address = socket.localAddress ?? '127.0.0.1'
    const host = address.includes(':') ? `[${address}]` : address
    const script = `function FindProxyForURL(url, host) {
  return dnsDomainIs(host, '.keysock') ? 'PROXY ${host}:${socket.localPort}' : 'DIRECT'
}
`
    response.writeHead(200, {
      'Content-Type': 'application/x-ns-proxy-autoconfig',
      'Cache-Control': 'no-cache',
      // A web page that runs it as a script of its own would know who uses this.
      'Cross-Origin-Resource-Policy': 'same-origin',
    })
    response.end(script)
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { status, text } = this.#failure(request, error)
    response.writeHead(status, { 'Content-Type': TEXT, 'Cache-Control': 'no-store', Connection: 'close' })
    response.end(text)
    request.resume()
  }

  #failure({ url = '' }: IncomingMessage, error: unknown): { readonly status: number; readonly text: string } {
    if (error instanceof BadRequest) return { status: 400, text: error.message }
    const refusal = Refusal.of(error)
    const host = /^(?:\w+:\/\/)?([^/?#]*)/.exec(url)?.[1] ?? ''
    this.#outgoing.refused(host, refusal)
    return { status: refusal.httpStatus, text: `keysock: ${refusal.message} (${refusal.code})\n` }
  }
}

interface TunnelPlan {
  /** @throws BadRequest, Refusal */
  readonly destination: () => Destination
  /** What the client has sent behind its request. */
  readonly head: Buffer
  /** What the client hears first. */
  readonly begin: () => void
}

interface Target {
  readonly destination: Destination
  readonly path: string
  /** As the web server is to hear it. */
  readonly authority: string
  readonly isolation: string | undefined
  /** Over a connection of its own. */
  readonly isRetry: boolean
}

/** RFC 9112 §4: what a reason may consist of. */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/
const TEXT = 'text/plain; charset=utf-8'
const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** `host:port`. @throws BadRequest, Refusal */
function ofAuthority(authority: string, defaultPort: number, resolve: (name: string) => string): Destination {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority)
  const port = Number(match?.[2] ?? defaultPort)
  if (match?.[1] === undefined || match[1] === '' || port < 1 || port > 65_535)
    throw new BadRequest(`there is no host and port in this request.\n`)
  return destinationOf(match[1], port, resolve)
}

/** The user of Proxy-Authorization (RFC 7617). @throws BadRequest */
function isolationOf({ headers }: IncomingMessage): string | undefined {
  const match = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(headers['proxy-authorization'] ?? '')
  if (match?.[1] === undefined) return undefined
  const [user = ''] = Buffer.from(match[1], 'base64').toString('latin1').split(':')
  if (user.length > MAX_FIELD_BYTES) throw new BadRequest(`a user name has ${MAX_FIELD_BYTES} characters at most.\n`)
  return user === '' ? undefined : user
}

/**
 * A page that got at this port by a name of its own (DNS rebinding) has that name in Host: it reads nothing here. That
 * of a proxy that a person types is an IP address or localhost.
 */
function isPac({ method, url, headers }: IncomingMessage): boolean {
  if (method !== 'GET' || url !== PAC_PATH) return false
  const host = (headers.host ?? '').replace(/:\d+$/, '')
  return host === 'localhost' || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** RFC 9110 §9.2.1, and nothing to be sent again. */
function isSafe(request: IncomingMessage): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && !hasBody(request)
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

function notHttp(): Refusal {
  return new Refusal('failed', 'what the web server says is not HTTP')
}

/**
 * The headers that go on, as name, value, name, value ...; `host`: of a request, in place of the one that came. Where a
 * body ends is always said: what the server took for the next request would be answered to somebody else.
 */
function endToEnd({ rawHeaders, headers }: IncomingMessage, host?: string): string[] {
  const named = (headers.connection ?? '').toLowerCase().split(',')
  const left = new Set([...HOP_BY_HOP, ...named.map((name) => name.trim())])
  left.delete('content-length')
  const kept: string[] = host === undefined ? [] : ['Host', host]
  if (host !== undefined && headers['transfer-encoding'] !== undefined) kept.push('Transfer-Encoding', 'chunked')
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const lower = name.toLowerCase()
    if (!left.has(lower) && !(host !== undefined && lower === 'host')) kept.push(name, rawHeaders[i + 1] as string)
  }
  return kept
}

function headerText(headers: readonly string[]): string {
  let text = ''
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return text
}
