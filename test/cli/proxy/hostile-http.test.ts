/** What servers and clients of the HTTP proxy do who mean harm, or who are old, or odd. */
import { once } from 'node:events'
import { createServer as createWebServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ProxyBench, Reader } from './proxy-bench.ts'

const HEAD = 'GET http://shop.keysock/ HTTP/1.1\r\nHost: shop.keysock\r\n'

/** A server that says this to everybody, whatever is asked. */
function saying(text: string): Server {
  return createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(text, 'latin1'))
  })
}

/** What a client hears that says this. */
async function heard(port: number, text: string): Promise<string> {
  const client = new Reader(port)
  client.socket.write(text, 'latin1')
  return await client.rest()
}

describe('a server', () => {
  it.each([
    ['a status that is none', 'HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['a status of another kind', 'HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['a reason with a control character', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nhi'],
    ['a header with a control character', 'HTTP/1.1 200 OK\r\nX-Odd: \x01\r\nContent-Length: 2\r\n\r\nhi'],
    ['another protocol that nobody asked for', 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['nothing of HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ])('that answers with %s does not end the proxy', async (_name, answer) => {
    const bench = new ProxyBench()
    await bench.serve(80, saying(answer))
    const port = await bench.http()
    expect(await heard(port, `${HEAD}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 (?:200|502) /)
    expect(await heard(port, `${HEAD}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 (?:200|502) /)
  })

  it('is not handed a request of the same client for somebody else, after it refused to change the protocol', async () => {
    const bench = new ProxyBench()
    const asked: string[] = []
    const server = createWebServer((request, response) => {
      asked.push(`${request.url} ${String(request.headers['proxy-authorization'])}`)
      response.end('no')
    })
    await bench.serve(80, server)
    const client = new Reader(await bench.http())
    client.socket.write(`${HEAD}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`)
    client.socket.write(
      'GET http://other.keysock/secret HTTP/1.1\r\nHost: o\r\nProxy-Authorization: Basic YTpi\r\n\r\n',
    )
    expect(await client.rest()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*no$/i)
    expect(asked).toEqual(['/ undefined'])
  })
})

describe('a client', () => {
  it.each([
    ['in chunks, with GET', 'Transfer-Encoding: chunked\r\n\r\n2e\r\n'],
    ['with a length that it calls one of the connection', 'Connection: content-length\r\nContent-Length: 46\r\n\r\n'],
  ])('smuggles no request in a body %s', async (_name, rest) => {
    const bench = new ProxyBench()
    const asked: string[] = []
    const server = createWebServer((request, response) => {
      void (async () => {
        let body = ''
        for await (const part of request) body += String(part)
        asked.push(`${request.url} ${body}`)
        response.end('yes')
      })()
    })
    await bench.serve(80, server)
    const inner = 'GET /smuggled HTTP/1.1\r\nHost: shop.keysock\r\n\r\n'
    const client = new Reader(await bench.http())
    client.socket.write(`${HEAD}${rest}${inner}${rest.includes('chunked') ? '\r\n0\r\n\r\n' : ''}`)
    client.socket.write(`${HEAD}Connection: close\r\n\r\n`)
    expect(await client.rest()).toMatch(/yes[^]*yes/)
    expect(asked).toEqual([`/ ${inner}`, '/ '])
  })
})

it('the configuration for browsers cannot be read by web pages, which would know who uses this', async () => {
  const port = await new ProxyBench().http()
  const client = new Reader(port)
  client.socket.write(`GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`)
  await once(client.socket, 'close')
  expect(await client.rest()).toMatch(/\r\nCross-Origin-Resource-Policy: same-origin\r\n/)
})
