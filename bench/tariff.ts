/**
 * `./dev bench tariff`: what a tariff costs in goodput. A server sends to a client, at no price and by the kilobyte and
 * packet, over the same simulated networks with the same seeds, in one run. Exits with 1 where it costs more than
 * is allowed.
 */
import { once } from 'node:events'
import { Command } from 'commander'
import { createEndpoint } from '../src/index.ts'
import { createSimulation, demoNetwork } from '../src/sim.ts'
import type { TariffOptions } from '../src/transport/options/options.ts'
import { wholeNumber } from './report/flags.ts'

/** What the server lends, msat: some 100 packets; and the most of the goodput that the price may cost. */
const ROWS: readonly { readonly bytes: number; readonly creditLimit: bigint; readonly mostShare: number }[] = [
  // Without credit the yes and the first payments take a round trip each: spec/decisions/0019-money.md.
  { bytes: 1_000_000, creditLimit: 0n, mostShare: 0.2 },
  { bytes: 1_000_000, creditLimit: 60_000n, mostShare: 0.03 },
  { bytes: 10_000_000, creditLimit: 0n, mostShare: 0.03 },
  { bytes: 10_000_000, creditLimit: 60_000n, mostShare: 0.03 },
]
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

const { json, seeds } = program.parse().opts<{ readonly json: boolean; readonly seeds: number }>()
const rows = []
for (const { bytes, creditLimit, mostShare } of ROWS) {
  let free = 0
  let priced = 0
  let payments = 0
  for (let seed = 1; seed <= seeds; seed++) {
    free += (await sell({ bytes, creditLimit, seed }, FREE)).seconds
    const sale = await sell({ bytes, creditLimit, seed }, PRICED)
    priced += sale.seconds
    payments += sale.clientPayments
  }
  const share = 1 - free / priced
  rows.push({
    bytes,
    creditMsat: Number(creditLimit),
    freeSeconds: free / seeds,
    pricedSeconds: priced / seeds,
    share,
    mostShare,
  })
  console.log(
    `${bytes} bytes, ${Number(creditLimit) / 1_000} sat lent: ${(free / seeds).toFixed(1)} s free, ` +
      `${(priced / seeds).toFixed(1)} s priced, ${(share * 100).toFixed(1)} % of the goodput ` +
      `(${mostShare * 100} allowed), ${(payments / seeds).toFixed(0)} payments of the client`,
  )
}
if (json) console.log(JSON.stringify({ bench: 'tariff', seeds, rows }))
process.exitCode = rows.every(({ share, mostShare }) => share <= mostShare) ? 0 : 1
