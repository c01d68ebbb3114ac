import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Payment } from '../../src/medium/payment.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { createSimulation, randomNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { Endpoint } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { toHex } from '../../src/floor/bytes.ts'

// Random networks with faults, random conversations: what holds in all of them. `FC_SEED` and `FC_RUNS` choose others.

const IDLE_MS = 180_000
const GRACE_MS = 60_000
const HOUR = 3_600_000

/** What one side does, in order. */
type Act =
  | { readonly type: 'write'; readonly bytes: number }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'end' }
  | { readonly type: 'destroy' }
  | { readonly type: 'pause'; readonly ms: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 9_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 20_000 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ type: 'end' } as const) },
  { weight: 1, arbitrary: fc.constant({ type: 'destroy' } as const) },
)

const story = fc.record({
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  nodes: fc.integer({ min: 4, max: 8 }),
  failure: fc.constantFrom(0, 0.02, 0.1, 0.3),
  hang: fc.constantFrom(0, 0.01, 0.05),
  replies: fc.constantFrom('phantom' as const, 'direct' as const),
  capMsat: fc.constantFrom(40_000, 400_000, 10_000_000),
  faults: fc.boolean(),
  client: fc.array(act, { maxLength: 8 }),
  server: fc.array(act, { maxLength: 8 }),
})
type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never

const faults: NonNullable<NetworkDescription['faults']> = [
  { name: 'verdict-lost', chance: 0.02, with: { end: 'payer-fails' } },
  { name: 'verdict-lost', chance: 0.02, with: { end: 'offered-again' } },
  { name: 'duplicate-offer', chance: 0.02 },
  { name: 'relay-keeps', chance: 0.01 },
  { name: 'interceptor-drops', perHour: 60 },
  { name: 'stream-lost', perHour: 30 },
  { name: 'routes-forgotten', perHour: 30 },
  { name: 'policy-change', perHour: 30 },
  { name: 'node-offline', perHour: 20, with: { forMs: 20_000 } },
  { name: 'liquidity-shift', perHour: 60 },
]

interface Side {
  readonly written: Buffer[]
  readonly read: Buffer[]
  error: string | undefined
  ended: boolean
  destroyed: boolean
  closedAt: number | undefined
}

const newSide = (): Side => ({
  written: [],
  read: [],
  error: undefined,
  ended: false,
  destroyed: false,
  closedAt: undefined,
})

/** Hashes that any node was ever asked to pay. */
function watchHashes(backend: Backend, hashes: Set<string>): Backend {
  const pay = backend.pay.bind(backend)
  Object.assign(backend, {
    pay: (payment: Payment) => {
      const hash = toHex(payment.hash)
      expect(hashes.has(hash), 'a hash is offered twice').toBe(false)
      hashes.add(hash)
      return pay(payment)
    },
  })
  return backend
}

class Play {
  readonly sim: Simulation
  readonly sides = { client: newSide(), server: newSide() }
  readonly #story: Story
  #written = 0
  #activeAt = 0
  #activity = ''

  constructor(told: Story) {
    this.#story = told
    const { seed, nodes, failure, hang } = told
    const network = randomNetwork({ seed, nodes, failure, hang, ...(told.faults ? { faults } : {}) })
    this.sim = createSimulation(network, { seed })
  }

