/** What the account of an endpoint says of films: to the msat, and as the node has it in its own books. */
import type { Account, AccountEntry } from 'keysock'
import { CATALOGUE_PORT } from './requests.ts'

/** Sums in msat, over the ports of catalogues and films. */
export interface Side {
  /** What arrived at the other side. */
  readonly paidMsat: bigint
  /** What relays took for that. */
  readonly feesMsat: bigint
  /** What came from the other side. */
  readonly receivedMsat: bigint
}

export interface Ledger {
  /** As a viewer, by the public key of the publisher. */
  readonly bought: ReadonlyMap<string, Side>
  /** As a publisher, from all viewers. */
  readonly sold: Side
}

const LAST_PORT = CATALOGUE_PORT + 1_000
const NOTHING: Side = { paidMsat: 0n, feesMsat: 0n, receivedMsat: 0n }

export async function readLedger(account: Account): Promise<Ledger> {
  const bought = new Map<string, Side>()
  let sold = NOTHING
  for await (const entry of account.entries()) {
    if (entry.port < CATALOGUE_PORT || entry.port > LAST_PORT) continue
    if (entry.role === 'initiator') bought.set(entry.peer, plus(bought.get(entry.peer) ?? NOTHING, entry))
    else sold = plus(sold, entry)
  }
  return { bought, sold }
}

function plus({ paidMsat, feesMsat, receivedMsat }: Side, entry: AccountEntry): Side {
  if (entry.type === 'received') return { paidMsat, feesMsat, receivedMsat: receivedMsat + entry.amountMsat }
  if (entry.outcome === 'failed') return { paidMsat, feesMsat, receivedMsat }
  return { paidMsat: paidMsat + entry.amountMsat, feesMsat: feesMsat + entry.feeMsat, receivedMsat }
}
