/**
 * `./dev bench proxy`: a download through `keysock proxy` and `keysock expose`, over SOCKS and over HTTP, beside the
 * same download over a bare Socket, on one simulated network in virtual time, in which the machine takes none. Exits
 * with 1 where less is left than is allowed.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect, type Server } from 'node:net'
import type { Readable } from 'node:stream'
import { Command } from 'commander'
import { Dialer } from '../src/cli/tunnel/dialer.ts'
import { Exposure } from '../src/cli/tunnel/exposure.ts'
import { Prices } from '../src/cli/tunnel/prices.ts'
import { Tunnel } from '../src/cli/tunnel/tunnel.ts'
import { HttpProxy } from '../src/cli/proxy/http-proxy.ts'
import { SocksServer } from '../src/cli/proxy/socks-server.ts'
import { TunnelledOutgoing } from '../src/cli/proxy/tunnelled.ts'
import { every } from '../src/cli/transfer/waiting.ts'
import { createEndpoint, fromHostName, toHostName } from '../src/index.ts'
import { createSimulation, demoNetwork } from '../src/sim.ts'
import { wholeNumber } from './report/flags.ts'
import { sectionsAsMarkdown } from './report/sections.ts'

const { bytes, rounds, write } = new Command('proxy')
  .description('Measures downloads through the proxy beside those of a bare Socket.')
  .option('--bytes <n>', 'of each download', wholeNumber(1, 1e9), 1_000_000)
  .option('--rounds <n>', 'seeds; the median counts', wholeNumber(1, 99), 5)
  .option('--write', 'write bench/results/proxy.md and proxy.json', false)
  .parse()
  .opts<{ readonly bytes: number; readonly rounds: number; readonly write: boolean }>()

const BARE_PORT = 7
const WEB_PORT = 80
const CAPS = { maxCost: 10_000_000_000n, caps: { peer: 10_000_000_000n, process: 10_000_000_000n } }
const IDLE_MS = 600_000
/** The least of the goodput of a bare Socket. */
const LEAST_RATIO = 0.95
/** Virtual time stands still for so many turns of the event loop, in which the kernel hands local bytes on. */
const KERNEL_TURNS = 30
const TICK_MS = 10
const RESULTS: URL = new URL('results/', import.meta.url)
const WAYS = ['a bare Socket', 'SOCKS and expose', 'HTTP and expose'] as const

type Way = (typeof WAYS)[number]

const film = Buffer.alloc(bytes, 'a film ')
const tellNobody = (): void => undefined

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function drained(stream: Readable): Promise<number> {
  let count = 0
  for await (const chunk of stream) count += (chunk as Buffer).length
  return count
}

