import { createHash, randomBytes } from 'node:crypto'
import { KEYSEND_KEY, RECORD_KEY } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { fromHex } from '../../src/floor/bytes.ts'
import { type NodeAddress, openBare } from './bare-node.ts'
import { now } from './now.ts'
import { CHUNK_BYTES, MAX_FEE_MSAT } from './settings.ts'

/** The least that lnd's default policies let pass. */
const AMOUNT_MSAT = 1_000
const TIMEOUT_SECONDS = 60

interface PaymentStream {
  on(event: 'data', listener: (payment: { readonly status: string }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** One payment after the other by sendPaymentV2, each with CHUNK_BYTES, as pyKeysend does it. */
export async function openOneByOne({
  node: address,
  to,
}: {
  readonly node: NodeAddress
  readonly to: string
}): Promise<{
  run(forMs: number): Promise<{ readonly startMs: number; readonly payments: number }>
  close(): void
}> {
  const { services } = await openBare(address)
  const router = services.router as { sendPaymentV2(request: object): PaymentStream }
  const chunk = randomBytes(CHUNK_BYTES)
  const pay = (): Promise<void> => {
    const preimage = randomBytes(32)
    const stream = router.sendPaymentV2({
      dest: fromHex(to),
      amt_msat: String(AMOUNT_MSAT),
      payment_hash: createHash('sha256').update(preimage).digest(),
      dest_custom_records: { [KEYSEND_KEY]: preimage, [RECORD_KEY]: chunk },
      timeout_seconds: TIMEOUT_SECONDS,
      fee_limit_msat: MAX_FEE_MSAT.toString(),
      no_inflight_updates: true,
    })
    return new Promise((resolve, reject) => {
      stream.on('data', ({ status }) => {
        if (status === 'SUCCEEDED') resolve()
        else if (status === 'FAILED') reject(new Error('a payment of one at a time failed'))
      })
      stream.on('error', reject)
    })
  }
  return {
    run: async (forMs) => {
      const startMs = now()
      let payments = 0
      while (now() < startMs + forMs) {
        await pay()
        payments += 1
      }
      return { startMs, payments }
    },
    close: () => services.close(),
  }
}
