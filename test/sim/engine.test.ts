import fc from 'fast-check'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { EventQueue, type EventHandler } from '../../src/backends/sim/event-queue.ts'
import { Random } from '../../src/backends/sim/random.ts'
import { RealTimePump } from '../../src/backends/sim/realtime.ts'
import type { Clock } from '../../src/floor/clock.ts'
import { createSimulation, demoNetwork, line, SimulationError } from '../../src/sim.ts'

interface Timer {
  readonly atMs: number
  readonly callback: () => void
  readonly ref: boolean
}

class Mark implements EventHandler {
  readonly background = false
  readonly name: number
  constructor(name: number) {
    this.name = name
  }
  fire(): void {}
}

describe('the event queue', () => {
  it('counts an event that was let go no longer as holding the process, and gives it all the same', () => {
    const queue = new EventQueue()
    const event = queue.push(3, new Mark(1), 0)
    queue.push(3, new Mark(2), 0)
    queue.letGo(event)
    queue.letGo(event)
    expect([queue.holding, queue.foreground, queue.size]).toEqual([1, 2, 2])
    queue.shift()
    expect([queue.holding, queue.foreground, queue.size]).toEqual([1, 1, 1])
    queue.shift()
    expect(queue.holding).toBe(0)
  })

  it('gives events by time, then by insertion, whatever was cancelled', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.integer({ min: 0, max: 20 }), cancel: fc.boolean() }), { maxLength: 1_500 }),
        (entries) => {
          const queue = new EventQueue()
          const marks = entries.map((_, i) => new Mark(i))
          const events = marks.map((mark, i) => queue.push(entries[i]?.at ?? 0, mark, 0))
          for (const [i, event] of events.entries()) if (entries[i]?.cancel === true) queue.cancel(event)
          const order: number[] = []
          for (let event = queue.shift(); event !== undefined; event = queue.shift())
            order.push((event.handler as Mark).name)
          const expected = marks
            .filter((mark) => entries[mark.name]?.cancel !== true)
            .toSorted((a, b) => (entries[a.name]?.at ?? 0) - (entries[b.name]?.at ?? 0) || a.name - b.name)
          expect(order).toEqual(expected.map((mark) => mark.name))
          expect([queue.nextTime(), queue.foreground, queue.holding]).toEqual([Infinity, 0, 0])
        },
      ),
    )
  })
})

describe('the virtual clock', () => {
  it('fires timers at their time, in order, and not when cancelled', async () => {
    const sim = createSimulation(line(2))
    const { clock } = sim
    const fired: string[] = []
    clock.schedule(30, () => fired.push(`c${clock.now()}`))
    clock.schedule(10, () => fired.push(`a${clock.now()}`))
    clock.schedule(10, () => fired.push(`b${clock.now()}`))
    clock.schedule(20, () => fired.push('never'))()
    await sim.run()
    expect(fired).toEqual(['a10', 'b10', 'c30'])
  })

  it('lets all that follows from a timer happen before the time goes on', async () => {
    const sim = createSimulation(line(2))
    const { clock } = sim
    const seen: string[] = []
    clock.schedule(10, () => {
      void (async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve()
        await new Promise<void>((resolve) => {
          process.nextTick(resolve)
        })
        clock.schedule(clock.now(), () => seen.push(`follow-up at ${clock.now()}`))
      })()
    })
    clock.schedule(11, () => seen.push('later'))
    await sim.run()
    expect(seen).toEqual(['follow-up at 10', 'later'])
  })

  it('runs for a time, blocks included, and stands exactly there', async () => {
    const sim = createSimulation(line(2))
    expect(await sim.runFor(1_234_567)).toBe('time')
    expect([sim.clock.now(), sim.stats().height]).toEqual([1_234_567, 850_002])
  })

  it('runs until a condition holds', async () => {
    const sim = createSimulation(line(2))
    sim.clock.schedule(5_000, () => {})
    sim.clock.schedule(9_000, () => {})
    expect(await sim.run({ until: () => sim.clock.now() >= 4_000 })).toBe('until')
    expect(sim.clock.now()).toBe(5_000)
  })

  it('drive throws when nothing is left that could settle the promise', async () => {
    const sim = createSimulation(line(2))
    await expect(sim.drive(new Promise(() => {}))).rejects.toMatchObject({ name: 'SimulationError', code: 'quiet' })
  })

  it('drive throws when its bound of virtual time passes', async () => {
    const sim = createSimulation(line(2))
    const again = (): void => void sim.clock.schedule(sim.clock.now() + 1_000, again)
    again()
    await expect(sim.drive(new Promise(() => {}), { withinMs: 10_000 })).rejects.toMatchObject({ code: 'time-bound' })
    expect(sim.clock.now()).toBe(10_000)
  })

  it('drive hands on what the promise rejects with', async () => {
    await expect(createSimulation(line(2)).drive(Promise.reject(new Error('mine')))).rejects.toThrow('mine')
  })

  it('takes no second run at the same time', async () => {
    const sim = createSimulation(line(2))
    const first = sim.runFor(1_000)
    await expect(sim.runFor(1)).rejects.toBeInstanceOf(SimulationError)
    await first
  })

  it('passes time inside the network without turns of the event loop', async () => {
    const sim = createSimulation({ ...demoNetwork(), traffic: { perSecond: 100 } })
    await sim.runFor(100_000)
    const { events, turns } = sim.stats()
    expect(events).toBeGreaterThan(9_000)
    expect(turns).toBeLessThan(10)
  })
})

