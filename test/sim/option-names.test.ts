import { describe, expect, it } from 'vitest'
import {
  createSimulation,
  demoNetwork,
  flood,
  hubNetwork,
  line,
  randomNetwork,
  SimulationError,
  type NetworkDescription,
} from '../../src/sim.ts'

const pair = (change: object): NetworkDescription => ({
  nodes: [{ name: 'a' }, { name: 'b' }],
  channels: [{ between: ['a', 'b'], capacityMsat: 1_000_000 }],
  ...change,
})

/** Options as a program in JavaScript may write them. */
function untyped(options: object): never {
  return options as never
}

describe('an option of the simulator that is misspelt is refused', () => {
  it.for<[string, () => unknown, string]>([
    ['of the demo', () => demoNetwork(untyped({ failre: 0.1 })), 'there is no option failre; it is written failure'],
    ['of a line', () => line(3, untyped({ latncy: 'fast' })), 'latncy'],
    ['of the hub', () => hubNetwork(untyped({ leafs: 9 })), 'leafs'],
    ['of a random network', () => randomNetwork(untyped({ seed: 1, nodes: 3, extraChannel: 1 })), 'extraChannel'],
  ])('%s network', ([, make, message]) => {
    expect(make).toThrow(SimulationError)
    expect(make).toThrow(message)
  })

  it.for<[string, object, string]>([
    ['the network', { hangs: 0.1 }, 'the description: there is no option hangs'],
    ['a node', { nodes: [{ name: 'a', keysnd: false }, { name: 'b' }] }, 'nodes[0]: there is no option keysnd'],
    ['the defaults of nodes', { nodeDefaults: { name: 'x' } }, 'nodeDefaults: there is no option name'],
    ['a policy', { policyDefaults: { feePPM: 1 } }, 'it is written feePpm'],
    ['a policy of a node', { nodeDefaults: { policy: { fee: 1 } } }, 'nodeDefaults.policy: there is no option fee'],
    [
      'a channel',
      { channels: [{ between: ['a', 'b'], capacityMsat: 1, balance: 1 }] },
      'channels[0]: there is no option balance',
    ],
    [
      'a direction',
      { channels: [{ between: ['a', 'b'], capacityMsat: 1, policies: { a: { cltv: 1 } } }] },
      'channels[0].policies.a: there is no option cltv',
    ],
    ['the latency', { latency: { hopMs: 1, sigma: 0, batch: 1 } }, 'latency: there is no option batch'],
    ['hangs', { hang: { probabilty: 1 } }, 'it is written probability'],
    ['traffic', { traffic: { perSeconds: 1 } }, 'it is written perSecond'],
    ['blocks', { blocks: { height: 1 } }, 'blocks: there is no option height'],
    ['rpc', { rpc: { findRouteMs: 1 } }, 'it is written findRoutesMs'],
    ['a fault', { faults: [{ name: 'node-restart', perhour: 1 }] }, 'it is written perHour'],
    [
      "a fault's arguments",
      { faults: [{ name: 'node-restart', perHour: 1, with: { nodes: 'a' } }] },
      'faults[0].with: there is no option nodes',
    ],
  ])('in a description, of %s', ([, change, message]) => {
    const make = (): unknown => createSimulation(pair(change))
    expect(make).toThrow(expect.objectContaining({ code: 'bad-description' }))
    expect(make).toThrow(message)
  })

  it.for<[object, string]>([
    [{ sed: 7 }, 'there is no option sed'],
    [{ seed: {} }, 'seed is a text or a number'],
    [{ mode: 'realtime' }, "mode is 'virtual' or 'real-time'; got realtime"],
    [{ mode: 'real-time', speed: 0 }, 'speed is a number above 0'],
    [{ mode: 'real-time', speed: Number.NaN }, 'speed is a number above 0'],
    [{ quietTurns: 0.5 }, 'quietTurns is a whole number'],
    [{ remembers: 0 }, 'remembers is a whole number'],
    [{ observe: 'alice' }, 'observe is an array'],
  ])('of createSimulation: %o', ([options, message]) => {
    const make = (): unknown => createSimulation(demoNetwork(), untyped(options))
    expect(make).toThrow(expect.objectContaining({ code: 'bad-option' }))
    expect(make).toThrow(message)
  })

  it('of a run, a drive, a fault and a flood', async () => {
    const sim = createSimulation(line(2))
    const badOption = expect.objectContaining({ code: 'bad-option' })
    await expect(sim.run(untyped({ withinMS: 1 }))).rejects.toThrow(badOption)
    await expect(sim.drive(Promise.resolve(), untyped({ within: 1 }))).rejects.toThrow(badOption)
    await expect(flood(sim, untyped({ from: 'n0', to: 'n1', inflight: 1 }))).rejects.toThrow(badOption)
    expect(() => sim.fault(untyped({ name: 'payment-fails', form: 'n0' }))).toThrow(
      expect.objectContaining({ code: 'bad-fault' }),
    )
  })
})
