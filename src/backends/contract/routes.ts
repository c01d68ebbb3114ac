import { sha256 } from '@noble/hashes/sha2.js'
import { expect } from 'vitest'
import type { Route } from '../../medium/route.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import { ecdh, publicKey } from '../../wire/keys.ts'
import { recordOf } from './probe.ts'
import { withEnds, type ContractCase } from './cases.ts'

/** The node itself, its key, and routes. */
export const ROUTE_CASES: readonly ContractCase[] = [
  {
    title: 'start tells the node key, the height and the network',
    needs: [],
    run: async (world) => {
      const backend = world.payer.attach()
      const info = await world.settle(backend.start({ sink: () => {} }))
      expect(info.publicKey).toEqual(world.payer.publicKey)
      expect(info.publicKey).toHaveLength(33)
      expect(info.blockHeight).toBeGreaterThan(0)
      expect(info.network).not.toBe('')
      await world.settle(backend.stop())
    },
  },

  {
    title: 'sharedSecret is SHA-256 of the compressed product of node key and point',
    needs: [],
    run: withEnds(async ({ world, payer }) => {
      const secret = sha256(world.entropy.bytes(32))
      const computed = await world.settle(payer.backend.sharedSecret(publicKey(secret)))
      expect(computed).toEqual(ecdh(secret, payer.publicKey))
    }),
  },

  {
    title: 'sharedSecret refuses what is not a point',
    needs: [],
    run: withEnds(async ({ world, payer }) => {
      const noPoint = new Uint8Array(33).fill(0xff)
      await expect(world.settle(payer.backend.sharedSecret(noPoint))).rejects.toMatchObject({ code: 'bad-point' })
    }),
  },

  {
    title: 'routes come cheapest first, not more than asked for, the first two without a common channel',
    needs: [],
    run: withEnds(async ({ payer, toReceiver }) => {
      const routes = await payer.routes(toReceiver, { count: 3 })
      expect(routes.length).toBeGreaterThanOrEqual(2)
      expect(routes.length).toBeLessThanOrEqual(3)
      const fees = routes.map((route) => routeFeeMsat(route, 5_000n))
      expect(fees).toEqual(fees.toSorted((a, b) => Number(a - b)))
      const [first, second] = routes as [Route, Route]
      expect(first.channels.filter((channel) => second.channels.includes(channel))).toEqual([])
      expect(await payer.routes(toReceiver, { count: 1 })).toHaveLength(1)
    }),
  },

  {
    title: 'routes above the greatest fee are left out',
    needs: [],
    run: withEnds(async ({ payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const fee = routeFeeMsat(route, 5_000n)
      expect(await payer.routes(toReceiver, { maxFeeMsat: fee })).toHaveLength(1)
      expect(await payer.routes(toReceiver, { maxFeeMsat: fee - 1n })).toEqual([])
    }),
  },

  {
    title: 'a route goes around channels where another leads there',
    needs: [],
    run: withEnds(async ({ world, payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const others = await world.settle(
        payer.backend.findRoutes({
          destination: toReceiver,
          amountMsat: 5_000n,
          maxFeeMsat: 1_000_000n,
          count: 1,
          avoid: route.channels,
        }),
      )
      expect(others).toHaveLength(1)
      expect((others[0] as Route).channels.filter((channel) => route.channels.includes(channel))).toEqual([])
    }),
  },

  {
    title: 'an unknown node has no route',
    needs: [],
    run: withEnds(async ({ world, payer }) => {
      const nobody = publicKey(sha256(world.entropy.bytes(32)))
      expect(await payer.routes({ lane: 'node', publicKey: nobody })).toEqual([])
    }),
  },

  {
    title: 'a record of recordBytes passes, one more byte is refused as invalid',
    needs: [],
    run: withEnds(async ({ payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const tooLong = await payer.pay(payer.keysend(route, recordOf(route.recordBytes + 1, 1)))
      expect(tooLong).toMatchObject({ status: 'failed', reason: 'invalid', place: 'local' })
      const record = recordOf(route.recordBytes, 2)
      expect(await payer.pay(payer.keysend(route, record))).toMatchObject({ status: 'settled' })
      await receiver.until(() => receiver.arrivals().length === 1)
      expect(receiver.arrivals()[0]?.record).toEqual(record)
    }),
  },

  {
    title: 'the least amount of a route passes, and costs no more than the route says',
    needs: [],
    run: withEnds(async ({ payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const outcome = await payer.pay(payer.keysend(route, recordOf(100, 3), route.minAmountMsat))
      expect(outcome).toMatchObject({ status: 'settled' })
      if (outcome.status === 'settled')
        expect(outcome.feeMsat).toBeLessThanOrEqual(routeFeeMsat(route, route.minAmountMsat))
      await receiver.until(() => receiver.arrivals().length === 1)
      expect(receiver.arrivals()[0]?.amountMsat).toBe(route.minAmountMsat)
    }),
  },

  {
    title: 'an amount outside the range of a route is invalid',
    needs: [],
    run: withEnds(async ({ payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      for (const amountMsat of [route.minAmountMsat - 1n, route.maxAmountMsat + 1n]) {
        const outcome = await payer.pay(payer.keysend(route, recordOf(10, 4), amountMsat))
        expect(outcome).toMatchObject({ status: 'failed', reason: 'invalid' })
      }
    }),
  },

  {
    title: 'a route that was never pinned is gone',
    needs: [],
    run: withEnds(async ({ payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const outcome = await payer.pay({ ...payer.keysend(route, recordOf(10, 5)), routeId: 'no such route' })
      expect(outcome).toMatchObject({ status: 'failed', reason: 'route-gone', place: 'local' })
    }),
  },
]
