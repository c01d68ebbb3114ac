import { openEncryptedData } from '../../wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../wire/bolt4/errors.ts'
import { peelOnion } from '../../wire/bolt4/onion.ts'
import { decodeBlindedFinal } from '../../wire/bolt4/payload.ts'
import type { PhantomKey } from './blinded-paths.ts'
import { INTERCEPT_MARGIN_BLOCKS } from './bounds.ts'
import { RECORD_TYPE, type RawOffer } from './messages.ts'

/** What an HTLC on one of our paths is worth. */
export type Examined =
  | { readonly ok: true; readonly record: Uint8Array; readonly amountMsat: bigint }
  /** `shortMsat`: what a relay kept. */
  | { readonly ok: false; readonly why: string; readonly shortMsat?: bigint }

/**
 * Opens an offer and checks what the phantom hop has to (design §3, "Before settling"): the onion is
 * authentic over the payment hash, our record is in it, and amount and expiry are what the payer said.
 */
export function examineOffer(offer: RawOffer, key: PhantomKey, height: number): Examined {
  if (height >= key.expiryHeight) return { ok: false, why: 'the path has expired' }
  try {
    const peeled = peelOnion({
      onion: Uint8Array.from(offer.onion_blob),
      privateKey: key.privateKey,
      associatedData: Uint8Array.from(offer.payment_hash),
    })
    if (peeled.hop !== 'final') return { ok: false, why: 'the onion goes on after us' }
    const payload = decodeBlindedFinal(peeled.payload)
    openEncryptedData(key.dataSecret, payload.encryptedData)
    const record = payload.customRecords.get(BigInt(RECORD_TYPE))
    if (record === undefined) return { ok: false, why: 'there is no record of ours' }
    const incomingMsat = BigInt(offer.incoming_amount_msat)
    if (incomingMsat < payload.amountMsat || payload.totalMsat > payload.amountMsat)
      return { ok: false, why: 'too little came', shortMsat: payload.amountMsat - incomingMsat }
    const isLate =
      offer.incoming_expiry < payload.cltvExpiry || offer.incoming_expiry < height + INTERCEPT_MARGIN_BLOCKS
    if (isLate) return { ok: false, why: 'it expires too soon' }
    return { ok: true, record, amountMsat: payload.amountMsat }
  } catch (error) {
    if (error instanceof BoltError) return { ok: false, why: error.code }
    throw error
  }
}
