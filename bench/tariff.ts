/**
 * `./dev bench tariff`: what a tariff costs in goodput. A server sends to a client, at no price and by the kilobyte and
 * packet, over the same simulated networks with the same seeds, in one run. Exits with 1 where it costs more than
 * is allowed.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { createEndpoint } from '../src/index.ts'
import { createSimulation, demoNetwork } from '../src/sim.ts'
import type { TariffOptions } from '../src/transport/options/options.ts'
import { wholeNumber } from './report/flags.ts'
import { sectionsAsMarkdown } from './report/sections.ts'

/** What the server lends, msat: nothing, or some 100 packets. */
const LENT_MSAT = 60_000n
const ROWS: readonly { readonly bytes: number; readonly creditLimit: bigint }[] = [
  { bytes: 1_000_000, creditLimit: 0n },
  { bytes: 1_000_000, creditLimit: LENT_MSAT },
  { bytes: 10_000_000, creditLimit: 0n },
  { bytes: 10_000_000, creditLimit: LENT_MSAT },
]
/** The most of the goodput that the price may cost. */
const MOST_SHARE = 0.03
const RESULTS: URL = new URL('results/', import.meta.url)
const PRICED: TariffOptions = { packet: 100, kilobyte: 500 }
const FREE: TariffOptions = {}
const RICH_MSAT = 10n ** 12n
const PORT = 7
const CHUNK_BYTES = 65_536

interface Job {
  readonly bytes: number
  readonly creditLimit: bigint
  readonly seed: number
}

interface Sale {
  readonly seconds: number
  readonly clientPayments: number
  readonly paidMsat: bigint
}

const program: Command = new Command('tariff')
  .description('Downloads at no price and at one. Exits with 1 where the price costs more than is allowed.')
  .option('--seeds <count>', 'seeds of each size', wholeNumber(1, 999), 5)
  .option('--write', 'write bench/results/tariff.md and tariff.json', false)
  .option('--json', 'print one JSON object on the last line', false)

async function sell({ bytes, creditLimit, seed }: Job, tariff: TariffOptions): Promise<Sale> {
  const sim = createSimulation(demoNetwork({ failure: 0.1 }), { seed })
  const caps = { peer: RICH_MSAT, process: RICH_MSAT }
  const open = (name: string): ReturnType<typeof createEndpoint> => createEndpoint({ backend: sim.backend(name), caps })
  const [bob, alice] = await sim.drive(Promise.all([open('bob'), open('alice')]))
  const server = bob.createServer({ tariff, creditLimit, answers: 'own', maxCost: RICH_MSAT }, (socket) => {
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) socket.write(Buffer.alloc(Math.min(left, CHUNK_BYTES)))
    socket.end()
    socket.resume()
  })
  await server.listen(PORT)
  const startedMs = sim.clock.now()
  const client = alice.createConnection(bob.publicKeyHex, PORT, { maxCost: RICH_MSAT, maxTariff: tariff })
  client.resume().end()
  await sim.drive(once(client, 'end'))
  const seconds = (sim.clock.now() - startedMs) / 1_000
  const { attempts, paidMsat } = client.stats
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  return { seconds, clientPayments: attempts, paidMsat }
}

interface Row {
  readonly bytes: number
  readonly creditMsat: number
  /** Means over the seeds. */
  readonly freeSeconds: number
  readonly pricedSeconds: number
  /** Of the goodput, what the price costs. */
  readonly share: number
  readonly clientPayments: number
}

const { json, seeds, write } = program.parse().opts<{ json: boolean; seeds: number; write: boolean }>()
const rows: Row[] = []
for (const { bytes, creditLimit } of ROWS) {
  let free = 0
  let priced = 0
  let payments = 0
  for (let seed = 1; seed <= seeds; seed++) {
    free += (await sell({ bytes, creditLimit, seed }, FREE)).seconds
    const sale = await sell({ bytes, creditLimit, seed }, PRICED)
    priced += sale.seconds
    payments += sale.clientPayments
  }
  const row: Row = {
    bytes,
    creditMsat: Number(creditLimit),
    freeSeconds: free / seeds,
    pricedSeconds: priced / seeds,
    share: 1 - free / priced,
    clientPayments: payments / seeds,
  }
  rows.push(row)
  console.log(cellsOf(row).join(', '))
}
const isWithin = rows.every(({ share }) => share <= MOST_SHARE)
if (json) console.log(JSON.stringify({ bench: 'tariff', seeds, rows }))
if (write) {
  const text = [
    '`./dev bench tariff --write`: a server sends to a client, at no price and at 0.1 sat a packet and 0.5 sat a kilobyte,',
    `over \`demoNetwork\` with a tenth of the payments failing. Means of ${seeds} seeds, in the time of the simulated network.`,
    `Asked: the price costs ${MOST_SHARE * 100} % of the goodput at most. ${isWithin ? 'It does not cost more.' : 'IT COSTS MORE.'}`,
  ]
  const head = ['download', 'lent', 'free', 'priced', 'of the goodput', 'payments of the client']
  const section = { title: 'What a tariff costs', text, head, rows: rows.map(cellsOf) }
  await mkdir(RESULTS, { recursive: true })
  await writeFile(new URL('tariff.md', RESULTS), `# Bench: tariff\n\n${sectionsAsMarkdown([section])}\n`)
  await writeFile(new URL('tariff.json', RESULTS), `${JSON.stringify({ seeds, rows }, undefined, 2)}\n`)
}
process.exitCode = isWithin ? 0 : 1

function cellsOf({ bytes, clientPayments, creditMsat, freeSeconds, pricedSeconds, share }: Row): readonly string[] {
  return [
    `${bytes / 1_000_000} MB`,
    `${creditMsat / 1_000} sat`,
    `${freeSeconds.toFixed(1)} s`,
    `${pricedSeconds.toFixed(1)} s`,
    `${(share * 100).toFixed(1)} %`,
    clientPayments.toFixed(0),
  ]
}
