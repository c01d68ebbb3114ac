import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { createEndpoint, MemoryStore } from '../../src/index.ts'
import { MAX_PENDING_OPEN_COPIES } from '../../src/transport/limits.ts'
import type { Endpoint, EndpointOptions } from '../../src/transport/sockets/endpoint.ts'
import type { Socket } from '../../src/transport/sockets/socket.ts'
import { Code } from '../../src/wire/errors.ts'
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import { withAttempt } from '../../src/wire/handshake.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { sealPacket } from '../../src/wire/packets.ts'
import { type ForeignOpen, type OpenOptions, Opens } from './foreign-open.ts'
import { ScriptedBackend, settle } from './scripted-backend.ts'

let backend: ScriptedBackend
let opens: Opens
let endpoint: Endpoint
let accepted: Socket[]

async function start(options: Partial<EndpointOptions> = {}): Promise<void> {
  backend = new ScriptedBackend()
  opens = new Opens(backend)
  endpoint = await createEndpoint({ backend, ...options })
  accepted = []
}

async function listen(port = 7): Promise<void> {
  await endpoint
    .createServer((socket) => {
      accepted.push(socket)
      socket.resume().on('error', () => undefined)
    })
    .listen(port)
}

beforeEach(() => start())

afterEach(async () => {
  const closing = endpoint.close()
  await backend.clock.advance(60_000)
  await closing
  expect(endpoint.stats.deadlines).toBe(0)
})

const makeOpen = (options: OpenOptions = {}): ForeignOpen => opens.make(options)
const arrive = (record: Uint8Array): void => opens.arrive(record)
const offer = (...args: Parameters<Opens['offer']>): void => opens.offer(...args)
const verdicts = (): string[] => opens.verdicts

describe('what arrives for nobody', () => {
  it('is counted, and does nothing else', async () => {
    arrive(new Uint8Array(5))
    arrive(new Uint8Array(100).fill(0xff))
    arrive(new Uint8Array(100).fill(0x1a)) // DATA of an unknown connection
    await settle()
    expect(endpoint.stats).toMatchObject({ packetsStray: 3, strayMsat: 3_000n, connections: 0 })
  })

  it('is refused where it is an offer', async () => {
    const offered = (offerId: string, record: Uint8Array): void =>
      backend.emit({
        type: 'offer',
        offerId,
        record,
        amountMsat: 1n,
        hash: new Uint8Array(32).fill(offerId.charCodeAt(0)),
        deadlineMs: 9_000,
      })
    offered('a', new Uint8Array(100).fill(0xff))
    offered('b', new Uint8Array(100).fill(0x1a))
    const early = makeOpen()
    offered('c', sealPacket({ kind: 'early', cid: early.cid, number: 1 }, early.early, new Uint8Array(2)))
    expect(verdicts()).toEqual([`a ${Code.PROTOCOL}`, `b ${Code.CLOSED}`, `c ${Code.STALE}`])
  })

  it('is refused over a path that was closed, and not read: an OPEN is not for that process', async () => {
    await listen()
    offer('over a path', makeOpen(), 0, 'closed')
    await settle()
    expect(verdicts()).toEqual([`over a path ${Code.CLOSED}`])
    expect(backend.agreements).toBe(0)
  })
})

