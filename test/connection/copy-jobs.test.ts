import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CopyJob, CopyJobs, type CopyReason } from '../../src/transport/connection/copy-jobs.ts'
import { SentPacket } from '../../src/transport/connection/sent-packets.ts'

function packet(id: number, from: number): SentPacket {
  return new SentPacket({
    id,
    number: id,
    reason: 'data',
    lane: 'node',
    sentAt: 0,
    hedgeAfterMs: 1_000,
    channels: [],
    amountMsat: 1_000n,
    feeMsat: 0n,
    eliciting: true,
    hedgeable: true,
    ranges: [from, from + 10],
    again: false,
    controls: 0,
    messages: [],
    ackNews: 0,
    payment: undefined,
    paymentMsat: 0n,
    notices: [],
    leastMsat: 0n,
    paysMsat: 0n,
    isTopUp: false,
    costs: false,
    holdsCost: false,
    open: false,
    answer: false,
  })
}

const ROWS: readonly CopyReason[] = ['urgent', 'hedge', 'early']

describe('copies that wait', () => {
  test('are found as by looking through all of them: the lowest of each row, the first whose time has come', () => {
    const step = fc.record({
      id: fc.nat({ max: 20 }),
      row: fc.constantFrom(...ROWS),
      untilMs: fc.oneof(fc.nat({ max: 50 }), fc.constant(Infinity)),
      isGone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.nat({ max: 60 }), (steps, now) => {
        const originals = Array.from({ length: 21 }, (_, id) => packet(id, ((id * 7) % 13) * 100))
        const jobs = new CopyJobs()
        const known = new Map<SentPacket, { job: CopyJob; row: CopyReason; untilMs: number }>()
        for (const { id, row, untilMs, isGone } of steps) {
          const origin = originals[id] ?? originals[0]
          if (origin === undefined) throw new Error('no packets')
          if (isGone) {
            jobs.delete(origin)
            known.delete(origin)
          } else {
            const job = jobs.get(origin) ?? new CopyJob(origin, 0)
            jobs.put(job, { row, untilMs })
            known.set(origin, { job, row, untilMs })
          }
        }
        expect(jobs.size).toBe(known.size)
        for (const row of ROWS) {
          const [lowest] = [...known.values()]
            .filter((each) => each.row === row)
            .toSorted((a, b) => a.job.from - b.job.from || a.job.origin.id - b.job.origin.id)
          expect(jobs.first(row)).toBe(lowest?.job)
        }
        const times = [...known.values()].map(({ untilMs }) => untilMs).filter((ms) => ms <= now)
        expect(known.get(jobs.changed(now)?.origin ?? packet(99, 0))?.untilMs ?? Infinity).toBe(Math.min(...times))
      }),
    )
  })
})
