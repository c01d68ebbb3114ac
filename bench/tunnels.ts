/**
 * `./dev bench tunnels`: what `expose` and `forward` leave of the rate of a bare socket. The same bytes go to a server
 * of keysock over its own sockets, and to a local TCP service through a local port, over the same simulated network,
 * in one run. Exits with 1 where less is left than is allowed.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { Command } from 'commander'
import { Dialer } from '../src/cli/tunnel/dialer.ts'
import { Exposure } from '../src/cli/tunnel/exposure.ts'
import { Forwarding } from '../src/cli/tunnel/forwarding.ts'
import { DEFAULT_IDLE_MS } from '../src/cli/tunnel/limits.ts'
import { Prices } from '../src/cli/tunnel/prices.ts'
import { Tunnel } from '../src/cli/tunnel/tunnel.ts'
import { every } from '../src/cli/transfer/waiting.ts'
import { createEndpoint, type Endpoint } from '../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../src/sim.ts'
import { wholeNumber } from './report/flags.ts'
import { sectionsAsMarkdown } from './report/sections.ts'

/** Connections at once, and what each carries: enough that the round trip before the first byte is little of it. */
const ROWS: readonly { readonly connections: number; readonly bytes: number }[] = [
  { connections: 1, bytes: 3_000_000 },
  { connections: 200, bytes: 5_000 },
]
/** Virtual time stands still for so many turns of the event loop, in which the kernel hands local bytes on. */
const KERNEL_TURNS = 30
const TICK_MS = 10
/** The least of the goodput of a bare socket. */
const LEAST_RATIO = 0.95
const RESULTS: URL = new URL('results/', import.meta.url)
const RICH_MSAT = 10n ** 12n
const PORT = 7

const tellNobody = (): void => undefined

interface World {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
}

interface Row {
  readonly connections: number
  readonly bytes: number
  readonly bareSeconds: number
  readonly tunnelSeconds: number
  readonly ratio: number
}

const program: Command = new Command('tunnels')
  .description('The same bytes over bare sockets and through expose and forward.')
  .option('--rounds <count>', 'rounds of each, with seeds of their own; the median counts', wholeNumber(1, 99), 5)
  .option('--write', 'write bench/results/tunnels.md and tunnels.json', false)
  .option('--json', 'print one JSON object on the last line', false)

/** An echo of the end: what comes is counted by who sent it, when the other side says that it has all. */
function serve(socket: Duplex): void {
  socket.on('error', () => undefined)
  socket.resume().once('end', () => socket.end('all'))
}

/** Simulated seconds until the other side of each connection has said that it has all. */
async function send({ sim }: World, open: () => Duplex, connections: number, bytes: number): Promise<number> {
  const startedMs = sim.clock.now()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = open()
      socket.resume().end(Buffer.alloc(bytes))
      await once(socket, 'end')
    }),
  )
  return (sim.clock.now() - startedMs) / 1_000
}

async function world(sim: Simulation): Promise<World> {
  const options = { maxCost: RICH_MSAT, caps: { peer: RICH_MSAT, process: RICH_MSAT } }
  const [alice, bob] = await Promise.all(
    ['alice', 'bob'].map((name) => createEndpoint({ backend: sim.backend(name), ...options })),
  )
  if (alice === undefined || bob === undefined) throw new Error('two endpoints were opened')
  return { sim, alice, bob }
}

async function bare(here: World, connections: number, bytes: number): Promise<number> {
  const { alice, bob } = here
  await bob.createServer({ allowHalfOpen: true }, serve).listen(PORT)
  const open = (): Duplex => alice.createConnection(bob.publicKeyHex, PORT, { allowHalfOpen: true })
  return await send(here, open, connections, bytes)
}

