import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { IDLE_UPSTREAM_MS } from '../../../src/cli/proxy/limits.ts'
import { KeysockError } from '../../../src/index.ts'
import { ProxyBench, Reader } from './proxy-bench.ts'

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** Asks the proxy, as curl does. */
async function ask(port: number, path: string, options: object = {}, body?: string): Promise<Answer> {
  const request = httpRequest({ port, host: '127.0.0.1', path, agent: false, ...options })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }
}

function basic(user: string): string {
  return `Basic ${Buffer.from(`${user}:x`).toString('base64')}`
}

/** A web server that says what it was asked. */
async function shop(bench: ProxyBench): Promise<void> {
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const { method, url, rawHeaders } = request
      response.setHeader('Keep-Alive', 'timeout=5')
      response.setHeader('X-Own', 'yes')
      response.end(JSON.stringify({ method, url, rawHeaders, body: Buffer.concat(parts).toString() }))
    })()
  })
  await bench.serve(80, server)
}

describe('a request with a whole URL', () => {
  it('goes to the web server of the name, with its own path, Host and body', async () => {
    const bench = new ProxyBench()
    await shop(bench)
    const port = await bench.http()
    const headers = { 'X-Mine': 'kept', 'Proxy-Connection': 'keep-alive', 'Proxy-Authorization': basic('me') }
    const answer = await ask(
      port,
      'http://www.SHOP.keysock/buy?n=2',
      { method: 'POST', headers: { ...headers, Connection: 'close, X-Hop', 'X-Hop': 'gone', Host: 'other' } },
      'two coffees',
    )
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({ 'x-own': 'yes' })
    expect(JSON.parse(answer.text)).toMatchObject({ method: 'POST', url: '/buy?n=2', body: 'two coffees' })
    expect(answer.text).toContain('"Host","www.SHOP.keysock"')
    expect(answer.text).toContain('"X-Mine","kept"')
    expect(answer.text.toLowerCase()).not.toMatch(/x-hop|proxy-|other/)
    expect(bench.dialled[0]).toMatchObject({ isolation: 'me', destination: { port: 80 } })
  })

  it('takes the connection of the one before, of the same user name alone', async () => {
    const bench = new ProxyBench()
    await shop(bench)
    const port = await bench.http()
    for (const user of ['a', 'a', 'b', 'a'])
      expect(
        (await ask(port, 'http://shop.keysock/', { headers: { 'Proxy-Authorization': basic(user) } })).status,
      ).toBe(200)
    expect(bench.dialled.map(({ isolation }) => isolation)).toEqual(['a', 'b'])
  })

  it('has a connection that waits for another one let go after a while', async () => {
    const bench = new ProxyBench()
    await shop(bench)
    const port = await bench.http()
    await ask(port, 'http://shop.keysock/')
    const [joined] = bench.joined
    const gone = joined?.closed === false ? once(joined, 'close') : undefined
    while (bench.time.timers === 0) await setImmediate()
    bench.time.pass(IDLE_UPSTREAM_MS)
    await gone
    await ask(port, 'http://shop.keysock/')
    expect(bench.dialled).toHaveLength(2)
  })

  it('is repeated where the connection that was kept had ended meanwhile', async () => {
    const bench = new ProxyBench()
    let requests = 0
    const server = createServer((request, response) => {
      // The second one meets a server that is just closing its connection.
      if (++requests === 2) request.socket.destroy()
      else response.end(`answer ${requests}`)
    })
    await bench.serve(80, server)
    const port = await bench.http()
    expect((await ask(port, 'http://shop.keysock/')).text).toBe('answer 1')
    expect((await ask(port, 'http://shop.keysock/')).text).toBe('answer 3')
  })

  it.each([
    ['a host of the internet', 'http://example.org/', 403],
    ['an IP address', 'http://10.0.0.1/', 403],
    ['an IPv6 address', 'http://[::1]/', 403],
    ['this machine', 'http://localhost:22/', 403],
    ['a name that nobody has', 'http://nobody.keysock/', 502],
    ['a port where nobody listens', 'http://shop.keysock:81/', 502],
    ['https, which is for CONNECT', 'https://shop.keysock/', 400],
    ['a port that is none', 'http://shop.keysock:0/', 400],
    ['no host', 'http:///', 400],
    ['no URL', '*', 400],
  ])('is refused for %s', async (_name, url, status) => {
    const bench = new ProxyBench()
    const answer = await ask(await bench.http(), url)
    expect(answer.status).toBe(status)
    expect(answer.text).toMatch(/\w+/)
    expect(bench.dialled.filter(({ destination }) => destination.port !== 81)).toEqual([])
  })

  it.each([
    ['ETIMEDOUT', 504],
    ['EHOSTUNREACH', 502],
    ['ERR_KEYSOCK_PRICE', 403],
    ['ERR_KEYSOCK_TOO_MANY_CONNECTIONS', 503],
  ])('says %s by the status %i, and in words', async (code, status) => {
    const bench = new ProxyBench()
    bench.failure = new KeysockError(code, 'it did not go')
    const answer = await ask(await bench.http(), 'http://shop.keysock/')
    expect([answer.status, answer.text]).toEqual([status, `keysock: it did not go (${code})\n`])
    expect(bench.refusals).toEqual([code])
  })
})

