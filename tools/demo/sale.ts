/** A file sold by the kilobyte to a client with a cap: what `./dev demo --paid` shows, on any backend. */
import { once } from 'node:events'
import { pause } from '../../src/floor/clock.ts'
import type { Clock, Endpoint, Socket } from '../../src/index.ts'

export interface SaleOptions {
  readonly seller: Endpoint
  readonly buyer: Endpoint
  readonly file: Uint8Array
  /** The most that the buyer pays for the connection, fees included, msat. */
  readonly capMsat: bigint
  /** What 1,000 bytes cost at first, and from half of the file on, msat. */
  readonly firstMsat: bigint
  readonly laterMsat: bigint
  /** The time of the network. */
  readonly clock: Clock
  /** Each price that the buyer hears of. */
  readonly onPrice: (kilobyteMsat: bigint) => void
}

/** One side's ledger, msat: what it paid to the other, what relays took for that, and what came in. */
export interface SideLedger {
  readonly amountsMsat: bigint
  readonly feesMsat: bigint
  readonly receivedMsat: bigint
}

/** Amounts in msat. */
export interface SaleResult {
  readonly fileBytes: number
  readonly bytesRead: number
  readonly capMsat: bigint
  /** The buyer stopped at its cap, with bytes left. */
  readonly isAtCap: boolean
  /** The prices of 1,000 bytes, in the order in which the buyer heard of them. */
  readonly prices: readonly bigint[]
  /** What all that the buyer has costs, by either side's count. */
  readonly dueMsat: { readonly buyer: bigint; readonly seller: bigint }
  readonly buyer: SideLedger
  readonly seller: SideLedger
  /** What the seller got is what the buyer's payments were. */
  readonly agree: boolean
}

const PORT = 8
/** How long payments are waited for at the end, and how often is looked, ms: those that hang do so for minutes. */
const DECIDED_MS = 3_600_000
const LOOK_MS = 500
/** At its cap the buyer goes when nothing that it paid for has come for so long, ms. */
const QUIET_MS = 10_000
/** What the seller paid last counts as the buyer's income when the node has confirmed it: soon, ms. */
const CONFIRMED_MS = 3_000
const PIECE_BYTES = 4_096
/** A price holds for what is written after it: so no more than this is written ahead of what has arrived, bytes. */
const LEAD_BYTES = 49_152

/** Closes both endpoints at the end. */
export async function sell(options: SaleOptions): Promise<SaleResult> {
  const { seller, buyer, file, capMsat, firstMsat, laterMsat, clock } = options
  let sold: Socket | undefined
  const server = seller.createServer(
    // The way to the buyer is the seller's to pay: the price is all that it asks.
    { tariff: { packet: 0, kilobyte: firstMsat }, answers: 'own', allowHalfOpen: true },
    (accepted) => {
      sold = accepted
      // Who stops at its cap goes: that ends the sale, and is no fault of the seller's.
      accepted.on('error', () => undefined)
      accepted.resume()
      void serve(accepted, { file, laterMsat, clock })
    },
  )
  await server.listen(PORT)

  const prices: bigint[] = []
  const socket = buyer.createConnection(await seller.address(), PORT, {
    maxCost: capMsat,
    maxTariff: { packet: 0, kilobyte: firstMsat },
    // The standing yes ends at the first price: a higher one is a new question.
    onPrice: ({ kilobyteMsat }) => kilobyteMsat <= laterMsat,
  })
  socket.on('price', ({ kilobyteMsat }) => {
    if (prices.at(-1) === kilobyteMsat) return
    prices.push(kilobyteMsat)
    options.onPrice(kilobyteMsat)
  })
  socket.on('error', () => undefined)
  let bytesRead = 0
  socket.on('data', (piece: Buffer) => (bytesRead += piece.length))
  let isAtCap = false
  socket.on('paused', () => {
    isAtCap = true
    void leave(socket, clock)
  })
  socket.end()
  await once(socket, 'close')
  server.close()

  for (let waited = 0; waited < DECIDED_MS && !(isDecided(seller) && isDecided(buyer)); waited += LOOK_MS)
    await pause(LOOK_MS, clock)
  // A last acknowledgement is a payment, too: the ledgers are read when nothing more can go.
  await seller.close()
  await pause(CONFIRMED_MS, clock)
  await buyer.close()
  const [bought, earned] = [await ledgerOf(buyer), await ledgerOf(seller)]
  return {
    fileBytes: file.length,
    bytesRead,
    capMsat,
    isAtCap,
    prices,
    dueMsat: { buyer: socket.credit.dueMsat, seller: sold?.credit.dueMsat ?? 0n },
    buyer: bought,
    seller: earned,
    agree: bought.amountsMsat === earned.receivedMsat,
  }
}

interface Goods {
  readonly file: Uint8Array
  readonly laterMsat: bigint
  readonly clock: Clock
}

/** Writes the file. When half of it has arrived, the rest becomes dearer. */
async function serve(socket: Socket, { file, laterMsat, clock }: Goods): Promise<void> {
  let isRaised = false
  for (let at = 0; at < file.length && !socket.destroyed;) {
    const arrived = socket.stats.bytesAcknowledged
    if (!isRaised && arrived >= file.length / 2) {
      isRaised = true
      socket.setTariff({ packet: 0, kilobyte: laterMsat })
    }
    if (at >= arrived + LEAD_BYTES) await pause(LOOK_MS / 10, clock)
    else socket.write(file.subarray(at, (at += PIECE_BYTES)))
  }
  if (!socket.destroyed) socket.end()
}

/** Waits for what was paid for and is still on its way, then ends the connection. */
async function leave(socket: Socket, clock: Clock): Promise<void> {
  for (let quietMs = 0; quietMs < QUIET_MS && !socket.destroyed;) {
    const before = socket.bytesRead
    await pause(LOOK_MS, clock)
    quietMs = socket.bytesRead === before ? quietMs + LOOK_MS : 0
  }
  socket.destroy()
}

function isDecided(endpoint: Endpoint): boolean {
  return endpoint.stats.reservedMsat === 0n
}

async function ledgerOf(endpoint: Endpoint): Promise<SideLedger> {
  const [all] = await endpoint.account.totals({ by: 'all' })
  const { paidMsat = 0n, feesMsat = 0n, receivedMsat = 0n } = all ?? {}
  return { amountsMsat: paidMsat - feesMsat, feesMsat, receivedMsat }
}
