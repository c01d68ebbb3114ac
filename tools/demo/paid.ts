/** `./dev demo --paid`: bob sells a file to alice by the kilobyte, over a simulated network or real lnd nodes. */
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { sell, type SaleResult } from './sale.ts'

export interface PaidOptions {
  readonly bytes: number
  readonly seed: string
  readonly failure: number
  readonly hang: number
  /** The most that alice pays for the connection, fees included, msat. */
  readonly capMsat: bigint
  /** One JSON object as the last line, in place of words. */
  readonly json: boolean
}

/** 1,000 bytes cost so much at first, and so much when half of the file has arrived, msat. */
export const FIRST_MSAT = 2_000n
export const LATER_MSAT = 3_000n

/** Returns the exit status: 0 where both ledgers agree. */
export async function paidDemo({ bytes, seed, failure, hang, capMsat, json }: PaidOptions): Promise<number> {
  if (!json) announce(bytes, capMsat)
  const sim = createSimulation(demoNetwork({ failure, hang }), { seed })
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice') }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  const result = await sim.drive(
    sell({
      seller: bob,
      buyer: alice,
      file: sim.entropy.bytes(bytes),
      capMsat,
      firstMsat: FIRST_MSAT,
      laterMsat: LATER_MSAT,
      clock: sim.clock,
      onPrice: (msat) => (json ? undefined : announcePrice(msat)),
    }),
  )
  if (json) console.log(saleJson(result))
  else printSale(result, ['alice', 'bob'])
  return result.agree ? 0 : 1
}

export function announce(bytes: number, capMsat: bigint): void {
  console.log(`bob sells a file of ${count(bytes)} bytes: ${sat(FIRST_MSAT)} sat for 1,000 bytes,`)
  console.log(
    `${sat(LATER_MSAT)} sat when half of it has arrived. alice pays ${sat(capMsat)} sat at most, fees included.`,
  )
}

export function announcePrice(msat: bigint): void {
  console.log(`alice hears a price of ${sat(msat)} sat for 1,000 bytes, and agrees`)
}

/** Amounts as numbers, msat. */
export function saleJson(result: SaleResult, more: object = {}): string {
  return JSON.stringify({ ok: result.agree, ...result, ...more }, (_key, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
}

export function printSale(result: SaleResult, [buyer, seller]: readonly [string, string]): void {
  const { bytesRead, fileBytes, isAtCap, capMsat, dueMsat } = result
  const end = isAtCap ? `the end: the cap of ${sat(capMsat)} sat leaves no room for more` : 'all of it'
  console.log(`${buyer} has ${count(bytesRead)} of ${count(fileBytes)} bytes: ${end}`)
  const rows: readonly (readonly [string, string, string])[] = [
    ['msat', buyer, seller],
    ['paid to the other', count(result.buyer.amountsMsat), count(result.seller.amountsMsat)],
    ['received', count(result.buyer.receivedMsat), count(result.seller.receivedMsat)],
    ['fees to relays', count(result.buyer.feesMsat), count(result.seller.feesMsat)],
    ['price of what came', count(dueMsat.buyer), count(dueMsat.seller)],
  ]
  for (const [what, ...amounts] of rows)
    console.log(`${what.padEnd(20)}${amounts.map((amount) => amount.padStart(12)).join('')}`)
  console.log(`what ${buyer} paid is what ${seller} received: ${result.agree ? 'to the msat' : 'NO'}`)
}

function sat(msat: bigint): string {
  return (Number(msat) / 1_000).toLocaleString('en', { maximumFractionDigits: 3 })
}

export function count(value: number | bigint): string {
  return value.toLocaleString('en')
}
