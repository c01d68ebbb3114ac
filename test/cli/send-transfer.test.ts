import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { encodeMessage } from '../../src/cli/transfer/messages.ts'
import { SendTransfer } from '../../src/cli/transfer/send-transfer.ts'
import type { Endpoint } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { fileOf, turns } from './receiver-folder.ts'

/** A connection whose other end never acknowledges, until told. */
class SilentSocket extends Duplex {
  bytesWritten = 0
  readonly stats = {
    bytesWritten: 0,
    bytesAcknowledged: 0,
    bytesUnsent: 0,
    attempts: 0,
    failedAttempts: 0,
    hedgedAttempts: 0,
    hungAttempts: 0,
    unresolvedAttempts: 0,
    feesMsat: 0n,
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: unknown, done: () => void): void {
    this.bytesWritten += chunk.length
    done()
  }
  resetAndDestroy(): void {
    this.destroy()
  }
}

interface BeginOptions {
  readonly waitMs?: number
  readonly answers?: boolean
  /** With which a connection fails, where there is no answer. */
  readonly code?: string
  readonly isHeld?: () => boolean
  readonly ownTrouble?: () => string
}

async function begin({
  waitMs = 600_000,
  answers = true,
  code = 'ECONNREFUSED',
  isHeld = () => false,
  ownTrouble,
}: BeginOptions = {}): Promise<{
  readonly time: ManualClock
  readonly sockets: SilentSocket[]
  /** The endpoint's. */
  readonly stats: { spentMsat: bigint; feesMsat: bigint }
  /** What each try was allowed, ms. */
  readonly timeouts: number[]
  readonly events: CliEvent[]
  readonly ended: Promise<unknown>
  readonly interrupt: () => void
}> {
  const time = new ManualClock(turns)
  const sockets: SilentSocket[] = []
  const timeouts: number[] = []
  const events: CliEvent[] = []
  const stop = new AbortController()
  const stats = { spentMsat: 0n, feesMsat: 0n, reservedMsat: 0n, paymentsUnresolved: 0 }
  const endpoint: object = {
    info: { network: 'sim' },
    stats,
    on: () => endpoint,
    off: () => endpoint,
    quote: () => Promise.reject(new Error('no route')),
    createConnection: (_key: string, _port: number, { connectTimeout }: { readonly connectTimeout: number }) => {
      timeouts.push(connectTimeout)
      const socket = new SilentSocket()
      if (answers) sockets.push(socket)
      setImmediate(() => {
        if (answers) socket.emit('connect')
        else socket.destroy(Object.assign(new Error('nobody there'), { code }))
      })
      return socket
    },
  }
  const sending = new SendTransfer({
    endpoint: endpoint as Endpoint,
    target: { address: `02${'ab'.repeat(32)}`, port: 1 },
    source: fileOf('a.bin', new Uint8Array(1_000)),
    ...(ownTrouble && { ownTrouble }),
    session: new Uint8Array(16),
    maxCostMsat: 1_000n,
    waitMs,
    time,
    look: { isHeld: async () => isHeld(), noWayBack: async () => undefined, knows: async () => undefined },
    signal: stop.signal,
    emit: (event) => void events.push(event),
  })
  const ended = sending.run()
  await turns()
  return { time, sockets, stats, timeouts, events, ended, interrupt: () => stop.abort() }
}

it('tells of all that was paid which part were fees, also of payments that settled after their connection was lost', async () => {
  const { time, stats, sockets, events, ended } = await begin()
  await time.advance(46_000)
  // Of 1,498 sat half are fees, and most of them settle when the first connection is gone.
  Object.assign(stats, { spentMsat: 1_498_000n, feesMsat: 749_000n })
  await time.advance(3_000)
  sockets.at(-1)?.push(encodeMessage({ type: 'done' }))
  await turns()
  expect(await ended).toEqual({ type: 'done' })
  expect(events.at(-1)).toMatchObject({ event: 'done', sat: 1_498, feesSat: 749 })
})

it('makes another connection where the OFFER is not acknowledged for 45 s', async () => {
  const { time, sockets, events, ended, interrupt } = await begin()
  await time.advance(44_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false])
  await time.advance(4_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false])
  expect(events).toContainEqual(expect.objectContaining({ event: 'waiting', code: 'ERR_CLI_SILENT' }))
  interrupt()
  expect(await ended).toEqual({ type: 'interrupted' })
})

