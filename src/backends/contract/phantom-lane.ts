import { toHex } from '../../floor/bytes.ts'
import { VERDICT_MS } from '../../medium/limits.ts'
import { expect } from 'vitest'
import { MAX_PATH_BYTES } from '../../wire/frames.ts'
import type { Destination } from '../../medium/route.ts'
import type { PathResult } from '../../medium/reply-path.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import { AMOUNT_MSAT, paymentTo, Probe, recordOf } from './probe.ts'
import { withEnds, type ContractCase } from './cases.ts'

/** Paths: the receiver makes them, the payer is to pay over them. */
export const PATH_CASES: readonly ContractCase[] = [
  {
    title: 'paths are opaque, of equal length, at most 512 bytes, without the key of their maker',
    needs: ['phantom lane'],
    run: withEnds(async ({ payer, receiver }) => {
      const { paths, candidates } = await receiver.makePaths(payer.publicKey, { count: 3 })
      expect(paths).toHaveLength(3)
      expect(candidates).toBeGreaterThanOrEqual(1)
      expect(new Set(paths.map((path) => path.bytes.length)).size).toBe(1)
      const own = toHex(receiver.publicKey).slice(2)
      for (const path of paths) {
        expect(path.bytes.length).toBeLessThanOrEqual(MAX_PATH_BYTES)
        expect(toHex(path.bytes)).not.toContain(own)
      }
    }),
  },

  {
    title: 'every path has fresh keys and an id of its own',
    needs: ['phantom lane'],
    run: withEnds(async ({ payer, receiver }) => {
      const first = await receiver.makePaths(payer.publicKey, { count: 2 })
      const second = await receiver.makePaths(payer.publicKey, { count: 2 })
      const paths = [...first.paths, ...second.paths]
      expect(new Set(paths.map((path) => path.pathId)).size).toBe(4)
      expect(new Set(paths.map((path) => toHex(path.bytes))).size).toBe(4)
    }),
  },

  {
    title: 'a path tells the height at which it stops to work',
    needs: ['phantom lane'],
    run: withEnds(async ({ payer, receiver }) => {
      const [short, long] = [
        await receiver.makePaths(payer.publicKey, { lifetimeBlocks: 50 }),
        await receiver.makePaths(payer.publicKey, { lifetimeBlocks: 150 }),
      ]
      expect((long.paths[0]?.expiryHeight ?? 0) - (short.paths[0]?.expiryHeight ?? 0)).toBe(100)
    }),
  },

  {
    title: 'a node whose only peer is the payer has no path',
    needs: ['phantom lane', 'lonely node'],
    run: async (world) => {
      if (world.lonely === undefined) throw new Error('a harness without a lonely node names it in `lacks`')
      const lonely = new Probe(world, world.lonely)
      await lonely.start()
      await expect(lonely.makePaths(world.payer.publicKey)).rejects.toMatchObject({ code: 'no-path' })
      await world.settle(lonely.backend.stop())
    },
  },

  {
    title: 'bytes that are no path are refused',
    needs: ['phantom lane'],
    run: withEnds(async ({ payer, receiver }) => {
      const { paths } = await receiver.makePaths(payer.publicKey)
      const good = paths[0]?.bytes ?? new Uint8Array()
      for (const path of [
        new Uint8Array(),
        new Uint8Array(250).fill(7),
        good.slice(0, -1),
        new Uint8Array([...good, 0]),
      ]) {
        await expect(payer.routes({ lane: 'phantom', path })).rejects.toMatchObject({ code: 'bad-request' })
      }
    }),
  },

  {
    title: 'a path that was closed refuses',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const made = await ends.receiver.makePaths(ends.payer.publicKey)
      const { payment } = await paymentTo(ends, overPath(made), 1)
      await ends.world.settle(ends.receiver.backend.closePaths(made.paths.map((path) => path.pathId)))
      expect(await ends.payer.pay(payment)).toMatchObject({
        status: 'failed',
        reason: 'blinded',
        place: 'introduction',
      })
      expect(ends.receiver.offers()).toEqual([])
    }),
  },
]

