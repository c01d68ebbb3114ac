/** `./dev demo --lnd --paid`: the sale on real lnd nodes, with what all channels have before and after as the proof. */
import { getChannelBalance } from 'lightning'
import { processClock } from '../../src/floor/clock.ts'
import { lndAvailable } from '../regtest/available.ts'
import { file } from '../regtest/file-exchange.ts'
import type { Network } from '../regtest/network.ts'
import { told, until } from '../regtest/until.ts'
import { NOT_POSSIBLE } from './lnd-demo.ts'
import { onNetwork } from './lnd-demo/stage.ts'
import { plainEndpoint } from './lnd-demo/witness.ts'
import { announce, announcePrice, count, FIRST_MSAT, LATER_MSAT, printSale, saleJson } from './paid.ts'
import { sell, type SaleResult } from './sale.ts'

const NAMES = ['alice', 'bob', 'carol'] as const
type Name = (typeof NAMES)[number]
type Balances = Readonly<Record<Name, bigint>>

export interface LndPaidOptions {
  readonly bytes: number
  readonly capMsat: bigint
  readonly json: boolean
}

const CHANNEL = { capacitySat: 5_000_000, pushSat: 2_500_000 }

/** Returns the exit status: 0 where ledgers and channels agree, 1 where not, 2 where no real nodes can be had. */
export async function lndPaidDemo(options: LndPaidOptions): Promise<number> {
  const available = lndAvailable()
  const failed = (why: string, status: number): number => {
    if (options.json) console.log(JSON.stringify({ ok: false, failures: [why] }))
    else console.error(`not as it should be: ${why}`)
    return status
  }
  if (!available.ok) return failed(`no real nodes here: ${available.reason}`, NOT_POSSIBLE)
  if (!options.json) console.log('starting real lnd nodes on a regtest chain: alice - carol - bob ...')
  try {
    return await onNetwork(
      {
        nodes: NAMES,
        channels: [
          { between: ['alice', 'carol'], ...CHANNEL },
          { between: ['carol', 'bob'], ...CHANNEL },
        ],
      },
      async (network) => await onNodes(network, options),
    )
  } catch (error) {
    return failed(told(error), 1)
  }
}

async function onNodes(network: Network<Name>, { bytes, capMsat, json }: LndPaidOptions): Promise<number> {
  const [alice, bob] = [await plainEndpoint(network.node('alice')), await plainEndpoint(network.node('bob'))]
  if (!json) announce(bytes, capMsat)
  const before = await balances(network)
  const result = await sell({
    seller: bob,
    buyer: alice,
    file: file(1, bytes),
    capMsat,
    firstMsat: FIRST_MSAT,
    laterMsat: LATER_MSAT,
    clock: processClock,
    onPrice: (msat) => (json ? undefined : announcePrice(msat)),
  })
  // The channels have it a moment after the payments: their last commitments are still exchanged.
  const expected = changes(result)
  const moved = await until(
    'the channels have what the ledgers say',
    async () => {
      const now = difference(await balances(network), before)
      return NAMES.every((name) => now[name] === expected[name]) ? now : undefined
    },
    { deadlineMs: 30_000, everyMs: 500 },
  ).catch(async () => difference(await balances(network), before))
  const ok = result.agree && NAMES.every((name) => moved[name] === expected[name])
  if (json) console.log(saleJson(result, { ok, channelsMovedMsat: moved, ledgersSayMsat: expected }))
  else {
    printSale(result, ['alice', 'bob'])
    console.log('what the nodes have in their channels, after less before, msat:')
    for (const name of NAMES)
      console.log(`  ${name.padEnd(6)} ${count(moved[name]).padStart(10)}, by the ledgers ${count(expected[name])}`)
  }
  return ok ? 0 : 1
}

/** What the ledgers say that each node has more. carol relays: she has the fees, less what she handed on too much. */
function changes({ buyer, seller }: SaleResult): Balances {
  const alice = buyer.receivedMsat - buyer.amountsMsat - buyer.feesMsat
  const bob = seller.receivedMsat - seller.amountsMsat - seller.feesMsat
  return { alice, bob, carol: -alice - bob }
}

async function balances(network: Network<Name>): Promise<Balances> {
  const of = async (name: Name): Promise<bigint> => {
    const { channel_balance_mtokens: msat } = await getChannelBalance({ lnd: network.node(name).lnd })
    return BigInt(msat ?? 0)
  }
  const [alice, bob, carol] = await Promise.all([of('alice'), of('bob'), of('carol')])
  return { alice, bob, carol }
}

function difference(after: Balances, before: Balances): Balances {
  return { alice: after.alice - before.alice, bob: after.bob - before.bob, carol: after.carol - before.carol }
}
