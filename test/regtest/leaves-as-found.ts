import { beforeEach } from 'vitest'
import type { Network } from '../../tools/regtest/network.ts'
import { NetworkState } from '../../tools/regtest/network-state.ts'

/**
 * Makes each test of this `describe` leave the network as it found it, however the test ends: the next one, and its
 * own second try, begin where it began. What a test closes with `onTestFinished` ends before.
 */
export function leavesAsFound<Name extends string>(network: () => Network<Name> | undefined): void {
  beforeEach(async ({ onTestFinished }) => {
    const present = network()
    if (present === undefined) return
    const found = await NetworkState.of(present)
    // Registered first, this comes last.
    onTestFinished(async () => {
      await found.restore()
    })
  })
}
