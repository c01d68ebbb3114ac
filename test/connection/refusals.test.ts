/** Packets that the peer's process, or what cannot be told from it, turns down (spec §8.10). */
import { expect, test } from 'vitest'
import { REFUSED } from './joined.ts'
import { openPair, type Pair, send } from './pair.ts'

/** A responder with much to say. */
function talking(): Pair {
  const pair = openPair()
  pair.b.write(pair.now, new Uint8Array(100_000))
  return pair
}

/** Sends `count` packets, has all refused a moment later, and tells how long the connection waits then. */
function waitAfter(pair: Pair, count: number): number {
  const { b } = pair
  const sent = send(b, pair.now, count)
  expect(sent).toHaveLength(count)
  pair.now += 1
  for (const { id } of sent) b.resolve(pair.now, id, REFUSED)
  const from = pair.now
  while (b.want(pair.now) === undefined) {
    pair.now = b.deadline() ?? Infinity
    b.wake(pair.now)
  }
  return pair.now - from
}

test('eight in a row do not hold a connection up, whatever was under way with each; the next do, up to a minute', () => {
  const pair = talking()
  const waits = Array.from({ length: 16 }, () => waitAfter(pair, 10))
  expect(waits).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
})

test('a settlement ends it', () => {
  const pair = talking()
  for (let i = 0; i < 8; i++) waitAfter(pair, 1)
  const [packet] = send(pair.b, pair.now, 1)
  pair.b.resolve(pair.now, packet?.id ?? 0, { status: 'delivered', feeMsat: 0n })
  expect(waitAfter(pair, 1)).toBe(0)
})
