/** Opening, in situations that broke, or would break, a connection; each starts from a named state. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { openOpen } from '../../src/transport/connection/opening.ts'
import { ecdh, publicKey } from '../../src/wire/keys.ts'
import { accept, arrivalOf, connect, events, only, readAll, send, START, types } from './pair.ts'
import { Joined, WENT_WRONG } from './joined.ts'

describe('opening', () => {
  test('an OPEN that comes again to the same node is acknowledged and opens nothing new', () => {
    const a = connect()
    const open = only(send(a, START))
    const b = accept(open)
    expect(b.arrive(START, arrivalOf(open))).toEqual({ action: 'taken' })
    expect(types(b).filter((type) => type === 'connected')).toHaveLength(1)
  })

  test('an OPEN that is replayed to another node fails there', () => {
    const open = only(send(connect(), START))
    const other = publicKey(new Uint8Array(32).fill(8))
    expect(openOpen({ record: open.record, responderKey: other, sharedSecret: new Uint8Array(32) })).toBeUndefined()
  })

  test('an early packet that overtakes its OPEN is opened when the OPEN is there', () => {
    const a = connect({ noDelay: true })
    a.write(START, new Uint8Array(3_000))
    const [open, ...early] = send(a, START)
    if (open === undefined) throw new Error('no OPEN')
    expect(early.length).toBeGreaterThan(0)
    const b = accept(open)
    for (const attempt of early) expect(b.arrive(START, arrivalOf(attempt))).toEqual({ action: 'taken' })
    expect(readAll(b, START)).toBe(3_000)
  })

  test('replies that overtake ACCEPT complete the handshake, whichever lands first', () => {
    const a = connect()
    const b = accept(only(send(a, START)))
    b.write(START, new Uint8Array(2_500))
    const replies = send(b, START)
    expect(replies.length).toBeGreaterThan(1)
    for (const reply of replies.toReversed()) {
      expect(a.arrive(START, arrivalOf(reply, 'a0')).action).toBe('settle')
    }
    expect(types(a)).toContain('connected')
    expect(readAll(a, START + 20)).toBeGreaterThan(1_000)
  })

  test('two copies of one OPEN that both land lead to one connection with the same keys', () => {
    const a = connect()
    const first = only(send(a, START))
    a.resolve(START, first.id, WENT_WRONG)
    const second = only(send(a, START))
    expect(second.record).not.toEqual(first.record)
    expect(second.hash).not.toEqual(first.hash)
    const b = accept(second)
    expect(b.arrive(START, arrivalOf(first))).toEqual({ action: 'taken' })
    b.wake(START + 20)
    for (const answer of send(b, START + 20)) expect(a.arrive(START + 5, arrivalOf(answer, 'a0')).action).toBe('settle')
    expect(a.state).toBe('open')
  })

  test('an OPEN that settled and was not answered goes again before the connect timeout', () => {
    const a = connect()
    const open = only(send(a, START))
    a.resolve(START + 500, open.id, { status: 'settled', feeMsat: 0n })
    a.wake(START + 30_500)
    expect(send(a, START + 30_500)).toHaveLength(1)
    a.wake(START + 120_000)
    expect(events(a)).toContainEqual({ type: 'ended', error: expect.objectContaining({ code: 'ETIMEDOUT' }) })
  })

  test('a connection without any route ends with EHOSTUNREACH', () => {
    const a = connect()
    a.wake(START + 120_000)
    expect(events(a)).toContainEqual({ type: 'ended', error: expect.objectContaining({ code: 'EHOSTUNREACH' }) })
  })

  test('a refusal reaches the initiator as ECONNREFUSED', () => {
    const joined = new Joined({ seed: 1, refuse: { code: Code.NO_LISTENER, reason: 'nobody' } })
    expect(joined.run(60_000, () => joined.a.has('closed') && joined.b.has('closed'))).toBe(true)
    expect(joined.a.ended?.error).toMatchObject({ code: 'ECONNREFUSED', wireCode: Code.NO_LISTENER })
  })

  test('a node key that is proved is reported once', () => {
    const secret = new Uint8Array(32).fill(11)
    const joined = new Joined({
      seed: 2,
      identify: { publicKey: publicKey(secret), secret: (point) => ecdh(secret, point) },
      medium: { fail: 0.3, repeat: 0.3 },
    })
    joined.run(60_000)
    const found = joined.b.events.filter((event) => event.type === 'identified')
    expect(found).toEqual([{ type: 'identified', publicKey: publicKey(secret) }])
  })
})
