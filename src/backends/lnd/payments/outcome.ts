import { isMadeUpChannel } from '../../../wire/bolt4/phantom.ts'
import type { FailureReason, PaymentFailure, PaymentOutcome } from '../../../medium/payment.ts'
import type { RawAttempt, RawFailure, RawPayment } from '../rpc/raw-messages.ts'
import type { RoutePlan } from '../routes/route-costs.ts'

/** What lnd's answers mean for a payment. Pure. */

/** lnd's names of BOLT 4's failures. One of a relay that is not listed is 'temporary-channel-failure'. */
const REASONS: Readonly<Record<string, FailureReason>> = {
  TEMPORARY_CHANNEL_FAILURE: 'temporary-channel-failure',
  TEMPORARY_NODE_FAILURE: 'temporary-channel-failure',
  CHANNEL_DISABLED: 'temporary-channel-failure',
  PERMANENT_CHANNEL_FAILURE: 'unknown-next-peer',
  PERMANENT_NODE_FAILURE: 'unknown-next-peer',
  UNKNOWN_NEXT_PEER: 'unknown-next-peer',
  FEE_INSUFFICIENT: 'policy',
  AMOUNT_BELOW_MINIMUM: 'policy',
  INCORRECT_CLTV_EXPIRY: 'policy',
  // spec/lnd.md §10: what LDK says of its policy comes without the policy, and lnd reads no such word.
  UNKNOWN_FAILURE: 'policy',
  EXPIRY_TOO_SOON: 'expiry',
  EXPIRY_TOO_FAR: 'expiry',
  FINAL_EXPIRY_TOO_SOON: 'expiry',
  FINAL_INCORRECT_CLTV_EXPIRY: 'expiry',
  INVALID_ONION_BLINDING: 'blinded',
  MPP_TIMEOUT: 'timeout',
}

const UNREADABLE: ReadonlySet<string> = new Set(['UNREADABLE_FAILURE', 'UNKNOWN_FAILURE'])

/** What a failure that sendToRouteV2 answered means. Position 0 of lnd's is this node, 1 the first peer. */
export function failureOf(failure: RawFailure | null, plan: RoutePlan): PaymentFailure {
  if (failure === null) return { status: 'failed', reason: 'timeout', place: 'route' }
  const { code, failure_source_index: position } = failure
  // lnd gives position 0 to failures that it cannot read: who failed is known only if there is a single hop.
  if (position === 0 && UNREADABLE.has(code))
    return { status: 'failed', reason: 'temporary-channel-failure', place: 'route', ...onlyChannel(plan) }
  const last = plan.hops.length
  if (position === 0) return { status: 'failed', reason: localReason(code), place: 'local', ...channelAfter(plan, 0) }
  if (plan.blinded !== undefined && (position >= last || code === 'INVALID_ONION_BLINDING')) {
    // Where one path refuses, the next relay's channel is not to blame: nobody knows which it is.
    const isEarly = code === 'EXPIRY_TOO_SOON'
    return { status: 'failed', reason: isEarly ? 'expiry' : 'blinded', place: 'introduction' }
  }
  if (plan.phantom === true && position >= last - 1) return phantomFailure(failure, position < last)
  if (position >= last) return { status: 'failed', reason: finalReason(code), place: 'destination' }
  const reason = REASONS[code] ?? 'temporary-channel-failure'
  return { status: 'failed', reason, place: 'route', ...channelAfter(plan, position) }
}

/** What the phantom of a node answered (spec §2.10), or the node in its place. */
function phantomFailure({ code, height }: RawFailure, fromItsNode: boolean): PaymentFailure {
  const place = 'destination'
  if (fromItsNode) return { status: 'failed', reason: REASONS[code] ?? 'temporary-channel-failure', place }
  if (code !== 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS') return { status: 'failed', reason: finalReason(code), place }
  return { status: 'failed', reason: 'refused', place, refusal: height }
}

function localReason(code: string): FailureReason {
  const reason = REASONS[code] ?? 'temporary-channel-failure'
  return reason === 'unknown-next-peer' ? 'temporary-channel-failure' : reason
}

function finalReason(code: string): FailureReason {
  const reason = REASONS[code]
  return reason === 'expiry' || reason === 'timeout' ? reason : 'rejected-by-node'
}

function onlyChannel(plan: RoutePlan): { channel: string } | object {
  return plan.hops.length === 1 && plan.blinded === undefined ? channelAfter(plan, 0) : {}
}

/** The channel that leads on from the node at this position. */
function channelAfter({ hops }: RoutePlan, position: number): { channel: string } | object {
  const channel = hops[position]?.channel
  return channel === undefined ? {} : { channel }
}

/**
 * What became of a payment that lnd remembers. lnd has erased why one failed: all that is known then is that the money
 * is back.
 */
export function outcomeOf(payment: RawPayment): PaymentOutcome | { readonly status: 'in-flight' } {
  switch (payment.status) {
    case 'SUCCEEDED':
      return isPhantom(payment)
        ? { status: 'delivered', feeMsat: feeOf(payment), ...preimageOf(succeeded(payment)?.preimage) }
        : { status: 'settled', feeMsat: feeOf(payment) }
    case 'FAILED':
      return { status: 'failed', reason: 'temporary-channel-failure', place: 'route' }
    default:
      return { status: 'in-flight' }
  }
}

/** What settled it, where lnd tells. */
export function preimageOf(preimage: Uint8Array | undefined): { readonly preimage?: Uint8Array } {
  return preimage === undefined || preimage.length === 0 ? {} : { preimage: Uint8Array.from(preimage) }
}

function succeeded({ htlcs }: RawPayment): RawAttempt | undefined {
  return htlcs.find((htlc) => htlc.status === 'SUCCEEDED')
}

function isPhantom(payment: RawPayment): boolean {
  const last = succeeded(payment)?.route?.hops.at(-1)
  if (last === undefined) return false
  return (last.encrypted_data?.length ?? 0) > 0 || isMadeUpChannel(BigInt(last.chan_id))
}

/** The fees as they stand in the attempt, where lnd has the sum also for a blinded route. */
function feeOf(payment: RawPayment): bigint {
  return BigInt(succeeded(payment)?.route?.total_fees_msat ?? payment.fee_msat)
}
