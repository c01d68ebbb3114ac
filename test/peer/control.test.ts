/** The window against the toy medium: what it reaches, how it follows, whom it leaves room. */
import { describe, expect, test } from 'vitest'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import {
  bentRates,
  blindedRates,
  Bursts,
  Measured,
  Station,
  World,
  oneHopRates,
  pay,
  route,
  twoHopRates,
  way,
  type Way,
} from './medium.ts'
import { flood, median, rateBetween, sender, timeTo, type Sender } from './transfer.ts'

const PACKETS = 9_000
const SEEDS = [1, 2, 3]
const FLOODS = [16, 32, 64, 128, 192, 256]
const LONG_MS = 10_800_000
const oneRoute = (slots = 483) => [route('a', ['c', 'd'], slots)]

function stations(count: number, perSecond: number): Station[] {
  return Array.from({ length: count }, () => new Station(perSecond))
}

/** The reference rates: 160 a second over one hop, 100 over more. */
function reference(hops: number, options: Partial<Way> & { readonly medianMs: number }): Way {
  return way(stations(hops + 1, hops === 1 ? 160 : 100), options)
}

/** Time of the quickest flood, of all windows. */
function bestFlood(make: () => Way): number {
  const times = FLOODS.map((window) =>
    median(
      SEEDS.map((seed) => {
        const world = new World(seed)
        const over = make()
        const progress = flood(world, window, (_id, done) => pay(world, over, done), 'a')
        world.run(LONG_MS, () => progress.delivered >= PACKETS)
        return timeTo(progress, PACKETS)
      }),
    ),
  )
  return Math.min(...times)
}

function transfer(seed: number, over: Way): { readonly result: Sender; readonly world: World; readonly most: number } {
  const world = new World(seed)
  const result = sender(world, (_id, done) => pay(world, over, done), oneRoute)
  let most = 0
  const look = (): void => {
    most = Math.max(most, result.peer.stats().window)
    world.at(world.now + 250, look)
  }
  look()
  world.run(LONG_MS, () => result.delivered >= PACKETS)
  return { result, world, most }
}

function leastRate(times: readonly number[], spanMs: number): number {
  const last = times.at(-1) ?? 0
  let least = Infinity
  for (let from = 0; from + spanMs <= last; from += 1_000) {
    const count = times.filter((time) => time >= from && time < from + spanMs).length
    least = Math.min(least, (count * 1_000) / spanMs)
  }
  return least
}

describe('9,000 packets, ramp included, against the best of all floods', () => {
  for (const hops of [1, 3]) {
    for (const medianMs of [200, 2_000]) {
      for (const failing of [0, 0.01, 0.1, 0.3]) {
        test(`${hops} hop(s), ${medianMs} ms, ${failing * 100} % failing: at least 0.93, and no minute under half`, () => {
          const make = (): Way => reference(hops, { medianMs, failing })
          const best = bestFlood(make)
          const runs = SEEDS.map((seed) => transfer(seed, make()).result)
          const own = median(runs.map((run) => timeTo(run, PACKETS)))
          expect(best / own).toBeGreaterThanOrEqual(0.93)
          const half = (0.5 * PACKETS * 1_000) / best
          for (const run of runs) expect(leastRate(run.times, 60_000)).toBeGreaterThan(half)
        })
      }
    }
  }

  test('with the long tails of a public network', () => {
    for (const medianMs of [200, 2_000]) {
      const make = (): Way => reference(3, { medianMs, spread: 0.7 })
      const own = median(SEEDS.map((seed) => timeTo(transfer(seed, make()).result, PACKETS)))
      expect(bestFlood(make) / own).toBeGreaterThanOrEqual(0.93)
    }
  })

  test.for([
    ['one hop', oneHopRates, 163],
    ['two hops', twoHopRates, 114],
  ] as const)('on the reference network, %s, whose rate bends slowly', ([, rates, ceiling]) => {
    const rate = median(
      SEEDS.map((seed) => {
        const world = new World(seed)
        const network = new Measured(world, rates)
        const result = sender(world, (_id, done) => network.pay(done), oneRoute)
        world.run(LONG_MS, () => result.delivered >= PACKETS)
        return (PACKETS * 1_000) / timeTo(result, PACKETS)
      }),
    )
    expect(rate).toBeGreaterThanOrEqual(0.93 * ceiling)
  })
})

