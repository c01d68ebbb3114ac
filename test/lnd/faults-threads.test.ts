import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex } from '../../src/floor/bytes.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { keysend } from '../../tools/regtest/keysend.ts'
import { startNetwork, type Network } from '../../tools/regtest/network.ts'
import { until } from '../../tools/regtest/until.ts'
import { BackendPayer } from '../../tools/regtest/backend-payer.ts'
import { FixtureProgram } from './fixture-program.ts'

const START_MS = 20 * 60_000
const TEST_MS = 900_000
/** KEYSOCK_LONG_TESTS=1 blocks for longer than any payment should take. */
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
    payer = await BackendPayer.attach(network.node('carol'))
  }, START_MS)

  afterAll(async () => {
    await payer.backend.stop()
    await network.close()
  })

  function start(...more: string[]): FixtureProgram {
    const { socket, certPath, macaroonPath } = network.node('alice')
    const args = [socket, certPath, macaroonPath, network.node('carol').publicKey, ...more]
    return new FixtureProgram(import.meta.resolve('./fixtures/receiver.ts'), args, ['--import', blocker])
  }

  /** A payment that alice only relays. */
  const foreign = async (): Promise<unknown> =>
    await keysend({ from: network.node('bob'), to: network.node('dave'), amountMsat: 5_000n })

  it('ends by itself when it has stopped its backend', { timeout: TEST_MS }, async () => {
    const program = start()
    await program.answer('path')
    await until('it has ended', () => program.isOver || undefined)
  })

  it('does not hold up what the node relays while its own thread is blocked', { timeout: TEST_MS }, async () => {
    const program = start('hold')
    const path = fromHex(await program.answer('path'))
    expect(await payer.pay({ lane: 'phantom', path })).toBe('delivered')
    program.send(`main ${BLOCKED_MS}`)
    let passed = 0
    while (!program.lines.includes('unblocked')) {
      await foreign()
      passed += 1
    }
    // One after the other, each in a fraction of a second: none waited for the program.
    expect(passed).toBeGreaterThan(BLOCKED_MS / 2_000)
    await until(
      'it is paid again',
      async () => (await payer.pay({ lane: 'phantom', path })) === 'delivered' || undefined,
    )
    await program.kill()
  })

  it('lets go of the node when the thread that reads it hangs, and begins again', { timeout: TEST_MS }, async () => {
    const program = start('hold')
    const path = fromHex(await program.answer('path'))
    expect(await payer.pay({ lane: 'phantom', path })).toBe('delivered')
    program.send('threads 600000')
    // lnd holds it for the interceptor until that is ended; the sender tries again then.
    await until('what the node relays passes', async () => (await foreign()) !== undefined || undefined, {
      deadlineMs: 120_000,
    })
    await until(
      'it is paid again',
      async () => (await payer.pay({ lane: 'phantom', path })) === 'delivered' || undefined,
    )
    await program.kill()
  })
})
