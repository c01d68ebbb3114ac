/**
 * `./dev bench proxy`: a download through `keysock proxy` and `keysock expose`, over SOCKS and over HTTP, beside the
 * same download over a bare Socket, on one simulated network that runs in real time. What counts is the ratio within
 * one run: bare and proxied downloads take turns.
 */
import { once } from 'node:events'
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
import { processClock } from '../src/floor/clock.ts'
import { createEndpoint, fromHostName, toHostName } from '../src/index.ts'
import { createSimulation, demoNetwork } from '../src/sim.ts'

const { bytes, rounds } = new Command('proxy')
  .description('Measures downloads through the proxy beside those of a bare Socket.')
  .option('--bytes <n>', 'of each download', Number, 1_000_000)
  .option('--rounds <n>', 'of each kind', Number, 3)
  .parse()
  .opts<{ readonly bytes: number; readonly rounds: number }>()

const BARE_PORT = 7
const WEB_PORT = 80
const CAPS = { maxCost: 10_000_000_000n, caps: { peer: 10_000_000_000n, process: 10_000_000_000n } }

const sim = createSimulation(demoNetwork(), { mode: 'real-time', seed: 1 })
const bob = await createEndpoint({ backend: sim.backend('bob'), ...CAPS })
const alice = await createEndpoint({ backend: sim.backend('alice'), ...CAPS })
const host = toHostName(sim.keyOf('bob'))
const film = Buffer.alloc(bytes, 'a film ')

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const web = createServer((_request, response) => response.end(film))
const local = await listening(web)
const parts = { time: processClock, emit: (): void => undefined }
const selling = new Tunnel({ ...parts, endpoint: bob, role: 'seller' })
const buying = new Tunnel({ ...parts, endpoint: alice, role: 'buyer' })
const exposure = new Exposure(
  { port: WEB_PORT, service: { type: 'tcp', host: '127.0.0.1', port: local }, isUdp: false },
  {
    endpoint: bob,
    time: processClock,
    tunnel: selling,
    tariff: {},
    allowed: new Set(),
    maxConnections: 10,
    idleTimeoutMs: 600_000,
  },
)
await exposure.listen()
await bob.createServer((socket) => void socket.on('error', console.error).end(film)).listen(BARE_PORT)
const prices = new Prices({ environment: process.env, accept: undefined, ask: undefined, emit: parts.emit })
const dialer = new Dialer({ endpoint: alice, tunnel: buying, prices, idleTimeoutMs: 600_000, isIdentified: false })
const outgoing = new TunnelledOutgoing({
  book: { resolve: fromHostName },
  tunnel: buying,
  dialer,
  prices,
  warn: console.error,
})
const socks = new SocksServer(outgoing, processClock)
const http = new HttpProxy(outgoing, processClock)
const [socksPort, httpPort] = [await listening(socks.server), await listening(http.server)]

async function drained(stream: Readable): Promise<number> {
  let count = 0
  for await (const chunk of stream) count += (chunk as Buffer).length
  return count
}

async function bare(): Promise<number> {
  return await drained(await alice.connect(bob.publicKeyHex, BARE_PORT))
}

async function overSocks(): Promise<number> {
  const socket = connect(socksPort, '127.0.0.1')
  const ask = Buffer.concat([
    Buffer.from([5, 1, 0, 5, 1, 0, 3, host.length]),
    Buffer.from(`${host}\0P`),
    Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
  ])
  socket.write(ask)
  return await drained(socket)
}

async function overHttp(): Promise<number> {
  const asking = request({ host: '127.0.0.1', port: httpPort, path: `http://${host}/`, agent: false }).end()
  const [response] = (await once(asking, 'response')) as [Readable]
  return await drained(response)
}

const WAYS = { 'a bare Socket': bare, 'SOCKS and expose': overSocks, 'HTTP and expose': overHttp } as const
const rates: Record<keyof typeof WAYS, number[]> = {
  'a bare Socket': [],
  'SOCKS and expose': [],
  'HTTP and expose': [],
}
for (let round = 0; round < rounds; round++) {
  for (const name of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
    const beganMs = sim.clock.now()
    const count = await WAYS[name]()
    if (count < bytes) throw new Error(`${name}: ${count} bytes of ${bytes} came`)
    rates[name].push(bytes / (sim.clock.now() - beganMs))
  }
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0
const bareRate = median(rates['a bare Socket'])
for (const name of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
  const rate = median(rates[name])
  const all = rates[name].map((each) => each.toFixed(1)).join(', ')
  console.log(`${name.padEnd(18)} ${rate.toFixed(1)} kB/s, ${(rate / bareRate).toFixed(3)} of bare  (${all})`)
}
process.exit(0)
