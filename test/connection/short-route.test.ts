/** Routes that leave too little room for what has to go. */
import { expect, test } from 'vitest'
import type { Grant } from '../../src/transport/connection/interface.ts'
import { ROUTE, WENT_WRONG } from './joined.ts'
import { connect, openPair, send, START } from './pair.ts'

const grant: Grant = {
  lane: 'node',
  route: { ...ROUTE, id: 'short', recordBytes: 200, channels: ['c', 'd'] },
  hedgeAfterMs: 5_000,
}

test('an OPEN that does not fit its first route goes a moment later, over another one', () => {
  const machine = connect()
  expect(machine.transmit(START, grant)).toBeUndefined()
  expect(machine.want(START)).toBeUndefined()
  const again = machine.deadline() ?? Infinity
  expect(again).toBeLessThanOrEqual(START + 1_000)
  machine.wake(again)
  expect(machine.want(again)).toMatchObject({ reason: 'control', avoid: ['c', 'd'] })
  expect(send(machine, again)).toHaveLength(1)
})

test('a copy of it that does not fit its route does so, too', () => {
  const machine = connect()
  const [open] = send(machine, START)
  machine.resolve(START, open?.id ?? 0, WENT_WRONG)
  expect(machine.transmit(START, grant)).toBeUndefined()
  const again = machine.deadline() ?? Infinity
  machine.wake(again)
  expect(machine.want(again)).toMatchObject({ reason: 'control', avoid: ['c', 'd'] })
  expect(send(machine, again)).toHaveLength(1)
})

test('an OPEN full of early data fits ways with six hops more than its first', () => {
  const machine = connect()
  machine.write(START, new Uint8Array(5_000))
  const [open] = send(machine, START, 1, 1_100)
  machine.resolve(START, open?.id ?? 0, WENT_WRONG)
  expect(send(machine, START, 1, 1_100 - 6 * 52)).toHaveLength(1)
})

test('any packet waits a moment where its route has no room for a frame', () => {
  const { a, now } = openPair()
  a.write(now, new Uint8Array(5_000))
  expect(a.want(now)).toMatchObject({ reason: 'data' })
  expect(a.transmit(now, { ...grant, route: { ...grant.route, recordBytes: 20 } })).toBeUndefined()
  expect(a.want(now)).toBeUndefined()
  const again = now + 1_000
  a.wake(again)
  expect(a.want(again)).toMatchObject({ reason: 'data', avoid: ['c', 'd'] })
  expect(send(a, again).length).toBeGreaterThan(1)
})

test('so does a frame that is larger than what its route lets pass', () => {
  const { a, now } = openPair()
  a.sendMessage(now, new Uint8Array(16), new Uint8Array(512))
  expect(a.transmit(now, grant)).toBeUndefined()
  const again = a.deadline() ?? Infinity
  expect(again).toBeLessThanOrEqual(now + 1_000)
  a.wake(again)
  expect(a.want(again)).toMatchObject({ avoid: ['c', 'd'] })
  expect(send(a, again)).toHaveLength(1)
})
