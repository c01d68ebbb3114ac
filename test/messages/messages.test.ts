import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { pause } from '../../src/floor/clock.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { type Backend, createEndpoint, type Message, type Socket } from '../../src/index.ts'
import { MAX_HOLD_MS, MAX_LONG_HOLDS } from '../../src/medium/limits.ts'
import type { Simulation } from '../../src/sim.ts'
import { MAX_CONTENT_STREAMS } from '../../src/transport/limits.ts'
import { DEFAULT_MAX_LARGE_MESSAGE_BYTES } from '../../src/transport/messages/limits.ts'
import { Code } from '../../src/wire/errors.ts'
import { AMOUNT_MSAT, closeEnds, type Ends, errorOf, openBob, openEnds, PORT } from './worlds.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(bytes).digest())

/** Reads messages of bob, and says `decide` about each. */
function reads({ bob }: Pick<Ends, 'bob'>, decide?: (message: Message) => Promise<unknown>): Message[] {
  const got: Message[] = []
  const read = async (): Promise<void> => {
    for await (const message of bob.messages(PORT)) {
      got.push(message)
      await decide?.(message)
    }
  }
  void read().catch((error: unknown) => {
    throw error
  })
  return got
}

describe.each(['phantom', 'node'] as const)('over the %s lane', (lane) => {
  it('a message is one payment, and arrives once', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends)
    const sent = await sim.drive(alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT, lane }))
    await sim.runFor(1_000)
    expect(got.map(({ text, amountMsat, id }) => ({ text, amountMsat, id }))).toEqual([
      { text: 'hello', amountMsat: AMOUNT_MSAT, id: sent.id },
    ])
    expect(sent).toMatchObject({ lane, amountMsat: AMOUNT_MSAT, attempts: 1 })
    expect(sent.route.length).toBeGreaterThan(1)
    expect(sha256(sent.preimage ?? new Uint8Array())).toEqual(sent.hash)
    expect(got[0]?.hash).toEqual(sent.hash)
    expect(alice.stats.spentMsat).toBe(sent.amountMsat + sent.feeMsat)
    await closeEnds(ends)
  })

  it('another route is tried where one fails, and it is paid once', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends)
    sim.fault({ name: 'payment-fails', from: 'alice', hop: 1, count: 2 })
    const sent = await sim.drive(alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT, lane }))
    await sim.runFor(60_000)
    expect(sent.attempts).toBe(3)
    expect(got).toHaveLength(1)
    expect(alice.stats.spentMsat).toBe(sent.amountMsat + sent.feeMsat)
    await closeEnds(ends)
  })

  it('a large message goes as a stream by itself, and its payment follows', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends)
    const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 31) & 0xff)
    const sent = await sim.drive(alice.sendMessage(address, PORT, bytes, { amount: AMOUNT_MSAT, lane }))
    await sim.runFor(1_000)
    expect(got.map((message) => toHex(message.bytes) === toHex(bytes))).toEqual([true])
    expect(got[0]?.amountMsat).toBe(sent.amountMsat)
    await closeEnds(ends)
  })

  it('one under the id of another is not delivered, nor paid by the same sender', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends)
    const options = { amount: AMOUNT_MSAT, lane, id: '00112233445566778899aabbccddeeff' } as const
    const first = await sim.drive(alice.sendMessage(address, PORT, 'one', options))
    const again = await sim.drive(alice.sendMessage(address, PORT, 'one', options))
    await sim.runFor(1_000)
    expect(again).toEqual(first)
    expect(got).toHaveLength(1)
    expect(alice.stats.spentMsat).toBe(first.amountMsat + first.feeMsat)
    await closeEnds(ends)
  })
})

it('a port takes 16 streams with contents at once, and refuses one more until one of them has gone', async () => {
  const ends = await openEnds()
  const { sim, alice, bob } = ends
  await sim.drive(bob.mailbox(PORT).listening)
  const connect = (): Promise<Socket> => sim.drive(alice.connect(bob.publicKeyHex, PORT))
  const first = await connect()
  for (let i = 1; i < MAX_CONTENT_STREAMS; i++) await connect()
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED', peerCode: Code.NO_ROOM })
  first.destroy()
  await sim.runFor(5_000)
  await connect()
  await closeEnds(ends)
})

