import { VERDICT_MS } from '../../medium/limits.ts'
import { expect } from 'vitest'
import { Code } from '../../wire/errors.ts'
import type { Destination } from '../../medium/route.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import { AMOUNT_MSAT, paymentTo, Probe, recordOf, startEnds, type Ends } from './probe.ts'
import { withEnds, type ContractCase } from './cases.ts'
import type { ContractWorld } from './harness.ts'

/** A case whose receiver takes packets at its node's own phantom. */
function listening(body: (ends: Ends) => Promise<void>): ContractCase['run'] {
  return withEnds(body, { phantomLane: true })
}

/** The unblinded phantom lane (spec §2.9): a refusal costs nothing and says why. */
export const UNBLINDED_CASES: readonly ContractCase[] = [
  {
    title: 'an offer names no path; settled means delivered and confirmed, and nothing arrives at the node',
    needs: ['phantom lane'],
    run: listening(async (ends) => {
      const { payer, receiver } = ends
      const { payment, preimage, route } = await paymentTo(ends, phantomOf(ends), 1)
      receiver.answerOffers(() => ({ action: 'settle', preimage }))
      const outcome = await payer.pay(payment)
      expect(outcome).toMatchObject({ status: 'delivered' })
      if (outcome.status === 'delivered') expect(outcome.feeMsat).toBeLessThanOrEqual(routeFeeMsat(route, AMOUNT_MSAT))
      expect(receiver.offers()).toMatchObject([{ record: payment.record, amountMsat: AMOUNT_MSAT, hash: payment.hash }])
      expect(receiver.offers()[0]?.pathId).toBeUndefined()
      await receiver.until((events) => events.some((event) => event.type === 'offer-confirmed'))
      expect(receiver.arrivals()).toEqual([])
      expect(await ends.world.settle(payer.backend.track(payment.hash))).toMatchObject({ status: 'delivered' })
    }),
  },

  {
    title: "a refusal reaches the payer with its code, from the route's end",
    needs: ['phantom lane'],
    run: listening(async (ends) => {
      const { payer, receiver } = ends
      for (const code of [5, 0, 0xffff_ffff]) {
        const { payment } = await paymentTo(ends, phantomOf(ends), 1)
        receiver.answerOffers(() => ({ action: 'refuse', code }))
        expect(await payer.pay(payment)).toEqual({
          status: 'failed',
          reason: 'refused',
          place: 'destination',
          refusal: code,
        })
      }
      expect(receiver.events.filter((event) => event.type === 'offer-confirmed')).toEqual([])
    }),
  },

  {
    title: 'the largest record of the route passes, one more byte is invalid',
    needs: ['phantom lane'],
    run: listening(async (ends) => {
      const { payer, receiver } = ends
      const { payment, preimage, route } = await paymentTo(ends, phantomOf(ends), 1)
      receiver.answerOffers(() => ({ action: 'settle', preimage }))
      const tooLong = recordOf(route.recordBytes + 1, 1)
      expect(await payer.pay({ ...payment, record: tooLong })).toMatchObject({ status: 'failed', reason: 'invalid' })
      const record = recordOf(route.recordBytes, 2)
      expect(await payer.pay({ ...payment, record })).toMatchObject({ status: 'delivered' })
      expect(receiver.offers()[0]?.record).toEqual(record)
    }),
  },

  {
    title: 'a preimage does not travel: a payment with one is invalid',
    needs: ['phantom lane'],
    run: listening(async (ends) => {
      const { payment, preimage } = await paymentTo(ends, phantomOf(ends), 1)
      expect(await ends.payer.pay({ ...payment, preimage })).toMatchObject({ status: 'failed', reason: 'invalid' })
    }),
  },

  {
    title: 'an offer without a verdict is refused at its deadline',
    needs: ['phantom lane', 'time'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment } = await paymentTo(ends, phantomOf(ends), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      await world.advance?.(VERDICT_MS + 1_000)
      expect(await world.settle(outcome)).toMatchObject({ status: 'failed', reason: 'refused', place: 'destination' })
    }),
  },

  {
    title: 'where no process listens the payer hears so, and gets the money back',
    needs: ['phantom lane'],
    run: async (world: ContractWorld) => {
      const ends = await startEnds(world)
      const { payment } = await paymentTo(ends, phantomOf(ends), 1)
      const outcome = await ends.payer.pay(payment)
      expect(outcome).toMatchObject({ status: 'failed', place: 'destination' })
      // What takes packets there for several processes says so itself.
      const why = outcome.status === 'failed' ? (outcome.refusal ?? outcome.reason) : undefined
      expect(['unknown-next-peer', Code.NO_LISTENER]).toContain(why)
      expect(ends.receiver.offers()).toEqual([])
      await world.settle(Promise.all([ends.payer.backend.stop(), ends.receiver.backend.stop()]))
    },
  },

  {
    title: 'a later process of the node takes packets there, too',
    needs: ['phantom lane', 'restart'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment, preimage } = await paymentTo(ends, phantomOf(ends), 1)
      await world.settle(receiver.backend.stop())
      const later = new Probe(world, world.receiver)
      await later.start({ phantomLane: true })
      later.answerOffers(() => ({ action: 'settle', preimage }))
      expect(await payer.pay(payment)).toMatchObject({ status: 'delivered' })
      await world.settle(later.backend.stop())
    }),
  },
]

/** Where the receiver takes packets without hiding. */
function phantomOf({ receiver }: Ends): Destination {
  return { lane: 'phantom', publicKey: receiver.publicKey }
}
