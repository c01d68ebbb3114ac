import { getPayments } from 'lightning'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createLndBackend, lndPermissions, lndPrunePermissions } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import { exchange, file, sha256Hex } from '../../tools/regtest/file-exchange.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const available = lndAvailable()
type Name = 'alice' | 'bob' | 'carol'

describe.skipIf(!available.ok)(`pruning on lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`, () => {
  let network: Network<Name>
  let port = 0

  beforeAll(async () => {
    network = await startThreeInARow()
  })

  afterAll(async () => {
    await network.close()
  })

  leavesAsFound(() => network)

  async function endpoint(name: Name, prune: boolean, permissions: readonly string[]): Promise<Endpoint> {
    const { socket, certPath: cert } = network.node(name)
    const { base64: macaroon } = await network.node(name).bakeMacaroon(permissions)
    const opened = await createEndpoint({ backend: createLndBackend({ socket, cert, macaroon, prune }) })
    onTestFinished(() => opened.close())
    return opened
  }

  /** Hashes of all that a node has paid, as far as its lnd knows. */
  async function paid(name: Name): Promise<string[]> {
    const { payments } = await getPayments({ lnd: network.node(name).lnd, limit: 10_000 })
    return payments.map(({ id }) => id)
  }

  /** A file from alice to carol, and some of it back. */
  async function move(from: Endpoint): Promise<void> {
    const to = await endpoint('carol', false, lndPermissions)
    const [question, answer] = [file(1, 30_000), file(2, 5_000)]
    const got = await exchange({ from, to, publicKey: to.publicKeyHex, port: ++port, question, answer })
    expect(got.atServer).toBe(sha256Hex(question))
    await Promise.all([from.close(), to.close()])
  }

  it('leaves nothing of its own in lnd, and everything of others', async () => {
    await move(await endpoint('alice', false, lndPermissions))
    const before = await paid('alice')
    expect(before.length).toBeGreaterThan(20)
    await move(await endpoint('alice', true, [...lndPermissions, ...lndPrunePermissions]))
    expect(await paid('alice')).toEqual(before)
  })

  it('is refused with a warning, before anything is paid, by a macaroon that does not permit it', async () => {
    const before = await paid('alice')
    const from = await endpoint('alice', true, lndPermissions)
    const codes: string[] = []
    from.on('warning', ({ code }) => codes.push(code))
    await move(from)
    expect(codes).toContain('prune-denied')
    expect((await paid('alice')).length).toBeGreaterThan(before.length)
  })
})
