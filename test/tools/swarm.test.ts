import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Backend } from '../../src/index.ts'
import { Play } from '../../tools/swarm/play.ts'
import { story, type Story } from '../../tools/swarm/story.ts'

/** Two programs on the demo network, that move `bytes`, and nothing goes wrong. */
function quietStory(bytes: number): Story {
  const program = {
    capMsat: 10_000_000,
    prefer: 'balanced',
    relays: 'auto',
    phantomLane: false,
    answers: 'caller',
    kilobyteMsat: 0,
    openingMsat: 0,
  } as const
  const act = { type: 'connect', from: 0, to: 1, lane: 'node', replies: 'phantom', identify: false } as const
  return {
    seed: 1,
    network: { kind: 'demo', nodes: 5, latency: 'reference', failure: 0, hang: 0, slots: 483 },
    programs: [program, program],
    acts: [{ atMs: 0, act: { ...act, application: { type: 'echo', bytes } } }],
    faults: [],
  }
}

it('nothing is found in a quiet story, and its conversation is done', async () => {
  const { findings, fates } = await new Play(quietStory(20_000)).run()
  expect(findings).toEqual([])
  expect(fates.done).toBe(1)
})

it('the same story has the same end', async () => {
  const [told] = fc.sample(story, { seed: 7, numRuns: 1 }) as [Story]
  const first = await new Play(told).run()
  const again = await new Play(told).run()
  expect(again.hash).toBe(first.hash)
  expect(again.narrative).toEqual(first.narrative)
})

it('a node that says of what it paid that it failed is found by its ledger', async () => {
  let paid = 0
  const lies = (backend: Backend): Backend => {
    const pay = backend.pay.bind(backend)
    return Object.assign(backend, {
      pay: async (payment: Parameters<Backend['pay']>[0]) => {
        const outcome = await pay(payment)
        if (++paid !== 5 || outcome.status === 'failed') return outcome
        return { status: 'failed', attempted: true, reason: 'route', feeMsat: 0n } as never
      },
    })
  }
  const { findings } = await new Play(quietStory(20_000), lies).run()
  expect(findings.join()).toMatch(/msat as paid; its node paid/)
})

it('a conversation that stands still for ever is found', async () => {
  let paid = 0
  const stops = (backend: Backend): Backend => {
    const pay = backend.pay.bind(backend)
    return Object.assign(backend, {
      pay: (payment: Parameters<Backend['pay']>[0]) => (++paid > 12 ? new Promise<never>(() => {}) : pay(payment)),
    })
  }
  const { findings } = await new Play(quietStory(20_000), stops).run()
  expect(findings.join()).toMatch(/does not come to its end|reserved a day later/)
})
