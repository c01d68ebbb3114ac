import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getChannelBalance, getInvoices, getPayments } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type AccountEntry, createEndpoint, type Endpoint, FolderStore, readAccount } from '../../src/index.ts'
import { createLndBackend, lndPermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

describe.skipIf(!available.ok)(`the account on lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: Network<Name>
  let port = 0

  beforeAll(async () => {
    const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol'],
      channels: [
        { between: ['alice', 'bob'], ...half },
        { between: ['bob', 'carol'], ...half },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  async function endpoint(
    name: Name,
    phantomLane = false,
  ): Promise<{ readonly end: Endpoint; readonly folder: string }> {
    const folder = mkdtempSync(join(tmpdir(), 'keysock-account-'))
    const { socket, certPath: cert } = network.node(name)
    const { base64: macaroon } = await network.node(name).bakeMacaroon(lndPermissions)
    const backend = createLndBackend({ socket, cert, macaroon })
    const end = await createEndpoint({ backend, store: new FolderStore(folder), phantomLane })
    onTestFinished(async () => {
      await end.close()
      rmSync(folder, { recursive: true, force: true })
    })
    return { end, folder: join(folder, 'account') }
  }

  /** Of one node: by hash what was paid, the sum of what its invoices got, and what its channels have; msat. */
  async function records(name: Name): Promise<{
    readonly paid: ReadonlyMap<string, string>
    readonly invoicesMsat: bigint
    readonly balanceMsat: bigint
  }> {
    const { lnd } = network.node(name)
    const { payments } = await getPayments({ lnd, limit: 10_000 })
    const { invoices } = await getInvoices({ lnd, limit: 10_000 })
    const balance = await getChannelBalance({ lnd })
    const paid = payments.map(
      (payment) => [payment.id, payment.is_confirmed ? `${payment.mtokens} ${payment.fee_mtokens}` : 'failed'] as const,
    )
    return {
      paid: new Map(paid),
      invoicesMsat: invoices.reduce((sum, each) => sum + (each.is_confirmed ? BigInt(each.received_mtokens) : 0n), 0n),
      balanceMsat: BigInt(balance.channel_balance_mtokens ?? 0),
    }
  }

  /** What lnd has now and had not before. */
  function since(
    before: Awaited<ReturnType<typeof records>>,
    after: Awaited<ReturnType<typeof records>>,
  ): Awaited<ReturnType<typeof records>> {
    return {
      paid: new Map([...after.paid].filter(([hash]) => !before.paid.has(hash))),
      invoicesMsat: after.invoicesMsat - before.invoicesMsat,
      balanceMsat: after.balanceMsat - before.balanceMsat,
    }
  }

  async function entriesOf(folder: string): Promise<AccountEntry[]> {
    const entries: AccountEntry[] = []
    for await (const entry of readAccount(folder).entries()) entries.push(entry)
    return entries
  }

  it.each(['node', 'phantom'] as const)(
    'says to the msat what both nodes have in their own books, on the %s lane',
    async (lane) => {
      const [alice, carol] = [await endpoint('alice'), await endpoint('carol', lane === 'phantom')]
      const before = { alice: await records('alice'), carol: await records('carol') }
      const [question, answer] = [file(1, 60_000), file(2, 40_000)]
      const publicKey = lane === 'phantom' ? await carol.end.address() : carol.end.publicKeyHex
      const got = await exchange({ from: alice.end, to: carol.end, publicKey, port: ++port, question, answer })
      expect([got.atServer, got.atClient]).toEqual([sha256Hex(question), sha256Hex(answer)])
      // The last settlements come after the last byte, and what lingers says no more (spec §13.4).
      await until('all is decided, and the books agree', async () => {
        if (alice.end.stats.paymentsUnresolved + carol.end.stats.paymentsUnresolved > 0) return undefined
        const books = await Promise.all(
          (
            [
              ['alice', alice],
              ['carol', carol],
            ] as const
          ).map(async ([name, { folder }]) => {
            const { balanceMsat } = since(before[name], await records(name))
            const [total] = await readAccount(folder).totals()
            return (total?.receivedMsat ?? 0n) - (total?.paidMsat ?? 0n) === balanceMsat
          }),
        )
        return books.every((isSame) => isSame) || undefined
      })
      await Promise.all([alice.end.close(), carol.end.close()])
      for (const [name, { folder }] of [
        ['alice', alice],
        ['carol', carol],
      ] as const) {
        const { paid, invoicesMsat, balanceMsat } = since(before[name], await records(name))
        const entries = await entriesOf(folder)
        const byHash = new Map(
          entries.flatMap((entry) => {
            if (entry.type !== 'paid') return []
            const words = entry.outcome === 'failed' ? 'failed' : `${entry.amountMsat} ${entry.feeMsat}`
            return [[entry.hash, words] as const]
          }),
        )
        expect(byHash, `payments of ${name}`).toEqual(paid)
        const [total] = await readAccount(folder).totals()
        expect((total?.receivedMsat ?? 0n) - (total?.paidMsat ?? 0n), `the balance of ${name}`).toBe(balanceMsat)
        if (lane === 'node' && name === 'carol') expect(total?.receivedMsat).toBe(invoicesMsat)
      }
    },
    240_000,
  )
})