it('is no web server for a page that found its port', async () => {
  const bench = new ProxyBench()
  const port = await bench.http()
  for (const path of ['/', '/shop.keysock', '//shop.keysock/'])
    expect((await ask(port, path, { headers: { Host: 'evil.example' } })).status).toBe(400)
  // The name of a page whose owner points it here (DNS rebinding).
  expect((await ask(port, '/proxy.pac', { headers: { Host: `evil.example:${port}` } })).status).toBe(400)
  const pac = await ask(port, '/proxy.pac')
  expect(pac.headers['content-type']).toBe('application/x-ns-proxy-autoconfig')
  expect(pac.headers['access-control-allow-origin']).toBeUndefined()
  const find = `${pac.text}; (host) => FindProxyForURL('http://' + host + '/', host)`
  const context = { dnsDomainIs: (host: string, domain: string) => host.endsWith(domain) }
  const chosen = (host: string): unknown => (runInNewContext(find, context) as (host: string) => unknown)(host)
  expect(chosen('shop.keysock')).toBe(`PROXY 127.0.0.1:${port}`)
  expect(chosen('example.org')).toBe('DIRECT')
  expect(bench.dialled).toEqual([])
})

describe('CONNECT', () => {
  it('joins the client to the name, with what it has sent already', async () => {
    const bench = new ProxyBench()
    await bench.serveEcho(443)
    const client = new Reader(await bench.http())
    const authorization = `Proxy-Authorization: ${basic('me')}`
    client.socket.write(`CONNECT shop.keysock:443 HTTP/1.1\r\nHost: shop.keysock:443\r\n${authorization}\r\n\r\nearly`)
    client.socket.end(' late')
    expect(await client.rest()).toBe('HTTP/1.1 200 Connection established\r\n\r\nearly late')
    expect(bench.dialled[0]).toMatchObject({ isolation: 'me', destination: { port: 443 } })
  })

  it.each([
    ['example.org:443', 403],
    ['127.0.0.1:22', 403],
    ['nobody.keysock:443', 502],
    ['shop.keysock:99999', 400],
  ])('to %s is refused with %i', async (authority, status) => {
    const bench = new ProxyBench()
    const client = new Reader(await bench.http())
    client.socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
    expect(await client.rest()).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\w ]+\r\n(.+\r\n)+\r\n.+\n$`))
    expect(bench.dialled).toEqual([])
  })
})

it('carries a WebSocket that is asked for with a whole URL', async () => {
  const bench = new ProxyBench()
  const server = createServer()
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data: Buffer) => socket.send(`echo of ${data.toString()}`))
  })
  await bench.serve(80, server)
  const port = await bench.http()
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, {
    finishRequest: (request) => {
      request.path = 'http://shop.keysock/chat'
      request.end()
    },
  })
  await once(socket, 'open')
  socket.send('hello')
  const [data] = (await once(socket, 'message')) as [Buffer]
  expect(String(data)).toBe('echo of hello')
  socket.terminate()
})

it('refuses an upgrade of its own port', async () => {
  const client = new Reader(await new ProxyBench().http())
  client.socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  expect(await client.rest()).toMatch(/^HTTP\/1\.1 400 /)
})
