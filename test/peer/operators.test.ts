/** Relays whose operators limit what a peer may have, and whose slots other people's payments hold as well. */
import { describe, expect, test } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { route, World } from './medium.ts'
import { rateBetween, sender } from './transfer.ts'

const settled: PaymentOutcome = { status: 'settled', feeMsat: 0n }

/** A relay: HTLCs of ours that it holds at once, and what else it refuses. Payments take 1 s, refusals 200 ms. */
class Relay {
  readonly #world: World
  readonly #channel: string
  used = 0
  slots: number
  /** Passed at all. */
  passed = 0
  refused = 0
  readonly #admits: () => boolean

  constructor(world: World, channel: string, slots: number, admits: () => boolean = () => true) {
    this.#world = world
    this.#channel = channel
    this.slots = slots
    this.#admits = admits
  }

  pay(done: (outcome: PaymentOutcome) => void): void {
    const { now } = this.#world
    const spread = Math.exp(0.4 * this.#world.normal())
    if (this.used >= this.slots || !this.#admits()) {
      this.refused += 1
      const channel = this.#channel
      const refusal = { status: 'failed', reason: 'temporary-channel-failure', place: 'route', channel } as const
      this.#world.at(now + 200 * spread, () => done(refusal))
      return
    }
    this.used += 1
    this.#world.at(now + 1_000 * spread, () => {
      this.used -= 1
      this.passed += 1
      done(settled)
    })
  }
}

/** So many an hour, and a few at once after a rest. */
function hourly(world: World, perHour: number, burst: number): () => boolean {
  let tokens = burst
  let at = 0
  return () => {
    tokens = Math.min(burst, tokens + ((world.now - at) * perHour) / 3_600_000)
    at = world.now
    if (tokens < 1) return false
    tokens -= 1
    return true
  }
}

function run(world: World, relays: readonly Relay[]): ReturnType<typeof sender> {
  const routes = relays.map((_, index) => route(`r${index}`, [`own-${index}`, `c${index}`], 483))
  return sender(
    world,
    (id, done) => (relays[Number(id.slice(1))] as Relay).pay(done),
    () => routes,
  )
}

describe("operators' limits", () => {
  test('of 5 pending a peer: all of them are used, with fewer refusals than deliveries', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new World(seed)
      const relays = Array.from({ length: 6 }, (_, index) => new Relay(world, `c${index}`, 5))
      const own = run(world, relays)
      world.run(120_000)
      // 30 slots of 1.08 s each.
      expect(rateBetween(own, 20_000, 120_000)).toBeGreaterThan(0.85 * 27.7)
      expect(own.failed).toBeLessThan(own.delivered)
    }
  })

  test('of a number an hour: what passes is used, the others carry the rest, and refusals are few', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new World(seed)
      const limited = new Relay(world, 'c0', 483, hourly(world, 360, 20))
      const free = new Relay(world, 'c1', 30)
      const own = run(world, [limited, free])
      world.run(600_000)
      // One in 10 s, and 20 to begin with.
      expect(limited.passed).toBeGreaterThan(50)
      expect(limited.refused).toBeLessThan(8 * limited.passed)
      expect(rateBetween(own, 60_000, 600_000)).toBeGreaterThan(0.85 * 27.7)
    }
  })

  test("other people's payments take slots and give them back: ours follow", () => {
    // Right after slots came back a seed can be slow to find them: what all of them reach together counts, and each
    // three quarters of it.
    const after: number[] = []
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const world = new World(seed)
      const relays = [new Relay(world, 'c0', 30), new Relay(world, 'c1', 30)]
      const own = run(world, relays)
      world.run(60_000)
      for (const relay of relays) relay.slots = 6
      world.run(180_000)
      for (const relay of relays) relay.slots = 30
      world.run(300_000)
      expect(rateBetween(own, 20_000, 60_000)).toBeGreaterThan(0.85 * 55)
      expect(rateBetween(own, 80_000, 180_000)).toBeGreaterThan(0.85 * 11)
      after.push(rateBetween(own, 220_000, 300_000))
    }
    expect(after.reduce((sum, rate) => sum + rate, 0) / after.length).toBeGreaterThan(0.88 * 55)
    expect(Math.min(...after)).toBeGreaterThan(0.75 * 55)
  })
})