it('a content of more than a mebibyte is refused by its announcement', async () => {
  const ends = await openEnds()
  const { sim, alice, bob } = ends
  await sim.drive(bob.mailbox(PORT).listening)
  /** What is said to a content of so many bytes before any of them came. */
  const answer = async (length: number): Promise<number[]> => {
    const socket = await sim.drive(alice.connect(bob.publicKeyHex, PORT))
    const said: number[] = []
    socket.on('data', (bytes: Uint8Array) => void said.push(...bytes)).on('error', () => undefined)
    // Version, id, hash; the length is a varint of four bytes.
    const head = Buffer.alloc(1 + 16 + 32 + 4, 1)
    head.writeUInt32BE(0x8000_0000 + length, head.length - 4)
    socket.write(head)
    await sim.runFor(10_000)
    socket.destroy()
    return said
  }
  expect(await answer(DEFAULT_MAX_LARGE_MESSAGE_BYTES)).toEqual([])
  expect(await answer(DEFAULT_MAX_LARGE_MESSAGE_BYTES + 1)).toEqual([Code.NO_ROOM])
  await closeEnds(ends)
})

describe('before it is paid', () => {
  it('the application refuses, and the sender keeps the money and hears the code', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    reads(ends, (message) => message.refuse('not today', 4_711))
    const error = await errorOf(sim, alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT }))
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_REFUSED', peerCode: 4_711 })
    expect(alice.stats).toMatchObject({ spentMsat: 0n, reservedMsat: 0n })
    await closeEnds(ends)
  })

  it('accept resolves once the payment is taken, and says so where it went back', async () => {
    const ends = await openEnds()
    const { sim, alice, bob, address } = ends
    const sending = alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT, timeout: 20_000 })
    sending.catch(() => undefined)
    const feed = bob.messages(PORT)
    const { value } = await sim.drive(feed.next())
    const message = value as Message
    expect(message).toMatchObject({ isPaid: false, isLocked: false, lane: 'phantom' })
    expect(message.deadline).toBeLessThan(sim.clock.now() + 3_000)
    await sim.runFor(4_000)
    await expect(message.accept()).rejects.toMatchObject({ code: 'ERR_KEYSOCK_MESSAGE_OVER' })
    expect(await errorOf(sim, sending)).toMatchObject({ code: 'ERR_KEYSOCK_REFUSED', peerCode: 8 })
    await closeEnds(ends)
  })

  it('hold keeps it beyond the verdict, until the application has made up its mind', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    reads(ends, async (message) => {
      await message.hold()
      await new Promise<void>((resolve) => {
        sim.clock.schedule(sim.clock.now() + 60_000, resolve)
      })
      await message.accept()
    })
    const sent = await sim.drive(alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT }))
    expect(sent.attempts).toBe(1)
    await closeEnds(ends)
  })

  it('nobody listens: it is refused unpaid', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const error = await errorOf(sim, alice.sendMessage(address, PORT, 'hello', { amount: AMOUNT_MSAT }))
    expect(error).toMatchObject({ code: 'ECONNREFUSED', peerCode: 5 })
    expect(alice.stats.spentMsat).toBe(0n)
    await closeEnds(ends)
  })
})

