import { expect } from 'vitest'
import { backendContract, type ContractNode } from '../../src/backends/contract/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription } from '../../src/sim.ts'
import { MemoryDaemon } from './memory-daemon.ts'

/** The demo network with one more node, whose only peer is alice. */
function withLonelyNode(demo: NetworkDescription): NetworkDescription {
  return {
    ...demo,
    nodes: [...demo.nodes, { name: 'lonely' }],
    channels: [...demo.channels, { between: ['alice', 'lonely'], capacityMsat: 1_000_000_000 }],
  }
}

backendContract({
  name: 'a daemon on a simulated node',
  open: async () => {
    const sim = createSimulation(withLonelyNode(demoNetwork()), { seed: 'contract', quietTurns: 3 })
    const daemons: MemoryDaemon[] = []
    const node = async (name: string): Promise<ContractNode> => {
      const daemon = new MemoryDaemon(sim, name)
      daemons.push(daemon)
      await sim.drive(daemon.start())
      return { publicKey: sim.keyOf(name), attach: () => daemon.attach() }
    }
    return {
      payer: await node('alice'),
      receiver: await node('bob'),
      lonely: await node('lonely'),
      entropy: sim.entropy,
      settle: (promise) => sim.drive(promise),
      advance: async (ms) => {
        await sim.runFor(ms)
      },
      failNextPayment: () => sim.fault({ name: 'payment-fails', from: 'alice' }),
      hangNextPayment: (forMs) => sim.fault({ name: 'payment-hangs', from: 'alice', forMs, end: 'land' }),
      close: async () => {
        await sim.drive(Promise.all(daemons.map((daemon) => daemon.kill())))
        expect(sim.audit()).toEqual([])
      },
    }
  },
  sharesNodes: true,
})
