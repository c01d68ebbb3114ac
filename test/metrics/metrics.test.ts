import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import parsePrometheus from 'parse-prometheus-text-format'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serveMetrics } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { PAYMENT_SECONDS, PaymentMeter } from '../../src/medium/payment-meter.ts'
import { daemonMetrics } from '../../src/transport/metrics/daemon-metrics.ts'
import { isLoopback } from '../../src/floor/loopback.ts'
import { metricsText } from '../../src/transport/metrics/text.ts'
import { CommandLine } from '../cli/command-line.ts'
import { type Pair, pairOn } from '../transport/worlds.ts'

let pair: Pair

beforeEach(async () => {
  pair = await pairOn(createSimulation(demoNetwork({ failure: 0.1 }), { seed: 7 }))
})

afterEach(async () => {
  const { sim, alice, bob } = pair
  await sim.drive(Promise.all([alice.close(), bob.close()]))
})

interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly metrics: readonly {
    readonly value?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly buckets?: Readonly<Record<string, string>>
    readonly count?: string
  }[]
}

function families(text: string): ReadonlyMap<string, Family> {
  return new Map((parsePrometheus(text) as readonly Family[]).map((family) => [family.name, family]))
}

/** A value by the name of its metric, and by the only label that it has. */
function value(text: string, name: string, label?: string): number {
  const { metrics = [] } = families(text).get(name) ?? {}
  const found = metrics.find(({ labels = {} }) => label === undefined || Object.values(labels).includes(label))
  return Number(found?.value)
}

async function transfer(bytes: number): Promise<void> {
  const { sim, alice, bob } = pair
  const server = bob.createServer((socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end('thanks'),
  )
  await server.listen(7)
  const socket = alice.createConnection(bob.publicKeyHex, 7)
  socket.resume().end(sim.entropy.bytes(bytes))
  await sim.drive(once(socket, 'close'))
  server.close()
}

/** What a daemon says, with numbers that are made up. */
function daemonText(): string {
  return metricsText(
    daemonMetrics({
      isOnline: true,
      network: 'regtest',
      blockHeight: 7,
      runningMs: 1_500,
      programs: 2,
      connections: 3,
      payments: new PaymentMeter().view(),
      unresolved: 0,
      overCap: 1,
      receivedMsat: 2n ** 60n,
      strays: 0,
      tables: { held_opens: 1 },
    }),
  )
}

describe('the metrics of an endpoint', () => {
  it('count what its statistics say', async () => {
    await transfer(30_000)
    const { alice } = pair
    const text = alice.metrics()
    const { spentMsat, receivedMsat, feesMsat, capMsat, connectionsOpened } = alice.stats
    expect(value(text, 'keysock_spent_msat_total')).toBe(Number(spentMsat))
    expect(value(text, 'keysock_received_msat_total')).toBe(Number(receivedMsat))
    expect(value(text, 'keysock_fees_msat_total')).toBe(Number(feesMsat))
    expect(value(text, 'keysock_paid_msat_total')).toBe(Number(spentMsat - feesMsat))
    expect(value(text, 'keysock_cap_msat')).toBe(Number(capMsat))
    expect(value(text, 'keysock_connections_total', 'initiator')).toBe(connectionsOpened)
    expect(value(text, 'keysock_stream_bytes_total', 'sent')).toBe(30_000)
    expect(value(text, 'keysock_stream_bytes_total', 'received')).toBe(6)
    const outcomes = ['delivered', 'settled', 'failed'].map((outcome) => value(text, 'keysock_payments_total', outcome))
    const decided = outcomes.reduce((sum, each) => sum + each, 0)
    expect(decided + alice.stats.paymentsUnresolved).toBe(value(text, 'keysock_payments_started_total'))
    const { count } = families(text).get('keysock_payment_duration_seconds')?.metrics[0] ?? {}
    expect(Number(count)).toBe((outcomes[0] ?? 0) + (outcomes[1] ?? 0))
  })

  it('have counters that never go back, also when connections end', async () => {
    const before = new Map<string, number>()
    for (const bytes of [0, 20_000, 5_000]) {
      if (bytes > 0) await transfer(bytes)
      // Those that linger end.
      await pair.sim.runFor(600_000)
      for (const { name, type, metrics } of families(pair.alice.metrics()).values()) {
        if (type !== 'COUNTER') continue
        for (const { labels = {}, value: text } of metrics) {
          const key = `${name} ${JSON.stringify(labels)}`
          expect([key, Number(text)]).toEqual([key, expect.any(Number)])
          expect(Number(text)).toBeGreaterThanOrEqual(before.get(key) ?? 0)
          before.set(key, Number(text))
        }
      }
    }
    expect(before.get('keysock_stream_bytes_total {"direction":"sent"}')).toBe(25_000)
  })

  it('have as many series after many connections as before, and no key', async () => {
    const lines = (): number => pair.alice.metrics().split('\n').length
    const before = lines()
    await transfer(1_000)
    await transfer(1_000)
    expect(lines()).toBe(before)
    expect(pair.alice.metrics()).not.toMatch(/"[0-9a-f]{16,}"|0[23][0-9a-f]{64}/)
  })
})

describe('every metric', () => {
  it.each([
    ['an endpoint', () => pair.alice.metrics()],
    ['a daemon', daemonText],
  ])('of %s keeps the conventions of Prometheus', (_, text) => {
    for (const { name, help, type, metrics } of families(text()).values()) {
      expect(name).toMatch(/^keysock_[a-z_]+$/)
      expect(help).not.toBe('')
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'COUNTER'])
      expect(metrics.length).toBeGreaterThan(0)
      // One name has one type and stands once.
      expect(text().split(`# TYPE ${name} `)).toHaveLength(2)
    }
  })

  it('stands on the dashboard of Grafana, or is told on the page; the dashboard has no other', async () => {
    const file = readFileSync(new URL('../../docs/grafana/keysock.json', import.meta.url), 'utf8')
    const page = readFileSync(new URL('../../docs/observing.md', import.meta.url), 'utf8')
    const names = new Set([...families(pair.alice.metrics()).keys(), ...families(daemonText()).keys()])
    const used = new Set(file.match(/keysock_[a-z_]+/g)?.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
    expect([...used].filter((name) => !names.has(name))).toEqual([])
    expect([...names].filter((name) => !page.includes(`\`${name}\``))).toEqual([])
    const dashboard = JSON.parse(file) as { readonly panels: readonly { readonly id: number }[]; readonly uid: string }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
    await Promise.resolve()
  })
})

