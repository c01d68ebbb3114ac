import { expect } from 'vitest'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription } from '../../src/sim.ts'

/** The demo network with one more node, whose only peer is alice. */
function withLonelyNode(demo: NetworkDescription): NetworkDescription {
  return {
    ...demo,
    nodes: [...demo.nodes, { name: 'lonely' }],
    channels: [...demo.channels, { between: ['alice', 'lonely'], capacityMsat: 1_000_000_000 }],
  }
}

backendContract({
  name: 'the simulator',
  open: async () => {
    const sim = createSimulation(withLonelyNode(demoNetwork()), { seed: 'contract' })
    const node = (name: string): ContractNode => ({ publicKey: sim.keyOf(name), attach: () => sim.backend(name) })
    return {
      payer: node('alice'),
      receiver: node('bob'),
      lonely: node('lonely'),
      entropy: sim.entropy,
      settle: (promise) => sim.drive(promise),
      advance: async (ms) => {
        await sim.runFor(ms)
      },
      failNextPayment: () => sim.fault({ name: 'payment-fails', from: 'alice' }),
      hangNextPayment: (forMs) => sim.fault({ name: 'payment-hangs', from: 'alice', forMs, end: 'land' }),
      close: async () => expect(sim.audit()).toEqual([]),
    }
  },
})