describe('paid to a hash of the receiver', () => {
  const preimage = new Uint8Array(32).fill(9)
  const hash = sha256(preimage)

  it('its application settles, and the sender learns the preimage', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends, async (message) => {
      await new Promise<void>((resolve) => {
        sim.clock.schedule(sim.clock.now() + 120_000, resolve)
      })
      await message.settle(preimage)
    })
    const sent = await sim.drive(
      alice.sendMessage(address, PORT, 'swap', { amount: AMOUNT_MSAT, hash, timeout: 300_000 }),
    )
    expect(got[0]).toMatchObject({ isLocked: true, isPaid: true })
    expect(sent).toMatchObject({ preimage, hash, amountMsat: AMOUNT_MSAT })
    await closeEnds(ends)
  })

  it('another route is tried under the same hash only after the first has failed', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    reads(ends, (message) => message.settle(preimage))
    sim.fault({ name: 'payment-fails', from: 'alice', hop: 1, count: 2 })
    const sent = await sim.drive(alice.sendMessage(address, PORT, 'swap', { amount: AMOUNT_MSAT, hash }))
    expect(sent).toMatchObject({ attempts: 3, preimage })
    await closeEnds(ends)
  })

  it('a wrong preimage is an error of the application, and refusing costs nobody anything', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    reads(ends, async (message) => {
      await expect(message.settle(new Uint8Array(32))).rejects.toMatchObject({ code: 'ERR_KEYSOCK_INVALID_OPTION' })
      await expect(message.accept()).rejects.toMatchObject({ code: 'ERR_KEYSOCK_MESSAGE_OVER' })
      await message.refuse()
    })
    const error = await errorOf(sim, alice.sendMessage(address, PORT, 'swap', { amount: AMOUNT_MSAT, hash }))
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_REFUSED', peerCode: 18 })
    expect(alice.stats.spentMsat).toBe(0n)
    await closeEnds(ends)
  })

  it('is paid once where two are sent under one hash at once: the second is told so, and reserves nothing', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    reads(ends, (message) => message.settle(preimage))
    const send = (): Promise<unknown> => alice.sendMessage(address, PORT, 'swap', { amount: AMOUNT_MSAT, hash })
    const results = await sim.drive(Promise.allSettled([send(), send()]))
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'ERR_KEYSOCK_DUPLICATE' } },
    ])
    await sim.runFor(1_000)
    expect(alice.stats.reservedMsat).toBe(0n)
    await closeEnds(ends)
  })

  it('is handed out where its node cannot be asked to hold it: the loop goes on', async () => {
    const ends = await openEnds()
    const { sim, alice, bob, store } = ends
    await sim.drive(bob.close())
    const backend = sim.backend('bob')
    backend.hold = async () => Promise.reject(new Error('the daemon is away'))
    const later = await sim.drive(createEndpoint({ backend, store, phantomLane: true }))
    const got = reads({ bob: later }, (message) => message.settle(message.text === 'one' ? preimage : hash))
    for (const text of ['one', 'two']) {
      const own = text === 'one' ? hash : sha256(hash)
      const options = { amount: AMOUNT_MSAT, hash: own, timeout: 5_000 }
      await sim.drive(alice.sendMessage(ends.address, PORT, text, options).catch(() => undefined))
    }
    expect(got.map(({ text }) => text)).toEqual(['one', 'two'])
    await closeEnds({ sim, alice, bob: later })
  })

  it('64 are held for long at once; what comes beyond has the time of a verdict, until one of them has its answer', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const beganMs = sim.clock.now()
    const got = reads(ends)
    const send = (i: number): Promise<unknown> => {
      const options = { amount: AMOUNT_MSAT, hash: sha256(Uint8Array.of(i)), timeout: 60_000 }
      return alice.sendMessage(address, PORT, String(i), options).catch((error: unknown) => error)
    }
    const isHeld = ({ deadline = 0 }: Message): boolean => deadline > beganMs + MAX_HOLD_MS - 60_000
    for (let i = 0; i <= MAX_LONG_HOLDS; i++) void send(i)
    await sim.runFor(2_500)
    expect(got.map(isHeld)).toEqual(Array.from({ length: MAX_LONG_HOLDS + 1 }, (_, i) => i < MAX_LONG_HOLDS))
    await got[0]?.refuse()
    await sim.runFor(1_000)
    void send(MAX_LONG_HOLDS + 1)
    await sim.runFor(2_500)
    expect(got.slice(MAX_LONG_HOLDS + 1).map(isHeld)).toContain(true)
    await closeEnds(ends)
  })

  it('is given back after ten minutes without a word', async () => {
    const ends = await openEnds()
    const { sim, alice, address } = ends
    const got = reads(ends)
    const beganMs = sim.clock.now()
    const error = await errorOf(
      sim,
      alice.sendMessage(address, PORT, 'swap', { amount: AMOUNT_MSAT, hash, timeout: 3_600_000 }),
    )
    expect(got[0]?.isPaid).toBe(false)
    expect(sim.clock.now() - beganMs).toBeGreaterThan(590_000)
    expect(error).toMatchObject({ code: 'ERR_KEYSOCK_REFUSED', peerCode: 8 })
    await closeEnds(ends)
  })
})

