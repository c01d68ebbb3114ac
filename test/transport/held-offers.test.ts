import { expect, it } from 'vitest'
import { MAX_HOLD_MS } from '../../src/medium/limits.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import { HeldOffers, type OfferDecision, type PhantomOffer } from '../../src/transport/driver/held-offers.ts'
import { ManualClock } from '../manual-clock.ts'
import { settle as settled } from './scripted-backend.ts'
import { testRuntime } from './test-runtime.ts'

function bench(): {
  readonly offers: HeldOffers
  readonly clock: ManualClock
  readonly answers: [string, Verdict['action']][]
} {
  const answers: [string, Verdict['action']][] = []
  // A backend that gives whatever is asked for.
  const hold = async (): Promise<number> => clock.now() + MAX_HOLD_MS
  const answer = async (offerId: string, { action }: Verdict): Promise<void> => void answers.push([offerId, action])
  const clock = new ManualClock(settled)
  const nobody = { received: (): void => undefined, unclaimed: (): void => undefined }
  return { offers: new HeldOffers(testRuntime(clock), { answer, hold }, nobody), clock, answers }
}

const hash = new Uint8Array(32).fill(7)
const settle: OfferDecision = { reception: { action: 'settle', preimage: new Uint8Array(32).fill(8) }, paid: undefined }
const refuse: OfferDecision = { reception: { action: 'refuse', code: 1 }, paid: undefined }
const offer = (offerId: string, pathId?: string): PhantomOffer => ({
  type: 'offer',
  offerId,
  ...(pathId === undefined ? {} : { pathId }),
  record: new Uint8Array(100),
  amountMsat: 1_000n,
  hash,
  deadlineMs: 3_000,
})

/** Whether the offer waited for a decision, which it then got. */
function decided(offers: HeldOffers, one: PhantomOffer, decision: OfferDecision | Promise<OfferDecision>): boolean {
  const isHeld = offers.receive(one)
  if (isHeld) offers.decide(one, decision)
  return isHeld
}

it('an offer that comes again over its path gets the verdict it had, undecided', () => {
  const { offers, answers } = bench()
  expect(decided(offers, offer('a', 'p'), settle)).toBe(true)
  expect(offers.receive(offer('b', 'p'))).toBe(false)
  expect(answers).toEqual([
    ['a', 'settle'],
    ['b', 'settle'],
  ])
})

it('a hash that was settled over one path is decided for itself over another: nothing tells that both are ours', () => {
  const { offers, answers } = bench()
  decided(offers, offer('a', 'p'), settle)
  decided(offers, offer('b', 'q'), refuse)
  decided(offers, offer('c'), refuse)
  // And what was said there changes nothing here.
  expect(offers.receive(offer('d', 'p'))).toBe(false)
  expect(answers).toEqual([
    ['a', 'settle'],
    ['b', 'refuse'],
    ['c', 'refuse'],
    ['d', 'settle'],
  ])
})

it('a decision may come later, and is that of every offer of its hash that came meanwhile', async () => {
  const { offers, answers } = bench()
  const { promise, resolve } = Promise.withResolvers<OfferDecision>()
  decided(offers, offer('a'), promise)
  expect(offers.receive(offer('b'))).toBe(false)
  expect([answers, offers.held]).toEqual([[], 1])
  resolve(settle)
  await settled()
  expect([answers, offers.held]).toEqual([
    [
      ['a', 'settle'],
      ['b', 'settle'],
    ],
    0,
  ])
})

it('a decision that comes after the verdict was due changes nothing any more', async () => {
  const { offers, clock, answers } = bench()
  const { promise, resolve } = Promise.withResolvers<OfferDecision>()
  decided(offers, offer('a'), promise)
  await clock.advance(2_749)
  expect(answers).toEqual([])
  await clock.advance(1)
  resolve(settle)
  await settled()
  expect(offers.receive(offer('b'))).toBe(false)
  expect(answers).toEqual([
    ['a', 'refuse'],
    ['b', 'refuse'],
  ])
})

it('an offer is held for ten minutes from the first time that it is asked for, however often it is', async () => {
  const { offers, clock, answers } = bench()
  offers.receive(offer('a'))
  const untilMs = await offers.prolong(offer('a'))
  await clock.advance(MAX_HOLD_MS - 1_000)
  expect(await offers.prolong(offer('a'))).toBe(untilMs)
  await clock.advance(1_000)
  expect(answers).toEqual([['a', 'refuse']])
})