describe('2 MB, ramp and tail included, on nodes whose results come in bursts', () => {
  const packets = 1_800
  const seeds = Array.from({ length: 15 }, (_, index) => index + 1)
  const medium = (world: World, rates: typeof bentRates): Bursts => new Bursts(world, new Measured(world, rates), 400)

  test.for([
    ['keysends', bentRates, false, 0.9],
    ['answers of a peer that is anonymous, of which two go at first', blindedRates, true, 0.85],
    ['such answers on the reference network', twoHopRates, true, 0.78],
  ] as const)('%s: close to the best of all floods', ([, rates, anonymous, least]) => {
    const best = Math.min(
      ...FLOODS.map((window) =>
        median(
          seeds.map((seed) => {
            const world = new World(seed)
            const over = medium(world, rates)
            const progress = flood(world, window, (_id, done) => over.pay(done), 'a')
            world.run(LONG_MS, () => progress.delivered >= packets)
            return timeTo(progress, packets)
          }),
        ),
      ),
    )
    const own = median(
      seeds.map((seed) => {
        const world = new World(seed)
        const over = medium(world, rates)
        const pays = { backlog: packets, anonymous }
        const result = sender(world, (_id, done) => over.pay(done), oneRoute, pays)
        world.run(LONG_MS, () => result.delivered >= packets)
        return timeTo(result, packets)
      }),
    )
    expect(best / own).toBeGreaterThanOrEqual(least)
  })
})

describe('the window', () => {
  test('stays near the knee: a payment waits little longer than it must', () => {
    for (const seed of SEEDS) {
      const { result, most } = transfer(seed, reference(3, { medianMs: 200, hanging: 0 }))
      const { window, medianMs = 0 } = result.peer.stats()
      // About 25 in flight fill 100 a second; the slots would admit 452.
      expect(window).toBeLessThan(120)
      expect(most).toBeLessThan(300)
      expect(medianMs).toBeLessThan(1_200)
    }
  })

  test('does not climb where more in flight only fails at a relay without slots', () => {
    for (const seed of SEEDS) {
      const { result, most } = transfer(seed, reference(3, { medianMs: 200, hanging: 0, relaySlots: 30 }))
      expect(most).toBeLessThan(200)
      expect(result.failed).toBeLessThan(PACKETS)
    }
  })

  test('follows a capacity that drops to a third, and that comes back', () => {
    for (const medianMs of [200, 2_000]) {
      for (const seed of SEEDS) {
        const world = new World(seed)
        const nodes = stations(3, 100)
        const over = way(nodes, { medianMs, hanging: 0 })
        const result = sender(world, (_id, done) => pay(world, over, done), oneRoute)
        world.run(60_000)
        for (const node of nodes) node.perSecond = 33
        world.run(180_000)
        for (const node of nodes) node.perSecond = 100
        world.run(300_000)
        expect(rateBetween(result, 30_000, 60_000)).toBeGreaterThan(0.9 * 100)
        expect(rateBetween(result, 80_000, 180_000)).toBeGreaterThan(0.9 * 33)
        expect(rateBetween(result, 230_000, 300_000)).toBeGreaterThan(0.9 * 100)
      }
    }
  })

  test('shrinks when the capacity does: what is queued is bounded', () => {
    for (const seed of SEEDS) {
      const world = new World(seed)
      const nodes = stations(3, 120)
      const over = way(nodes, { medianMs: 200, hanging: 0 })
      const result = sender(world, (_id, done) => pay(world, over, done), oneRoute)
      world.run(60_000)
      for (const node of nodes) node.perSecond = 40
      world.run(120_000)
      expect(result.peer.stats().window).toBeLessThan(45)
    }
  })

  test('is not moved by small writes', () => {
    const world = new World(1)
    const over = reference(3, { medianMs: 200, hanging: 0 })
    const result = sender(world, (_id, done) => pay(world, over, done), oneRoute, { backlog: 0 })
    const write = (): void => {
      result.backlog += 1
      result.pump()
      world.at(world.now + 700, write)
    }
    write()
    world.run(600_000)
    expect(result.peer.stats().window).toBeGreaterThanOrEqual(26)
    expect(result.delivered).toBeGreaterThan(850)
  })
})

describe('sharing', () => {
  test('two peers at one bottleneck both get at least a fifth, whoever came first, and use it up', () => {
    for (const medianMs of [200, 2_000]) {
      for (const seed of SEEDS) {
        const world = new World(seed)
        const over = way(stations(3, 120), { medianMs, hanging: 0 })
        const slots = new SlotPool()
        const begin = (): Sender => sender(world, (_id, done) => pay(world, over, done), oneRoute, { slots })
        const early = begin()
        world.run(60_000)
        const late = begin()
        world.run(420_000)
        const [a, b] = [rateBetween(early, 120_000, 420_000), rateBetween(late, 120_000, 420_000)]
        expect(a + b).toBeGreaterThan(0.9 * 120)
        expect(Math.min(a, b) / (a + b)).toBeGreaterThan(0.2)
      }
    }
  })

  test('peers of one process leave slots to each other and to the node', () => {
    const world = new World(1)
    const over = way(stations(3, 1_000), { medianMs: 2_000, hanging: 0, slots: 50 })
    const slots = new SlotPool()
    const begin = (): Sender =>
      sender(
        world,
        (_id, done) => pay(world, over, done),
        () => oneRoute(50),
        { slots },
      )
    const senders = [begin(), begin(), begin()]
    let most = 0
    const look = (): void => {
      most = Math.max(most, over.used)
      world.at(world.now + 50, look)
    }
    look()
    world.run(120_000)
    expect(most).toBeLessThanOrEqual(46)
    const rates = senders.map((one) => rateBetween(one, 60_000, 120_000))
    expect(Math.min(...rates)).toBeGreaterThan(0.5 * Math.max(...rates))
  })

  test('anonymous peers together hold at most a quarter of the slots', () => {
    const world = new World(1)
    const over = way(stations(3, 1_000), { medianMs: 2_000, hanging: 0, slots: 100 })
    const slots = new SlotPool()
    const options = { slots, anonymous: true, lane: 'phantom' } as const
    const senders = [1, 2, 3].map(() =>
      sender(
        world,
        (_id, done) => pay(world, over, done),
        () => oneRoute(100),
        options,
      ),
    )
    let most = 0
    const look = (): void => {
      most = Math.max(most, over.used)
      world.at(world.now + 50, look)
    }
    look()
    world.run(120_000)
    expect(most).toBe(25)
    for (const one of senders) expect(one.delivered).toBeGreaterThan(100)
  })
})

