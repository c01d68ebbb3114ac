import { createHash, randomBytes } from 'node:crypto'
import { createHodlInvoice, getInvoice, pay, settleHodlInvoice } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { endChannel } from '../../tools/regtest/channels.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { BackendPayer, outcomeOf } from '../../tools/regtest/backend-payer.ts'
import { BackendReceiver } from '../../tools/regtest/backend-receiver.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'

/** Worth an output of its own on the chain. */
const AMOUNT_MSAT = 50_000_000n
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

describe.skipIf(!available.ok)('a channel that was closed by force with payments in it', () => {
  let network: Network<Name>
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['carol', 'bob'], ...half },
        { between: ['carol', 'dave'], ...half },
        { between: ['bob', 'alice'], ...half },
        { between: ['dave', 'alice'], ...half },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  const idOf = (name: Name): string => network.node(name).publicKey

  it('has ours settled on the chain, leaves others alone, and ends no stream', async () => {
    const [alice, carol] = [network.node('alice'), network.node('carol')]
    const payer = await BackendPayer.attach(carol)
    onTestFinished(() => payer.backend.stop())
    const receiver = await BackendReceiver.attach(alice)
    onTestFinished(() => receiver.backend.stop())
    receiver.holds = true
    const path = await receiver.path(fromHex(carol.publicKey))
    // The introduction node follows the version and a count.
    const guard: Name = Buffer.from(path.slice(2, 35)).toString('hex') === idOf('bob') ? 'bob' : 'dave'
    const other: Name = guard === 'bob' ? 'dave' : 'bob'
    const doomed = network.channel(guard, 'alice')

    // Somebody else's payment, which its payee holds: carol, guard, alice, other.
    const secret = randomBytes(32)
    const id = createHash('sha256').update(secret).digest('hex')
    const payee = network.node(other).lnd
    const { request } = await createHodlInvoice({
      lnd: payee,
      id,
      tokens: Number(AMOUNT_MSAT / 1_000n),
      cltv_delta: 40,
    })
    const outgoing_channel = network.channel('carol', guard).id
    const foreign = pay({
      lnd: carol.lnd,
      request,
      outgoing_channel,
      incoming_peer: idOf('alice'),
      max_fee: 1_000,
    }).then(
      () => 'paid',
      (error: unknown) => JSON.stringify(error),
    )
    await until('the payee holds it', async () => (await getInvoice({ lnd: payee, id })).is_held)

    // Ours: settled, but its channel can't hear of it any more.
    const begun = await payer.begin({ lane: 'phantom', path }, AMOUNT_MSAT)
    const offer = await until('ours is offered', () => receiver.offers[0])
    await network.node(guard).kill()
    receiver.settle(offer)
    await endChannel(doomed, alice, true)
    await network.mine()
    await network.node(guard).start()
    const again = await until('a way around the guard', async () => {
      const made = await receiver.path(fromHex(carol.publicKey))
      return Buffer.from(made.slice(2, 35)).toString('hex') === idOf(other) ? made : undefined
    })
    await until(
      'the guard reads on the chain that it is paid',
      async () => {
        await network.mine()
        return outcomeOf(begun)?.status
      },
      { everyMs: 1_000 },
    )
    expect(outcomeOf(begun)?.status).toBe('delivered')
    expect(receiver.offers).toHaveLength(1)

    // The stream stands all the while.
    receiver.holds = false
    expect(await payer.pay({ lane: 'phantom', path: again })).toBe('delivered')
    await settleHodlInvoice({ lnd: payee, secret: secret.toString('hex') })
    await until(
      'the other payment is paid',
      async () => {
        await network.mine()
        return (await Promise.race([foreign, Promise.resolve(undefined)])) === 'paid' || undefined
      },
      { everyMs: 1_000 },
    )
    expect(receiver.warnings).toEqual([])
  })
})
