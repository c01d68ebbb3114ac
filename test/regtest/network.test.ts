import { existsSync } from 'node:fs'
import { authenticatedLndGrpc, getChainBalance, getWalletInfo } from 'lightning'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRunning } from '../../tools/lnd-build/lock-file.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { keysend, receivedMsat } from '../../tools/regtest/keysend.ts'
import { type Network, startNetwork } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { leavesAsFound } from './leaves-as-found.ts'

const available = lndAvailable()

// Reporters keep quiet about what is skipped.
if (!available.ok) console.warn(`without real nodes: ${available.reason}`)

describe.skipIf(!available.ok)('three real nodes in a row', () => {
  let network: Network<'alice' | 'bob' | 'carol'>
  const channel = { capacitySat: 1_000_000, pushSat: 500_000 }

  beforeAll(async () => {
    network = await startNetwork({
      nodes: ['alice', { name: 'bob', baseFeeMsat: 7 }, { name: 'carol', minHtlcMsat: 1 }],
      channels: [
        { between: ['alice', 'bob'], ...channel },
        { between: ['bob', 'carol'], ...channel },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  it('carry a keysend from one end to the other, at the fee that the options name', async () => {
    const [alice, bob, carol] = [network.node('alice'), network.node('bob'), network.node('carol')]
    const paid = await keysend({ from: alice, to: carol, amountMsat: 12_345n })
    expect(paid).toMatchObject({ feeMsat: 7n, hops: [bob.publicKey, carol.publicKey] })
    expect(await receivedMsat(carol, paid.hash)).toBe(12_345n)
  })

  it('carry payments again after the one in the middle was killed and started', async () => {
    const bob = network.node('bob')
    const before = bob.pid
    await bob.kill()
    expect(bob.isRunning).toBe(false)
    await bob.start({ baseFeeMsat: 7 })
    await network.waitActive()
    expect(bob.pid).not.toBe(before)
    const paid = await keysend({ from: network.node('carol'), to: network.node('alice'), amountMsat: 5_000n })
    expect(paid.feeMsat).toBe(7n)
  })

  it('bake a macaroon that allows what it names and nothing else', async () => {
    const carol = network.node('carol')
    const { base64: macaroon } = await carol.bakeMacaroon(['uri:/lnrpc.Lightning/GetInfo'])
    const { lnd } = authenticatedLndGrpc({ cert: carol.cert, socket: carol.socket, macaroon })
    await expect(getWalletInfo({ lnd })).resolves.toMatchObject({ alias: 'carol' })
    await expect(getChainBalance({ lnd })).rejects.toEqual(
      expect.arrayContaining(['UnexpectedErrorWhenGettingChainBalance']),
    )
  })

  it('open and close channels, private ones too', async () => {
    const opened = await network.openChannel({ between: ['carol', 'alice'], capacitySat: 200_000, private: true })
    expect(opened).toMatchObject({ id: expect.stringMatching(/^\d+x\d+x\d+$/), isPrivate: true })
    expect(network.channel('alice', 'carol')).toBe(opened)
    await network.closeChannel(opened, { force: true, by: network.node('alice') })
    expect(() => network.channel('alice', 'carol')).toThrow('no channel alice - carol')
  })

  it('keep the coins of a channel that could not be opened for the next one', async () => {
    // No channel of bob's was closed before, which would give him coins of his own.
    const bob = network.node('bob')
    const coins = async (): Promise<number> => (await getChainBalance({ lnd: bob.lnd })).chain_balance
    // lnd gives away no more than the opener keeps as its reserve.
    const open = (): Promise<unknown> =>
      network.openChannel({ between: ['bob', 'alice'], capacitySat: 300_000, pushSat: 300_000 })
    await expect(open()).rejects.toBeDefined()
    await until('bob has the coins', async () => (await coins()) >= 350_000 || undefined)
    const once = await coins()
    await expect(open()).rejects.toBeDefined()
    // lnd counts a coin a moment after it knows the block: what had been given twice would be there by the next ones.
    await network.mine(2)
    expect(await coins()).toBe(once)
  })

  it('can be kept apart and connected again', async () => {
    await network.disconnect('alice', 'bob')
    await network.connect('alice', 'bob')
    await network.waitActive()
  })

  // Last, and once: there is nothing to come back to.
  it('leave no process and no file behind', { retry: 0 }, async () => {
    const pids = [...network.nodes.values()].map(({ pid }) => pid)
    expect(pids.every(isRunning)).toBe(true)
    await network.close()
    expect(pids.filter(isRunning)).toEqual([])
    expect(existsSync(network.folder)).toBe(false)
  })
})
