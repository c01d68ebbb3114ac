import { once } from 'node:events'
import { getHeapStatistics } from 'node:v8'
import { createEndpoint, type Endpoint } from '../../src/index.ts'
import { createSimulation, demoNetwork, type NetworkDescription, type Simulation } from '../../src/sim.ts'

/** Numbers by their names; each is better when smaller. */
export type Measured = Readonly<Record<string, number>>

/** Room, so that little is collected; and no optimizing, which leaves allocations out as it goes along. */
export const ALLOCATION_FLAGS: readonly string[] = [
  '--min-semi-space-size=1024',
  '--max-semi-space-size=1024',
  '--max-old-space-size=4096',
  '--no-opt',
  '--expose-gc',
]

const SEEDS = 40
/** A tenth of them. */
const SLOWEST = 4
const FILE_BYTES = 184_302
const BULK_BYTES = 1_000_000
const CALLS = 40
const CALL_BYTES = 100
const IDLE_CONNECTIONS = 10
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const LOOK_MS = 5
const PORT = 7
const PLENTY_MSAT = 10n ** 12n

function heapNow(): number {
  return getHeapStatistics().used_heap_size
}

/** The same after a collection: whatever is allocated from now on stays, and is counted. */
function freshHeap(): number {
  if (globalThis.gc === undefined) throw new Error('measured with ALLOCATION_FLAGS only')
  globalThis.gc()
  return heapNow()
}

/**
 * What is allocated while something runs, bytes. Much of it stands outside the heap, which makes V8 collect now and
 * then: so the heap is looked at often, and only what it grows by is counted.
 */
async function allocatedBy(sim: Simulation, work: () => Promise<unknown>): Promise<number> {
  let last = freshHeap()
  let sum = 0
  let isOver = false
  const look = (): void => {
    const bytes = heapNow()
    sum += Math.max(0, bytes - last)
    last = bytes
    if (!isOver) sim.clock.schedule(sim.clock.now() + LOOK_MS, look)
  }
  look()
  await work()
  isOver = true
  look()
  return sum
}

interface Pair {
  readonly sim: Simulation
  readonly alice: Endpoint
  readonly bob: Endpoint
}

async function pairOn(
  network: NetworkDescription,
  seed: number,
  replies: 'phantom' | 'direct' = 'phantom',
): Promise<Pair> {
  const sim = createSimulation(network, { seed })
  const money = { caps: { peer: PLENTY_MSAT, process: PLENTY_MSAT }, maxCost: PLENTY_MSAT }
  const alice = await sim.drive(createEndpoint({ backend: sim.backend('alice'), replies, ...money }))
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob') }))
  await bob
    .createServer({ idleTimeout: 0 }, (socket) => {
      socket.on('error', () => undefined)
      let bytes = 0
      socket.on('data', (data: Buffer) => (bytes += data.length))
      socket.on('end', () => socket.end(String(bytes)))
    })
    .listen(PORT)
  return { sim, alice, bob }
}

async function close({ sim, alice, bob }: Pair): Promise<void> {
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

/** Writes so much, and reads what the server counted. Resolves with the time that took, ms. */
async function upload({ sim, alice, bob }: Pair, bytes: number): Promise<number> {
  const startMs = sim.clock.now()
  const socket = alice.createConnection(bob.publicKeyHex, PORT)
  socket.end(Buffer.alloc(bytes, 0x61))
  let counted = ''
  socket.on('data', (data: Buffer) => (counted += data.toString()))
  await sim.drive(once(socket, 'end'))
  if (counted !== String(bytes)) throw new Error(`${counted} of ${bytes} bytes came`)
  return sim.clock.now() - startMs
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The file of the demo, over many seeds: what most and the slowest take, and what they cost. */
async function files(): Promise<Measured> {
  const tookMs: number[] = []
  let payments = 0
  let spentMsat = 0n
  for (let seed = 1; seed <= SEEDS; seed++) {
    const pair = await pairOn(demoNetwork({ failure: 0.1, hang: 0.01 }), seed)
    tookMs.push(await upload(pair, FILE_BYTES))
    payments += pair.sim.stats().payments.sent
    spentMsat += pair.alice.stats.spentMsat
    await close(pair)
  }
  return {
    'file: simulated ms, the mean': mean(tookMs),
    'file: simulated ms, the mean of the slowest tenth': mean(tookMs.toSorted((a, b) => b - a).slice(0, SLOWEST)),
    'file: payments': payments,
    'file: msat': Number(spentMsat),
  }
}

/** A megabyte where nothing fails: the cost of the protocol, of the simulator, and of the garbage. */
async function bulk(replies: 'phantom' | 'direct'): Promise<Measured> {
  const pair = await pairOn(demoNetwork(), 1, replies)
  // What is made once is not of a transfer.
  await upload(pair, BULK_BYTES)
  const { sim } = pair
  const before = sim.stats()
  const tookMs = await upload(pair, BULK_BYTES)
  const { events, payments } = sim.stats()
  const sent = payments.sent - before.payments.sent
  const heapBytes = await allocatedBy(sim, () => upload(pair, BULK_BYTES))
  await close(pair)
  const name = `1 MB, ${replies} replies`
  return {
    [`${name}: simulated ms`]: tookMs,
    [`${name}: payments`]: sent,
    [`${name}: events of the simulator`]: events - before.events,
    [`${name}: bytes allocated for each payment`]: Math.round(heapBytes / sent),
  }
}

/** Short calls, one after another: each a connection of its own. */
async function calls(): Promise<Measured> {
  const pair = await pairOn(demoNetwork(), 1)
  await upload(pair, CALL_BYTES)
  const { sim, alice } = pair
  const before = sim.stats()
  const spentMsat = alice.stats.spentMsat
  let tookMs = 0
  const heapBytes = await allocatedBy(sim, async () => {
    for (let i = 0; i < CALLS; i++) tookMs += await upload(pair, CALL_BYTES)
  })
  await sim.runFor(MINUTE_MS)
  const measured = {
    'a call: simulated ms': tookMs / CALLS,
    'a call: payments': (sim.stats().payments.sent - before.payments.sent) / CALLS,
    'a call: msat': Number(alice.stats.spentMsat - spentMsat) / CALLS,
    'a call: bytes allocated': Math.round(heapBytes / CALLS),
  }
  await close(pair)
  return measured
}

/** Connections on which nothing is said for an hour. */
async function idle(): Promise<Measured> {
  const pair = await pairOn(demoNetwork(), 1)
  const { sim, alice, bob } = pair
  const sockets = []
  for (let i = 0; i < IDLE_CONNECTIONS; i++)
    sockets.push(await sim.drive(alice.connect(bob.publicKeyHex, PORT, { idleTimeout: 0 })))
  await sim.runFor(MINUTE_MS)
  const before = sim.stats()
  const heapBytes = freshHeap()
  await sim.runFor(HOUR_MS)
  const allocatedBytes = heapNow() - heapBytes
  const { events, payments } = sim.stats()
  for (const socket of sockets) socket.destroy()
  await close(pair)
  return {
    'an idle hour of 10 connections: payments': payments.sent - before.payments.sent,
    'an idle hour of 10 connections: events of the simulator': events - before.events,
    'an idle hour of 10 connections: kB allocated': Math.round(allocatedBytes / 1_000),
  }
}

/** All of it; the same code has the same numbers, but for what is allocated, which differs by less than a percent. */
export async function measure(): Promise<Measured> {
  return {
    ...(await bulk('phantom')),
    ...(await bulk('direct')),
    ...(await calls()),
    ...(await idle()),
    ...(await files()),
  }
}
