import { describe, expect, it } from 'vitest'
import { prepareNetwork } from '../../bench/network/networks.ts'
import { type PairRun, runPairs } from '../../bench/network/pair-run.ts'
import { MAX_PACKET_MSAT, PAIRS_AT_ONCE } from '../../bench/network/settings.ts'
import { isReachable } from '../../bench/network/summary.ts'

const PAIRS = 100
const NODES = 3_000

async function measure(): Promise<readonly PairRun[]> {
  const options = { graph: undefined, nodes: NODES, seed: '1', leastChannels: 3, drawn: {} }
  const network = prepareNetwork(options)
  const runs: PairRun[] = []
  for (let first = 0; first < PAIRS; first += PAIRS_AT_ONCE) {
    runs.push(...(await runPairs(network, { first, count: PAIRS_AT_ONCE, wish: 'auto' })))
  }
  return runs
}

describe('a hundred random pairs of a network like the public one, slow, 5 % failing, 0.5 % hanging', () => {
  let measured: Promise<readonly PairRun[]> | undefined
  /** Once for all tests of this file: it takes some seconds. */
  const measuredOnce = (): Promise<readonly PairRun[]> => (measured ??= measure())

  it('have their answer in 99 of 100 cases where a way exists', async () => {
    const runs = await measuredOnce()
    const reachable = runs.filter(isReachable)
    expect(reachable.length).toBeGreaterThan(PAIRS / 2)
    const answered = reachable.filter(({ error }) => error === undefined)
    expect(answered.length / reachable.length).toBeGreaterThanOrEqual(0.99)
  })

  it('hide among 16 nodes or more in 9 of 10 cases, and behind fewer than 4 in 2 of 100', async () => {
    const candidates = (await measuredOnce()).map((run) => run.candidates ?? 0)
    expect(candidates.filter((count) => count >= 16).length).toBeGreaterThanOrEqual(0.9 * PAIRS)
    expect(candidates.filter((count) => count < 4).length).toBeLessThanOrEqual(0.02 * PAIRS)
  })

  it('make reply paths that cost no more than the other side pays by default', async () => {
    const dear = (await measuredOnce()).filter(({ pathMsat = 0 }) => pathMsat > MAX_PACKET_MSAT)
    expect(dear).toEqual([])
  })
})
