/** What an lnd holds: payments, invoices, and the bytes of its database. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'

export interface Contents {
  readonly payments: number
  readonly invoices: number
  /** Pages in use, when the database has been compacted: bbolt's file itself grows in leaps. */
  readonly databaseBytes: number
}

interface RawClient {
  listPayments(
    request: object,
    done: (error: Error | null, answer: { readonly total_num_payments: string }) => void,
  ): void
  listInvoices(
    request: object,
    done: (error: Error | null, answer: { readonly last_index_offset: string }) => void,
  ): void
}

/** Starts lnd anew, which compacts its database, and reads. */
export async function contentsOf(node: LndNode): Promise<Contents> {
  await node.restart({ args: ['--db.bolt.auto-compact', '--db.bolt.auto-compact-min-age=0s'] })
  const client = node.lnd.default as unknown as RawClient
  const payments = await new Promise<number>((resolve, reject) => {
    const request = { include_incomplete: true, count_total_payments: true, max_payments: 1, reversed: true }
    client.listPayments(request, (error, answer) =>
      error ? reject(error) : resolve(Number(answer.total_num_payments)),
    )
  })
  const invoices = await new Promise<number>((resolve, reject) => {
    const request = { num_max_invoices: 1, reversed: true }
    client.listInvoices(request, (error, answer) => (error ? reject(error) : resolve(Number(answer.last_index_offset))))
  })
  const folder = node.environment['LNCLI_LNDDIR'] ?? ''
  const databaseBytes = await bytesInUse(join(folder, 'data', 'graph', 'regtest', 'channel.db'))
  return { payments, invoices, databaseBytes }
}

/** Of a bbolt file: the page behind the last one, of the newer of its two meta pages. */
async function bytesInUse(path: string): Promise<number> {
  const file = await open(path)
  try {
    const head = Buffer.alloc(128)
    await file.read(head, 0, head.length, 0)
    const pageBytes = head.readUInt32LE(META.pageBytes)
    const second = Buffer.alloc(head.length)
    await file.read(second, 0, second.length, pageBytes)
    const [older, newer] = [head, second].toSorted((a, b) => Number(transaction(a) - transaction(b)))
    return Number((newer ?? older ?? head).readBigUInt64LE(META.end)) * pageBytes
  } finally {
    await file.close()
  }
}

/** Where the fields of a meta page are, behind the 16 bytes of its page's head. */
const META = { pageBytes: 24, end: 56, transaction: 64 } as const

function transaction(page: Buffer): bigint {
  return page.readBigUInt64LE(META.transaction)
}
