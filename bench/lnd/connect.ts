import { CONNECTS } from './settings.ts'
import type { Testbed } from './testbed.ts'
import type { Ends } from './transfer.ts'

/** From `createConnection`, with a question written at once, to the first byte of the answer. */
export interface Connect {
  readonly ms: number
  /** Payments of both ends until then, as the ends count them, and as their lnds do. */
  readonly payments: number
  readonly lndPayments: number
}

/** Several connections, one after the other; before the first, the endpoint never had one. */
export async function measureConnects(testbed: Testbed, { alice, carol }: Ends): Promise<Connect[]> {
  const ledgers = [
    await testbed.bare.alice.open('ledger', testbed.alice),
    await testbed.bare.carol.open('ledger', testbed.carol),
  ]
  const connects: Connect[] = []
  for (let i = 0; i < CONNECTS; i++) {
    const { startMs, answeredMs } = await alice.call('firstByte', testbed.carol.publicKey)
    const paid = [await alice.call('paid', startMs, answeredMs), await carol.call('paid', startMs, answeredMs)]
    const told = await Promise.all(ledgers.map((ledger) => ledger.call('countBetween', startMs, answeredMs)))
    await Promise.all([alice.call('quiet'), carol.call('quiet')])
    connects.push({
      ms: answeredMs - startMs,
      payments: paid.reduce((sum, { payments }) => sum + payments, 0),
      lndPayments: told.reduce((sum, count) => sum + count, 0),
    })
  }
  await Promise.all(ledgers.map((ledger) => ledger.call('close')))
  return connects
}