/** Simulated seconds of each way with this seed, one after the other. */
async function measure(seed: number): Promise<Readonly<Record<Way, number>>> {
  const sim = createSimulation(demoNetwork(), { seed, quietTurns: KERNEL_TURNS })
  // Bytes that the kernel still has are none of the network's events: something has to go on meanwhile.
  const stop = every(sim.clock, TICK_MS, tellNobody)
  const run = async (): Promise<Readonly<Record<Way, number>>> => {
    const [bob, alice] = await Promise.all([
      createEndpoint({ backend: sim.backend('bob'), ...CAPS }),
      createEndpoint({ backend: sim.backend('alice'), ...CAPS }),
    ])
    const host = toHostName(sim.keyOf('bob'))
    const web = createServer((_request, response) => response.end(film))
    const local = await listening(web)
    const time = sim.clock
    const parts = { time, emit: tellNobody }
    const selling = new Tunnel({ ...parts, endpoint: bob, role: 'seller' })
    const buying = new Tunnel({ ...parts, endpoint: alice, role: 'buyer' })
    const common = { endpoint: bob, time, tunnel: selling, tariff: {}, allowed: new Set<string>() }
    const exposure = new Exposure(
      { port: WEB_PORT, service: { type: 'tcp', host: '127.0.0.1', port: local }, isUdp: false },
      { ...common, maxConnections: 10, idleTimeoutMs: IDLE_MS },
    )
    await exposure.listen()
    await bob.createServer((socket) => void socket.on('error', console.error).end(film)).listen(BARE_PORT)
    const prices = new Prices({ environment: process.env, accept: undefined, ask: undefined, emit: tellNobody })
    const dialer = new Dialer({ endpoint: alice, tunnel: buying, prices, idleTimeoutMs: IDLE_MS, isIdentified: false })
    const book = { resolve: fromHostName }
    const outgoing = new TunnelledOutgoing({ book, tunnel: buying, dialer, prices, warn: console.error })
    const [socks, http] = [new SocksServer(outgoing, time), new HttpProxy(outgoing, time)]
    const [socksPort, httpPort] = [await listening(socks.server), await listening(http.server)]
    const downloads: Readonly<Record<Way, () => Promise<number>>> = {
      'a bare Socket': async () => await drained(await alice.connect(bob.publicKeyHex, BARE_PORT)),
      'SOCKS and expose': () => overSocks(socksPort, host),
      'HTTP and expose': () => overHttp(httpPort, host),
    }
    const seconds: Partial<Record<Way, number>> = {}
    for (const way of WAYS) {
      const beganMs = time.now()
      const count = await downloads[way]()
      if (count < bytes) throw new Error(`${way}: ${count} bytes of ${bytes} came`)
      seconds[way] = (time.now() - beganMs) / 1_000
    }
    socks.close()
    http.close()
    exposure.close()
    web.close()
    await Promise.all([buying.end(), selling.end()])
    await Promise.all([alice.close(), bob.close()])
    return seconds as Record<Way, number>
  }
  const result = await sim.drive(run())
  stop()
  sim.close()
  return result
}

async function overSocks(port: number, host: string): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  const ask = Buffer.concat([
    Buffer.from([5, 1, 0, 5, 1, 0, 3, host.length]),
    Buffer.from(`${host}\0P`),
    Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
  ])
  socket.write(ask)
  return await drained(socket)
}

async function overHttp(port: number, host: string): Promise<number> {
  const asking = request({ host: '127.0.0.1', port, path: `http://${host}/`, agent: false }).end()
  const [response] = (await once(asking, 'response')) as [Readable]
  return await drained(response)
}

const runs: Readonly<Record<Way, number>>[] = []
for (let seed = 1; seed <= rounds; seed++) runs.push(await measure(seed))
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0
const rows = WAYS.map((way) => ({
  way,
  seconds: median(runs.map((run) => run[way])),
  ratio: median(runs.map((run) => run['a bare Socket'] / run[way])),
}))
const cells = rows.map(({ way, seconds, ratio }) => [
  way,
  `${seconds.toFixed(1)} s`,
  `${(bytes / 1_000 / seconds).toFixed(1)} kB/s`,
  ratio.toFixed(3),
])
for (const row of cells) console.log(row.join(', '))
const isWithin = rows.every(({ ratio }) => ratio >= LEAST_RATIO)
if (write) {
  const text = [
    `\`./dev bench proxy --write\`: ${bytes} bytes downloaded over a bare Socket, and through \`keysock proxy\` from a web server behind`,
    '`expose`, over `demoNetwork`, in virtual time, in which the machine takes none: the medians of',
    `${rounds} seeds, of the times and of the ratios within a seed. Asked: ${LEAST_RATIO} of the goodput. ${isWithin ? 'It is there.' : 'IT IS NOT THERE.'}`,
  ]
  const section = {
    title: 'What the proxy leaves',
    text,
    head: ['way', 'time', 'goodput', 'of a bare Socket'],
    rows: cells,
  }
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL('proxy.md', RESULTS), `# Bench: proxy\n\n${sectionsAsMarkdown([section])}\n`)
  await writeFile(new URL('proxy.json', RESULTS), `${JSON.stringify({ bytes, rounds, rows }, undefined, 2)}\n`)
}
process.exit(isWithin ? 0 : 1)
