import { getChannels } from 'lightning'
import type { LndNode } from './lnd-node.ts'
import { recordOf, type RawRecords } from '../../src/backends/lnd/rpc/raw-messages.ts'
import { parseShortChannelId } from '../../src/wire/bolt4/short-channel-id.ts'
import { told } from './until.ts'

interface RawAttempt {
  readonly status: string
  /** Of lnd's own clock, in nanoseconds. */
  readonly attempt_time_ns: string
  readonly resolve_time_ns: string
  readonly route: {
    readonly total_amt_msat: string
    readonly hops: readonly { readonly chan_id: string; readonly custom_records: RawRecords }[]
  } | null
}

interface RawPayment {
  readonly payment_hash: string
  readonly status: string
  readonly payment_index: string
  readonly htlcs: readonly RawAttempt[]
}

interface RawClient {
  listPayments(
    request: object,
    done: (error: unknown, answer: { readonly payments: readonly RawPayment[] }) => void,
  ): void
}

/** What lnd says that its payments came to. */
export interface Ledger {
  /** Amounts and fees of what was paid for certain. */
  readonly paidMsat: bigint
  /** Hashes of payments without outcome. */
  readonly inFlight: readonly string[]
  /** Those of them whose channel is not open any more. */
  readonly onChain: readonly string[]
  /** Of all of them, however they ended. */
  readonly hashes: readonly string[]
  readonly failed: number
  readonly succeeded: number
  /** To begin the next look behind it. */
  readonly lastIndex: bigint
}

/** Reads what a node paid with a packet in it, after an index. */
export async function readLedger(node: LndNode, afterIndex: bigint = 0n): Promise<Ledger> {
  const all = await paymentsOf(node, afterIndex)
  const payments = all.filter(({ htlcs }) =>
    htlcs.some(({ route }) => recordOf(route?.hops.at(-1)?.custom_records ?? {})),
  )
  let paidMsat = 0n
  for (const { route } of payments.flatMap(({ htlcs }) => htlcs).filter(({ status }) => status === 'SUCCEEDED'))
    paidMsat += BigInt(route?.total_amt_msat ?? 0)
  const count = (status: string): number => payments.filter((payment) => payment.status === status).length
  const { channels } = await getChannels({ lnd: node.lnd })
  const open = new Set(channels.map(({ id }) => parseShortChannelId(id).toString()))
  const inFlight = payments.filter(({ status }) => status === 'IN_FLIGHT' || status === 'INITIATED')
  const isOnChain = ({ htlcs }: RawPayment): boolean =>
    htlcs.some(({ route }) => !open.has(route?.hops[0]?.chan_id ?? ''))
  return {
    paidMsat,
    inFlight: inFlight.map(({ payment_hash }) => payment_hash),
    onChain: inFlight.filter(isOnChain).map(({ payment_hash }) => payment_hash),
    hashes: payments.map(({ payment_hash }) => payment_hash),
    failed: count('FAILED'),
    succeeded: count('SUCCEEDED'),
    lastIndex: lastOf(all, afterIndex),
  }
}

/** How long the payments after an index took that went through, by lnd's own clock. */
export async function readAttempts(
  node: LndNode,
  afterIndex: bigint = 0n,
): Promise<{ readonly delaysMs: readonly number[]; readonly lastIndex: bigint }> {
  const payments = await paymentsOf(node, afterIndex)
  const paid = payments.flatMap(({ htlcs }) => htlcs).filter(({ status }) => status === 'SUCCEEDED')
  const delaysMs = paid.map((each) => Number(BigInt(each.resolve_time_ns) - BigInt(each.attempt_time_ns)) / 1e6)
  return { delaysMs, lastIndex: lastOf(payments, afterIndex) }
}

/** How many packets a node paid after an index over each of its channels, by their ids as lnd's RPC writes them. */
export async function packetsByChannel(node: LndNode, afterIndex: bigint = 0n): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const { status, route } of (await paymentsOf(node, afterIndex)).flatMap(({ htlcs }) => htlcs)) {
    if (status !== 'SUCCEEDED' || !recordOf(route?.hops.at(-1)?.custom_records ?? {})) continue
    const channel = route?.hops[0]?.chan_id ?? ''
    counts.set(channel, (counts.get(channel) ?? 0) + 1)
  }
  return counts
}

/** Payment hashes, in hex, of the HTLCs in the node's channels. */
export async function heldHashes(node: LndNode): Promise<Set<string>> {
  const { channels } = await getChannels({ lnd: node.lnd })
  return new Set(channels.flatMap((channel) => channel.pending_payments.map(({ id }) => id)))
}

async function paymentsOf(node: LndNode, afterIndex: bigint): Promise<readonly RawPayment[]> {
  const client = node.lnd.default as RawClient
  return await new Promise((resolve, reject) => {
    const request = { include_incomplete: true, index_offset: afterIndex.toString(), max_payments: '100000' }
    client.listPayments(request, (error, answer) => {
      if (error === null) resolve(answer.payments)
      else reject(new Error(told(error)))
    })
  })
}

function lastOf(payments: readonly RawPayment[], afterIndex: bigint): bigint {
  return payments.reduce((last, payment) => {
    const index = BigInt(payment.payment_index)
    return index > last ? index : last
  }, afterIndex)
}