it('a message that the node tells again is neither shown nor counted again', async () => {
  const ends = await openEnds()
  const { sim, alice, bob } = ends
  const got = reads(ends)
  await sim.drive(alice.sendMessage(bob.publicKeyHex, PORT, 'once', { lane: 'node', amount: AMOUNT_MSAT }))
  await sim.runFor(1_000)
  sim.fault({ name: 'arrivals-replayed', node: 'bob', count: 1 })
  await sim.runFor(1_000)
  expect(got).toHaveLength(1)
  expect(bob.stats).toMatchObject({ receivedMsat: AMOUNT_MSAT, strayMsat: 0n })
  await closeEnds(ends)
})

describe('a mailbox', () => {
  it('takes all, and hands them out by a cursor that outlives the process', async () => {
    const ends = await openEnds()
    const { sim, alice, bob, address, store } = ends
    const mailbox = bob.mailbox(PORT)
    for (const text of ['one', 'two', 'three'])
      await sim.drive(alice.sendMessage(address, PORT, text, { amount: AMOUNT_MSAT }))
    const first = await sim.drive(mailbox.poll({ limit: 2 }))
    expect(first.messages.map(({ text }) => text)).toEqual(['one', 'two'])
    await sim.drive(bob.close())
    const later = await sim.drive(openBob(sim, store))
    const again = later.mailbox(PORT)
    const second = await sim.drive(again.poll({ after: first.cursor }))
    expect(second.messages.map(({ text, isPaid }) => [text, isPaid])).toEqual([['three', true]])
    expect((await sim.drive(again.poll({ after: second.cursor, waitMs: 1_000 }))).messages).toEqual([])
    await closeEnds({ sim, alice, bob: later })
  })

  it('paid messages for a port that nobody reads yet wait for who does, over a restart', async () => {
    const ends = await openEnds()
    const { sim, alice, bob, store } = ends
    await sim.drive(alice.sendMessage(bob.publicKeyHex, PORT, 'early', { amount: AMOUNT_MSAT }))
    await sim.runFor(1_000)
    await sim.drive(bob.close())
    await sim.drive(alice.sendMessage(bob.publicKeyHex, PORT, 'away', { amount: AMOUNT_MSAT }))
    const later = await sim.drive(openBob(sim, store))
    await sim.runFor(1_000)
    const { messages } = await sim.drive(later.mailbox(PORT).poll())
    expect(messages.map(({ text }) => text)).toEqual(['early', 'away'])
    await closeEnds({ sim, alice, bob: later })
  })
})

describe('plain keysends', () => {
  it('one that was read, and that the node tells again, is not shown again', async () => {
    const ends = await openEnds(3, { bob: { keysends: true } })
    const { sim, alice, bob } = ends
    const got: unknown[] = []
    void (async (): Promise<void> => {
      for await (const keysend of bob.keysends()) got.push(keysend.text)
    })()
    await sim.drive(alice.sendKeysend(bob.publicKeyHex, { 34349334: Buffer.from('hi') }, { amount: AMOUNT_MSAT }))
    await sim.runFor(1_000)
    sim.fault({ name: 'arrivals-replayed', node: 'bob', count: 1 })
    await sim.runFor(1_000)
    expect(got).toEqual(['hi'])
    await closeEnds(ends)
  })

  it('of wallets and podcast players are read and sent', async () => {
    const ends = await openEnds(3, { bob: { keysends: true } })
    const { sim, alice, bob } = ends
    const got: (string | undefined)[] = []
    const read = async (): Promise<void> => {
      for await (const keysend of bob.keysends()) got.push(keysend.text, String(keysend.podcast?.['action']))
    }
    void read()
    const encoder = new TextEncoder()
    const chat = await sim.drive(
      alice.sendKeysend(bob.publicKeyHex, { 34349334: encoder.encode('hi') }, { amount: AMOUNT_MSAT }),
    )
    const boost = encoder.encode(JSON.stringify({ action: 'boost', message: 'great show' }))
    await sim.drive(alice.sendKeysend(bob.publicKeyHex, new Map([[7_629_169n, boost]])))
    await sim.runFor(1_000)
    expect(chat.amountMsat).toBe(AMOUNT_MSAT)
    expect(got).toEqual(['hi', 'undefined', 'great show', 'boost'])
    await closeEnds(ends)
  })

  it('are not read by whoever did not ask for them', async () => {
    const ends = await openEnds()
    expect(() => ends.bob.keysends()).toThrow(/option keysends/)
    await closeEnds(ends)
  })
})

