/**
 * `./dev bench many`: many connections between two programs, all with more to send than the nodes can carry: what each
 * has got, from when all are open until the slowest has had its packets. On the simulated network, and with --lnd on
 * real nodes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { createEndpoint, type Endpoint, type Socket } from '../src/index.ts'
import { wholeNumber } from './report/flags.ts'
import { realNodes, simulatedNodes, type TwoNodes } from './report/two-nodes.ts'

const RESULTS = new URL('results/', import.meta.url)
const PORT = 7
const PLENTY_MSAT = 10n ** 12n
const PIECE = Buffer.alloc(16_384, 'keysock')
/** What a packet carries, about: a connection's packets are counted by its bytes. */
const PACKET_BYTES = 1_000
/** (max - min) / mean that is asked for. */
const MAX_SPREAD = 0.2

const LANES = ['node', 'phantom'] as const
type Lane = (typeof LANES)[number]

interface Fairness {
  readonly world: string
  readonly connections: number
  /** What the slowest was to have. */
  readonly packets: number
  readonly lane: Lane
  /** Until all were open, and from then until the slowest had its packets, s. */
  readonly openSeconds: number
  readonly seconds: number
  readonly bytesPerSecond: number
  /** Bytes of a connection at that moment. */
  readonly least: number
  readonly mean: number
  readonly most: number
  readonly spread: number
  /** Sockets that failed. */
  readonly failed: number
}

const options = new Command('many')
  .description('Measures how evenly many connections share the way between two programs.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--lnd', 'on real nodes, too', false)
  .addOption(new Option('--only <where>', 'there alone').choices(['simulator', 'lnd']))
  .addOption(new Option('--lane <lane>', 'over this lane alone').choices(['node', 'phantom']))
  .option('--write', 'write bench/results/many.md and many.json', false)
  .option('--connections <n>', 'how many', wholeNumber(2, 20_000), 1_000)
  .option('--packets <n>', 'what the slowest must have had', wholeNumber(1, 10_000), 30)
  .parse()
  .opts<{
    readonly json: boolean
    readonly lnd: boolean
    readonly only?: 'simulator' | 'lnd'
    readonly lane?: Lane
    readonly write: boolean
    readonly connections: number
    readonly packets: number
  }>()

/** Counts what arrives by connection from `begin` on, and tells when the slowest of so many has its bytes. */
class Shares {
  #bytes: number[] = []
  readonly #all: number
  readonly #enough: number
  readonly done = Promise.withResolvers<void>()
  #short = Infinity

  constructor(all: number, enough: number) {
    this.#all = all
    this.#enough = enough
  }

