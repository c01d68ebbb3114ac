import { toHex } from '../../../floor/bytes.ts'
import type { Payment } from '../../../medium/payment.ts'
import { KEYSEND_KEY, RECORD_KEY } from '../rpc/raw-messages.ts'
import { amountsFor, expiriesFor, finalExpiry, type RoutePlan } from '../routes/route-costs.ts'

/**
 * The request of routerrpc.SendToRouteV2 for a payment. What lnd checks on blinded hops
 * (BOLT 4): amount and expiry 0 before the last, set on the last with the total;
 * channel 0 after the introduction node; encrypted data on all, the path key on the first.
 */
export function sendToRouteRequest(plan: RoutePlan, payment: Payment, height: number): object {
  const { hops, blinded } = plan
  const { amountMsat } = payment
  const amounts = amountsFor(plan, amountMsat)
  const expiries = expiriesFor(plan, height)
  const final = {
    amt_to_forward_msat: amountMsat.toString(),
    expiry: finalExpiry(plan, height),
    tlv_payload: true,
    custom_records: {
      ...(payment.records === undefined
        ? { [RECORD_KEY]: payment.record }
        : Object.fromEntries(payment.records.map(({ type, value }) => [String(type), value]))),
      ...(payment.preimage && { [KEYSEND_KEY]: payment.preimage }),
    },
  }
  const clear = hops.map((hop, i) => ({
    chan_id: hop.chanId,
    pub_key: hop.to,
    ...(i < hops.length - 1
      ? { amt_to_forward_msat: (amounts[i + 1] ?? 0n).toString(), expiry: expiries[i + 1], tlv_payload: true }
      : blinded === undefined
        ? final
        : {
            amt_to_forward_msat: '0',
            expiry: 0,
            tlv_payload: true,
            encrypted_data: blinded.data[0],
            blinding_point: blinded.pathKey,
          }),
  }))
  const hidden = (blinded?.blindedIds ?? []).map((id, i, ids) => ({
    chan_id: '0',
    pub_key: toHex(id),
    encrypted_data: blinded?.data[i + 1],
    ...(i < ids.length - 1
      ? { amt_to_forward_msat: '0', expiry: 0, tlv_payload: true }
      : { ...final, total_amt_msat: amountMsat.toString() }),
  }))
  const totalMsat = amounts[0] ?? amountMsat
  return {
    payment_hash: payment.hash,
    // A failure on the way ends the payment, and lnd does not try again: the transport decides what follows.
    skip_temp_err: false,
    route: {
      total_time_lock: expiries[0],
      total_amt_msat: totalMsat.toString(),
      total_fees_msat: (totalMsat - amountMsat).toString(),
      hops: [...clear, ...hidden],
    },
  }
}
