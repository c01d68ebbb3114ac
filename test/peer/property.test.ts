import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FailureReason, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import { PeerController } from '../../src/transport/peer/peer-controller.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { route } from './medium.ts'
import { peerWith } from './transfer.ts'

const reasons: readonly FailureReason[] = [
  'no-balance',
  'no-slot',
  'temporary-channel-failure',
  'policy',
  'unknown-next-peer',
  'expiry',
  'blinded',
  'refused',
  'rejected-by-node',
  'route-gone',
  'no-route',
  'duplicate-hash',
  'invalid',
  'node-away',
  'timeout',
]

const outcome: fc.Arbitrary<PaymentOutcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ status: 'settled', feeMsat: 0n } as const) },
  { weight: 1, arbitrary: fc.constant({ status: 'unknown' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      status: fc.constant('failed' as const),
      reason: fc.constantFrom(...reasons),
      place: fc.constantFrom('local', 'route', 'introduction', 'destination'),
      channel: fc.constantFrom('c0', 'c1', 'm0', 'm1'),
    }),
  },
)

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      peer: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 20 }),
      reason: fc.constantFrom('control', 'data', 'hedge', 'early', 'urgent'),
      keep: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('resolve' as const),
      peer: fc.nat({ max: 2 }),
      pick: fc.nat(),
      count: fc.integer({ min: 1, max: 15 }),
      outcome,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat({ max: 500 }), fc.nat({ max: 100_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      peer: fc.nat({ max: 2 }),
      routes: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    }),
  },
)

const routes: readonly Route[] = [
  route('r0', ['c0', 'm0'], 30),
  route('r1', ['c1', 'm0'], 12),
  route('r2', ['c0', 'm1'], 30),
  route('r3', ['c1', 'm1'], 12, { cltvDelta: 400 }),
]

interface Run {
  readonly peer: PeerController
  readonly anonymous: boolean
  readonly open: { readonly ticket: number; readonly channel: string }[]
  readonly known: Set<number>
  settled: number
  asked: boolean
}

/** Nothing in flight and somebody waits: then a grant, a deadline or a request for routes must be there. */
function checkAlive(run: Run, now: number): void {
  const { peer } = run
  const token = {}
  peer.enqueue(token)
  expect(peer.nextTurn()).toBe(token)
  const grant = peer.grant(now, { reason: 'data', avoid: [] })
  if (grant === undefined) {
    const { inFlight, hung } = peer.stats()
    if (inFlight + hung > 0 || run.asked) return
    if (peer.request(now) === undefined) expect(peer.deadline()).toBeGreaterThan(now)
    else run.asked = true
    return
  }
  peer.cancel(grant.ticket)
}

const endings: readonly PaymentOutcome[] = [
  { status: 'settled', feeMsat: 0n },
  { status: 'failed', reason: 'no-slot', place: 'local' },
  { status: 'failed', reason: 'temporary-channel-failure', place: 'route' },
  { status: 'failed', reason: 'node-away', place: 'local' },
  { status: 'failed', reason: 'route-gone', place: 'local' },
]

/**
 * Everything has resolved, however badly, of every peer: they share slots. From then on deadlines alone, and
 * routes when they are asked for, lead to a grant within the longest suspension.
 */
function checkWayOut(run: Run, from: number): void {
  const { peer } = run
  expect(peer.stats()).toMatchObject({ inFlight: 0, hung: 0 })
  for (let now = from; ;) {
    if (run.asked || peer.request(now) !== undefined) peer.provideRoutes(now, routes.slice(0, 2))
    run.asked = false
    const grant = peer.grant(now, { reason: 'data', avoid: [] })
    if (grant !== undefined) {
      peer.cancel(grant.ticket)
      return
    }
    const next = peer.deadline() ?? Infinity
    expect(next).toBeGreaterThan(now)
    expect(next).toBeLessThanOrEqual(from + 150_000)
    peer.wake(next)
    now = next
  }
}

function checkBounds(runs: readonly Run[], slots: SlotPool): void {
  const held = (channel: string, which: (run: Run) => boolean): number =>
    runs.filter(which).reduce((sum, run) => sum + run.open.filter((one) => one.channel === channel).length, 0)
  for (const [channel, limit, most] of [
    ['c0', 30, 28],
    // All, part of the time: a sixteenth is less than a slot.
    ['c1', 12, 12],
  ] as const) {
    expect(held(channel, () => true)).toBeLessThanOrEqual(most)
    // spec §9.7: a quarter, or four of few.
    expect(held(channel, (run) => run.anonymous)).toBeLessThanOrEqual(Math.max(Math.floor(limit / 4), 4))
    expect(slots.held(channel)).toBe(held(channel, () => true))
  }
  for (const run of runs) {
    const { inFlight, hung, window } = run.peer.stats()
    expect(inFlight + hung).toBe(run.open.length)
    expect(window).toBeGreaterThanOrEqual(2)
    // One more each time that the oldest has waited twice as long, from 10 s on; what is told here lasts some days.
    if (run.anonymous) expect(run.open.length).toBeLessThanOrEqual(2 + run.settled + 17)
  }
}

