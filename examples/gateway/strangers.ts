/** For the demonstration and the tests: somebody to whom no way leads. */
import { createHash, randomBytes } from 'node:crypto'
import { encodeInvoice } from './bolt11.ts'

const EXPIRY_S = 3_600

/** An invoice of somebody who is on no way: the network has no such node. */
export function strangersInvoice(network: string, amountMsat: bigint): string {
  const hash = createHash('sha256').update(randomBytes(32)).digest('hex')
  const details = { hash, paymentSecret: randomBytes(32).toString('hex'), amountMsat, description: 'far away', network }
  return encodeInvoice({ ...details, createdAt: Date.now(), expirySeconds: EXPIRY_S }, randomBytes(32))
}
