import { once } from 'node:events'
import { expect, it } from 'vitest'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { UNHEARD_PAUSE_MS } from '../../src/transport/limits.ts'
import { type Pair, pairOn } from './worlds.ts'

/** What had arrived before a connection failed is read before the 'error'; only a reset takes it away. */
const MINUTE_MS = 60_000
/** More than a stream's own buffer, 64 KiB, so that some of it waits in the connection. */
const SENT_BYTES = 200_000

interface Paused extends Pair {
  readonly client: Socket
  /** The side that reads nothing, though all has arrived. */
  readonly paused: Socket
}

async function pausedWithUnread(options: { readonly maxCost?: number } = {}): Promise<Paused> {
  const pair = await pairOn(createSimulation(demoNetwork(), { seed: 1 }))
  const accepted = new Promise<Socket>((resolve) => {
    void pair.bob.createServer({ pauseOnConnect: true, ...options }, resolve).listen(7)
  })
  const client = pair.alice.createConnection(pair.bob.publicKeyHex, 7)
  client.on('error', () => undefined)
  client.write(Buffer.alloc(SENT_BYTES, 'x'))
  const paused = await pair.sim.drive(accepted)
  await pair.sim.runFor(MINUTE_MS)
  return { ...pair, client, paused }
}

/** What a socket tells from now on, in order. */
function told(socket: Socket): string[] {
  const events: string[] = []
  let bytes = 0
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
  socket.on('end', () => events.push('end'))
  socket.on('error', (error) => events.push(`${bytes} bytes, ${error.code}`))
  socket.on('close', (hadError) => events.push(`close ${hadError}`))
  return events
}

async function close({ sim, alice, bob }: Pair): Promise<void> {
  await sim.drive(Promise.all([alice.close(), bob.close()]))
}

it('after 35 minutes of pause, and the idle timeout, all that had arrived is read before the error', async () => {
  const world = await pausedWithUnread()
  const events = told(world.paused)
  world.paused.pause()
  await world.sim.runFor(35 * MINUTE_MS)
  expect(events).toEqual([])
  world.paused.resume()
  await world.sim.runFor(1_000)
  expect(events).toEqual([`${SENT_BYTES} bytes, ETIMEDOUT`, 'close true'])
  await close(world)
})

it('where the other side has gone, too', async () => {
  const world = await pausedWithUnread()
  const events = told(world.paused)
  world.paused.pause()
  world.sim.fault({ name: 'process-crash', node: 'alice' })
  await world.sim.runFor(35 * MINUTE_MS)
  world.paused.resume()
  await world.sim.runFor(1_000)
  expect(events).toEqual([`${SENT_BYTES} bytes, ETIMEDOUT`, 'close true'])
})

it('an end that had arrived is told before the error', async () => {
  const world = await pausedWithUnread()
  world.client.end('y')
  const events = told(world.paused)
  world.paused.pause()
  await world.sim.runFor(35 * MINUTE_MS)
  world.paused.resume()
  await world.sim.runFor(1_000)
  expect(events).toEqual(['end', `${SENT_BYTES + 1} bytes, ETIMEDOUT`, 'close true'])
  await close(world)
})

it('an iterator gets all of it, then throws', async () => {
  const world = await pausedWithUnread()
  await world.sim.runFor(35 * MINUTE_MS)
  let bytes = 0
  const reading = (async () => {
    for await (const chunk of world.paused) bytes += (chunk as Buffer).length
  })()
  await expect(world.sim.drive(reading)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  expect(bytes).toBe(SENT_BYTES)
  await close(world)
})

it('a write tells of the failure at once, as in net', async () => {
  const world = await pausedWithUnread()
  await world.sim.runFor(35 * MINUTE_MS)
  const failed = once(world.paused, 'error')
  world.paused.write('x')
  const [error] = (await world.sim.drive(failed)) as [NodeJS.ErrnoException]
  expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'write' })
  await close(world)
})

it('an application that destroys the socket instead hears of no error', async () => {
  const world = await pausedWithUnread()
  const events = told(world.paused)
  world.paused.pause()
  await world.sim.runFor(35 * MINUTE_MS)
  world.paused.destroy()
  await world.sim.runFor(1_000)
  expect(events).toEqual(['close false'])
  await close(world)
})

it('an endpoint that closes waits for nobody who reads nothing, and what had arrived stays', async () => {
  const world = await pausedWithUnread()
  const events = told(world.paused)
  world.paused.pause()
  await world.sim.runFor(35 * MINUTE_MS)
  await close(world)
  world.paused.resume()
  await world.sim.runFor(1_000)
  expect(events).toEqual([`${SENT_BYTES} bytes, ETIMEDOUT`, 'close true'])
})

it('a cap that nobody hears of lets all that arrived be read', async () => {
  // Not enough for its acknowledgements.
  const world = await pausedWithUnread({ maxCost: 3_000 })
  const events = told(world.paused)
  world.paused.pause()
  await world.sim.runFor(2 * UNHEARD_PAUSE_MS)
  expect(events).toEqual([])
  world.paused.resume()
  await world.sim.runFor(1_000)
  expect(events).toEqual([`${SENT_BYTES} bytes, ERR_KEYSOCK_COST`, 'close true'])
  await close(world)
})

it('a reset by the other side takes unread bytes away, as in TCP', async () => {
  const world = await pausedWithUnread()
  const events = told(world.paused)
  world.paused.pause()
  world.client.resetAndDestroy()
  await world.sim.runFor(MINUTE_MS)
  expect(events).toEqual(['0 bytes, ECONNRESET', 'close true'])
  await close(world)
})