describe('OPEN', () => {
  it('is accepted once, and its copies go to its connection', async () => {
    await listen()
    const open = makeOpen()
    arrive(open.packet)
    arrive(withAttempt(open.packet, 1))
    await settle()
    arrive(withAttempt(open.packet, 2))
    await settle()
    expect(accepted.length).toBe(1)
    expect(backend.agreements).toBe(1)
    expect(endpoint.stats).toMatchObject({ connections: 1, connectionsAccepted: 1, opensSeen: 1 })
  })

  it.each([
    ['where nobody listens', { port: 8 }, Code.NO_LISTENER],
    ['that is 145 blocks old', { height: 855 }, Code.STALE],
    ['that is 13 blocks ahead', { height: 1_013 }, Code.STALE],
  ])('%s is refused in an ANSWER', async (_name, options, _code) => {
    await listen()
    arrive(makeOpen(options).packet)
    await backend.clock.advance(100)
    expect(accepted.length).toBe(0)
    expect(endpoint.stats.opensRefused).toBe(1)
    expect(backend.payments.length, 'the REFUSE').toBe(1)
  })

  it('at the edges of its age is taken', async () => {
    await listen()
    arrive(makeOpen({ height: 856 }).packet)
    arrive(makeOpen({ height: 1_012 }).packet)
    await settle()
    expect(accepted.length).toBe(2)
  })

  it('with a connection id that is in use is dropped', async () => {
    await listen()
    const open = makeOpen()
    arrive(open.packet)
    await settle()
    arrive(makeOpen({ cid: open.cid }).packet)
    await settle()
    expect(accepted.length).toBe(1)
    expect(endpoint.stats.packetsStray).toBe(1)
  })

  it('does not cost more key agreements than the bucket holds', async () => {
    await listen()
    for (let i = 0; i < 300; i++) arrive(makeOpen().packet)
    await settle()
    expect(backend.agreements).toBe(100)
    await backend.clock.advance(1_000)
    for (let i = 0; i < 300; i++) arrive(makeOpen().packet)
    expect(backend.agreements).toBe(120)
  })

  it('has eight copies that wait with it for its key; those beyond are dropped', async () => {
    backend.agrees = false
    await listen()
    const open = makeOpen()
    for (let attempt = 0; attempt < 20; attempt++) arrive(withAttempt(open.packet, attempt))
    expect(endpoint.stats.packetsStray).toBe(20 - MAX_PENDING_OPEN_COPIES)
  })

  it('waits for a key agreement in bounds', async () => {
    backend.agrees = false
    for (let s = 0; s < 20; s++) {
      for (let i = 0; i < 25; i++) arrive(makeOpen().packet)
      await backend.clock.advance(1_000)
    }
    expect(endpoint.stats.keyAgreements).toBe(256)
  })

  it('is not taken again after its connection has ended', async () => {
    await listen()
    const open = makeOpen()
    arrive(open.packet)
    await settle()
    accepted[0]?.resetAndDestroy()
    await backend.clock.advance(130_000)
    expect(endpoint.stats.connections).toBe(0)
    expect(endpoint.stats.tombstones).toBe(1)
    arrive(withAttempt(open.packet, 3))
    await settle()
    expect(accepted.length).toBe(1)
    expect(backend.agreements).toBe(1)
  })

  it('brings the EARLY packets that were before it', async () => {
    let text = ''
    await endpoint.createServer((socket) => socket.on('data', (data: Buffer) => (text += data.toString()))).listen(7)
    const open = makeOpen()
    const frames = encodeFrames([{ type: 'stream', offset: 0, data: Buffer.from('early'), fin: false }])
    arrive(sealPacket({ kind: 'early', cid: open.cid, number: 1 }, open.early, frames))
    expect(endpoint.stats.earlyPackets).toBe(1)
    arrive(open.packet)
    await backend.clock.advance(1)
    expect(text).toBe('early')
    expect(endpoint.stats.earlyPackets).toBe(0)
  })

  it('counts an EARLY packet that the node tells again once, with its money', async () => {
    const open = makeOpen()
    const early = sealPacket({ kind: 'early', cid: open.cid, number: 1 }, open.early, new Uint8Array(2))
    arrive(early)
    for (let i = 0; i < 5; i++) opens.arriveAgain(early)
    expect(endpoint.stats.earlyPackets).toBe(1)
    await backend.clock.advance(60_001)
    opens.arriveAgain(early)
    arrive(sealPacket({ kind: 'early', cid: makeOpen().cid, number: 1 }, open.early, new Uint8Array(2)))
    expect(endpoint.stats).toMatchObject({ earlyPackets: 1, strayMsat: 1_000n })
  })

  it('leaves EARLY packets waiting in bounds: 64 for one, 1,024 in all, a minute', async () => {
    const keep = (count: number, open: ReturnType<typeof makeOpen>): void => {
      for (let number = 1; number <= count; number++) {
        arrive(sealPacket({ kind: 'early', cid: open.cid, number }, open.early, new Uint8Array(2)))
      }
    }
    keep(70, makeOpen())
    expect(endpoint.stats.earlyPackets).toBe(64)
    for (let i = 0; i < 20; i++) keep(64, makeOpen())
    expect(endpoint.stats.earlyPackets).toBe(1_024)
    await backend.clock.advance(60_001)
    keep(1, makeOpen())
    expect(endpoint.stats.earlyPackets).toBe(1)
  })
})

