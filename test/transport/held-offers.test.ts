import { expect, it } from 'vitest'
import type { Verdict } from '../../src/medium/verdict.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { Deadlines } from '../../src/transport/driver/deadlines.ts'
import { type Offer, HeldOffers } from '../../src/transport/driver/held-offers.ts'

function bench(): { readonly offers: HeldOffers; readonly answers: [string, Verdict['action']][] } {
  const answers: [string, Verdict['action']][] = []
  const answer = async (offerId: string, { action }: Verdict): Promise<void> => void answers.push([offerId, action])
  const clock = { now: () => 0, schedule: () => () => undefined }
  const offers = new HeldOffers({
    backend: { answer } as Partial<Backend> as Backend,
    deadlines: new Deadlines(clock),
    now: () => 0,
    touch: () => undefined,
    debug: () => undefined,
  })
  return { offers, answers }
}

const hash = new Uint8Array(32).fill(7)
const preimage = new Uint8Array(32).fill(8)
const offer = (offerId: string, pathId?: string): Offer => ({
  type: 'offer',
  offerId,
  ...(pathId === undefined ? {} : { pathId }),
  record: new Uint8Array(100),
  amountMsat: 1_000n,
  hash,
  deadlineMs: 3_000,
})

it('an offer that comes again over its path gets the verdict it had, unjudged', () => {
  const { offers, answers } = bench()
  offers.take(offer('a', 'p'), (_, decide) => decide({ action: 'settle', preimage }, undefined))
  offers.take(offer('b', 'p'), () => expect.unreachable())
  expect(answers).toEqual([
    ['a', 'settle'],
    ['b', 'settle'],
  ])
})

it('a hash that was settled over one path is judged for itself over another: nothing tells that both are ours', () => {
  const { offers, answers } = bench()
  offers.take(offer('a', 'p'), (_, decide) => decide({ action: 'settle', preimage }, undefined))
  offers.take(offer('b', 'q'), (_, decide) => decide({ action: 'refuse', code: 1 }, undefined))
  offers.take(offer('c'), (_, decide) => decide({ action: 'refuse', code: 1 }, undefined))
  // And what was said there changes nothing here.
  offers.take(offer('d', 'p'), () => expect.unreachable())
  expect(answers).toEqual([
    ['a', 'settle'],
    ['b', 'refuse'],
    ['c', 'refuse'],
    ['d', 'settle'],
  ])
})
