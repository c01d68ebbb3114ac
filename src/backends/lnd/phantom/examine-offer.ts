import { openEncryptedData } from '../../../wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../../wire/bolt4/errors.ts'
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

/** What an HTLC to one of our phantoms is worth. */
export type Examined =
  /** `refuser`: where the payer can be told why it is refused. */
  | { readonly ok: true; readonly record: Uint8Array; readonly amountMsat: bigint; readonly refuser?: Refuser }
  /** `shortMsat`: what a relay kept. `failure`: what the payer is told, sealed. */
  | { readonly ok: false; readonly why: string; readonly shortMsat?: bigint; readonly failure?: Uint8Array }

type Final = Pick<ClearFinalPayload, 'amountMsat' | 'cltvExpiry' | 'totalMsat' | 'customRecords'>

/**
 * Opens an offer and checks what the phantom hop has to (spec/lnd.md §5): the onion is
 * authentic over the payment hash, our record is in it, and amount and expiry are what the payer said.
 */
export function examineOffer(offer: RawOffer, key: PhantomKey | NodePhantomKey, height: number): Examined {
  const path = 'pathId' in key ? key : undefined
  if (path !== undefined && height >= path.expiryHeight) return { ok: false, why: 'the path has expired' }
  try {
    const peeled = peelOnion({
      onion: Uint8Array.from(offer.onion_blob),
      privateKey: key.privateKey,
      associatedData: Uint8Array.from(offer.payment_hash),
    })
    if (peeled.hop !== 'final') return { ok: false, why: 'the onion goes on after us' }
    if (path !== undefined) return examineFinal(offer, openBlinded(path, peeled.payload), height, undefined)
    const refuser = new Refuser(peeled.sharedSecret, BigInt(offer.incoming_amount_msat))
    return examineFinal(offer, decodeClearFinal(peeled.payload), height, refuser)
  } catch (error) {
    if (error instanceof BoltError) return { ok: false, why: error.code }
    throw error
  }
}

function openBlinded(path: PhantomKey, stream: Uint8Array): Final {
  const payload = decodeBlindedFinal(stream)
  openEncryptedData(path.dataSecret, payload.encryptedData)
  return payload
}

// spec §2.4, §2.10
function examineFinal(offer: RawOffer, payload: Final, height: number, refuser: Refuser | undefined): Examined {
  const record = payload.customRecords.get(RECORD_TYPE)
  const { incoming_expiry: expiry } = offer
  const incomingMsat = BigInt(offer.incoming_amount_msat)
  if (record === undefined) {
    const failure = refuser?.failure({ name: 'invalid_onion_payload', type: RECORD_TYPE, offset: 0 })
    return refused('there is no record of ours', failure)
  }
  if (incomingMsat < payload.amountMsat || payload.totalMsat > payload.amountMsat) {
    const failure = refuser?.failure({ name: 'final_incorrect_htlc_amount', incomingMsat })
    return { ...refused('too little came', failure), shortMsat: payload.amountMsat - incomingMsat }
  }
  if (expiry < payload.cltvExpiry || expiry < height + INTERCEPT_MARGIN_BLOCKS) {
    return refused('it expires too soon', refuser?.failure({ name: 'final_incorrect_cltv_expiry', cltvExpiry: expiry }))
  }
  return { ok: true, record, amountMsat: payload.amountMsat, ...(refuser && { refuser }) }
}

function refused(why: string, failure: Uint8Array | undefined): Extract<Examined, { ok: false }> {
  return { ok: false, why, ...(failure && { failure }) }
}
