import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_BINS, MAX_RECORD_CHARACTERS, MAX_ROUTES } from '../../src/cli/plot/limits.ts'
import { loadRenderer } from '../../src/cli/plot/render.ts'
import { Summary } from '../../src/cli/plot/summary.ts'
import { CommandLine, pattern } from '../cli/command-line.ts'
import { close, echo, open } from './scenarios.ts'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})

afterEach(() => {
  commandLine.close()
})

/** A trace of a transfer each way over a lossy network, as text. */
async function traceText(): Promise<string> {
  const world = await open()
  await echo(world, world.sim.entropy.bytes(60_000))
  await close(world)
  return world.files.alice.text
}

interface Plotted {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

async function plot(text: string, ...words: readonly string[]): Promise<Plotted> {
  const file = commandLine.write('a.sqlog', Buffer.from(text))
  const running = commandLine.run('alice', ['plot', file, ...words])
  return { code: await running.code, out: running.out.text, err: running.err.text }
}

describe('keysock plot', () => {
  it('makes a page that needs nothing but itself, and pictures', async () => {
    const { code, out } = await plot(await traceText(), '--svg', commandLine.path('pictures'))
    expect(code).toBe(0)
    expect(out).toMatch(/^sent +60 kB/m)
    expect(out).toMatch(/^received +60 kB/m)
    const page = commandLine.read('a.sqlog.html').toString()
    expect(page.match(/<svg/g)).toHaveLength(6)
    expect(page).not.toMatch(/<script|<link|src=|@import/)
    expect(commandLine.list('pictures')).toEqual([
      'goodput.svg',
      'in-flight.svg',
      'money.svg',
      'round-trips.svg',
      'routes.svg',
      'trouble.svg',
    ])
  })

  it('counts as the trace does, as JSON', async () => {
    const text = await traceText()
    const { out } = await plot(text, '--json')
    const count = (name: string): number => text.split(`"name":"keysock:${name}"`).length - 1
    expect(JSON.parse(out)).toMatchObject({
      isCut: false,
      bytesSent: 60_000,
      bytesReceived: 60_000,
      payments: count('payment_started'),
      settled: count('payment_settled'),
      failed: count('payment_failed'),
      hung: count('payment_hung'),
    })
  })

  it('reads a trace that was cut to its end, and says so', async () => {
    const text = await traceText()
    const { code, out } = await plot(text.slice(0, text.length - 20))
    expect(code).toBe(0)
    expect(out).toContain('The file ends within a record')
    expect(commandLine.read('a.sqlog.html').toString()).toContain('The file ends within a record')
  })

  it('leaves out records that cannot be read, and says how many', async () => {
    const { code, out } = await plot((await traceText()).replace('\u001E{"time":0,', '\u001E{"time":"soon",'))
    expect(code).toBe(0)
    expect(out).toContain('1 records could not be read')
  })

  it.each([
    ['', 'it is empty'],
    ['<html>', 'it does not begin with a record'],
    ['\u001E{"time":', 'it ends within its first record'],
    ['\u001E{"time":1}\n', 'its first record is not the header of a qlog file'],
    ['\u001E{"file_schema":"urn:ietf:params:qlog:file:sequential","trace":{}}\n', 'it is one of another protocol'],
    [`\u001E${'x'.repeat(MAX_RECORD_CHARACTERS + 1)}`, 'it has a record that is too long to be one'],
  ])('says what is wrong with a file that is no trace (%#)', async (text, why) => {
    const { code, err } = await plot(text)
    expect(code).toBe(1)
    expect(err).toContain(why)
    expect(err).toContain('(ERR_CLI_TRACE)')
    expect(existsSync(commandLine.path('a.sqlog.html'))).toBe(false)
  })

  it('says that there is no such file', async () => {
    const running = commandLine.run('alice', ['plot', commandLine.path('missing')])
    expect(await running.code).toBe(1)
    expect(running.err.text).toContain('ERR_CLI_TRACE')
  })

  it('says what to install where vega is missing', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
    await expect(loadRenderer(() => Promise.reject(missing))).rejects.toMatchObject({
      code: 'ERR_CLI_VEGA',
      message: expect.stringContaining('npm install vega vega-lite') as string,
    })
  })

  it('escapes what a name of a file may have', async () => {
    writeFileSync(commandLine.path('<b>.sqlog'), await traceText())
    await commandLine.run('alice', ['plot', commandLine.path('<b>.sqlog')]).code
    expect(readFileSync(commandLine.path('<b>.sqlog.html'), 'utf8')).toContain('<h1>&lt;b&gt;.sqlog</h1>')
  })

  it('makes a page of what send and receive trace', async () => {
    const receiver = await commandLine.receive(['--once', '--trace', commandLine.path('in.sqlog')])
    const file = commandLine.write('photo', pattern(20_000))
    const sent = commandLine.run('alice', [
      'send',
      file,
      commandLine.key('bob'),
      '--trace',
      commandLine.path('out.sqlog'),
    ])
    expect(await sent.code).toBe(0)
    expect(await receiver.code).toBe(0)
    for (const name of ['in', 'out']) {
      const running = commandLine.run('alice', ['plot', commandLine.path(`${name}.sqlog`), '--json'])
      expect(await running.code).toBe(0)
      const { connections, isCut } = JSON.parse(running.out.text) as Readonly<Record<string, unknown>>
      // A busy machine may have it connect once more.
      expect(connections).toBeGreaterThanOrEqual(1)
      expect(isCut).toBe(false)
    }
  })
})

it('a million events take no more room than the bounds', () => {
  const summary = new Summary()
  for (let i = 0; i < 250_000; i++) {
    const at = { time: i * 97, group: `${i}` }
    const data = { payment: String(i), attempt: 1, route: [`c${i % 5_000}`], latency_ms: i % 9_000 }
    summary.add({ ...at, name: 'keysock:connection_started', data: {} })
    summary.add({ ...at, name: 'keysock:payment_started', data })
    summary.add({ ...at, name: 'keysock:payment_settled', data })
    summary.add({ ...at, name: 'keysock:packet_acked', data: { delivered_bytes: 10 } })
  }
  expect(summary.events).toBe(1_000_000)
  expect(summary.bins.all.length).toBeLessThanOrEqual(MAX_BINS)
  expect(summary.routes.length).toBeLessThanOrEqual(MAX_ROUTES + 1)
  expect(summary.settled).toBe(250_000)
  expect(summary.bins.all.reduce((sum, { settled }) => sum + settled, 0)).toBe(250_000)
  expect(summary.sentBytes).toBe(2_500_000)
})

it('payments and routes that are no texts or numbers are unknown ones', async () => {
  const header = {
    file_schema: 'urn:ietf:params:qlog:file:sequential',
    trace: { event_schemas: ['urn:keysock:qlog:events:1'] },
  }
  const data = '{"payment":{"toString":1},"route":[{"toString":1}]}'
  const text = `\u001e${JSON.stringify(header)}\n\u001e{"time":1,"name":"keysock:payment_started","data":${data}}\n`
  const { code, out } = await plot(text, '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ payments: 1 })
})