async function tunnelled(here: World, connections: number, bytes: number): Promise<number> {
  const { sim, alice, bob } = here
  const home = mkdtempSync(join(tmpdir(), 'ks-'))
  const service = net.createServer({ allowHalfOpen: true }, serve)
  await once(service.listen(0, '127.0.0.1'), 'listening')
  const common = { time: sim.clock, emit: tellNobody }
  const selling = new Tunnel({ ...common, endpoint: bob, role: 'seller' })
  const { port } = service.address() as net.AddressInfo
  const exposure = new Exposure(
    { port: PORT, service: { type: 'tcp', host: '127.0.0.1', port }, isUdp: false },
    {
      endpoint: bob,
      time: sim.clock,
      tunnel: selling,
      tariff: {},
      allowed: new Set(),
      maxConnections: connections,
      idleTimeoutMs: DEFAULT_IDLE_MS,
    },
  )
  await exposure.listen()
  const buying = new Tunnel({ ...common, endpoint: alice, role: 'buyer' })
  const prices = new Prices({ environment: { KEYSOCK_HOME: home }, accept: {}, ask: undefined, emit: tellNobody })
  const buyer = { endpoint: alice, tunnel: buying, prices, idleTimeoutMs: DEFAULT_IDLE_MS, isIdentified: false }
  const target = { address: bob.publicKeyHex, port: PORT }
  const forwarding = new Forwarding({ tunnel: buying, dialer: new Dialer(buyer), target })
  const local = await forwarding.listen({ host: '127.0.0.1', port: 0 })
  const open = (): Duplex => net.connect({ port: local.port, host: '127.0.0.1', allowHalfOpen: true })
  const seconds = await send(here, open, connections, bytes)
  forwarding.close()
  exposure.close()
  await Promise.all([buying.end(), selling.end()])
  service.close()
  rmSync(home, { recursive: true, force: true })
  return seconds
}

/** The median over the seeds. */
async function median(rounds: number, measure: (here: World) => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let seed = 1; seed <= rounds; seed++) {
    const sim = createSimulation(demoNetwork(), { seed, quietTurns: KERNEL_TURNS })
    const round = async (): Promise<number> => {
      const here = await world(sim)
      const seconds = await measure(here)
      await Promise.all([here.alice.close(), here.bob.close()])
      return seconds
    }
    // Bytes that the kernel still has are none of the network's events: something has to go on meanwhile.
    const stop = every(sim.clock, TICK_MS, tellNobody)
    times.push(await sim.drive(round()))
    stop()
    sim.close()
  }
  return times.toSorted((a, b) => a - b)[rounds >> 1] ?? 0
}

const { json, rounds, write } = program.parse().opts<{ json: boolean; rounds: number; write: boolean }>()
const rows: Row[] = []
for (const { connections, bytes } of ROWS) {
  const bareSeconds = await median(rounds, (here) => bare(here, connections, bytes))
  const tunnelSeconds = await median(rounds, (here) => tunnelled(here, connections, bytes))
  const row: Row = { connections, bytes, bareSeconds, tunnelSeconds, ratio: bareSeconds / tunnelSeconds }
  rows.push(row)
  console.log(cellsOf(row).join(', '))
}
const isWithin = rows.every(({ ratio }) => ratio >= LEAST_RATIO)
if (json) console.log(JSON.stringify({ bench: 'tunnels', rounds, rows }))
if (write) {
  const text = [
    '`./dev bench tunnels --write`: the same bytes over bare sockets, and from a local TCP connection through `forward` and',
    `\`expose\` to a local TCP service, over \`demoNetwork\`, in virtual time, in which the machine takes none; the median of`,
    `${rounds} seeds.`,
    `Asked: ${LEAST_RATIO} of the goodput at least. ${isWithin ? 'It is there.' : 'IT IS NOT THERE.'}`,
  ]
  const head = ['connections at once', 'bytes each', 'bare', 'through a tunnel', 'of the goodput']
  const section = { title: 'What a tunnel leaves', text, head, rows: rows.map(cellsOf) }
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL('tunnels.md', RESULTS), `# Bench: tunnels\n\n${sectionsAsMarkdown([section])}\n`)
  await writeFile(new URL('tunnels.json', RESULTS), `${JSON.stringify({ rounds, rows }, undefined, 2)}\n`)
}
process.exitCode = isWithin ? 0 : 1

function cellsOf({ connections, bytes, bareSeconds, tunnelSeconds, ratio }: Row): readonly string[] {
  return [
    String(connections),
    String(bytes),
    `${bareSeconds.toFixed(1)} s`,
    `${tunnelSeconds.toFixed(1)} s`,
    ratio.toFixed(3),
  ]
}
