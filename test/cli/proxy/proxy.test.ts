import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { demoNetwork } from '../../../src/sim.ts'
import { CommandLine, pattern, sha256Hex } from '../command-line.ts'
import { all, closeLocal, echoService, end, isEvent, localService } from '../tunnel-stage.ts'
import { Reader } from './proxy-bench.ts'
import { curl, exposed, proxy, warnings, webServer } from './proxy-stage.ts'

const hasCurl = existsSync('/usr/bin/curl')
if (!hasCurl) console.warn('no curl here: the tests of the proxy with it are skipped')

let line: CommandLine

beforeEach(() => {
  line = new CommandLine()
})

afterEach(() => {
  closeLocal()
  line.close()
})

describe.skipIf(!hasCurl)('curl', () => {
  it('reads a page over SOCKS and over HTTP, by key and by name, and hears in words what failed', async () => {
    const web = await webServer()
    const seller = await exposed(line, web.port)
    const { running, socks, http } = await proxy(line)
    const page = await curl('--socks5-hostname', socks, `http://${seller.host}/`)
    expect(page).toContain('A shop without an address')
    expect(await curl('-x', http, `http://${seller.host}/`)).toBe(page)
    expect(await curl('--proxytunnel', '-x', http, `http://${seller.host}/`)).toBe(page)
    expect(await curl('--socks4a', socks, `http://${seller.host}/`)).toBe(page)
    expect(await curl('--proxy-user', 'alice:x', '--socks5-hostname', socks, `http://${seller.host}/`)).toBe(page)

    expect(await curl('-x', http, 'http://example.org/')).toContain('not to the internet')
    expect(await curl('-x', http, 'http://nobody.keysock/')).toContain('the address book has no name nobody')
    expect(await curl('-x', http, `http://${seller.host}:81/`)).toContain('ECONNREFUSED')
    expect(await curl('--socks5-hostname', socks, 'http://example.org/')).toBe('exit code 97')
    expect(warnings(running)).toEqual(expect.arrayContaining(['ERR_CLI_PROXY', 'ERR_CLI_NAMES', 'ECONNREFUSED']))
    const [bought, sold] = await end(running, seller.running)
    expect(bought?.connections).toBeGreaterThanOrEqual(5)
    expect(sold?.broken).toBe(0)
    web.close()
  })

  it('is not let in where a price is asked that nobody agreed to, and is where somebody did', async () => {
    const web = await webServer()
    const seller = await exposed(line, web.port, ['--price', '2/kB'])
    const refusing = await proxy(line)
    expect(await curl('-x', refusing.http, `http://${seller.host}/`)).toContain('ERR_KEYSOCK_PRICE')
    expect(await curl('--socks5-hostname', refusing.socks, `http://${seller.host}/`)).toBe('exit code 97')
    await end(refusing.running)
    const paying = await proxy(line, ['--accept-price', '3/kB'])
    expect(await curl('-x', paying.http, `http://${seller.host}/`)).toContain('A shop without an address')
    await end(paying.running, seller.running)
    web.close()
  })
})

/** A stream through SOCKS, once it is joined. */
async function throughSocks(socks: string, host: string, user = ''): Promise<Reader> {
  const reader = new Reader(Number(socks.split(':')[1]))
  const name = Buffer.from(host)
  const method = user === '' ? '050100' : `05010201${Buffer.from([user.length]).toString('hex')}`
  const login = user === '' ? [] : [Buffer.from(user), Buffer.from([1, 120])]
  const request = [Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([0, 80])]
  reader.socket.write(Buffer.concat([Buffer.from(method, 'hex'), ...login, ...request]))
  await reader.take(user === '' ? 12 : 14)
  return reader
}

it('carries 200 connections at once, and ends them all at Ctrl-C', async () => {
  line.close()
  line = new CommandLine(demoNetwork({ latency: 'none' }), 2)
  const seller = await exposed(line, await echoService())
  const { running, socks } = await proxy(line, ['--max-hour', '100000'])
  const clients = await Promise.all(
    Array.from({ length: 200 }, (_, i) => throughSocks(socks, seller.host, i % 2 === 0 ? `visitor ${i % 8}` : '')),
  )
  for (const { socket } of clients) socket.write('hello')
  for (const client of clients) expect(Buffer.from(await client.take(5), 'hex').toString()).toBe('hello')
  const [summary] = await end(running)
  expect(await running.code).toBe(130)
  for (const client of clients) expect(await client.rest()).toBe('')
  expect(summary?.connections).toBe(200)
  await end(seller.running)
})

it('carries a stream whole, with its end', async () => {
  const bytes = pattern(200_000)
  const port = await localService((socket) => {
    socket.resume().on('end', () => socket.end(bytes))
  })
  const seller = await exposed(line, port)
  const { running, socks } = await proxy(line)
  const client = await throughSocks(socks, seller.host)
  client.socket.end('more')
  const received = Buffer.from(await client.take(Infinity), 'hex')
  expect(sha256Hex(received)).toBe(sha256Hex(bytes))
  await end(running, seller.running)
})

describe('wrong use', () => {
  it.each([
    [['proxy', '--socks', 'shop:1080'], 'It is a port, or IP:PORT'],
    [['proxy', '--http', '70000'], 'It is a port, or IP:PORT'],
    [['proxy', '--no-socks', '--no-http'], 'leave nothing to do'],
  ])('%j is answered with what to do', async (words, answer) => {
    const running = line.run('alice', words)
    expect(await running.code).toBe(2)
    expect(running.err.text).toContain(answer)
  })

  it('a port that another program has is named, with the option', async () => {
    const port = await echoService()
    const running = line.run('alice', ['proxy', '--socks', String(port), '--no-http'])
    expect(await running.code).toBe(1)
    expect(running.err.text).toContain(`another program has port ${port} of this computer; give another one: --socks`)
  })
})

it('warns where other computers reach it', async () => {
  const { running } = await proxy(line, ['--socks', '0.0.0.0:0'])
  await running.event(isEvent('warning'))
  expect(warnings(running)).toEqual(['ERR_CLI_OPEN'])
  await end(running)
})

it('ends at Ctrl-C while a client waits for its connection, and while another says nothing', async () => {
  const { running, socks } = await proxy(line)
  const silent = connect(Number(socks.split(':')[1]), '127.0.0.1').on('error', () => undefined)
  const waiting = new Reader(Number(socks.split(':')[1]))
  const host = `${'a'.repeat(52)}b.keysock`
  waiting.socket.write(Buffer.from('050100', 'hex'))
  expect(await waiting.take(2)).toBe('0500')
  waiting.socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, host.length]), Buffer.from(host), Buffer.from([0, 80])]))
  await end(running)
  expect(await running.code).toBe(130)
  expect((await all(silent)).length).toBe(0)
})
