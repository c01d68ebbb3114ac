import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createLndBackend } from '../../src/lnd.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { FixtureProgram } from './fixture-program.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const START_MS = 20 * 60_000
const TEST_MS = 180_000
const available = lndAvailable()

describe.skipIf(!available.ok)(
  `two programs on one lnd${available.ok ? '' : ` (skipped: ${available.reason})`}`,
  () => {
    let network: Network<'alice' | 'bob' | 'carol'>
    beforeAll(async () => {
      network = await startThreeInARow()
    }, START_MS)
    afterAll(() => network.close())

    it('the second is told who has the node and what to type, until the first ends', { timeout: TEST_MS }, async () => {
      const { socket, certPath, macaroonPath } = network.node('alice')
      const folder = mkdtempSync(join(tmpdir(), 'ks-'))
      const create = (): ReturnType<typeof createEndpoint> =>
        createEndpoint({ backend: createLndBackend({ socket, cert: certPath, macaroon: macaroonPath }) })
      const receiver = await createEndpoint({
        backend: createLndBackend({
          socket: network.node('carol').socket,
          cert: network.node('carol').certPath,
          macaroon: network.node('carol').macaroonPath,
        }),
      })
      await receiver.createServer((connection) => connection.resume().on('error', () => undefined)).listen(7)
      const args = [socket, certPath, macaroonPath, folder, receiver.publicKeyHex, '7']
      const first = new FixtureProgram(import.meta.resolve('./fixtures/sender.ts'), args)
      try {
        await first.answer('connected')
        await expect(create()).rejects.toMatchObject({
          code: 'node-in-use',
          message: expect.stringMatching(
            new RegExp(`^process \\d+ has this node to itself.*run "keysock daemon --rpcserver ${socket} `),
          ),
        })
      } finally {
        await first.kill()
      }
      const second = await create()
      await Promise.all([second.close(), receiver.close()])
      rmSync(folder, { recursive: true })
    })
  },
)
