/** What lnd tells its program of each payment that came in by keysend. */
import { type RawInvoice, recordOf } from '../../../src/backends/lnd/rpc/raw-messages.ts'
import { toHex } from '../../../src/floor/bytes.ts'

export interface IncomingPayment {
  readonly hash: string
  readonly amountMsat: number
  /** lnd's number of the channel that it came over. */
  readonly channel: string
  /** From the block at which it was accepted until the HTLC expires. */
  readonly blocksLeft: number
}

/** More of what stands in an invoice than the backend itself reads. */
type Invoice = RawInvoice & {
  readonly htlcs: readonly {
    readonly chan_id: string
    readonly amt_msat: string
    readonly accept_height: number
    readonly expiry_height: number
  }[]
}

/** By packet, in hex, out of the messages of SubscribeInvoices. */
export function incomingPayments(messages: readonly unknown[]): Map<string, IncomingPayment> {
  const payments = new Map<string, IncomingPayment>()
  for (const message of messages) {
    const { r_hash, htlcs = [] } = message as Partial<Invoice>
    for (const htlc of htlcs) {
      const record = recordOf(htlc.custom_records)
      if (record === undefined || r_hash === undefined) continue
      payments.set(toHex(record), {
        hash: toHex(r_hash),
        amountMsat: Number(htlc.amt_msat),
        channel: htlc.chan_id,
        blocksLeft: htlc.expiry_height - htlc.accept_height,
      })
    }
  }
  return payments
}
