import { beforeEach, describe, expect, it } from 'vitest'
import { Admission } from '../../src/floor/admission.ts'

describe('admission', () => {
  let nowMs: number
  let wakeMs: number | undefined
  let admission: Admission<'paid' | 'free'>

  beforeEach(() => {
    nowMs = 0
    wakeMs = undefined
    admission = new Admission<'paid' | 'free'>({
      perSecond: 10,
      burst: 2,
      lanes: { paid: { max: 6, waits: true }, free: { max: 4, waits: false } },
      now: () => nowMs,
      wakeAt: (atMs) => (wakeMs = atMs),
    })
  })

  it('lets a burst begin at once, each kind its own', () => {
    const entered = (['paid', 'paid', 'free', 'free'] as const).map((kind) => admission.enter(kind))
    expect(entered).toEqual(['now', 'now', 'now', 'now'])
    expect(wakeMs).toBe(undefined)
  })

  it('lets what may wait have its turn in order, at the rate', async () => {
    const turns: number[] = []
    for (let i = 0; i < 5; i++) {
      const turn = admission.enter('paid')
      if (typeof turn === 'object') void turn.then(() => turns.push(i))
    }
    expect([admission.underWay, admission.waiting, wakeMs]).toEqual([5, 3, 100])
    for (nowMs = 100; nowMs <= 300; nowMs += 100) {
      admission.wake()
      await Promise.resolve()
    }
    expect(turns).toEqual([2, 3, 4])
    expect([admission.waiting, wakeMs]).toEqual([0, undefined])
  })

  it('has no place for what may not wait, nor for anything beyond its number', () => {
    for (let i = 0; i < 2; i++) void admission.enter('free')
    expect(admission.enter('free')).toBe(undefined)
    for (let i = 0; i < 4; i++) expect(admission.enter('paid')).toBeDefined()
    expect(admission.enter('paid')).toBe(undefined)
    admission.leave()
    expect(admission.enter('paid')).toBeDefined()
  })
})
