import { createHash, randomBytes } from 'node:crypto'
import { getInvoice, payViaPaymentDetails } from 'lightning'
import type { LndNode } from './lnd-node.ts'
import { told } from './until.ts'

/** The custom record of a keysend payment, whose value is the preimage. */
const KEYSEND_TYPE = '5482373484'
const MAX_FEE_MSAT = 1_000_000n
/** lnd gives up after a minute unless told, which a hundred payments at once on a busy machine may take. */
const GIVE_UP_MS = 10 * 60_000

export interface Keysend {
  readonly from: LndNode
  readonly to: LndNode
  readonly amountMsat: bigint
  /** Custom records: values by TLV type. */
  readonly records?: ReadonlyMap<string, Uint8Array>
}

export interface PaidKeysend {
  /** Payment hash, in hex. */
  readonly hash: string
  readonly feeMsat: bigint
  /** The public keys on the way, in hex, the payee last. */
  readonly hops: readonly string[]
}

/** Pays without an invoice, on a route of lnd's choice. @throws Error with lnd's reason */
export async function keysend({ from, to, amountMsat, records = new Map() }: Keysend): Promise<PaidKeysend> {
  const preimage = randomBytes(32)
  const hash = createHash('sha256').update(preimage).digest('hex')
  const messages = [{ type: KEYSEND_TYPE, value: preimage.toString('hex') }]
  for (const [type, value] of records) messages.push({ type, value: Buffer.from(value).toString('hex') })
  try {
    const paid = await payViaPaymentDetails({
      lnd: from.lnd,
      id: hash,
      destination: to.publicKey,
      mtokens: String(amountMsat),
      max_fee_mtokens: String(MAX_FEE_MSAT),
      pathfinding_timeout: GIVE_UP_MS,
      messages,
    })
    return { hash, feeMsat: BigInt(paid.fee_mtokens), hops: paid.hops.map(({ public_key }) => public_key) }
  } catch (error) {
    throw new Error(`${from.name} cannot pay ${to.name}: ${told(error)}`, { cause: error })
  }
}

/** What `node` got with a payment hash, in millisatoshi. */
export async function receivedMsat(node: LndNode, hash: string): Promise<bigint> {
  const { received_mtokens } = await getInvoice({ lnd: node.lnd, id: hash })
  return BigInt(received_mtokens)
}
