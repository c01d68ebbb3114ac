/**
 * Tests that every backend must pass, for its authors to run with vitest:
 *
 *   import { backendContract } from 'keysock/backend-contract'
 *   backendContract({ name: 'my backend', open: async () => myWorld() })
 *
 * The harness builds a world of two nodes for each test (`ContractWorld`). What a
 * backend can't do stands in `lacks` with the reason; those tests are reported as
 * skipped, with it.
 */
import { describe, expect, test } from 'vitest'
import type { ContractCase } from './cases.ts'
import type { BackendHarness } from './harness.ts'
import { LIFECYCLE_CASES } from './lifecycle.ts'
import { NODE_LANE_CASES } from './node-lane.ts'
import { PATH_CASES, VERDICT_CASES } from './phantom-lane.ts'
import { ROUTE_CASES } from './routes.ts'
import { PORT_CASES } from './shared-ports.ts'
import { MESSAGE_CASES } from './for-messages.ts'
import { UNBLINDED_CASES } from './unblinded-lane.ts'

export type { BackendHarness, ContractNode, ContractPart, ContractWorld } from './harness.ts'

const GROUPS: readonly { readonly group: string; readonly cases: readonly ContractCase[] }[] = [
  { group: 'node and routes', cases: ROUTE_CASES },
  { group: 'node lane', cases: NODE_LANE_CASES },
  { group: 'blinded paths', cases: PATH_CASES },
  { group: 'offers and verdicts', cases: VERDICT_CASES },
  { group: 'the unblinded phantom lane', cases: UNBLINDED_CASES },
  { group: 'what messages need', cases: MESSAGE_CASES },
  { group: 'life cycle', cases: LIFECYCLE_CASES },
]
const SHARING = { group: 'ports of a shared node', cases: PORT_CASES }

/** Defines the contract's tests for a backend. To be called in a test file. */
export function backendContract(harness: BackendHarness): void {
  const groups = harness.sharesNodes === true ? [...GROUPS, SHARING] : GROUPS
  describe.for(groups)(`${harness.name} keeps the contract: $group`, ({ cases }) => {
    test.for(cases)('$title', async ({ needs, run }, context) => {
      const missing = needs.find((part) => harness.lacks?.[part] !== undefined)
      if (missing !== undefined) context.skip(`${harness.name} lacks ${missing}: ${harness.lacks?.[missing]}`)
      expect.hasAssertions()
      const world = await harness.open()
      try {
        await run(world)
      } finally {
        await world.close()
      }
    })
  })
}
