/** A hundred thousand packets that no honest peer sends, into live connections in each state. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Frame } from '../../src/wire/frames.ts'
import { Code } from '../../src/wire/errors.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import type { Connection } from '../../src/transport/connection/connection.ts'
import { arrivalOf, connect, events, openPair, readAll, send, START, Stranger } from './pair.ts'
import { type Random, randomFrom } from './random.ts'

const SEED = 20_251_121
const PACKETS_EACH = 250

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Random bytes of any size, or something that begins like a packet. */
function noise(random: Random): Uint8Array {
  const bytes = random.bytes(random.between(0, 1_400))
  if (bytes.length > 9 && random.chance(0.7)) {
    bytes[0] = 0x10 | (random.chance(0.5) ? 8 : 0) | random.between(0, 4)
    bytes.set([1, 2, 3, 4, 5, 6, 7, 8], 1)
  }
  return bytes
}

function mutate(random: Random, record: Uint8Array): Uint8Array {
  const copy = record.slice(0, random.chance(0.2) ? random.between(0, record.length) : record.length)
  for (let i = random.between(1, 3); i > 0 && copy.length > 0; i--) {
    const at = random.chance(0.5)
      ? random.between(0, Math.min(50, copy.length - 1))
      : random.between(0, copy.length - 1)
    copy[at] = random.between(0, 255)
  }
  return copy
}

/** Frames that decode; `wild` ones mostly break a rule. */
function frames(random: Random, wild: boolean): Frame[] {
  const most = wild ? 2 ** random.between(1, 52) : 200_000
  const number = (): number => random.between(0, most)
  const makers: (() => Frame)[] = [
    () => ({
      type: 'stream',
      offset: number(),
      data: random.bytes(random.between(0, 200)),
      fin: wild && random.chance(0.1),
    }),
    () => ({ type: 'max-data', limit: number() }),
    () => ({ type: 'blocked', limit: number() }),
    () => ({ type: 'ping', keepalive: random.chance(0.5) }),
    () => ({ type: 'message', id: random.bytes(16), data: random.bytes(random.between(0, 64)) }),
    () => ({ type: 'payment', id: number(), kind: 0, reference: 0, amountMsat: BigInt(number()), note: 'x' }),
    () => ({ type: 'request', id: number(), amountMsat: BigInt(number()), note: '' }),
    () => ({ type: 'decline', id: number(), reason: '' }),
    () => ({ type: 'surplus', amountMsat: BigInt(number()) }),
    () => ({ type: 'reply-paths', generation: number(), paths: [{ bytes: random.bytes(30), expiryHeight: number() }] }),
    () => ({ type: 'ack', delivered: wild ? number() : 0, ranges: [{ smallest: 0, largest: wild ? number() : 0 }] }),
  ]
  if (wild) {
    makers.push(
      () => ({ type: 'reset', code: number(), reason: 'x' }),
      () => ({ type: 'price', serial: number(), from: number(), tariff: NO_TARIFF }),
      () => ({ type: 'agree', serial: number() }),
      () => ({ type: 'identify', key: random.bytes(33), proof: random.bytes(32) }),
    )
  }
  const chosen: Frame[] = []
  for (let i = random.between(0, 4); i >= 0; i--) {
    const maker = makers[random.between(0, makers.length - 1)]
    if (maker !== undefined) chosen.push(maker())
  }
  return chosen
}

/** What any owner of a machine does after an input; bounded, or it hangs. */
function poll(machine: Connection, now: number): void {
  machine.checkInvariant(now)
  events(machine)
  while (machine.pollRequest() !== undefined);
  readAll(machine, now)
  const sent = send(machine, now, 50)
  expect(sent.length).toBeLessThan(50)
  for (const attempt of sent) machine.resolve(now, attempt.id, { status: 'settled', feeMsat: 0n })
  machine.checkInvariant(now)
}

function bytesOf(random: Random, stranger: Stranger, kind: number, at: number): Uint8Array {
  if (kind === 0) return noise(random)
  if (kind === 1) return mutate(random, stranger.initiation.packet)
  const honest = stranger.data(at, frames(random, kind === 4))
  if (kind === 2) return mutate(random, honest.record)
  if (kind === 3) return honest.record
  if (kind === 4) return honest.record
  return stranger.data(at, random.bytes(random.between(0, 300))).record
}

