import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EndpointStats } from '../../src/index.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import type { LndNode } from '../../tools/regtest/lnd-node.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { told, until } from '../../tools/regtest/until.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { attach, settledUp } from './attached-endpoint.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const CAP_MSAT = 1_000_000n
const TYPE = '1936679787'
/** More than 1,000 a minute: they go as fast as the nodes let them. */
const PAYMENTS = 300
const AT_ONCE = 25
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

interface RawInvoices {
  listInvoices(
    request: object,
    done: (
      error: unknown,
      answer: { readonly invoices: readonly { readonly htlcs: readonly { readonly custom_records: object }[] }[] },
    ) => void,
  ): void
}

/** Every packet that came by keysend. */
async function packetsOf(node: LndNode): Promise<Uint8Array[]> {
  const client = node.lnd.default as RawInvoices
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array[]>()
  client.listInvoices({ num_max_invoices: '10000' }, (error, answer) => {
    if (error !== null) return reject(new Error(told(error)))
    const records = answer.invoices.flatMap(({ htlcs }) => htlcs.map((htlc) => Object.entries(htlc.custom_records)))
    const isOurs = (key: string): boolean => Buffer.from(key, 'latin1').readBigUInt64LE() === BigInt(TYPE)
    resolve(records.flatMap((each) => each.filter(([key]) => isOurs(key)).map(([, value]) => value as Uint8Array)))
  })
  return await promise
}

describe.skipIf(!available.ok)('payments under our type from a program that is not ours', () => {
  let network: Network<Name>

  beforeAll(async () => {
    network = await startThreeInARow()
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  it('change nothing and grow nothing: random, cut short, replayed, for a closed connection', async () => {
    const [bob, carol] = [network.node('bob'), network.node('carol')]
    const [alice, receiver] = [await attach(network.node('alice'), CAP_MSAT), await attach(carol, CAP_MSAT)]
    const parts = { from: alice.endpoint, to: receiver.endpoint, publicKey: carol.publicKey, maxCost: CAP_MSAT }
    // Packets of a connection that ends, and of one that stays.
    await exchange({ ...parts, port: 1, question: file(1, 20_000), answer: file(2, 2_000) })
    const asked = file(3, 40_000)
    const got: Buffer[] = []
    const server = receiver.endpoint.createServer((socket) => socket.on('data', (bytes: Buffer) => got.push(bytes)))
    await server.listen(2)
    const socket = await alice.endpoint.connect(carol.publicKey, 2, { maxCost: CAP_MSAT })
    socket.write(asked.subarray(0, 20_000))
    const come = (): number => got.reduce((sum, { length }) => sum + length, 0)
    await until('half has come', () => come() === 20_000 || undefined)
    const packets = await until('the packets are there', async () => {
      const found = await packetsOf(carol)
      return found.length > 30 ? found : undefined
    })

    const before = receiver.endpoint.stats
    const waiting = Array.from({ length: PAYMENTS }, (_, i) => foreignBytes(packets, i))
    const worker = async (): Promise<void> => {
      for (let value = waiting.pop(); value !== undefined; value = waiting.pop())
        await keysend({ from: bob, to: carol, amountMsat: 1_000n, records: new Map([[TYPE, value]]) })
    }
    const flood = Promise.all(Array.from({ length: AT_ONCE }, worker))
    // Whoever waits for it below is told; until then nobody does.
    flood.catch(() => undefined)
    socket.end(asked.subarray(20_000))
    await until('all has come', () => come() >= asked.length || undefined)
    await flood
    expect(sha256Hex(Buffer.concat(got))).toBe(sha256Hex(asked))
    const after = await until('the last was looked at', () => {
      const { stats } = receiver.endpoint
      return stats.packetsStray - before.packetsStray > PAYMENTS / 4 ? stats : undefined
    })
    // What was under way ends; what grew would stay.
    await until('nothing has grown', () => {
      expect(bounded(receiver.endpoint.stats)).toEqual(bounded(before))
      return true
    })
    expect(after.connectionsAccepted).toBe(before.connectionsAccepted)
    await settledUp(alice, CAP_MSAT)
  })
})

/** What a stranger must not be able to make grow. */
function bounded({ opensSeen, verdicts, offersHeld, keyAgreements, replyPaths }: EndpointStats): object {
  return { opensSeen, verdicts, offersHeld, keyAgreements, replyPaths }
}

function foreignBytes(packets: readonly Uint8Array[], i: number): Uint8Array {
  const packet = packets[i % packets.length] ?? new Uint8Array(1)
  switch (i % 3) {
    case 0:
      return randomBytes(1 + ((i * 37) % 1_000))
    case 1:
      return packet.subarray(0, 1 + ((i * 13) % packet.length))
    default:
      return packet
  }
}