describe('the server of metrics', () => {
  it('answers GET /metrics, and nothing else', async () => {
    const server = await serveMetrics(() => pair.alice.metrics(), { port: 0 })
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const answer = await fetch(server.url)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(families(await answer.text()).size).toBeGreaterThan(15)
    const statuses = [
      await fetch(server.url, { method: 'POST' }),
      await fetch(server.url.replace('/metrics', '/')),
      await fetch(`${server.url}?name=x`),
    ].map(({ status }) => status)
    expect(statuses).toEqual([405, 404, 200])
    await server.close()
  })

  it('says where it cannot listen', async () => {
    const first = await serveMetrics(() => '', { port: 0 })
    const port = Number(new URL(first.url).port)
    await expect(serveMetrics(() => '', { port })).rejects.toMatchObject({ code: 'ERR_KEYSOCK_METRICS' })
    await expect(serveMetrics(() => '', { port: 70_000 })).rejects.toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
    await first.close()
  })

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['127.example.org', false],
    ['192.168.0.7', false],
  ])('knows whether %s is this machine alone', (host, expected) => {
    expect(isLoopback(host)).toBe(expected)
  })
})

it('keysock receive --metrics answers while it runs, and warns of another host', async () => {
  const commandLine = new CommandLine()
  const port = await freePort()
  const receiver = await commandLine.receive(['--metrics', `0.0.0.0:${port}`])
  await receiver.event((event) => event.event === 'warning' && event.code === 'ERR_CLI_METRICS')
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  expect(value(text, 'keysock_node_online')).toBe(1)
  receiver.signal()
  await receiver.code
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed')
  commandLine.close()
})

it.each(['nowhere', '127.0.0.1:99999', ':80', '127.0.0.1:'])('--metrics %s is no address', async (address) => {
  const commandLine = new CommandLine()
  expect(await commandLine.run('alice', ['receive', '--metrics', address]).code).toBe(2)
  commandLine.close()
})

it('a meter counts each time in the class that it lies in', () => {
  const meter = new PaymentMeter()
  for (const seconds of [...PAYMENT_SECONDS, 1_000])
    meter.decided({ status: 'settled', feeMsat: 1n }, 10n, seconds * 1_000)
  expect(meter.view().classes).toEqual([...PAYMENT_SECONDS, 1].map(() => 1))
  expect(meter.view()).toMatchObject({ amountMsat: 120n, feesMsat: 12n })
})

async function freePort(): Promise<number> {
  const server = await serveMetrics(() => '', { port: 0 })
  await server.close()
  return Number(new URL(server.url).port)
}
