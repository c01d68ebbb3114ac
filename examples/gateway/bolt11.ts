/** Invoices as text: BOLT 11. */
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type * as Invoices from 'invoices'
import { GatewayError } from './errors.ts'

// It is CommonJS, and written for `require`.
const { createSignedRequest, createUnsignedRequest, parsePaymentRequest } = createRequire(import.meta.url)(
  'invoices',
) as typeof Invoices

/** Both are known to every wallet: a payment secret, and the encoding of hops. */
const FEATURES = [{ bit: 9 }, { bit: 14 }]
const CLTV_DELTA = 40
const MS_PER_S = 1_000

export interface Invoice {
  /** The payment hash, hexadecimal. */
  readonly hash: string
  /** Undefined: the payer says how much. */
  readonly amountMsat: bigint | undefined
  readonly description: string
  /** SHA-256 of a longer description, hexadecimal; undefined where the invoice has its description in it. */
  readonly descriptionHash: string | undefined
  /** The payee's public key, hexadecimal. */
  readonly destination: string
  readonly network: string
  /** ms since 1970. */
  readonly createdAt: number
  readonly expiresAt: number
  /** The public keys at the beginning of its route hints, for payees that are not public. */
  readonly introducedBy: readonly string[]
}

/** Reads an invoice and checks its signature. @throws GatewayError 'invalid-invoice' */
export function decodeInvoice(text: string): Invoice {
  let parsed: Invoices.ParsedRequest
  try {
    parsed = parsePaymentRequest({ request: text })
  } catch {
    throw new GatewayError('invalid-invoice', 'this is no BOLT 11 invoice, or its signature is wrong')
  }
  const introducedBy = (parsed.routes ?? []).flatMap(([first]) => (first === undefined ? [] : [first.public_key]))
  return {
    hash: parsed.id,
    amountMsat: parsed.mtokens === undefined || parsed.mtokens === '0' ? undefined : BigInt(parsed.mtokens),
    description: parsed.description ?? '',
    descriptionHash: parsed.description_hash,
    destination: parsed.destination,
    network: parsed.network,
    createdAt: Date.parse(parsed.created_at),
    expiresAt: Date.parse(parsed.expires_at),
    introducedBy,
  }
}

export interface InvoiceDetails {
  /** Payment hash, and the secret that only payers of the invoice know; hexadecimal, 32 bytes each. */
  readonly hash: string
  readonly paymentSecret: string
  /** 0n: the payer says how much. */
  readonly amountMsat: bigint
  readonly description: string
  readonly network: string
  /** ms since 1970; whole seconds of it count. */
  readonly createdAt: number
  readonly expirySeconds: number
  /** The node through which the payee is reached, where it is not public. */
  readonly introducedBy?: string
}

/** An invoice, signed by the payee's secret key of 32 bytes. */
export function encodeInvoice(details: InvoiceDetails, secretKey: Uint8Array): string {
  const { hash, paymentSecret, amountMsat, description, network, createdAt, expirySeconds, introducedBy } = details
  const created = Math.floor(createdAt / MS_PER_S) * MS_PER_S
  const destination = Buffer.from(secp256k1.getPublicKey(secretKey, true)).toString('hex')
  const unsigned = createUnsignedRequest({
    created_at: new Date(created).toISOString(),
    description,
    destination,
    expires_at: new Date(created + expirySeconds * MS_PER_S).toISOString(),
    features: FEATURES,
    id: hash,
    ...(amountMsat === 0n ? {} : { mtokens: String(amountMsat) }),
    network,
    payment: paymentSecret,
    cltv_delta: CLTV_DELTA,
    ...(introducedBy === undefined ? {} : { routes: [hintOf(introducedBy, destination)] }),
  })
  const bytes = secp256k1.sign(Buffer.from(unsigned.hash, 'hex'), secretKey, { prehash: false })
  const signature = Buffer.from(bytes).toString('hex')
  return createSignedRequest({ destination, hrp: unsigned.hrp, signature, tags: unsigned.tags }).request
}

function hintOf(introducedBy: string, destination: string): readonly Invoices.Hop[] {
  const hop = { channel: '0x0x0', base_fee_mtokens: '0', fee_rate: 0, cltv_delta: CLTV_DELTA }
  return [{ public_key: introducedBy }, { public_key: destination, ...hop }]
}