describe('a verdict', () => {
  it('is given once for each offer, and is the same whenever the hash comes again', async () => {
    await listen()
    const open = makeOpen()
    offer('first', open)
    offer('at once again', open)
    await settle()
    offer('later', open)
    offer('another copy', open, 1)
    expect(verdicts()).toEqual(['first settle', 'at once again settle', 'later settle', 'another copy settle'])
    expect(endpoint.stats.verdicts).toBe(2)
  })

  it('refuses what nobody listens for, unpaid', async () => {
    offer('a', makeOpen())
    await settle()
    expect(verdicts().length).toBe(1)
    expect(endpoint.stats.opensRefused).toBe(1)
  })

  it('falls within 3 s when the key does not come', async () => {
    backend.agrees = false
    offer('slow', makeOpen())
    await backend.clock.advance(2_000)
    expect(verdicts()).toEqual([])
    await backend.clock.advance(1_000)
    expect(verdicts()).toEqual([`slow ${Code.BUSY}`])
    expect(endpoint.stats.offersHeld).toBe(0)
  })

  it('is not given for an offer that is gone, but is when the hash comes again in time', async () => {
    await listen()
    const open = makeOpen()
    offer('lost', open)
    backend.emit({ type: 'offer-gone', offerId: 'lost' })
    expect(verdicts()).toEqual([])
    offer('back', open)
    await settle()
    expect(verdicts()).toEqual(['back settle'])
  })

  it('is BUSY above the bound of offers held', async () => {
    backend.agrees = false
    for (let s = 0; s < 2; s++) {
      for (let i = 0; i < 100; i++) offer(`${s} ${i}`, makeOpen())
    }
    // 100 pass the bucket, the others are refused at once: so the bound on what is held is never near here.
    expect(endpoint.stats.offersHeld).toBe(100)
    expect(verdicts().every((each) => each.endsWith(` ${Code.BUSY}`))).toBe(true)
  })
})