it('a message that is sent again after its sender was restarted is not paid twice', async () => {
  const ends = await openEnds()
  const { sim, alice, address } = ends
  const got = reads(ends)
  const { MemoryStore } = await import('../../src/index.ts')
  const store = new MemoryStore()
  await sim.drive(alice.close())
  const first = await sim.drive(createEndpoint({ backend: sim.backend('alice'), store }))
  const id = 'ffeeddccbbaa99887766554433221100'
  sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 60_000, end: 'land', count: 1 })
  const options = { amount: AMOUNT_MSAT, lane: 'node', id, timeout: 5_000 } as const
  expect(await errorOf(sim, first.sendMessage(address, PORT, 'once', options))).toMatchObject({
    code: 'ERR_KEYSOCK_UNDECIDED',
  })
  await sim.drive(first.close())
  const second = await sim.drive(createEndpoint({ backend: sim.backend('alice'), store }))
  const sent = await sim.drive(second.sendMessage(address, PORT, 'once', { ...options, timeout: 600_000 }))
  expect(sent).toMatchObject({ attempts: 1, amountMsat: AMOUNT_MSAT })
  await sim.runFor(1_000)
  expect(got).toHaveLength(1)
  await closeEnds({ sim, alice: second, bob: ends.bob })
})

describe('paid over the node lane', () => {
  /** bob, whose node does with key agreements what it is told to. */
  async function openWith(change: (agree: Backend['sharedSecret'], sim: Simulation) => Backend['sharedSecret']) {
    const ends = await openEnds()
    const { sim, store } = ends
    await sim.drive(ends.bob.close())
    const backend = sim.backend('bob')
    backend.sharedSecret = change(backend.sharedSecret.bind(backend), sim)
    const bob = await sim.drive(createEndpoint({ backend, store, phantomLane: true }))
    return { ...ends, bob }
  }

  it('a message is read in the end where its node does not help at once', async () => {
    let calls = 0
    const ends = await openWith((agree) => async (point) => {
      if (++calls <= 3) throw new Error('the node is away')
      return await agree(point)
    })
    const { sim, alice, bob, address } = ends
    const got = reads(ends)
    await sim.drive(alice.sendMessage(address, PORT, 'paid', { amount: AMOUNT_MSAT, lane: 'node' }))
    await sim.runFor(20_000)
    expect([calls, got.map(({ text }) => text), bob.stats.strayMsat]).toEqual([4, ['paid'], 0n])
    await closeEnds(ends)
  })

  it('a message that was not read when the endpoint closes is read and stored before it has', async () => {
    const ends = await openWith((agree, sim) => async (point) => {
      await pause(5_000, sim.clock)
      return await agree(point)
    })
    const { sim, alice, address, store } = ends
    await sim.drive(alice.sendMessage(address, PORT, 'paid', { amount: AMOUNT_MSAT, lane: 'node' }))
    await sim.drive(ends.bob.close())
    const later = await sim.drive(openBob(sim, store))
    const { messages } = await sim.drive(later.mailbox(PORT).poll({ waitMs: 1_000 }))
    expect(messages.map(({ text }) => text)).toEqual(['paid'])
    await closeEnds({ sim, alice, bob: later })
  })

  it('closing does not wait longer than its time for a node that never answers', async () => {
    const ends = await openWith(() => async () => Promise.withResolvers<Uint8Array>().promise)
    const { sim, alice, address } = ends
    await sim.drive(alice.sendMessage(address, PORT, 'paid', { amount: AMOUNT_MSAT, lane: 'node' }))
    const beganMs = sim.clock.now()
    await sim.drive(ends.bob.close())
    expect(sim.clock.now() - beganMs).toBeLessThanOrEqual(11_000)
    await closeEnds(ends)
  })
})
