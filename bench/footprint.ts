/**
 * `./dev bench footprint`: what a transfer leaves behind in the lnds of both ends and of the relay, per MB: payments,
 * invoices, and bytes of their databases, after a compaction. Alice sends over bob to carol.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { createEndpoint, type Endpoint } from '../src/index.ts'
import { createLndBackend } from '../src/lnd.ts'
import { type Network, startNetwork } from '../tools/regtest/network.ts'
import { type Contents, contentsOf } from './footprint/contents.ts'
import { wholeNumber } from './report/flags.ts'

const RESULTS = new URL('results/', import.meta.url)
const DEFAULT_BYTES = 1_000_000
const PLENTY_MSAT = 1_000_000_000_000n
const NAMES = ['alice', 'bob', 'carol'] as const
type Name = (typeof NAMES)[number]

interface Transfer {
  readonly title: string
  /** Whose payments are deleted. */
  readonly prunes?: Name
  /** Carol takes packets at the phantom of her node, and alice pays there. */
  readonly unblinded?: boolean
  /** Carol sends, over alice's hidden reply paths. */
  readonly isAnswer?: boolean
}

const TRANSFERS: readonly Transfer[] = [
  { title: 'alice sends' },
  { title: 'alice sends, with --prune', prunes: 'alice' },
  { title: 'alice sends over the unblinded lane, with --prune', unblinded: true, prunes: 'alice' },
  { title: 'carol answers over a hidden path', isAnswer: true },
]

const options = new Command('footprint')
  .description('Measures what a transfer leaves in lnd at both ends and at a relay, per MB.')
  .option('--json', 'print one JSON object on the last line', false)
  .option('--write', 'write bench/results/footprint.md and footprint.json', false)
  .option('--bytes <n>', 'bytes of each transfer', wholeNumber(100, 9_999_999_999), DEFAULT_BYTES)
  .parse()
  .opts<{ readonly json: boolean; readonly write: boolean; readonly bytes: number }>()

function endpoint(network: Network<Name>, name: Name, transfer: Transfer): Promise<Endpoint> {
  const { socket, certPath: cert, macaroonPath: macaroon } = network.node(name)
  return createEndpoint({
    backend: createLndBackend({ socket, cert, macaroon, prune: transfer.prunes === name }),
    caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT },
    maxCost: PLENTY_MSAT,
    phantomLane: transfer.unblinded === true && name === 'carol',
  })
}

async function move(network: Network<Name>, transfer: Transfer): Promise<void> {
  const [alice, carol] = [await endpoint(network, 'alice', transfer), await endpoint(network, 'carol', transfer)]
  const bytes = Buffer.alloc(options.bytes, 'keysock')
  const server = carol.createServer((socket) => {
    socket.on('error', (error) => console.error(error.message))
    if (transfer.isAnswer === true) socket.end(bytes)
    socket.resume()
  })
  await server.listen(7)
  const socket = alice.createConnection(carol.publicKeyHex, 7, {
    ...(transfer.unblinded === true && { lane: 'phantom' }),
  })
  socket.resume()
  if (transfer.isAnswer !== true) socket.end(bytes)
  await once(socket, 'close')
  await alice.close()
  await carol.close()
}

type All = Readonly<Record<Name, Contents>>

async function look(network: Network<Name>): Promise<All> {
  const entries = await Promise.all(NAMES.map(async (name) => [name, await contentsOf(network.node(name))] as const))
  await network.waitActive()
  return Object.fromEntries(entries) as unknown as All
}

interface Row {
  readonly title: string
  readonly perMegabyte: All
}

async function measure(network: Network<Name>): Promise<readonly Row[]> {
  await move(network, { title: 'warm up' })
  let before = await look(network)
  const rows: Row[] = []
  for (const transfer of TRANSFERS) {
    await move(network, transfer)
    const after = await look(network)
    const grown = (name: Name, what: keyof Contents): number =>
      Math.round((after[name][what] - before[name][what]) / (options.bytes / 1e6))
    const of = (name: Name): Contents => ({
      payments: grown(name, 'payments'),
      invoices: grown(name, 'invoices'),
      databaseBytes: grown(name, 'databaseBytes'),
    })
    const row = { title: transfer.title, perMegabyte: { alice: of('alice'), bob: of('bob'), carol: of('carol') } }
    rows.push(row)
    console.log(line(row))
    before = after
  }
  return rows
}

function kB({ databaseBytes }: Contents): string {
  return String(Math.round(databaseBytes / 1e3))
}

function line({ title, perMegabyte }: Row): string {
  const { alice, bob, carol } = perMegabyte
  const cells = [title, alice.payments, alice.invoices, kB(alice), kB(bob), carol.payments, carol.invoices, kB(carol)]
  return `| ${cells.join(' | ')} |`
}

const network = await startNetwork<Name>({
  nodes: NAMES,
  channels: [
    { between: ['alice', 'bob'], capacitySat: 10_000_000, pushSat: 5_000_000 },
    { between: ['bob', 'carol'], capacitySat: 10_000_000, pushSat: 5_000_000 },
  ],
})
let rows: readonly Row[]
try {
  rows = await measure(network)
} finally {
  await network.close()
}

const table = [
  '| per MB | alice: payments | invoices | kB | bob (relay): kB | carol: payments | invoices | kB |',
  '|-|-:|-:|-:|-:|-:|-:|-:|',
  ...rows.map(line),
].join('\n')
if (options.write) {
  await mkdir(RESULTS, { recursive: true })
  const what = `${options.bytes} bytes over alice - bob - carol, each time; what stays in lnd's channel.db (bbolt) when it was compacted, by its pages in use. One run.`
  await writeFile(
    new URL('footprint.md', RESULTS),
    `# What a transfer leaves in lnd\n\n\`./dev bench footprint --write\`. ${what}\n\n${table}\n`,
  )
  const results = { bench: 'footprint', bytes: options.bytes, rows }
  await writeFile(new URL('footprint.json', RESULTS), `${JSON.stringify(results, undefined, 2)}\n`)
}
console.log(`\n${table}`)
if (options.json) console.log(JSON.stringify({ bench: 'footprint', bytes: options.bytes, rows }))