test('bounds hold, tickets resolve once, and nothing ever waits for nothing, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(...endings), (steps, ending) => {
      const slots = new SlotPool()
      const runs: Run[] = [false, false, true].map((anonymous) => ({
        peer: new PeerController({
          lane: anonymous ? 'phantom' : 'node',
          anonymous,
          random: (length) => new Uint8Array(length).fill(77),
          slots,
          maxFeeMsat: 10_000n,
        }),
        anonymous,
        open: [],
        known: new Set(),
        settled: 0,
        asked: false,
      }))
      let now = 0
      for (const one of steps) {
        if (one.do === 'wait') {
          const until = now + one.ms
          for (const run of runs) {
            // The driver's one timer: a deadline that is woken for moves on, at once or soon.
            let wakes = 0
            for (let next = run.peer.deadline(); next !== undefined && next <= until; next = run.peer.deadline()) {
              run.peer.wake(Math.max(next, now))
              if (!run.asked && run.peer.request(Math.max(next, now)) !== undefined) run.asked = true
              wakes += 1
              expect(wakes).toBeLessThan(1_000)
            }
            run.peer.wake(until)
          }
          now = until
        } else {
          const run = runs[one.peer]
          if (run === undefined) throw new Error('three peers')
          if (one.do === 'send') {
            for (let index = 0; index < one.count; index++) {
              const { hedges, hedgesLeft } = run.peer.stats()
              const grant = run.peer.grant(now, { reason: one.reason, avoid: ['m0'] })
              if (grant === undefined) break
              // spec §8.5: nothing is copied beyond the budget but what the receiver waits for.
              if (one.reason === 'hedge') expect(hedgesLeft).toBeGreaterThan(0)
              const isCopy = one.reason !== 'control' && one.reason !== 'data'
              expect(run.peer.stats().hedges).toBe(hedges + (isCopy ? 1 : 0))
              expect(run.known.has(grant.ticket)).toBe(false)
              if (one.keep) {
                run.known.add(grant.ticket)
                run.peer.sent(now, grant.ticket)
                run.open.push({ ticket: grant.ticket, channel: grant.route.channels[0] ?? '' })
              } else run.peer.cancel(grant.ticket)
            }
          } else if (one.do === 'answer') {
            if (!run.asked && run.peer.request(now) !== undefined) run.asked = true
            if (run.asked)
              run.peer.provideRoutes(
                now,
                one.routes.flatMap((index) => routes[index] ?? []),
              )
            run.asked = false
          } else {
            for (let index = 0; index < one.count && run.open.length > 0; index++) {
              const at = one.pick % run.open.length
              const chosen = run.open[at]
              if (chosen === undefined) break
              run.peer.resolve(now, chosen.ticket, one.outcome)
              if (one.outcome.status === 'unknown') break
              if (one.outcome.status !== 'failed') run.settled += 1
              run.open.splice(at, 1)
            }
          }
        }
        checkBounds(runs, slots)
        for (const run of runs) checkAlive(run, now)
      }
      for (const { peer, open } of runs) for (const { ticket } of open) peer.resolve(now, ticket, ending)
      for (const run of runs) checkWayOut(run, now)
      expect(slots.held('c0') + slots.held('c1')).toBe(0)
    }),
    {
      numRuns: 400,
      examples: [
        // One peer's only channel is full of another peer's payments.
        [
          [
            { do: 'answer', peer: 0, routes: [3] },
            { do: 'answer', peer: 1, routes: [1] },
            { do: 'send', peer: 1, count: 11, reason: 'control', keep: true },
          ],
          { status: 'settled', feeMsat: 0n },
        ],
      ],
    },
  )
})

test('no connection starves: of those that always want, each gets its turn within one round', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat({ max: 19 }), { maxLength: 100 }),
      (count, leaving) => {
        const peer = peerWith(() => 0)
        const tokens = Array.from({ length: count }, (_, index) => ({ index, last: 0 }))
        for (const token of tokens) peer.enqueue(token)
        let turn = 0
        for (const index of leaving) {
          const left = tokens[index]
          if (left !== undefined && index !== 0) peer.forget(left)
          const token = peer.nextTurn() as { index: number; last: number } | undefined
          if (token === undefined) throw new Error('the first never leaves')
          turn += 1
          expect(turn - token.last).toBeLessThanOrEqual(count)
          token.last = turn
          peer.enqueue(token)
        }
      },
    ),
  )
})
