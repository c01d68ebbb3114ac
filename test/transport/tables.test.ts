import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines, type Deadline } from '../../src/transport/driver/deadlines.ts'
import { MessageIds } from '../../src/transport/tables/message-ids.ts'
import { SeenOpens } from '../../src/transport/tables/seen-opens.ts'
import { TokenBucket } from '../../src/floor/token-bucket.ts'
import { Tombstones } from '../../src/transport/tables/tombstones.ts'
import { offerKey, Verdicts } from '../../src/transport/tables/verdicts.ts'
import { ManualClock } from '../manual-clock.ts'

describe('the table of OPENs seen', () => {
  const fresh = (): SeenOpens => new SeenOpens({ floor: 0, opensSeen: new Map() })

  it('raises the floor when it is full, and forgets what is below', () => {
    const seen = fresh()
    for (let i = 0; i < 65_536; i++) seen.add(`e${i}`, 100 + (i % 3))
    expect(seen.floor).toBe(0)
    const changes = seen.add('new', 102)
    expect(changes.map(({ type }) => type)).toEqual(['floor', 'open-seen'])
    expect(seen.floor).toBe(101)
    expect(seen.size).toBeLessThan(65_536)
    expect(seen.has('e0')).toBe(false)
    expect(seen.has('e1')).toBe(true)
    expect(seen.has('new')).toBe(true)
  })

  it('forgets by age what would be stale anyway', () => {
    const seen = fresh()
    seen.add('old', 100)
    seen.add('young', 101)
    expect(seen.block(256)).toEqual([{ type: 'floor', height: 100 }])
    expect(seen.has('old')).toBe(true)
    seen.block(257)
    expect(seen.has('old')).toBe(false)
    expect(seen.has('young')).toBe(true)
  })
})

describe('tombstones', () => {
  const grave = (id: number, height: number): Parameters<Tombstones['add']>[0] => ({
    connectionId: `c${id}`,
    ephemeral: 'e',
    ending: 'clean',
    height,
  })

  it('are bounded: the oldest go', () => {
    const tombstones = new Tombstones(new Map())
    for (let i = 0; i < 65_540; i++) tombstones.add(grave(i, 1))
    expect(tombstones.size).toBe(65_536)
    expect(tombstones.has('c3')).toBe(false)
    expect(tombstones.has('c4')).toBe(true)
  })

  it('last 2,016 blocks', () => {
    const tombstones = new Tombstones(new Map())
    tombstones.add(grave(1, 100))
    expect(tombstones.block(2_116)).toEqual([])
    expect(tombstones.block(2_117)).toEqual([{ type: 'tombstones-forgotten', belowHeight: 101 }])
    expect(tombstones.size).toBe(0)
  })
})

it('a message is known by the port that it came to and its id', () => {
  const messages = new MessageIds(new Set())
  const id = new Uint8Array(16).fill(1)
  expect(messages.add(7, id)).toEqual({ type: 'message', id: `7/${'01'.repeat(16)}` })
  expect(messages.add(7, id)).toBe(undefined)
  expect(messages.add(8, id)).toBeDefined()
})

it('verdicts are bounded: the oldest go', () => {
  const verdicts = new Verdicts<{ readonly i: number }, string>()
  const hash = (i: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, at) => (i >>> (8 * (at % 4))) & 0xff)
  const settle = { action: 'settle', preimage: new Uint8Array(32) } as const
  const owners = Array.from({ length: 65_537 }, (_, i) => ({ i }))
  for (const owner of owners) verdicts.add({ hash: hash(owner.i) }, settle, { owner, note: `of ${owner.i}` })
  expect(verdicts.size).toBe(65_536)
  expect(verdicts.get(offerKey({ hash: hash(0) }))).toBe(undefined)
  expect(verdicts.get(offerKey({ hash: hash(65_536) }))).toBeDefined()
  expect(verdicts.ownerOf(hash(0))).toBe(undefined)
  expect(verdicts.ownerOf(hash(65_536))).toEqual({ i: 65_536 })
  expect(verdicts.noteOf(hash(65_536))).toBe('of 65536')
})

it('a token bucket gives a burst, and then its rate', () => {
  const bucket = new TokenBucket({ perSecond: 20, burst: 100, now: 0 })
  const taken = (now: number): number => {
    let count = 0
    while (bucket.take(now)) count++
    return count
  }
  expect([taken(0), taken(500), taken(10_500), taken(10_549), taken(10_550)]).toEqual([100, 10, 100, 0, 1])
})

describe('deadlines', () => {
  it('fire in the order of their times, those of one time in the order in which they were added', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 19 }), fc.option(fc.integer({ min: 0, max: 50 }))), {
          maxLength: 80,
        }),
        async (changes) => {
          const clock = new ManualClock()
          const deadlines = new Deadlines(clock)
          const fired: number[] = []
          const all: Deadline[] = Array.from({ length: 20 }, (_, i) => deadlines.add(() => fired.push(i)))
          const expected = new Map<number, number>()
          for (const [which, atMs] of changes) {
            deadlines.set(all[which] as Deadline, atMs ?? undefined)
            if (atMs === null) expected.delete(which)
            else expected.set(which, atMs)
          }
          expect(deadlines.size).toBe(expected.size)
          await clock.advance(60)
          expect(fired).toEqual([...expected].toSorted((a, b) => a[1] - b[1] || a[0] - b[0]).map(([which]) => which))
          expect(clock.timers).toBe(0)
        },
      ),
      { numRuns: 100, seed: 5 },
    )
  })

  it('can be set anew while one fires, and hold the process only when they are asked to', async () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    const times: number[] = []
    const again = deadlines.add(() => {
      times.push(clock.now())
      if (times.length < 3) deadlines.set(again, clock.now() + 10)
    })
    deadlines.set(again, 5)
    await clock.advance(100)
    expect(times).toEqual([5, 15, 25])
    expect(clock.timers).toBe(0)
    deadlines.hold(true)
    expect(clock.timers).toBe(1)
    deadlines.hold(false)
    expect(clock.timers).toBe(0)
    deadlines.set(again, 1_000)
    deadlines.stop()
    expect(clock.timers).toBe(0)
  })
})
