import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { SlotShares } from '../../src/backends/daemon/server/slot-shares.ts'
import { createSimulation, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import { MemoryDaemon } from './memory-daemon.ts'

const CHANNEL = 'own'
const SLOTS = 100
/** For programs that hold none. */
const KEPT = 6

/** Takes until there is no more; gives how many that were. */
function fill(shares: SlotShares, client: object, slots = SLOTS): number {
  let taken = 0
  while (shares.take(client, CHANNEL, slots)) taken += 1
  return taken
}

/** Two relays in a row; the first channel takes eight payments at once. */
const NARROW: NetworkDescription = {
  nodes: [{ name: 'here' }, { name: 'relay' }, { name: 'there' }],
  channels: [
    { between: ['here', 'relay'], capacityMsat: 1_000_000_000, policies: { here: { maxHtlcs: 8 } } },
    { between: ['relay', 'there'], capacityMsat: 1_000_000_000 },
  ],
}

describe('programs that pay over one channel', () => {
  it('leave each other room, also when their payments hang, and when one has gone', async () => {
    const sim = createSimulation(NARROW, { seed: 1, quietTurns: 3 })
    const daemon = new MemoryDaemon(sim, 'here')
    await sim.drive(daemon.start())
    const greedy = await Payer.start(sim, daemon)
    const modest = await Payer.start(sim, daemon)
    sim.fault({ name: 'payment-hangs', from: 'here', forMs: 600_000, end: 'land', count: 100 })
    const many = Array.from({ length: 20 }, () => greedy.pay())
    await sim.runFor(1_000)
    expect(daemon.server.status().payments).toBe(7)
    const one = modest.pay()
    expect(await sim.drive(modest.pay())).toMatchObject({ status: 'failed', reason: 'no-slot', place: 'local' })
    expect(daemon.server.status().payments).toBe(8)
    await sim.runFor(700_000)
    const outcomes = await sim.drive(Promise.all(many))
    expect(outcomes.filter(({ status }) => status === 'settled')).toHaveLength(7)
    expect(await sim.drive(one)).toMatchObject({ status: 'settled' })
    // Of what is left beside two, the other gets its part of eight and no more.
    const others = [modest.pay(), modest.pay()]
    await sim.runFor(100)
    const more = Array.from({ length: 8 }, () => greedy.pay())
    await sim.runFor(1_000)
    expect(daemon.server.status().clients.map(({ payments }) => payments)).toEqual([4, 2])
    await sim.drive(greedy.backend.stop())
    expect(daemon.server.status()).toMatchObject({ payments: 6, clients: [{ payments: 2 }] })
    await sim.runFor(700_000)
    expect(daemon.server.status().payments).toBe(0)
    await sim.drive(Promise.all([...more, ...others, modest.backend.stop()]))
    await sim.drive(daemon.kill())
  })
})

class Payer {
  readonly backend: Backend
  readonly #sim: Simulation
  readonly #route: Route

  private constructor(backend: Backend, sim: Simulation, route: Route) {
    this.backend = backend
    this.#sim = sim
    this.#route = route
  }

  static async start(sim: Simulation, daemon: MemoryDaemon): Promise<Payer> {
    const backend = daemon.attach()
    await sim.drive(backend.start({ sink: () => undefined }))
    const destination = { lane: 'node', publicKey: sim.keyOf('there') } as const
    const [route] = await sim.drive(
      backend.findRoutes({ destination, amountMsat: 5_000n, maxFeeMsat: 100_000n, count: 1 }),
    )
    return new Payer(backend, sim, route as Route)
  }

  pay(): Promise<PaymentOutcome> {
    const preimage = this.#sim.entropy.bytes(32)
    const payment = { routeId: this.#route.id, hash: sha256(preimage), preimage, amountMsat: 5_000n }
    return this.backend.pay({ ...payment, record: new Uint8Array(40) })
  }
}

describe('the slots of a channel', () => {
  it('are for a program that is alone, but for what a newcomer needs to begin', () => {
    const shares = new SlotShares()
    expect(fill(shares, {})).toBe(SLOTS - KEPT)
    expect(Array.from({ length: 7 }, () => shares.take({}, CHANNEL, SLOTS))).toEqual([...Array(KEPT).fill(true), false])
  })

  it('leave the second program what is left when the first has filled three quarters', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    for (let i = 0; i < 75; i++) expect(shares.take(first, CHANNEL, SLOTS)).toBe(true)
    expect(fill(shares, second)).toBe(25 - KEPT)
    expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
  })

  it('go to whoever holds less as they come free', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    for (let i = 0; i < 75; i++) shares.take(first, CHANNEL, SLOTS)
    fill(shares, second)
    for (let i = 0; i < 20; i++) {
      shares.give(first, CHANNEL)
      expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
      expect(shares.take(second, CHANNEL, SLOTS)).toBe(true)
    }
  })

  it('go to a newcomer first that found none', () => {
    const shares = new SlotShares()
    const [first, second] = [{}, {}]
    const others = Array.from({ length: KEPT }, () => ({}))
    expect(fill(shares, first)).toBe(SLOTS - KEPT)
    for (const other of others) shares.take(other, CHANNEL, SLOTS)
    expect(shares.take(second, CHANNEL, SLOTS)).toBe(false)
    for (const other of others) shares.give(other, CHANNEL)
    for (let held = 1; held <= 40; held++) {
      shares.give(first, CHANNEL)
      expect(shares.take(first, CHANNEL, SLOTS)).toBe(false)
      expect(shares.take(second, CHANNEL, SLOTS)).toBe(true)
    }
  })

  it('of a program that is gone come free with its payments, and it has no part', () => {
    const shares = new SlotShares()
    const [dead, first, second] = [{}, {}, {}]
    for (let i = 0; i < 50; i++) shares.take(dead, CHANNEL, SLOTS)
    shares.leave(dead)
    expect(fill(shares, first) + fill(shares, second)).toBe(50 - KEPT + 1)
    for (let i = 0; i < 50; i++) shares.give(dead, CHANNEL)
    expect(fill(shares, first) + fill(shares, second)).toBe(49)
  })

  it('never exceed the channel, and are given to nobody twice', () => {
    const act = fc.record({ who: fc.nat(3), what: fc.constantFrom('take', 'give') })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(act, { maxLength: 200 }), (slots, acts) => {
        const shares = new SlotShares()
        const clients = [0, 1, 2, 3].map((id) => ({ id, held: 0 }))
        for (const { who, what } of acts) {
          const client = clients[who] ?? { id: -1, held: 0 }
          if (what === 'take' && shares.take(client, CHANNEL, slots)) client.held += 1
          else if (what === 'give' && client.held > 0) {
            shares.give(client, CHANNEL)
            client.held -= 1
          }
          expect(clients.reduce((sum, { held }) => sum + held, 0)).toBeLessThanOrEqual(slots)
        }
      }),
    )
  })

  it('a newcomer finds one as long as nobody holds less than an equal part', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 500 }), fc.integer({ min: 1, max: 3 }), (slots, others) => {
        const shares = new SlotShares()
        // Each takes what it gets, one after the other, and the channel is never full before a newcomer came.
        const greedy = Array.from({ length: others }, () => ({}))
        const limit = Math.ceil((slots * 3) / 4)
        let total = 0
        while (total < limit && shares.take(greedy[total % others] ?? {}, CHANNEL, slots)) total += 1
        expect(shares.take({}, CHANNEL, slots)).toBe(true)
      }),
    )
  })
})
