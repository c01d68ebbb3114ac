import { sha256 } from '@noble/hashes/sha2.js'
import { expect } from 'vitest'
import { KEY_BYTES } from '../../wire/keys.ts'
import { Code } from '../../wire/errors.ts'
import { MAX_HOLD_MS, VERDICT_MS } from '../../medium/limits.ts'
import type { CustomRecord } from '../../medium/payment.ts'
import type { BackendEvent } from '../backend.ts'
import { withEnds, type ContractCase } from './cases.ts'
import { AMOUNT_MSAT, paymentTo, type Probe, recordOf, type Ends } from './probe.ts'

type KeysendEvent = Extract<BackendEvent, { type: 'keysend' }>

/** What wallets chat with, and what podcast players say. */
const CHAT: CustomRecord = { type: 34_349_334n, value: new TextEncoder().encode('hello') }
const BOOST: CustomRecord = { type: 7_629_169n, value: new TextEncoder().encode('{"action":"boost"}') }

/** What messages need beside packets (spec §18): plain keysends, offers that are held, hashes of the receiver. */
export const MESSAGE_CASES: readonly ContractCase[] = [
  {
    title: 'a plain keysend arrives with its records, in order with packets, where it was asked for',
    needs: [],
    run: withEnds(
      async ({ payer, receiver, toReceiver }) => {
        const route = await payer.route(toReceiver)
        const records = [BOOST, CHAT]
        const plain = { ...payer.keysend(route, new Uint8Array()), records }
        expect(await payer.pay(plain)).toMatchObject({ status: 'settled' })
        expect(await payer.pay(payer.keysend(route, recordOf(50, 1)))).toMatchObject({ status: 'settled' })
        await receiver.until(() => receiver.arrivals().length === 1 && keysends(receiver).length === 1)
        const [told] = keysends(receiver)
        expect(told).toMatchObject({ amountMsat: AMOUNT_MSAT, hash: plain.hash })
        expect(new Map(told?.records.map(({ type, value }) => [type, value]))).toEqual(
          new Map(records.map(({ type, value }) => [type, value])),
        )
        expect(told?.settleIndex).toBeLessThan(receiver.arrivals()[0]?.settleIndex ?? 0n)
      },
      { keysends: true },
    ),
  },

  {
    title: 'nobody hears of a plain keysend who did not ask',
    needs: [],
    run: withEnds(async ({ payer, receiver, toReceiver }) => {
      const route = await payer.route(toReceiver)
      await payer.pay({ ...payer.keysend(route, new Uint8Array()), records: [CHAT] })
      await payer.pay(payer.keysend(route, recordOf(50, 1)))
      await receiver.until(() => receiver.arrivals().length === 1)
      expect(keysends(receiver)).toEqual([])
    }),
  },

  {
    title: 'records that are no foreign ones, or too long for the route, are invalid',
    needs: [],
    run: withEnds(async ({ payer, toReceiver }) => {
      const route = await payer.route(toReceiver)
      const value = new Uint8Array(1)
      const long = new Uint8Array(route.recordBytes + 1)
      for (const records of [
        [{ type: 1n, value }],
        [{ type: 1_936_679_787n, value }],
        [{ type: 5_482_373_484n, value }],
        [CHAT, CHAT],
        [{ type: CHAT.type, value: long }],
      ])
        expect(await payer.pay({ ...payer.keysend(route, new Uint8Array()), records })).toMatchObject({
          status: 'failed',
          reason: 'invalid',
        })
    }),
  },

  {
    title: 'an offer that is held waits beyond its deadline for its verdict',
    needs: ['phantom lane', 'time'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment, preimage } = await paymentTo(ends, phantomOf(ends), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      const offer = receiver.offers()[0]
      expect(offer?.holdHeight).toBeGreaterThan(0)
      const deadlineMs = await world.settle(hold(receiver))
      expect(deadlineMs).toBeGreaterThan(offer?.deadlineMs ?? Infinity)
      await world.advance?.(VERDICT_MS + 5_000)
      await world.settle(receiver.backend.answer(offer?.offerId ?? '', { action: 'settle', preimage }))
      expect(await world.settle(outcome)).toMatchObject({ status: 'delivered' })
    }),
  },

  {
    title: 'an offer that is held for too long is refused, and gone',
    needs: ['phantom lane', 'time', 'faults'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment } = await paymentTo(ends, phantomOf(ends), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      await world.settle(hold(receiver))
      await world.advance?.(MAX_HOLD_MS + 1_000)
      expect(await world.settle(outcome)).toMatchObject({ status: 'failed', reason: 'refused', refusal: Code.BUSY })
      expect(receiver.events.some((event) => event.type === 'offer-gone')).toBe(true)
      expect(await world.settle(hold(receiver))).toBe(undefined)
    }),
  },

  {
    title: 'asking again to hold an offer gives no more time than the first time did',
    needs: ['phantom lane', 'time', 'faults'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const { payment } = await paymentTo(ends, phantomOf(ends), 1)
      const outcome = payer.backend.pay(payment)
      await receiver.until(() => receiver.offers().length === 1)
      const deadlineMs = (await world.settle(hold(receiver))) ?? 0
      await world.advance?.(MAX_HOLD_MS / 2)
      // A daemon and its programs have clocks of their own: some ms of rounding.
      expect(await world.settle(hold(receiver))).toBeLessThanOrEqual(deadlineMs + 1_000)
      await world.advance?.(MAX_HOLD_MS / 2 + 1_000)
      expect(await world.settle(outcome)).toMatchObject({ status: 'failed', reason: 'refused', refusal: Code.BUSY })
    }),
  },

  {
    title: 'a locked hash: the payer learns the preimage, and may try again what has failed, not what was paid',
    needs: ['phantom lane'],
    run: listening(async (ends) => {
      const { world, payer, receiver } = ends
      const preimage = world.entropy.bytes(KEY_BYTES)
      const route = await payer.route(phantomOf(ends))
      const record = recordOf(100, 1)
      const payment = { routeId: route.id, hash: sha256(preimage), record, amountMsat: AMOUNT_MSAT, isLocked: true }
      receiver.answerOffers(() => ({ action: 'refuse', code: Code.DENIED }))
      expect(await payer.pay(payment)).toMatchObject({ status: 'failed', refusal: Code.DENIED })
      receiver.answerOffers(() => ({ action: 'settle', preimage }))
      const again = { ...payment, routeId: (await payer.route(phantomOf(ends))).id }
      expect(await payer.pay(again)).toMatchObject({ status: 'delivered', preimage })
      expect(await world.settle(payer.backend.track(payment.hash))).toMatchObject({ status: 'delivered', preimage })
      const third = { ...payment, routeId: (await payer.route(phantomOf(ends))).id }
      expect(await payer.pay(third)).toMatchObject({ status: 'failed', reason: 'duplicate-hash' })
    }),
  },
]

function keysends({ events }: Probe): KeysendEvent[] {
  return events.filter((event) => event.type === 'keysend')
}

async function hold(receiver: Probe): Promise<number | undefined> {
  return await receiver.backend.hold?.(receiver.offers()[0]?.offerId ?? '')
}

/** A case whose receiver takes packets at its node's own phantom. */
function listening(body: (ends: Ends) => Promise<void>): ContractCase['run'] {
  return withEnds(body, { phantomLane: true })
}

function phantomOf({ receiver }: Ends): { readonly lane: 'phantom'; readonly publicKey: Uint8Array } {
  return { lane: 'phantom', publicKey: receiver.publicKey }
}
