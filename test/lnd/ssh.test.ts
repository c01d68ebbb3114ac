import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sessionOnNodes } from '../../bench/ssh/on-nodes.ts'
import { missing } from '../../tools/programs/installed.ts'
import { lndAvailable } from '../../tools/regtest/available.ts'
import type { Network } from '../../tools/regtest/network.ts'
import { leavesAsFound } from '../regtest/leaves-as-found.ts'
import { startThreeInARow } from '../regtest/three-in-a-row.ts'

const available = lndAvailable()
const reason = available.ok ? missing('ssh', 'scp', 'ssh-keygen', 'sshd', 'script') : available.reason

describe.skipIf(reason !== undefined)(
  `ssh over real nodes${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let network: Network<'alice' | 'bob' | 'carol'>

    beforeAll(async () => {
      network = await startThreeInARow()
    })

    leavesAsFound(() => network)

    afterAll(async () => {
      await network.close()
    })

    it('types for a minute, with a file by scp each way meanwhile, and loses nothing', async () => {
      const result = await sessionOnNodes(network, { seconds: 60, keyEveryMs: 1_000, copyBytes: 50_000 })
      expect(result).toMatchObject({ exitCode: 3, wrong: [] })
      expect(result.copies).toMatchObject([{ isWhole: true }, { isWhole: true }])
      expect(result.commandsMs.length).toBeGreaterThan(0)
      expect(result.sessionMsat).toBeGreaterThan(0)
    })
  },
)
