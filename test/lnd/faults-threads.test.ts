import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until, within } from '../../tools/regtest/until.ts'
import { BackendPayer } from '../../tools/regtest/backend-payer.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { FixtureProgram } from './fixture-program.ts'

/** A program is blocked for as long as these take, one after the other: one that waited for it would never end. */
const WHILE_BLOCKED = 12
/** For at least so long; KEYSOCK_LONG_TESTS=1 blocks for longer than any payment should take. */
const BLOCKED_MS = process.env['KEYSOCK_LONG_TESTS'] === '1' ? 300_000 : 20_000
const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol' | 'dave'

describe.skipIf(!available.ok)('a program with an interceptor on a node that relays', () => {
  let network: Network<Name>
  let payer: BackendPayer
  const half = { capacitySat: 5_000_000, pushSat: 2_500_000 }
  const blocker = new URL('./fixtures/blocker.ts', import.meta.url).href

  beforeAll(async () => {
    network = await startNetwork<Name>({
      nodes: ['alice', 'bob', 'carol', 'dave'],
      channels: [
        { between: ['carol', 'bob'], ...half },
        { between: ['bob', 'alice'], ...half },
        { between: ['alice', 'dave'], ...half },
      ],
    })
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  beforeEach(async () => {
    payer = await BackendPayer.attach(network.node('carol'))
    onTestFinished(() => payer.backend.stop())
  })

  function start(...more: string[]): FixtureProgram {
    const { socket, certPath, macaroonPath } = network.node('alice')
    const args = [socket, certPath, macaroonPath, network.node('carol').publicKey, ...more]
    return new FixtureProgram(import.meta.resolve('./fixtures/receiver.ts'), args, ['--import', blocker])
  }

  /** A payment that alice only relays. */
  const foreign = async (): Promise<unknown> =>
    await keysend({ from: network.node('bob'), to: network.node('dave'), amountMsat: 5_000n })

  it('ends by itself when it has stopped its backend', async () => {
    const program = start()
    await program.answer('path')
    await until('it has ended', () => program.isOver || undefined)
  })

  it('does not hold up what the node relays while its own thread is blocked', async () => {
    const program = start('hold')
    const path = fromHex(await program.answer('path'))
    expect(await payer.pay({ lane: 'phantom', path })).toBe('delivered')
    const folder = mkdtempSync(join(tmpdir(), 'keysock-blocked-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const release = join(folder, 'release')
    program.send(`main ${release}`)
    await program.answer('blocked')
    const end = Date.now() + BLOCKED_MS
    for (let passed = 0; passed < WHILE_BLOCKED || Date.now() < end; passed++)
      await within('a payment that the node relays', foreign())
    expect(program.lines).not.toContain('unblocked')
    writeFileSync(release, '')
    await program.answer('unblocked')
    await until(
      'it is paid again',
      async () => (await payer.pay({ lane: 'phantom', path })) === 'delivered' || undefined,
    )
  })

  it('lets go of the node when the thread that reads it hangs, and begins again', async () => {
    const program = start('hold')
    const path = fromHex(await program.answer('path'))
    expect(await payer.pay({ lane: 'phantom', path })).toBe('delivered')
    program.send('threads 600000')
    await program.answer('thread blocked')
    // lnd holds it for the interceptor until that is ended; the sender tries again then.
    await until('what the node relays passes', async () => (await foreign()) !== undefined || undefined)
    await until(
      'it is paid again',
      async () => (await payer.pay({ lane: 'phantom', path })) === 'delivered' || undefined,
    )
  })
})
