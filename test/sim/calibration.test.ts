import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createSimulation, flood, line } from '../../src/sim.ts'
import { MEASURED, measurementTable, simulate } from './measurement.ts'

/** What the model may be off by: it has one disk a node, the measured nodes shared two cores. */
const TOLERANCE = 0.3

describe('the simulated medium, against what was measured on lnd', () => {
  it.for(MEASURED)('$lane at $inFlight in flight', async (measured) => {
    const simulated = await simulate(measured)
    expect(Math.abs(simulated.perSecond / measured.perSecond - 1)).toBeLessThan(TOLERANCE)
    expect(Math.abs(simulated.medianMs / measured.medianMs - 1)).toBeLessThan(TOLERANCE)
  })

  it('stands in spec/simulator.md as it comes out', async () => {
    const page = readFileSync(new URL('../../spec/simulator.md', import.meta.url), 'utf8')
    expect(page).toContain((await measurementTable()).join('\n'))
  })

  it.for([
    ['fast', 200],
    ['slow', 2_000],
  ] as const)('has a median near that of the public network when it is %s', async ([latency, medianMs]) => {
    const result = await flood(createSimulation(line(3, { latency })), {
      from: 'n0',
      to: 'n2',
      payments: 400,
      inFlight: 1,
      recordBytes: 800,
    })
    expect(Math.abs(Math.log(result.medianMs / medianMs))).toBeLessThan(0.15)
  })

  it('counts what arrives in each window', async () => {
    const result = await flood(createSimulation(line(2)), {
      from: 'n0',
      to: 'n1',
      bytes: 100_000,
      inFlight: 8,
      windowMs: 500,
    })
    expect(result.bytes).toBeGreaterThanOrEqual(100_000)
    expect(result.windowBytes.reduce((sum, bytes) => sum + bytes, 0)).toBe(result.bytes)
    expect(result.failed).toBe(0)
  })
})
