import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex } from '../../src/floor/bytes.ts'
import { type Backend, createEndpoint, type Endpoint, MemoryStore, type Payment } from '../../src/index.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { PORT } from './worlds.ts'

/** What goes wrong while a message is sent. */
const TROUBLES = [
  'none',
  'fails',
  'hangs-then-fails',
  'hangs-then-lands',
  'verdict-lost',
  'duplicate-offer',
  'interceptor-drops',
  'arrivals-replayed',
  'stream-lost',
  'receiver-restarts',
  'sender-restarts',
] as const
type Trouble = (typeof TROUBLES)[number]

interface Step {
  readonly lane: 'node' | 'phantom'
  readonly amountMsat: number
  readonly isTaken: boolean
  readonly trouble: Trouble
  readonly atMs: number
  /** The application sends under the same id once more. */
  readonly isRepeated: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  lane: fc.constantFrom('node', 'phantom'),
  amountMsat: fc.constantFrom(2_000, 9_000, 60_000),
  isTaken: fc.boolean(),
  trouble: fc.constantFrom(...TROUBLES),
  atMs: fc.integer({ min: 0, max: 4_000 }),
  isRepeated: fc.boolean(),
})

/** alice's backend, which remembers what was paid for which message. */
function watched(backend: Backend, paid: Map<string, string[]>, label: () => string): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'pay') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return (payment: Payment) => {
        const hashes = paid.get(label()) ?? []
        hashes.push(toHex(payment.hash))
        paid.set(label(), hashes)
        return target.pay(payment)
      }
    },
  })
}

class Run {
  readonly sim: Simulation
  readonly stores = { alice: new MemoryStore(), bob: new MemoryStore() }
  readonly paid = new Map<string, string[]>()
  /** How often each text was acted on. */
  readonly acted = new Map<string, number>()
  readonly refused = new Set<string>()
  label = ''
  alice!: Endpoint
  bob!: Endpoint

  constructor(seed: number) {
    this.sim = createSimulation(demoNetwork(), { seed })
  }

  async openAlice(): Promise<void> {
    const backend = watched(this.sim.backend('alice'), this.paid, () => this.label)
    this.alice = await createEndpoint({ backend, store: this.stores.alice })
  }

  async openBob(): Promise<void> {
    const backend = this.sim.backend('bob')
    this.bob = await createEndpoint({ backend, store: this.stores.bob, phantomLane: true })
    const feed = this.bob.messages(PORT)
    const read = async (): Promise<void> => {
      for await (const message of feed) {
        const [name = '', isTaken] = message.text.split(' ')
        if (isTaken === 'true' || message.isPaid) {
          await message.accept().then(
            () => this.acted.set(name, (this.acted.get(name) ?? 0) + 1),
            () => undefined,
          )
        } else {
          this.refused.add(name)
          await message.refuse('', 300).catch(() => undefined)
        }
      }
    }
    read().catch(() => undefined)
  }

  cause({ trouble, atMs }: Step): void {
    const { sim } = this
    switch (trouble) {
      case 'none':
        return
      case 'fails':
        return sim.fault({ name: 'payment-fails', from: 'alice', hop: 1, count: 2 })
      case 'hangs-then-fails':
      case 'hangs-then-lands': {
        const end = trouble === 'hangs-then-lands' ? 'land' : 'fail'
        return sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 40_000 + atMs, end, count: 1 })
      }
      case 'verdict-lost':
        return sim.fault({ name: 'verdict-lost', node: 'bob', end: atMs % 2 === 0 ? 'payer-fails' : 'offered-again' })
      case 'duplicate-offer':
        return sim.fault({ name: 'duplicate-offer', node: 'bob' })
      case 'interceptor-drops':
        return sim.fault({ name: 'interceptor-drops', node: 'bob', forMs: 500 }, sim.clock.now() + atMs / 10)
      case 'arrivals-replayed':
        return sim.fault({ name: 'arrivals-replayed', node: 'bob', count: 5 }, sim.clock.now() + atMs)
      case 'stream-lost':
        return sim.fault({ name: 'stream-lost', node: 'alice', forMs: 3_000 }, sim.clock.now() + atMs / 10)
      case 'receiver-restarts':
      case 'sender-restarts':
        sim.clock.schedule(sim.clock.now() + atMs / 4, () => void this.#restart(trouble))
    }
  }

  /** A process dies without a word, and the next one takes up what it left. */
  async #restart(trouble: 'receiver-restarts' | 'sender-restarts'): Promise<void> {
    const who = trouble === 'receiver-restarts' ? 'bob' : 'alice'
    this.sim.fault({ name: 'process-crash', node: who })
    await this.stores[who].close()
    await (who === 'bob' ? this.openBob() : this.openAlice())
  }

  send(name: string, { lane, amountMsat, isTaken }: Step): Promise<string> {
    const id = name.padStart(32, '0')
    const key = Buffer.from(this.sim.keyOf('bob')).toString('hex')
    const sent = this.alice
      .sendMessage(key, PORT, `${name} ${isTaken}`, { id, lane, amount: amountMsat, timeout: 15_000 })
      .then(
        () => 'sent',
        (error: { code?: string }) => error.code ?? 'error',
      )
    // A process that died never says what became of it.
    const { promise, resolve } = Promise.withResolvers<string>()
    this.sim.clock.schedule(this.sim.clock.now() + 20_000, () => resolve('dead'))
    return Promise.race([sent, promise])
  }

  /** How many payments for a message went through in the end. */
  async settledOf(name: string): Promise<number> {
    let count = 0
    for (const hash of this.paid.get(name) ?? []) {
      const tracked = await this.tracker.track(Uint8Array.from(Buffer.from(hash, 'hex')))
      if (tracked.status === 'settled' || tracked.status === 'delivered') count += 1
      if (tracked.status === 'in-flight') throw new Error('a payment has no outcome after a day')
    }
    return count
  }

  tracker!: Backend
}

it('no message is acted on twice and none is paid twice, whatever is lost, hangs, comes again or is restarted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(step, { minLength: 1, maxLength: 5 }),
      async (seed, steps) => {
        const run = new Run(seed)
        const { sim } = run
        await sim.drive(run.openAlice())
        await sim.drive(run.openBob())
        const results = new Map<string, string[]>()
        for (const [i, each] of steps.entries()) {
          const name = String(i + 1)
          run.label = name
          run.cause(each)
          const said = [await sim.drive(run.send(name, each))]
          if (each.isRepeated) said.push(await sim.drive(run.send(name, each)))
          results.set(name, said)
        }
        await sim.runFor(86_400_000)
        await sim.drive(run.alice.close())
        run.tracker = sim.backend('alice')
        await sim.drive(run.tracker.start({ sink: () => undefined }))
        for (const [name, said] of results) {
          const settled = await sim.drive(run.settledOf(name))
          const what = `message ${name}: ${said.join(', ')}; paid ${settled} times; seed ${seed}; ${JSON.stringify(steps)}`
          if (settled > 1) throw new Error(what)
          if ((run.acted.get(name) ?? 0) > 1) throw new Error(`${what}: acted on twice`)
          if (said.includes('sent') && settled !== 1) throw new Error(what)
          if (said.at(-1) === 'ERR_KEYSOCK_REFUSED' && settled > 0) throw new Error(what)
        }
        await sim.drive(Promise.all([run.tracker.stop(), run.bob.close()]))
        expect(sim.audit()).toEqual([])
      },
    ),
    { numRuns: 25 },
  )
})