/** Payments over blinded paths: the receiving process decides on each. */
export const VERDICT_CASES: readonly ContractCase[] = [
  {
    title: 'an offer carries the record and the amount; settled means delivered and confirmed',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const { payer, receiver } = ends
      const made = await receiver.makePaths(payer.publicKey)
      const { payment, preimage, route } = await paymentTo(ends, overPath(made), 1)
      receiver.answerOffers(() => ({ action: 'settle', preimage }))
      const outcome = await payer.pay(payment)
      expect(outcome).toMatchObject({ status: 'delivered' })
      if (outcome.status === 'delivered') expect(outcome.feeMsat).toBeLessThanOrEqual(routeFeeMsat(route, AMOUNT_MSAT))
      expect(receiver.offers()).toHaveLength(1)
      expect(receiver.offers()[0]).toMatchObject({
        pathId: made.paths[0]?.pathId,
        record: payment.record,
        amountMsat: AMOUNT_MSAT,
        hash: payment.hash,
      })
      await receiver.until((events) => events.some((event) => event.type === 'offer-confirmed'))
      const confirmed = receiver.events.filter((event) => event.type === 'offer-confirmed')
      expect(confirmed).toMatchObject([{ hash: payment.hash, amountMsat: AMOUNT_MSAT }])
      expect(receiver.arrivals()).toEqual([])
    }),
  },

  {
    title: 'the largest record of a blinded route passes, one more byte is invalid',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const { payer, receiver } = ends
      const made = await receiver.makePaths(payer.publicKey)
      const { payment, preimage, route } = await paymentTo(ends, overPath(made), 1)
      receiver.answerOffers(() => ({ action: 'settle', preimage }))
      const tooLong = recordOf(route.recordBytes + 1, 1)
      expect(await payer.pay({ ...payment, record: tooLong })).toMatchObject({ status: 'failed', reason: 'invalid' })
      const record = recordOf(route.recordBytes, 2)
      expect(await payer.pay({ ...payment, record })).toMatchObject({ status: 'delivered' })
      expect(receiver.offers()[0]?.record).toEqual(record)
    }),
  },

  {
    title: 'refused means failed at the introduction node, and nothing is paid',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const { payer, receiver } = ends
      const { payment } = await paymentTo(ends, overPath(await receiver.makePaths(payer.publicKey)), 1)
      receiver.answerOffers(() => ({ action: 'refuse', code: 1 }))
      expect(await payer.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded', place: 'introduction' })
      expect(receiver.events.filter((event) => event.type === 'offer-confirmed')).toEqual([])
    }),
  },

  {
    title: 'an offer without a verdict is refused at its deadline',
    needs: ['phantom lane', 'time'],
    run: withEnds(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment } = await paymentTo(ends, overPath(await receiver.makePaths(payer.publicKey)), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      await world.advance?.(VERDICT_MS + 1_000)
      expect(await world.settle(outcome)).toMatchObject({ status: 'failed', reason: 'blinded' })
    }),
  },

  {
    title: 'the first answer counts, a second and a stray one change nothing',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment, preimage } = await paymentTo(ends, overPath(await receiver.makePaths(payer.publicKey)), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      const offerId = receiver.offers()[0]?.offerId ?? ''
      await world.settle(
        Promise.all([
          receiver.backend.answer(offerId, { action: 'settle', preimage }),
          receiver.backend.answer(offerId, { action: 'refuse', code: 2 }),
          receiver.backend.answer('no such offer', { action: 'refuse', code: 2 }),
        ]),
      )
      expect(await world.settle(outcome)).toMatchObject({ status: 'delivered' })
    }),
  },

  {
    title: 'a hash is not offered twice',
    needs: ['phantom lane'],
    run: withEnds(async (ends) => {
      const { payer, receiver } = ends
      const { payment } = await paymentTo(ends, overPath(await receiver.makePaths(payer.publicKey)), 1)
      receiver.answerOffers(() => ({ action: 'refuse', code: 1 }))
      await payer.pay(payment)
      expect(await payer.pay(payment)).toMatchObject({ status: 'failed', reason: 'duplicate-hash', place: 'local' })
      expect(receiver.offers()).toHaveLength(1)
    }),
  },

  {
    title: 'after a process has stopped its paths refuse',
    needs: ['phantom lane', 'restart'],
    run: withEnds(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment } = await paymentTo(ends, overPath(await receiver.makePaths(payer.publicKey)), 1)
      await world.settle(receiver.backend.stop())
      const later = new Probe(world, world.receiver)
      await later.start()
      expect(await payer.pay(payment)).toMatchObject({ status: 'failed', reason: 'blinded' })
      expect(later.offers()).toEqual([])
      await world.settle(later.backend.stop())
    }),
  },
]

/** The first of these paths. */
function overPath({ paths }: PathResult): Destination {
  return { lane: 'phantom', path: paths[0]?.bytes ?? new Uint8Array() }
}