it('says that it is this node that could not pay, where that is why the receiver is silent', async () => {
  const message = "this node's own balance is used up"
  const { time, events, ended, interrupt } = await begin({ ownTrouble: () => message })
  await time.advance(48_000)
  expect(events).toContainEqual(
    expect.objectContaining({ event: 'waiting', message: expect.stringContaining(message) }),
  )
  interrupt()
  expect(await ended).toEqual({ type: 'interrupted' })
})

it('says what it waits for while nothing goes forward, and how many payments hang', async () => {
  const { time, sockets, events, ended, interrupt } = await begin()
  const [socket] = sockets
  if (socket === undefined) throw new Error('there is no connection')
  socket.push(encodeMessage({ type: 'have', offset: 0 }))
  await time.advance(1_000)
  const last = (): CliEvent | undefined => events.findLast(({ event }) => event === 'progress')
  expect(last()).toMatchObject({ waitsFor: null, hung: 0, copies: 0 })
  Object.assign(socket.stats, { attempts: 4, unresolvedAttempts: 4, hungAttempts: 4, hedgedAttempts: 1 })
  await time.advance(9_000)
  expect(last()).toMatchObject({ waitsFor: 'hung', hung: 4, copies: 1, quietSeconds: 10 })
  Object.assign(socket.stats, { bytesWritten: 500, unresolvedAttempts: 0, hungAttempts: 0 })
  await time.advance(1_000)
  expect(last()).toMatchObject({ waitsFor: 'receiver', hung: 0, copies: 1 })
  interrupt()
  expect(await ended).toEqual({ type: 'interrupted' })
})

it('waits for its turn on a connection that has acknowledged the OFFER', async () => {
  const { time, sockets, ended, interrupt } = await begin()
  const [socket] = sockets
  if (socket === undefined) throw new Error('there is no connection')
  socket.stats.bytesAcknowledged = socket.bytesWritten
  socket.push(encodeMessage({ type: 'wait' }))
  await time.advance(300_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false])
  interrupt()
  expect(await ended).toEqual({ type: 'interrupted' })
})

it('waits for another program on its node that has what hidden answers need', async () => {
  let held = true
  const second = await begin({ answers: false, code: 'ERR_KEYSOCK_NO_PATH', isHeld: () => held })
  second.ended.catch(() => undefined)
  await second.time.advance(60_000)
  expect(second.timeouts.length).toBeGreaterThan(5)
  expect(second.events).toContainEqual(
    expect.objectContaining({ event: 'waiting', message: expect.stringMatching(/^another program on this node/) }),
  )
  held = false
  await second.time.advance(30_000)
  await expect(second.ended).rejects.toMatchObject({ code: 'ERR_KEYSOCK_NO_PATH' })
})

it('waits for another program that has its node to itself', async () => {
  const second = await begin({ answers: false, code: 'node-in-use', waitMs: 90_000 })
  await second.time.advance(60_000)
  expect(second.timeouts.length).toBeGreaterThan(5)
  await second.time.advance(60_000)
  await expect(second.ended).resolves.toMatchObject({ type: 'wait' })
})

it('says that it is this node that cannot pay, in place of that nobody answers or no way is known', async () => {
  const message = "this node's own balance is used up"
  for (const code of ['ETIMEDOUT', 'EHOSTUNREACH']) {
    const { time, events, ended } = await begin({ answers: false, code, waitMs: 20_000, ownTrouble: () => message })
    await time.advance(30_000)
    await expect(ended).resolves.toMatchObject({ type: 'wait', why: message })
    expect(events).toContainEqual(expect.objectContaining({ event: 'waiting', code, message }))
  }
})

it('tries once, and long enough for an answer, where it is not to wait at all', async () => {
  const away = await begin({ waitMs: 0, answers: false })
  await expect(away.ended).resolves.toMatchObject({ type: 'wait' })
  expect(away.timeouts).toEqual([10_000])
  const there = await begin({ waitMs: 0 })
  await there.time.advance(9_000)
  expect(there.sockets.map(({ destroyed }) => destroyed)).toEqual([false])
  await there.time.advance(2_000)
  await expect(there.ended).resolves.toMatchObject({ type: 'wait' })
})

it('keeps a connection for as long as a list arrives over it, however long nobody waits otherwise', async () => {
  const { time, sockets, ended, interrupt } = await begin({ waitMs: 10_000 })
  for (let i = 1; i <= 4; i++) {
    await time.advance(8_000)
    const [socket] = sockets
    if (socket !== undefined) socket.stats.bytesAcknowledged = i
  }
  await time.advance(1_000)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false])
  interrupt()
  await ended
})