  take(socket: Socket): void {
    const index = this.#bytes.push(0) - 1
    socket.on('data', (data: Buffer) => {
      const before = this.#bytes[index] ?? 0
      const after = before + data.length
      this.#bytes[index] = after
      if (before < this.#enough && after >= this.#enough && --this.#short === 0) this.done.resolve()
    })
  }

  begin(): void {
    this.#bytes = this.#bytes.map(() => 0)
    this.#short = this.#all
  }

  get now(): readonly number[] {
    return Array.from({ length: this.#all }, (_, index) => this.#bytes[index] ?? 0)
  }
}

async function measure(world: TwoNodes, lane: Lane): Promise<Fairness> {
  const { connections, packets } = options
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const receiver = await world.run(createEndpoint({ backend: world.bob(), phantomLane: lane === 'phantom', ...money }))
  const sender = await world.run(createEndpoint({ backend: world.alice(), ...money }))
  const shares = new Shares(connections, packets * PACKET_BYTES)
  let failed = 0
  const server = receiver.createServer((socket) => {
    socket.on('error', () => (failed += 1))
    shares.take(socket)
  })
  await world.run(server.listen(PORT))
  const startMs = world.clock.now()
  const sockets = Array.from({ length: connections }, () => flood(sender, receiver.publicKeyHex, lane))
  const all = Promise.all(sockets.map(({ isOpen }) => isOpen))
  await world.run(all)
  const openMs = world.clock.now() - startMs
  shares.begin()
  await world.run(shares.done.promise)
  const ms = world.clock.now() - startMs - openMs
  const bytes = shares.now
  for (const { socket } of sockets) socket.destroy()
  await world.run(Promise.all([sender.close(), receiver.close()]))
  const sum = bytes.reduce((total, each) => total + each, 0)
  const [least, most, mean] = [Math.min(...bytes), Math.max(...bytes), sum / connections]
  return {
    world: world.name,
    connections,
    packets,
    lane,
    openSeconds: openMs / 1_000,
    seconds: ms / 1_000,
    bytesPerSecond: (sum * 1_000) / ms,
    least,
    mean,
    most,
    spread: (most - least) / mean,
    failed,
  }
}

/** Writes as long as there is room. */
function flood(
  sender: Endpoint,
  publicKey: string,
  lane: Lane,
): { readonly socket: Socket; readonly isOpen: Promise<void> } {
  const socket = sender.createConnection(publicKey, PORT, { lane, connectTimeout: 600_000 })
  const isOpen = Promise.withResolvers<void>()
  const write = (): void => {
    while (socket.writable && socket.write(PIECE));
  }
  socket.once('connect', () => isOpen.resolve())
  socket.on('error', (error) => isOpen.reject(error))
  socket.on('drain', write)
  write()
  return { socket, isOpen: isOpen.promise }
}

function line(row: Fairness): string {
  const cells = [
    `${row.world}, ${row.lane} lane`,
    row.connections,
    row.packets,
    row.openSeconds.toFixed(1),
    row.seconds.toFixed(1),
    (row.bytesPerSecond / 1_000).toFixed(1),
    ...[row.least, row.mean, row.most].map((bytes) => (bytes / 1_000).toFixed(1)),
    row.spread.toFixed(3),
    row.failed,
  ]
  return `| ${cells.join(' | ')} |`
}

/** Rows that were written before, and are not measured anew. */
async function kept(measured: readonly Fairness[]): Promise<readonly Fairness[]> {
  const written = await readFile(new URL('many.json', RESULTS), 'utf8').catch(() => '{ "rows": [] }')
  const { rows: before } = JSON.parse(written) as { readonly rows: readonly Fairness[] }
  const name = ({ world, lane, connections, packets }: Fairness): string => [world, lane, connections, packets].join()
  const names = new Set(measured.map(name))
  return before.filter((row) => !names.has(name(row)))
}

/** As a table has them: the simulator first. */
function order({ world, lane }: Fairness): number {
  return (world.startsWith('real') ? LANES.length : 0) + LANES.indexOf(lane)
}

/** The places by the options: the simulator alone unless told. */
function places(): readonly (() => Promise<TwoNodes>)[] {
  if (options.only === 'lnd') return [realNodes]
  return options.lnd && options.only === undefined ? [simulatedNodes, realNodes] : [simulatedNodes]
}

// A file that cannot be read is told of before anything is measured.
if (options.write) await kept([])
const rows: Fairness[] = []
for (const open of places()) {
  const world = await open()
  try {
    for (const lane of options.lane === undefined ? LANES : [options.lane]) {
      const row = await measure(world, lane)
      rows.push(row)
      console.log(line(row))
    }
  } finally {
    await world.close()
  }
}
const table = (shown: readonly Fairness[]): string =>
  [
    '| where | connections | packets | all open, s | slowest has its packets, s | kB/s of all | least kB | mean | most | (most - least) / mean | failed |',
    '|-|-:|-:|-:|-:|-:|-:|-:|-:|-:|-:|',
    ...shown.map(line),
  ].join('\n')
console.log(`\n${table(rows)}`)
if (options.write) {
  const head = `# Many connections at once\n\n\`./dev bench many --lnd --write\` (or a part of it, by \`--only\` and \`--lane\`): all between two programs, all with more to send than the nodes can carry; what each has got, from when all are open until the slowest has had its packets of ${PACKET_BYTES} bytes. Asked: (most - least) / mean at most ${MAX_SPREAD}, none failed.\n\n`
  const all = [...(await kept(rows)), ...rows].toSorted((a, b) => order(a) - order(b))
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL('many.md', RESULTS), `${head}${table(all)}\n`)
  await writeFile(new URL('many.json', RESULTS), `${JSON.stringify({ bench: 'many', rows: all }, undefined, 2)}\n`)
}
if (options.json) console.log(JSON.stringify({ bench: 'many', rows }))
if (rows.some(({ spread, failed }) => spread > MAX_SPREAD || failed > 0)) process.exitCode = 1
