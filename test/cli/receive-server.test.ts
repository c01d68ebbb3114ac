import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { ReceiveServer } from '../../src/cli/transfer/receive-server.ts'
import { MAX_TRANSFERS, SILENT_MS } from '../../src/cli/transfer/limits.ts'
import type { Endpoint, Socket } from '../../src/index.ts'
import { createSimulation, demoNetwork } from '../../src/sim.ts'
import { Code } from '../../src/wire/errors.ts'
import { pairOn } from '../transport/worlds.ts'
import { turns } from './receiver-folder.ts'

/** As much of a socket as the caps ask for. */
class PaidSocket extends Duplex {
  maxCost = 0n
  stats = { receivedMsat: 0n, awaitsMoney: false }
  /** A packet of 2 sat does not fit under a cap. */
  meetCap(): void {
    this.emit('paused', 'cost', { priceMsat: 2_000n, capMsat: this.maxCost, isFinal: false })
  }
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
  resetAndDestroy(): void {
    this.destroy()
  }
}

async function bench({ maxCostMsat }: { readonly maxCostMsat?: bigint } = {}): Promise<{
  readonly socket: PaidSocket
  readonly stats: { capMsat: bigint; spentMsat: bigint; reservedMsat: bigint }
  /** How it ended, if it did. */
  readonly end: () => unknown
  readonly warnings: unknown[]
  readonly pass: (ms: number) => void
  /** A connection that finds no place. */
  readonly drop: () => void
  readonly stop: () => Promise<void>
}> {
  let now = 0
  const due: { atMs: number; call: () => void }[] = []
  const warnings: unknown[] = []
  const sockets: PaidSocket[] = []
  const stats = {
    capMsat: maxCostMsat ?? 100_000_000n,
    spentMsat: 0n,
    reservedMsat: 0n,
    get receivedMsat(): bigint {
      return sockets.reduce((sum, each) => sum + each.stats.receivedMsat, 0n)
    },
  }
  let take: ((socket: Socket) => void) | undefined
  const server = Object.assign(new EventEmitter(), { listen: async () => undefined, close: () => undefined })
  const endpoint = {
    stats,
    setCaps: ({ process }: { readonly process: bigint }) => {
      stats.capMsat = process
    },
    createServer: (_options: unknown, onConnection: (socket: Socket) => void) => {
      take = onConnection
      return server
    },
  }
  const receiving = new ReceiveServer({
    endpoint: endpoint as unknown as Endpoint,
    storage: {} as ConstructorParameters<typeof ReceiveServer>[0]['storage'],
    port: 1,
    maxSizeBytes: 1,
    count: undefined,
    maxCostMsat,
    isStream: false,
    time: {
      now: () => now,
      schedule: (atMs, call) => {
        const entry = { atMs, call }
        due.push(entry)
        return () => void due.splice(due.indexOf(entry), 1)
      },
    },
    emit: (event) => void warnings.push(event),
  })
  await receiving.start()
  let ending: unknown
  void receiving.ended.then((how) => (ending = how))
  const socket = new PaidSocket()
  sockets.push(socket)
  take?.(socket as unknown as Socket)
  return {
    socket,
    stats,
    end: () => ending,
    warnings,
    drop: () => server.emit('drop', {}),
    stop: () => receiving.stop(),
    pass(ms) {
      const end = now + ms
      for (;;) {
        const next = due.filter(({ atMs }) => atMs <= end).toSorted((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined) break
        due.splice(due.indexOf(next), 1)
        now = next.atMs
        next.call()
      }
      now = end
    },
  }
}

it('spends on answers what senders pay and an advance', async () => {
  const { socket, stats, pass } = await bench()
  expect(stats.capMsat).toBe(100_000n)
  socket.stats = { receivedMsat: 500_000n, awaitsMoney: false }
  pass(300)
  expect(stats.capMsat).toBe(650_000n)
})

it('goes on with a sender that pays after its answers were stopped', async () => {
  const { socket, pass } = await bench()
  pass(300)
  socket.stats = { receivedMsat: 0n, awaitsMoney: true }
  pass(5_000)
  socket.stats = { receivedMsat: 2_000n, awaitsMoney: false }
  pass(30_000)
  expect(socket.destroyed).toBe(false)
})

it('closes the connection of a sender that does not pay for its answers', async () => {
  const { socket, warnings, pass } = await bench()
  pass(300)
  socket.stats = { receivedMsat: 0n, awaitsMoney: true }
  pass(300)
  pass(9_000)
  expect(socket.destroyed).toBe(false)
  pass(2_000)
  expect(socket.destroyed).toBe(true)
  expect(warnings).toContainEqual(expect.objectContaining({ code: 'ERR_CLI_COST' }))
})

it('closes it although every pause at the cap of all is told of again', async () => {
  const { socket, stats, pass } = await bench()
  pass(300)
  stats.spentMsat = 99_000n
  for (let second = 0; second < 11; second++) {
    socket.meetCap()
    pass(1_000)
  }
  expect(socket.destroyed).toBe(true)
})

it('keeps a sender that is quiet after payments under way left no room for a moment', async () => {
  const { socket, stats, pass } = await bench()
  pass(300)
  Object.assign(stats, { spentMsat: 50_000n, reservedMsat: 49_000n })
  socket.meetCap()
  pass(3_000)
  Object.assign(stats, { spentMsat: 60_000n, reservedMsat: 0n })
  pass(60_000)
  expect(socket.destroyed).toBe(false)
})

it('ends at the cap of a person, unless what was under way leaves room again', async () => {
  const { socket, stats, end, pass } = await bench({ maxCostMsat: 100_000n })
  Object.assign(stats, { spentMsat: 50_000n, reservedMsat: 49_000n })
  socket.meetCap()
  pass(3_000)
  Object.assign(stats, { spentMsat: 60_000n, reservedMsat: 0n })
  pass(60_000)
  await turns()
  expect(end()).toBeUndefined()
  stats.spentMsat = 99_000n
  socket.meetCap()
  pass(9_000)
  await turns()
  expect(end()).toBeUndefined()
  pass(2_000)
  await turns()
  expect(end()).toEqual({ type: 'cost', capMsat: 100_000n })
})

it('gives the place of a sender to others when its end is not acknowledged for long', async () => {
  const { socket, pass } = await bench()
  let resets = 0
  socket.resetAndDestroy = () => void resets++
  // Both sides have ended, and the other one's process is gone: nothing closes it.
  socket._destroy = () => undefined
  socket.push(null)
  await turns()
  pass(19_000)
  await turns()
  expect(resets).toBe(0)
  pass(2_000)
  await turns()
  expect(resets).toBe(1)
})

it('gives the place of a silent sender to another one that comes', async () => {
  const { socket, pass, drop } = await bench()
  pass(19_000)
  drop()
  expect(socket.destroyed).toBe(false)
  pass(1_000)
  drop()
  expect(socket.destroyed).toBe(true)
})

it('waits some seconds, and no longer, for a sender that was told of its end', async () => {
  const { socket, pass, stop } = await bench()
  let isOver = false
  const stopping = stop().then(() => (isOver = true))
  await turns()
  expect(socket.writableEnded).toBe(true)
  pass(4_900)
  await turns()
  expect([isOver, socket.destroyed]).toEqual([false, false])
  pass(200)
  await stopping
  expect(socket.destroyed).toBe(true)
})

it('takes 16 connections at once, and refuses one more until one of them has gone', async () => {
  const sim = createSimulation(demoNetwork(), { seed: 1 })
  const { alice, bob } = await pairOn(sim)
  const receiving = new ReceiveServer({
    endpoint: bob,
    storage: {} as ConstructorParameters<typeof ReceiveServer>[0]['storage'],
    port: 9,
    maxSizeBytes: 1,
    count: undefined,
    maxCostMsat: undefined,
    isStream: false,
    time: sim.clock,
    emit: () => undefined,
  })
  await sim.drive(receiving.start())
  const connect = (): Promise<Socket> => sim.drive(alice.connect(bob.publicKeyHex, 9))
  const beganMs = sim.clock.now()
  const first = await connect()
  for (let i = 1; i < MAX_TRANSFERS; i++) await connect()
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED', peerCode: Code.NO_ROOM })
  // None was silent for so long that it has to go.
  expect(sim.clock.now() - beganMs).toBeLessThan(SILENT_MS)
  first.destroy()
  await sim.runFor(5_000)
  await connect()
  const stopping = receiving.stop()
  await sim.drive(Promise.all([stopping, alice.close()]))
  await sim.drive(bob.close())
  expect(sim.audit()).toEqual([])
})
