import { expect } from 'vitest'
import { Probe, recordOf } from './probe.ts'
import { withEnds, type ContractCase } from './cases.ts'

/** Starting, stopping, and what may cross to another process. */
export const LIFECYCLE_CASES: readonly ContractCase[] = [
  {
    title: 'a backend that was not started refuses calls, but pay tells an outcome',
    needs: [],
    run: async (world) => {
      const probe = new Probe(world, world.payer)
      await expect(probe.routes({ lane: 'node', publicKey: world.receiver.publicKey })).rejects.toMatchObject({
        code: 'stopped',
      })
      const hash = world.entropy.bytes(32)
      const outcome = await probe.pay({
        routeId: 'none',
        hash,
        preimage: hash,
        record: recordOf(1, 1),
        amountMsat: 1_000n,
      })
      expect(outcome).toMatchObject({ status: 'failed', place: 'local', reason: 'node-away' })
    },
  },

  {
    title: 'stop can be called again, and nothing is told after it',
    needs: [],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      await world.settle(receiver.backend.stop())
      await world.settle(receiver.backend.stop())
      const told = receiver.events.length
      expect(await payer.pay(payer.keysend(route, recordOf(10, 1)))).toMatchObject({ status: 'settled' })
      expect(receiver.events).toHaveLength(told)
      await expect(receiver.routes(toReceiver)).rejects.toMatchObject({ code: 'stopped' })
    }),
  },

  {
    title: 'no event comes from inside a call',
    needs: [],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const before = receiver.events.length + payer.events.length
      const outcome = payer.backend.pay(payer.keysend(route, recordOf(10, 1)))
      expect(receiver.events.length + payer.events.length).toBe(before)
      await world.settle(outcome)
    }),
  },

  {
    title: 'what a caller does to its bytes afterwards changes nothing',
    needs: [],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const payment = payer.keysend(route, recordOf(10, 1))
      const expected = { record: payment.record.slice(), hash: payment.hash.slice() }
      const outcome = payer.backend.pay(payment)
      payment.record.fill(0)
      payment.hash.fill(0)
      await world.settle(outcome)
      await receiver.until(() => receiver.arrivals().length === 1)
      expect(receiver.arrivals()[0]).toMatchObject(expected)
    }),
  },

  {
    title: 'every argument, result and event survives a structured clone',
    needs: ['phantom lane'],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const info = await receiver.makePaths(payer.publicKey)
      const routes = await payer.routes(structuredClone(toReceiver), { count: 2 })
      const route = routes[0]
      if (route === undefined) throw new Error('no route')
      const outcome = await payer.pay(structuredClone(payer.keysend(structuredClone(route), recordOf(10, 1))))
      await receiver.until(() => receiver.arrivals().length === 1)
      const tracked = await world.settle(payer.backend.track(world.entropy.bytes(32)))
      for (const value of [info, routes, outcome, tracked, ...receiver.events, ...payer.events]) {
        expect(structuredClone(value)).toEqual(value)
      }
    }),
  },
]