describe('routes', () => {
  const both = [route('a', ['c1', 'd1'], 483), route('b', ['c2', 'd2'], 483)]
  const run = (seed: number, first: Way, second: Way | undefined, routes = both): Sender => {
    const world = new World(seed)
    const result = sender(
      world,
      (id, done) => pay(world, id === 'a' ? first : (second ?? first), done),
      () => routes,
    )
    world.run(LONG_MS, () => result.delivered >= PACKETS)
    return result
  }

  test('a dead one of two costs little', () => {
    for (const medianMs of [200, 2_000]) {
      const alone = median(
        SEEDS.map((seed) => timeTo(run(seed, reference(3, { medianMs }), undefined, both.slice(0, 1)), PACKETS)),
      )
      for (const dead of ['a', 'b']) {
        const failingOf = (id: string): number => (id === dead ? 1 : 0)
        const runs = SEEDS.map((seed) =>
          run(
            seed,
            reference(3, { medianMs, failing: failingOf('a') }),
            reference(3, { medianMs, failing: failingOf('b') }),
          ),
        )
        expect(median(runs.map((one) => timeTo(one, PACKETS))) / alone).toBeLessThan(1.05)
        for (const one of runs) expect(one.failed).toBeLessThan(200)
      }
    }
  })

  test('two good ones are used at once', () => {
    for (const medianMs of [200, 2_000]) {
      const runs = SEEDS.map((seed) => run(seed, reference(3, { medianMs }), reference(3, { medianMs })))
      expect(median(runs.map((one) => timeTo(one, PACKETS)))).toBeLessThan(64_000)
    }
  })
})

describe('what hangs', () => {
  test('one in fifty for minutes does not slow a transfer down', () => {
    for (const medianMs of [200, 2_000]) {
      const without = median(
        SEEDS.map((seed) => timeTo(transfer(seed, reference(3, { medianMs, hanging: 0 })).result, PACKETS)),
      )
      const hanging = median(
        SEEDS.map((seed) => timeTo(transfer(seed, reference(3, { medianMs, hanging: 0.02 })).result, PACKETS)),
      )
      expect(without / hanging).toBeGreaterThan(0.9)
    }
  })

  test('a pause of the network is not answered with more payments', () => {
    const world = new World(1)
    const held: (() => void)[] = []
    const over = reference(3, { medianMs: 200, hanging: 0 })
    let paused = false
    const result = sender(
      world,
      (_id, done) => pay(world, over, (outcome) => (paused ? held.push(() => done(outcome)) : done(outcome))),
      oneRoute,
    )
    world.run(20_000)
    paused = true
    const before = result.peer.stats().window
    world.run(50_000)
    expect(over.used + held.length).toBeLessThanOrEqual(2 * before)
    paused = false
    for (const go of held.splice(0)) go()
    world.run(80_000)
    expect(rateBetween(result, 60_000, 80_000)).toBeGreaterThan(90)
  })
})

describe('local exhaustion', () => {
  test('follows the slots that others leave, without storms, and comes back', () => {
    for (const medianMs of [200, 2_000]) {
      const world = new World(1)
      const over = reference(3, { medianMs, hanging: 0 })
      const result = sender(world, (_id, done) => pay(world, over, done), oneRoute)
      world.run(20_000)
      over.used += 470
      world.run(80_000)
      over.used -= 470
      world.run(140_000)
      expect(result.failed).toBeLessThan(500)
      expect(result.wakes).toBeLessThan(500)
      // 13 slots: 13 payments each 0.2 or 2 s at the most.
      expect(rateBetween(result, 40_000, 80_000)).toBeGreaterThan((0.5 * 13_000) / (1.1 * medianMs + 50))
      expect(rateBetween(result, 110_000, 140_000)).toBeGreaterThan(90)
    }
  })
})
