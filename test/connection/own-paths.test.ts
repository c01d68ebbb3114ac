/** Reply paths that an initiator gives out, while the peer does as it likes. */
import { expect, test } from 'vitest'
import type { ReplyPath } from '../../src/medium/reply-path.ts'
import type { ConnectionRequest } from '../../src/transport/connection/interface.ts'
import { MAX_OWN_GENERATIONS, OWN_PATHS } from '../../src/transport/connection/limits.ts'
import { arrivalOf, connect, openPair, type Pair, send, START } from './pair.ts'

const HOUR = 3_600_000

/** Answers what `a` asks for, and keeps the paths that are open. */
class PathBook {
  readonly open: Set<string> = new Set()
  most = 0
  #made = 0

  answer(pair: Pair): void {
    for (let request = pair.a.pollRequest(); request !== undefined; request = pair.a.pollRequest()) {
      this.#answer(pair, request)
    }
    this.most = Math.max(this.most, this.open.size)
  }

  #answer({ a, now }: Pair, request: ConnectionRequest): void {
    if (request.type === 'close-paths') for (const id of request.pathIds) this.open.delete(id)
    if (request.type !== 'paths') return
    const paths = Array.from({ length: request.count }, (): ReplyPath => {
      this.#made += 1
      return { pathId: `p${this.#made}`, bytes: new Uint8Array(240), expiryHeight: 900_000 }
    })
    for (const { pathId } of paths) this.open.add(pathId)
    a.providePaths(now, paths)
  }
}

/** Lets `a` send into the void, each packet settled at the peer's node, until `stop`. */
function pass(pair: Pair, book: PathBook, stop: number): void {
  while (pair.now < stop) {
    for (const { id } of send(pair.a, pair.now)) pair.a.resolve(pair.now, id, { status: 'settled', feeMsat: 0n })
    book.answer(pair)
    pair.now = Math.min(stop, pair.a.deadline() ?? stop)
    pair.a.wake(pair.now)
  }
}

test('a peer that pays over the first path only, seldom, keeps few of them open, and that one among them', () => {
  const pair = openPair({ idleTimeoutMs: 0 }, { idleTimeoutMs: 0 })
  const { a, b } = pair
  const book = new PathBook()
  book.open.add('a0')
  // Once in each silence, so that the next one is as short as the first.
  for (let i = 0; i < 60; i++) {
    pass(pair, book, pair.now + 61_000)
    b.wake(pair.now)
    b.write(pair.now, new Uint8Array(10))
    const [packet] = send(b, pair.now + 10)
    if (packet === undefined) throw new Error('no packet')
    pair.now += 10
    expect(a.arrive(pair.now, arrivalOf(packet, 'a0'))).toMatchObject({ action: 'settle' })
    b.resolve(pair.now, packet.id, { status: 'delivered', feeMsat: 0n })
  }
  expect(book.most).toBeLessThanOrEqual((MAX_OWN_GENERATIONS + 1) * OWN_PATHS)
  expect(book.open.size).toBeLessThanOrEqual(MAX_OWN_GENERATIONS * OWN_PATHS)
  expect(book.open.has('a0')).toBe(true)
})

test('a peer that says nothing for a day keeps few paths open, the newest ones', () => {
  const pair = openPair({ idleTimeoutMs: 0 }, { idleTimeoutMs: 0 })
  const book = new PathBook()
  pass(pair, book, pair.now + 24 * HOUR)
  expect(book.open.size).toBeLessThanOrEqual(MAX_OWN_GENERATIONS * OWN_PATHS)
  expect(book.open.size).toBeGreaterThan(0)
})

test('an initiator counts its silence from its first OPEN on, however long that waited', () => {
  const caller = connect({ connectTimeoutMs: 600_000 })
  const openMs = START + 70_000
  caller.wake(openMs - 1_000)
  expect(send(caller, openMs)).toHaveLength(1)
  let now = openMs
  while (caller.pollRequest()?.type !== 'paths') {
    now += 50
    caller.read(now)
    caller.checkInvariant(now)
  }
  expect(now - openMs).toBe(60_000)
})
