import { expect } from 'vitest'
import type { ContractCase } from './cases.ts'
import type { ContractWorld } from './harness.ts'
import { Probe } from './probe.ts'

/** Two processes on one node at once: a port is one's or the other's. */
export const PORT_CASES: readonly ContractCase[] = [
  {
    title: 'a port that one process has is in use for another, until it is given back',
    needs: [],
    run: sharing(async (world, first, second) => {
      await world.settle(claim(first, 7))
      await expect(world.settle(claim(second, 7))).rejects.toMatchObject({ code: 'port-in-use' })
      await world.settle(claim(second, 8))
      await world.settle(release(first, 7))
      await world.settle(claim(second, 7))
      await expect(world.settle(claim(first, 8))).rejects.toMatchObject({ code: 'port-in-use' })
    }),
  },

  {
    title: 'giving back a port that is not its own changes nothing',
    needs: [],
    run: sharing(async (world, first, second) => {
      await world.settle(claim(first, 7))
      await world.settle(release(second, 7))
      await expect(world.settle(claim(second, 7))).rejects.toMatchObject({ code: 'port-in-use' })
    }),
  },

  {
    title: 'the ports of a process that stopped are free',
    needs: [],
    run: sharing(async (world, first, second) => {
      await world.settle(claim(first, 7))
      await world.settle(first.backend.stop())
      await world.settle(claim(second, 7))
      await expect(claim(first, 9)).rejects.toMatchObject({ code: 'stopped' })
    }),
  },
]

function sharing(body: (world: ContractWorld, first: Probe, second: Probe) => Promise<void>): ContractCase['run'] {
  return async (world) => {
    const [first, second] = [new Probe(world, world.receiver), new Probe(world, world.receiver)]
    await first.start()
    await second.start()
    await body(world, first, second)
    await world.settle(Promise.all([first.backend.stop(), second.backend.stop()]))
  }
}

async function claim({ backend }: Probe, port: number): Promise<void> {
  if (backend.claimPort === undefined) throw new Error('`sharesNodes` is for backends with claimPort')
  await backend.claimPort(port)
}

async function release({ backend }: Probe, port: number): Promise<void> {
  await backend.releasePort?.(port)
}
