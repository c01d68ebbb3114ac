import { openEncryptedData } from '../../../wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../../wire/bolt4/errors.ts'
import type { Failure } from '../../../wire/bolt4/failure.ts'
import { peelOnion } from '../../../wire/bolt4/onion.ts'
import {
  decodeBlindedFinal,
  decodeClearFinal,
  RECORD_TYPE,
  type ClearFinalPayload,
} from '../../../wire/bolt4/payload.ts'
import type { PhantomKey } from './blinded-paths.ts'
import { INTERCEPT_MARGIN_BLOCKS } from '../limits.ts'
import type { RawOffer } from '../rpc/raw-messages.ts'
import { Refuser, type NodePhantomKey } from './node-phantom.ts'

/** What was found in an HTLC to one of our phantoms. */
export type Examined =
  /** `refuser`: seals a refusal for the payer; absent where the path is blinded. */
  | { readonly ok: true; readonly record: Uint8Array; readonly amountMsat: bigint; readonly refuser?: Refuser }
  /** `shortMsat`: by how much less came than the onion says. `failure`: for the payer, sealed. */
  | { readonly ok: false; readonly shortMsat?: bigint; readonly failure?: Uint8Array }

type Final = Pick<ClearFinalPayload, 'amountMsat' | 'cltvExpiry' | 'totalMsat' | 'customRecords'>

/**
 * Opens an offer and checks what the phantom hop has to (spec/lnd.md §5): the onion is
 * authentic over the payment hash, our record is in it, and amount and expiry are what the payer said.
 */
export function examineOffer(offer: RawOffer, key: PhantomKey | NodePhantomKey, height: number): Examined {
  const path = 'pathId' in key ? key : undefined
  if (path !== undefined && height >= path.expiryHeight) return { ok: false }
  try {
    const peeled = peelOnion({
      onion: Uint8Array.from(offer.onion_blob),
      privateKey: key.privateKey,
      associatedData: Uint8Array.from(offer.payment_hash),
    })
    // An onion that goes on after us was not made for a phantom.
    if (peeled.hop !== 'final') return { ok: false }
    if (path !== undefined) return examineFinal(offer, openBlinded(path, peeled.payload), height, undefined)
    const refuser = new Refuser(peeled.sharedSecret, BigInt(offer.incoming_amount_msat))
    return examineFinal(offer, decodeClearFinal(peeled.payload), height, refuser)
  } catch (error) {
    if (error instanceof BoltError) return { ok: false }
    throw error
  }
}

function openBlinded(path: PhantomKey, stream: Uint8Array): Final {
  const payload = decodeBlindedFinal(stream)
  openEncryptedData(path.dataSecret, payload.encryptedData)
  return payload
}

/** The checks of spec §2.4; at the phantom of a node its payer is told which one failed (spec §2.10). */
function examineFinal(offer: RawOffer, payload: Final, height: number, refuser: Refuser | undefined): Examined {
  const record = payload.customRecords.get(RECORD_TYPE)
  const { incoming_expiry: expiry } = offer
  const incomingMsat = BigInt(offer.incoming_amount_msat)
  if (record === undefined) {
    return refused(refuser, { name: 'invalid_onion_payload', type: RECORD_TYPE, offset: 0 })
  }
  if (incomingMsat < payload.amountMsat || payload.totalMsat > payload.amountMsat) {
    const shortMsat = payload.amountMsat - incomingMsat
    return { ...refused(refuser, { name: 'final_incorrect_htlc_amount', incomingMsat }), shortMsat }
  }
  if (expiry < payload.cltvExpiry || expiry < height + INTERCEPT_MARGIN_BLOCKS) {
    return refused(refuser, { name: 'final_incorrect_cltv_expiry', cltvExpiry: expiry })
  }
  return { ok: true, record, amountMsat: payload.amountMsat, ...(refuser && { refuser }) }
}

function refused(refuser: Refuser | undefined, failure: Failure): Extract<Examined, { ok: false }> {
  return { ok: false, ...(refuser && { failure: refuser.failure(failure) }) }
}
