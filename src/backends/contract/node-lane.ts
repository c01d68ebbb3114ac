import { expect } from 'vitest'
import type { PaymentOutcome } from '../../medium/payment.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import { AMOUNT_MSAT, Probe, recordOf } from './probe.ts'
import { withEnds, type ContractCase } from './cases.ts'

const HANG_MS = 3_600_000

/** Keysends to the other node: they settle there, and the process reads them. */
export const NODE_LANE_CASES: readonly ContractCase[] = [
  {
    title: 'a payment settles and arrives once, with its amount, record and hash',
    needs: [],
    run: withEnds(async ({ payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const payment = payer.keysend(route, recordOf(800, 1))
      const outcome = await payer.pay(payment)
      expect(outcome).toMatchObject({ status: 'settled' })
      if (outcome.status === 'settled') expect(outcome.feeMsat).toBeLessThanOrEqual(routeFeeMsat(route, AMOUNT_MSAT))
      await receiver.until(() => receiver.arrivals().length === 1)
      expect(receiver.arrivals()[0]).toMatchObject({
        record: payment.record,
        amountMsat: AMOUNT_MSAT,
        hash: payment.hash,
      })
    }),
  },

  {
    title: 'many at once arrive once each, in the order of their settle index',
    needs: [],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const payments = Array.from({ length: 20 }, (_, i) => payer.keysend(route, recordOf(200, i)))
      const outcomes = await world.settle(Promise.all(payments.map((payment) => payer.backend.pay(payment))))
      expect(new Set(outcomes.map((outcome) => outcome.status))).toEqual(new Set(['settled']))
      await receiver.until(() => receiver.arrivals().length >= 20)
      const indexes = receiver.arrivals().map((arrival) => arrival.settleIndex)
      expect(indexes).toEqual(indexes.toSorted((a, b) => Number(a - b)))
      expect(new Set(indexes).size).toBe(20)
      const marks = receiver.arrivals().map((arrival) => arrival.record[0])
      expect(new Set(marks)).toEqual(new Set(payments.map((payment) => payment.record[0])))
    }),
  },

  {
    title: 'a process that starts with a settle index gets what settled after it',
    needs: ['restart'],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      await payer.pay(payer.keysend(route, recordOf(50, 1)))
      await receiver.until(() => receiver.arrivals().length === 1)
      const seen = receiver.arrivals()[0]?.settleIndex
      await world.settle(receiver.backend.stop())
      await payer.pay(payer.keysend(route, recordOf(50, 2)))
      await payer.pay(payer.keysend(route, recordOf(50, 3)))
      const later = new Probe(world, world.receiver)
      await later.start({ settleIndex: seen ?? 0n })
      await later.until(() => later.arrivals().length >= 2)
      expect(later.arrivals().map((arrival) => arrival.record[0])).toEqual([2, 3])
      await world.settle(later.backend.stop())
    }),
  },

  {
    title: 'a process that starts without a settle index starts at the present',
    needs: ['restart'],
    run: withEnds(async ({ world, payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      await payer.pay(payer.keysend(route, recordOf(50, 1)))
      await world.settle(receiver.backend.stop())
      const later = new Probe(world, world.receiver)
      await later.start()
      await payer.pay(payer.keysend(route, recordOf(50, 2)))
      await later.until(() => later.arrivals().length >= 1)
      expect(later.arrivals().map((arrival) => arrival.record[0])).toEqual([2])
      await world.settle(later.backend.stop())
    }),
  },

  {
    title: 'a hash that was used is refused and pays nothing',
    needs: [],
    run: withEnds(async ({ payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const payment = payer.keysend(route, recordOf(50, 1))
      await payer.pay(payment)
      expect(await payer.pay({ ...payment, record: recordOf(50, 2) })).toMatchObject({
        status: 'failed',
        reason: 'duplicate-hash',
        place: 'local',
      })
      const last = payer.keysend(route, recordOf(50, 3))
      await payer.pay(last)
      await receiver.until(() => receiver.arrivals().length >= 2)
      expect(receiver.arrivals().map((arrival) => arrival.record[0])).toEqual([1, 3])
    }),
  },

  {
    title: 'a payment without its preimage, or with another, is invalid',
    needs: [],
    run: withEnds(async ({ world, payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const { preimage: _, ...without } = payer.keysend(route, recordOf(50, 1))
      expect(await payer.pay(without)).toMatchObject({ status: 'failed', reason: 'invalid' })
      const other = { ...payer.keysend(route, recordOf(50, 1)), preimage: world.entropy.bytes(32) }
      expect(await payer.pay(other)).toMatchObject({ status: 'failed', reason: 'invalid' })
    }),
  },

  {
    title: 'a failure tells its place and its channel, and the money is back',
    needs: ['faults'],
    run: withEnds(async ({ world, payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      world.failNextPayment?.()
      const payment = payer.keysend(route, recordOf(50, 1))
      const outcome = await payer.pay(payment)
      expect(outcome).toMatchObject({ status: 'failed', place: 'route' })
      if (outcome.status === 'failed' && outcome.channel !== undefined)
        expect(route.channels).toContain(outcome.channel)
      expect(await world.settle(payer.backend.track(payment.hash))).toMatchObject({ status: 'failed' })
      expect(await payer.pay(payer.keysend(route, recordOf(50, 2)))).toMatchObject({ status: 'settled' })
    }),
  },

  {
    title: 'track knows what was never sent, what settled, and what is under way',
    needs: ['faults', 'time'],
    run: withEnds(async ({ world, payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      expect(await world.settle(payer.backend.track(world.entropy.bytes(32)))).toEqual({ status: 'never' })
      const settled = payer.keysend(route, recordOf(50, 1))
      await payer.pay(settled)
      expect(await world.settle(payer.backend.track(settled.hash))).toMatchObject({ status: 'settled' })
      world.hangNextPayment?.(HANG_MS)
      const hanging = payer.keysend(route, recordOf(50, 2))
      const outcome = payer.backend.pay(hanging)
      await world.advance?.(60_000)
      expect(await world.settle(payer.backend.track(hanging.hash))).toEqual({ status: 'in-flight' })
      await world.advance?.(HANG_MS)
      expect(await world.settle(outcome)).toMatchObject({ status: 'settled' })
    }),
  },

  {
    title: "a later process of the sender hears how its predecessor's payment ended",
    needs: ['faults', 'time', 'restart'],
    run: withEnds(async ({ world, payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      world.hangNextPayment?.(HANG_MS)
      const payment = payer.keysend(route, recordOf(50, 1))
      const first: Promise<PaymentOutcome> = payer.backend.pay(payment)
      await world.advance?.(60_000)
      await world.settle(payer.backend.stop())
      expect(await world.settle(first)).toEqual({ status: 'unknown' })
      const later = new Probe(world, world.payer)
      await later.start()
      await world.advance?.(HANG_MS)
      await later.until((events) => events.some((event) => event.type === 'payment-resolved'))
      expect(later.events.find((event) => event.type === 'payment-resolved')).toMatchObject({
        hash: payment.hash,
        outcome: { status: 'settled' },
      })
      expect(await world.settle(later.backend.track(payment.hash))).toMatchObject({ status: 'settled' })
      await world.settle(later.backend.stop())
    }),
  },
]