describe('a payment', () => {
  const hashOf = (i: number): string => Buffer.from(backend.payments[i]?.payment.hash ?? []).toString('hex')

  async function connecting(options: Partial<EndpointOptions> = {}): Promise<Socket> {
    await start({ replies: 'direct', ...options })
    const socket = endpoint.createConnection(publicKey(new Uint8Array(32).fill(3)), 7)
    socket.on('error', () => undefined)
    await backend.clock.advance(20)
    await settle()
    expect(backend.payments.length).toBe(1)
    return socket
  }
  const outcome = async (i: number, value: PaymentOutcome): Promise<void> => {
    backend.payments[i]?.resolve(value)
    await settle()
  }

  it('is on disk before it is sent', async () => {
    const order: string[] = []
    class Watched extends MemoryStore {
      override async write(changes: Parameters<MemoryStore['write']>[0]): Promise<void> {
        await settle()
        await super.write(changes)
        for (const change of changes) if (change.type === 'reserve') order.push(`stored ${backend.payments.length}`)
      }
    }
    await connecting({ store: new Watched() })
    expect(order[0]).toBe('stored 0')
  })

  it('of unknown outcome stays counted, is asked for again and again, and is freed when the node knows', async () => {
    await connecting()
    await outcome(0, { status: 'unknown' })
    expect(endpoint.stats).toMatchObject({ paymentsUnresolved: 1, spentMsat: 0n })
    const reserved = endpoint.stats.reservedMsat
    expect(reserved).toBeGreaterThanOrEqual(2_000n)
    await backend.clock.advance(61_000)
    expect(backend.tracked).toContain(hashOf(0))
    const asked = backend.tracked.length
    await backend.clock.advance(130_000)
    expect(backend.tracked.length).toBeGreaterThan(asked)
    backend.tracks = async () => ({ status: 'failed', reason: 'timeout', place: 'route' })
    await backend.clock.advance(600_000)
    // Copies of the OPEN went out meanwhile, and the node still has those.
    expect(endpoint.stats.paymentsUnresolved).toBe(backend.payments.length - 1)
  })

  it('that the backend tells of later is decided by that', async () => {
    await connecting()
    await outcome(0, { status: 'unknown' })
    const hash = backend.payments[0]?.payment.hash ?? new Uint8Array()
    backend.emit({ type: 'payment-resolved', hash, outcome: { status: 'settled', feeMsat: 500n } })
    backend.emit({ type: 'payment-resolved', hash, outcome: { status: 'settled', feeMsat: 500n } })
    await settle()
    // spec §12.11: an OPEN pays two answers of what a packet of its own costs.
    expect(endpoint.stats.spentMsat).toBe(4_500n)
  })

  it('is asked for at once when the node is back; nothing is sent while it is away', async () => {
    await connecting()
    backend.emit({ type: 'offline', detail: 'gone' })
    await outcome(0, { status: 'unknown' })
    await backend.clock.advance(15_000)
    expect(backend.payments.length).toBe(1)
    backend.tracks = async () => ({ status: 'never' })
    backend.emit({ type: 'online', detail: 'back' })
    await backend.clock.advance(2_000)
    expect(backend.tracked).toEqual([hashOf(0)])
    expect(backend.payments.length, 'the OPEN goes out again').toBe(2)
    expect(hashOf(1)).not.toBe(hashOf(0))
  })

  it('is not made, and everything ends with the error, when the store fails', async () => {
    class Broken extends MemoryStore {
      override async write(): Promise<void> {
        throw new Error('disk full')
      }
    }
    await start({ replies: 'direct', store: new Broken() })
    const failures: unknown[] = []
    endpoint.on('error', (error) => failures.push(error))
    const socket = endpoint.createConnection(publicKey(new Uint8Array(32).fill(3)), 7)
    const errors: NodeJS.ErrnoException[] = []
    socket.on('error', (error) => errors.push(error))
    await backend.clock.advance(20)
    expect(backend.payments.length).toBe(0)
    expect(failures).toEqual([expect.objectContaining({ code: 'ERR_KEYSOCK_STORE' })])
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_KEYSOCK_STORE' })])
  })
})

describe('a log', () => {
  it('holds no payload, key or preimage', async () => {
    const lines: string[] = []
    const write = (fields: object, message: string): void => {
      lines.push(`${message} ${Object.values(fields).map(String).join(' ')}`)
    }
    await start({ logger: { debug: write, info: write, warn: write, error: write, trace: write } })
    await listen()
    const open = makeOpen()
    offer('a', open)
    arrive(new Uint8Array(40))
    await settle()
    const settled = backend.answers[0]?.verdict
    const secrets = [
      open.early.seal,
      open.early.settle,
      settled?.action === 'settle' ? settled.preimage : new Uint8Array([1]),
    ]
    expect(lines.length).toBeGreaterThan(0)
    for (const secret of secrets) expect(lines.join('\n')).not.toContain(Buffer.from(secret).toString('hex'))
  })
})
