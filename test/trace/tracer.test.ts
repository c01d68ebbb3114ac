import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { createEndpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { MAX_TRACE_BUFFER_BYTES, MAX_TRACE_CHANNELS } from '../../src/transport/trace/limits.ts'
import { QlogTracer } from '../../src/transport/trace/qlog-tracer.ts'
import { ManualClock } from '../manual-clock.ts'
import { close, echo, open, parse } from './scenarios.ts'

const failures: string[] = []
const failed = (message: string): void => void failures.push(message)

afterEach(() => {
  failures.length = 0
})

/** A disk that takes nothing until it is let. */
class SlowDisk extends Writable {
  readonly chunks: string[] = []
  #done: (() => void) | undefined
  #isFast = false

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk.toString())
    if (this.#isFast) done()
    else this.#done = done
  }

  release(): void {
    this.#isFast = true
    this.#done?.()
  }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'keysock-trace-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const clock = (): ManualClock => new ManualClock(async () => {})

it('a disk that is slow costs no more memory than the bound, and the trace tells what is missing', async () => {
  const disk = new SlowDisk()
  const tracer = await QlogTracer.open(disk, clock(), failed)
  const route = ['x'.repeat(100_000)]
  for (let i = 0; i < 200; i++) tracer.emit('route_discarded', { route, why: 'gone' })
  expect(disk.writableLength).toBeLessThan(MAX_TRACE_BUFFER_BYTES + 200_000)
  expect(tracer.dropped).toBeGreaterThan(100)
  const { dropped } = tracer
  const drained = once(disk, 'drain')
  disk.release()
  await drained
  tracer.emit('routes_not_found', { lane: 'node' })
  await tracer.end()
  const names = parse(disk.chunks.join('')).map(({ name, data }) => ({ name, data }))
  expect(names.slice(-3)).toEqual([
    { name: 'keysock:events_dropped', data: { count: dropped, dropped_in_all: dropped } },
    { name: 'keysock:routes_not_found', data: { lane: 'node' } },
    { name: 'keysock:trace_ended', data: { events: 202 - dropped, dropped_in_all: dropped } },
  ])
})

it('a file that fails is told once, and the connection goes on', async () => {
  let room = 50
  const broken = new Writable({
    write: (_chunk, _encoding, done) => {
      room--
      done(room > 0 ? undefined : new Error('no space left on device'))
    },
  })
  const world = await open({ alice: { trace: broken } })
  const warnings: string[] = []
  world.alice.on('warning', ({ code, message }) => warnings.push(`${code} ${message}`))
  await echo(world, world.sim.entropy.bytes(20_000))
  await close(world)
  expect(warnings.filter((warning) => warning.startsWith('ERR_KEYSOCK_TRACE'))).toEqual([
    'ERR_KEYSOCK_TRACE the trace ends here: no space left on device',
  ])
})

it('a function that throws is told once, and the connection goes on', async () => {
  let calls = 0
  const trace = (): void => {
    calls++
    throw new Error('nobody listens')
  }
  const world = await open({ alice: { trace } })
  await echo(world, world.sim.entropy.bytes(20_000))
  await close(world)
  expect(calls).toBe(1)
})

it('a file that cannot be made is an error before anything is paid', async () => {
  const sim = createSimulation(demoNetwork(), { mode: 'real-time' })
  const trace = join(folder(), 'missing', 'trace.sqlog')
  const opening = createEndpoint({ backend: sim.backend('alice'), trace })
  await expect(opening).rejects.toMatchObject({ code: 'ERR_KEYSOCK_TRACE' })
  sim.close()
})

it('a file by its name is whole when the endpoint has closed', async () => {
  const file = join(folder(), 'trace.sqlog')
  const sim = createSimulation(demoNetwork(), { mode: 'real-time' })
  const alice = await createEndpoint({ backend: sim.backend('alice'), trace: file })
  alice.setCaps({ process: 5_000 })
  await alice.close()
  sim.close()
  const names = parse(readFileSync(file, 'utf8')).map(({ name }) => name)
  expect(names).toEqual([undefined, 'keysock:cap_set', 'keysock:trace_ended'])
})

it.for([7, '', {}, { to: 7 }, { to: undefined, anonymous: true }])('%j is no trace', async (trace) => {
  const sim = createSimulation(demoNetwork())
  const options = { backend: sim.backend('alice'), trace: trace as never }
  await expect(sim.drive(createEndpoint(options))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
})

it('an anonymous trace tells no more channels apart than the bound', async () => {
  const last: string[] = []
  const to = ({ data }: { readonly data: object }): void => {
    last[0] = 'route' in data ? String(data.route) : ''
  }
  const tracer = await QlogTracer.open({ to, anonymous: true }, clock(), failed)
  for (let i = 0; i <= MAX_TRACE_CHANNELS; i++) tracer.emit('route_discarded', { route: [`${i}`], why: 'gone' })
  expect(last[0]).toBe('other')
  tracer.emit('route_discarded', { route: ['7', '8'], why: 'gone' })
  expect(last[0]).toBe('c8,c9')
})

it('an amount that is no number of JSON is written as text', async () => {
  const disk = new SlowDisk()
  disk.release()
  const tracer = await QlogTracer.open(disk, clock(), failed)
  tracer.emit('cap_set', { cap: 'process', cap_msat: 2n ** 53n })
  tracer.emit('cap_set', { cap: 'process', cap_msat: 2n ** 53n - 1n })
  const amounts = parse(disk.chunks.join(''))
    .slice(1)
    .map(({ data }) => data)
  expect(amounts).toEqual([
    { cap: 'process', cap_msat: '9007199254740992' },
    { cap: 'process', cap_msat: 9_007_199_254_740_991 },
  ])
})

it('goes whole to a file by name while a simulation is driven, from opening to closing', async () => {
  const file = join(folder(), 'a.sqlog')
  const sim = createSimulation(demoNetwork(), { seed: 3 })
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), trace: file }))
  await bob.createServer((socket) => socket.on('error', ({ message }) => failed(message)).resume()).listen(7)
  const socket = alice.createConnection(bob.publicKeyHex, 7).resume()
  socket.end(Buffer.alloc(200_000))
  await sim.drive(once(socket, 'close'))
  await sim.drive(Promise.all([alice.close(), bob.close()]))
  const records = parse(readFileSync(file, 'utf8'))
  expect(records.at(-1)).toMatchObject({ name: expect.stringContaining('trace_ended'), data: { dropped_in_all: 0 } })
})

it('that cannot be made in a simulated time fails the endpoint with its code', async () => {
  const sim = createSimulation(demoNetwork())
  const opening = createEndpoint({ backend: sim.backend('alice'), trace: join(folder(), 'none', 'a.sqlog') })
  await expect(sim.drive(opening)).rejects.toMatchObject({ code: 'ERR_KEYSOCK_TRACE' })
})