describe('real time', () => {
  /** A clock of one timer at most that the test moves. */
  function manualClock(): Clock & { readonly timer: Timer | undefined; advance(ms: number): void } {
    let nowMs = 5_000
    let timer: Timer | undefined
    return {
      now: () => nowMs,
      schedule(atMs, callback, options) {
        const scheduled = { atMs, callback, ref: options?.ref === true }
        timer = scheduled
        return () => {
          if (timer === scheduled) timer = undefined
        }
      },
      get timer() {
        return timer
      },
      advance(ms) {
        nowMs += ms
        const due = timer
        if (due === undefined || due.atMs > nowMs) return
        timer = undefined
        due.callback()
      },
    }
  }

  it('wakes at the time of the earliest event, so many times as fast, and holds the process as it is told', () => {
    const clock = manualClock()
    const woken: number[] = []
    const pump: RealTimePump = new RealTimePump(
      10,
      () => {
        woken.push(pump.nowMs())
        return { nextMs: 3_000, ref: false }
      },
      clock,
    )
    pump.wakeBy(2_000, false)
    pump.wakeBy(1_000, false)
    pump.wakeBy(1_500, true)
    expect(clock.timer).toMatchObject({ atMs: 5_100, ref: true })
    clock.advance(99)
    expect(woken).toEqual([])
    clock.advance(1)
    expect(woken).toEqual([1_000])
    expect(clock.timer).toMatchObject({ atMs: 5_300, ref: false })
    pump.ref(true)
    expect(clock.timer).toMatchObject({ atMs: 5_300, ref: true })
    pump.close()
    expect(clock.timer).toBeUndefined()
    pump.wakeBy(0, true)
    expect(clock.timer).toBeUndefined()
  })

  it('carries a payment without anybody running the clock', async () => {
    const sim = createSimulation(line(2), { mode: 'real-time', speed: 1_000 })
    const [from, to] = [sim.backend('n0'), sim.backend('n1')]
    const arrived = new Promise<string>((resolve) => {
      void to.start({ sink: (event) => resolve(event.type) })
    })
    await from.start({ sink: () => {} })
    const [route] = await from.findRoutes({
      destination: { lane: 'node', publicKey: sim.keyOf('n1') },
      amountMsat: 1_000n,
      maxFeeMsat: 0n,
      count: 1,
    })
    const preimage = new Uint8Array(32).fill(1)
    const hash = sha256(preimage)
    const outcome = await from.pay({
      routeId: route?.id ?? '',
      hash,
      preimage,
      record: new Uint8Array(1),
      amountMsat: 1_000n,
    })
    expect([outcome.status, await arrived]).toEqual(['settled', 'arrival'])
    sim.close()
  })
})

describe('a stream of randomness', () => {
  it('is the same for the same seed and name, and another for another name', () => {
    expect(new Random('1', 'a').bytes(16)).toEqual(new Random('1', 'a').bytes(16))
    expect(new Random('1', 'a').bytes(16)).not.toEqual(new Random('1', 'b').bytes(16))
  })

  it('is not shifted by a child', () => {
    const [one, two] = [new Random('1', 'a'), new Random('1', 'a')]
    one.child('x').bytes(100)
    expect(one.uint32()).toBe(two.uint32())
  })

  it('has the means that it should', () => {
    const random = new Random('7', 'means')
    const mean = (draw: () => number): number =>
      Array.from({ length: 20_000 }, draw).reduce((sum, x) => sum + x, 0) / 20_000
    expect(mean(() => random.fraction())).toBeCloseTo(0.5, 1)
    expect(mean(() => random.exponential(10)) / 10).toBeCloseTo(1, 1)
    expect(mean(() => (random.logNormal(5, 0.7) > 5 ? 1 : 0))).toBeCloseTo(0.5, 1)
  })
})
