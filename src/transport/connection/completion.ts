/** From a sealed packet to an attempt. */
import { paymentHash, preimage as derivePreimage } from '../../wire/keys.ts'
import type { Core } from './core.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import type { Draft } from './draft.ts'
import type { Attempt, Grant } from './interface.ts'
import { registerAttempt } from './recovery.ts'

/** What `complete` makes an attempt of. */
export interface Completion {
  readonly grant: Grant
  readonly draft: Draft
  readonly record: Uint8Array
  readonly settleKey: Uint8Array
  /** The copy of an OPEN; 0 for all others. */
  readonly attempt?: number
}

/** Turns a sealed packet into an attempt that is accounted for and remembered. */
export function complete(core: Core, now: number, completion: Completion): Attempt {
  const { grant, draft, record, settleKey, attempt = 0 } = completion
  const { route } = grant
  if (record.length > route.recordBytes) throw new Error('a packet larger than its grant')
  const amountMsat = draft.creditMsat > route.minAmountMsat ? draft.creditMsat : route.minAmountMsat
  const feeMsat = routeFeeMsat(route, amountMsat)
  const secret = grant.lane === 'node' ? core.random(32) : derivePreimage(settleKey, draft.number, attempt)
  core.account.reserve(amountMsat, feeMsat)
  const sent = registerAttempt(core, now, { grant, draft, amountMsat, feeMsat, open: draft.kind === 'open' })
  return {
    id: sent.id,
    reason: draft.reason,
    lane: grant.lane,
    routeId: route.id,
    record,
    amountMsat,
    feeMsat,
    hash: paymentHash(secret),
    ...(grant.lane === 'node' ? { preimage: secret } : {}),
  }
}
