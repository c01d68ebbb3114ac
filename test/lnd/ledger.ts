import type { LndNode } from '../nodes/lnd-node.ts'
import { told } from '../nodes/until.ts'

interface RawAttempt {
  readonly status: string
  readonly route: { readonly total_amt_msat: string } | null
}

interface RawPayment {
  readonly payment_hash: string
  readonly status: string
  readonly payment_index: string
  readonly htlcs: readonly RawAttempt[]
}

interface RawClient {
  listPayments(
    request: object,
    done: (error: unknown, answer: { readonly payments: readonly RawPayment[] }) => void,
  ): void
}

/** What lnd says that its payments came to. */
export interface Ledger {
  /** Amounts and fees of what was paid for certain. */
  readonly paidMsat: bigint
  /** Hashes of payments without outcome. */
  readonly inFlight: readonly string[]
  readonly failed: number
  readonly succeeded: number
  /** To begin the next look behind it. */
  readonly lastIndex: bigint
}

/** Reads a node's payments after an index. */
export async function readLedger(node: LndNode, afterIndex: bigint = 0n): Promise<Ledger> {
  const client = node.lnd.default as RawClient
  const payments = await new Promise<readonly RawPayment[]>((resolve, reject) => {
    const request = { include_incomplete: true, index_offset: afterIndex.toString(), max_payments: '100000' }
    client.listPayments(request, (error, answer) => {
      if (error === null) resolve(answer.payments)
      else reject(new Error(told(error)))
    })
  })
  let paidMsat = 0n
  for (const { route } of payments.flatMap(({ htlcs }) => htlcs).filter(({ status }) => status === 'SUCCEEDED'))
    paidMsat += BigInt(route?.total_amt_msat ?? 0)
  const count = (status: string): number => payments.filter((payment) => payment.status === status).length
  return {
    paidMsat,
    inFlight: payments
      .filter(({ status }) => status === 'IN_FLIGHT' || status === 'INITIATED')
      .map(({ payment_hash }) => payment_hash),
    failed: count('FAILED'),
    succeeded: count('SUCCEEDED'),
    lastIndex: payments.reduce(
      (last, { payment_index }) => (BigInt(payment_index) > last ? BigInt(payment_index) : last),
      afterIndex,
    ),
  }
}