function attack(random: Random, stranger: Stranger, kinds: readonly number[], packets: number): void {
  let now = START + 20
  const { machine } = stranger
  stranger.handshake(now)
  for (let i = 0; i < packets; i++) {
    const kind = kinds[random.between(0, kinds.length - 1)] ?? 0
    if (random.chance(0.02)) {
      now = Math.max(now, Math.min(machine.deadline() ?? now, now + 100_000))
      machine.wake(now)
    }
    const record = bytesOf(random, stranger, kind, now)
    machine.arrive(now, stranger.node(record, BigInt(random.between(0, 5_000))))
    poll(machine, now)
  }
}

describe('a connection under attack', () => {
  for (const kinds of [
    [0, 1, 2],
    [0, 2, 3],
    [3, 4],
    [3, 5],
  ]) {
    test(`never crashes, hangs or breaks its invariant: packets of kinds ${kinds.join(', ')}`, () => {
      const random = randomFrom(SEED + kinds.length * 10 + (kinds[0] ?? 0) + (kinds[1] ?? 0))
      // Sealed packets that break a rule end a connection soon: then a new one.
      const connections = kinds.includes(4) || kinds.includes(5) ? 600 : 100
      const packets = Math.ceil((100 * PACKETS_EACH) / connections)
      for (let i = 0; i < connections; i++) attack(random, new Stranger(), kinds, packets)
    })
  }

  test('never crashes in the states before and after open', () => {
    const random = randomFrom(SEED + 1)
    for (let i = 0; i < 20; i++) {
      const opening = connect()
      poll(opening, START)
      const closing = openPair()
      closing.a.finish(closing.now)
      const resetting = openPair()
      resetting.b.reset(resetting.now, Code.CANCELLED, '')
      const other = openPair()
      other.a.finish(other.now)
      const template = send(other.a, other.now)[0]?.record ?? new Uint8Array(100)
      for (let k = 0; k < 100; k++) {
        const record = random.chance(0.5) ? noise(random) : mutate(random, template)
        for (const machine of [opening, closing.a, closing.b, resetting.a, resetting.b]) {
          const lane = random.chance(0.5) ? 'node' : 'phantom'
          const arrival = { lane, record, amountMsat: 1_000n, hash: random.bytes(32), pathId: 'a0' } as const
          machine.arrive(START + 20, arrival)
          poll(machine, START + 20)
        }
      }
    }
  })

  test('does not grow: what a peer can make it keep is bounded', () => {
    const random = randomFrom(SEED + 2)
    const stranger = new Stranger()
    const now = START + 20
    stranger.handshake(now)
    const feed = (packets: number): void => {
      for (let i = 0; i < packets; i++) {
        // Gaps in the numbers, no gaps that are ever filled in the stream.
        stranger.number += random.between(0, 3)
        stranger.machine.arrive(now, stranger.data(now, frames(random, false)))
        events(stranger.machine)
        for (const attempt of send(stranger.machine, now)) {
          stranger.machine.resolve(now, attempt.id, { status: 'delivered', feeMsat: 0n })
        }
      }
    }
    feed(5_000)
    collect()
    const before = process.memoryUsage().heapUsed
    feed(10_000)
    collect()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000)
  })

  test('a repeated packet of an honest peer costs nothing but the look at it', () => {
    const pair = openPair()
    pair.a.write(pair.now, new Uint8Array(5_000))
    const sent = send(pair.a, pair.now)
    for (const attempt of sent) pair.b.arrive(pair.now, arrivalOf(attempt))
    const read = readAll(pair.b, pair.now)
    for (let i = 0; i < 1_000; i++) for (const attempt of sent) pair.b.arrive(pair.now, arrivalOf(attempt))
    expect(readAll(pair.b, pair.now)).toBe(0)
    expect(read).toBeGreaterThan(3_000)
    expect(pair.b.stats.packetsReceived).toBeLessThan(10)
  })
})