  async run(): Promise<string> {
    const { sim } = this
    const { replies, capMsat } = this.#story
    const hashes = new Set<string>()
    const open = (name: string): Promise<Endpoint> =>
      Endpoint.open({ backend: watchHashes(sim.backend(name), hashes), replies, maxCost: capMsat }, (connections) =>
        this.#check(connections),
      )
    const alice = await sim.drive(open('n0'))
    const bob = await sim.drive(open(`n${this.#story.nodes - 1}`))
    await bob.createServer({ idleTimeout: IDLE_MS }, (socket) => this.#act('server', socket)).listen(7)
    const client = alice.createConnection(bob.publicKeyHex, 7, { idleTimeout: IDLE_MS, connectTimeout: IDLE_MS })
    this.#act('client', client)
    await this.#untilQuiet()
    const hash = sim.traceHash()
    await sim.drive(Promise.all([alice.close(), bob.close()]))
    expect(alice.stats.deadlines + bob.stats.deadlines).toBe(0)
    return hash
  }

  /** Every connection ends: at the latest at its idle timeout, and a minute more. */
  async #untilQuiet(): Promise<void> {
    const { client, server } = this.sides
    const { sim } = this
    for (;;) {
      const isOver = (): boolean => client.closedAt !== undefined && (server.closedAt !== undefined || !this.#accepted)
      const until = this.#activeAt + IDLE_MS + GRACE_MS
      const end = await sim.run({ until: isOver, untilMs: Math.max(until, sim.clock.now()) })
      if (end === 'until' || isOver()) return
      if (this.#activeAt + IDLE_MS + GRACE_MS > until) continue
      expect.fail(`open at ${sim.clock.now()} ms, last active at ${this.#activeAt} ms`)
    }
  }

  #accepted = false

  #check(connections: Iterable<DrivenConnection>): void {
    const now = this.sim.clock.now()
    let activity = ''
    for (const connection of connections) {
      connection.checkInvariant(now)
      const { spentMsat, reservedMsat, capMsat } = connection.account
      expect(spentMsat + reservedMsat <= capMsat, 'money beyond the cap').toBe(true)
      const { bytesAcknowledged, bytesRead } = connection.stats
      activity += `${connection.role} ${connection.state} ${bytesAcknowledged} ${bytesRead};`
    }
    if (activity === this.#activity) return
    this.#activity = activity
    this.#activeAt = now
  }

  #act(name: 'client' | 'server', socket: Socket): void {
    if (name === 'server') this.#accepted = true
    const side = this.sides[name]
    socket.on('data', (chunk: Buffer) => side.read.push(chunk))
    socket.on('end', () => (side.ended = true))
    socket.on('error', (error: NodeJS.ErrnoException) => (side.error = error.code ?? error.message))
    socket.on('close', () => (side.closedAt = this.sim.clock.now()))
    const acts = [...this.#story[name], { type: 'end' } as const]
    const later = (ms: number, callback: () => void): void => {
      this.sim.clock.schedule(this.sim.clock.now() + ms, callback)
    }
    const step = (): void => {
      this.#activeAt = this.sim.clock.now()
      const next = acts.shift()
      if (next === undefined || socket.destroyed) return
      switch (next.type) {
        case 'write': {
          if (socket.writableEnded || !socket.writable) return
          const data = Buffer.alloc(next.bytes, this.#written++ & 0xff)
          side.written.push(data)
          socket.write(data)
          return step()
        }
        case 'wait':
          return later(next.ms, step)
        case 'pause':
          socket.pause()
          later(next.ms, () => socket.resume())
          return step()
        case 'end':
          socket.end()
          return undefined
        case 'destroy':
          side.destroyed = true
          socket.destroy()
          return undefined
      }
    }
    step()
  }
}

function checkBytes(from: Side, to: Side): void {
  const [written, read] = [Buffer.concat(from.written), Buffer.concat(to.read)]
  expect(written.subarray(0, read.length).equals(read), 'what is read is a prefix of what was written').toBe(true)
  const cleanly = !from.destroyed && !to.destroyed && from.error === undefined && to.error === undefined && to.ended
  if (cleanly) expect(read.length, 'all of it').toBe(written.length)
}

async function play(told: Story): Promise<string> {
  const one = new Play(told)
  const hash = await one.run()
  checkBytes(one.sides.client, one.sides.server)
  checkBytes(one.sides.server, one.sides.client)
  expect(one.sim.audit()).toEqual([])
  expect(one.sim.clock.now()).toBeLessThan(200 * HOUR)
  return hash
}

const seed = Number(process.env['FC_SEED'] ?? 20_261)
const numRuns = Number(process.env['FC_RUNS'] ?? 60)

it(`in random networks everything holds (FC_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      await play(told)
    }),
    { seed, numRuns, endOnFailure: false },
  )
})

it(`the same story has the same trace (FC_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      expect(await play(told)).toBe(await play(told))
    }),
    { seed: seed + 1, numRuns: Math.ceil(numRuns / 6) },
  )
})
