/** A peer that does what the protocol forbids. */
import { describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/errors.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { events, readAll, send, START, Stranger, types } from './pair.ts'

describe('a peer that breaks the rules', () => {
  const frames = {
    'bytes beyond the window': {
      code: Code.FLOW_CONTROL,
      frame: { type: 'stream', offset: 262_140, data: new Uint8Array(10), fin: false },
    },
    'an ACK of what was never sent': {
      code: Code.PROTOCOL,
      frame: { type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 4_000 }] },
    },
    'an ACK of bytes that were never sent': {
      code: Code.PROTOCOL,
      frame: { type: 'ack', delivered: 4_000, ranges: [{ smallest: 0, largest: 0 }] },
    },
    'a PRICE from the initiator': {
      code: Code.PROTOCOL,
      frame: { type: 'price', serial: 1, from: 0, tariff: NO_TARIFF },
    },
    'an ACCEPT from the initiator': {
      code: Code.PROTOCOL,
      frame: { type: 'accept', parameters: { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 } },
    },
    'a wrong proof of identity': {
      code: Code.PROTOCOL,
      frame: { type: 'identify', key: publicKey(new Uint8Array(32).fill(3)), proof: new Uint8Array(32) },
    },
  } as const

  for (const [what, { code, frame }] of Object.entries(frames)) {
    test(`${what} resets it with code ${code}`, () => {
      const peer = new Stranger()
      peer.handshake(START + 20)
      peer.machine.arrive(START + 21, peer.data(START + 21, [frame]))
      expect(peer.machine.state).toBe('resetting')
      const ended = events(peer.machine).find((event) => event.type === 'ended')
      expect(ended).toMatchObject({ error: { code: 'ECONNRESET' } })
    })
  }

  test('another final offset, and bytes beyond the final offset, reset it with FINAL_OFFSET', () => {
    for (const second of [
      { type: 'stream', offset: 0, data: new Uint8Array(4), fin: true },
      { type: 'stream', offset: 4, data: new Uint8Array(10), fin: false },
      { type: 'stream', offset: 20, data: new Uint8Array(0), fin: true },
    ] as const) {
      const peer = new Stranger([{ type: 'stream', offset: 0, data: new Uint8Array(10), fin: true }])
      peer.machine.arrive(START + 21, peer.data(START + 21, [second]))
      expect(peer.machine.state).toBe('resetting')
    }
  })

  test('two frames of one packet that contradict each other have no effect at all', () => {
    const peer = new Stranger()
    const at = START + 21
    peer.machine.arrive(
      at,
      peer.data(at, [
        { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: true },
        { type: 'stream', offset: 1, data: Uint8Array.of(2), fin: true },
      ]),
    )
    expect(peer.machine.state).toBe('resetting')
    expect(types(peer.machine)).not.toContain('readable')
  })

  test('a packet over a phantom path that breaks a rule is refused, not paid', () => {
    const peer = new Stranger()
    peer.machine.providePaths(START, [{ pathId: 'b0', bytes: new Uint8Array(240), expiryHeight: 900_000 }])
    const arrival = peer.phantom(
      START + 21,
      [{ type: 'stream', offset: 300_000, data: new Uint8Array(1), fin: false }],
      'b0',
    )
    expect(peer.machine.arrive(START + 21, arrival)).toEqual({ action: 'refuse', code: Code.FLOW_CONTROL })
  })

  test('a payment whose hash is not that of the packet is refused, whatever the packet says', () => {
    const peer = new Stranger()
    peer.machine.providePaths(START, [{ pathId: 'b0', bytes: new Uint8Array(240), expiryHeight: 900_000 }])
    const arrival = peer.phantom(START + 21, [{ type: 'stream', offset: 0, data: new Uint8Array(1), fin: false }], 'b0')
    expect(peer.machine.arrive(START + 21, { ...arrival, hash: new Uint8Array(32) }).action).toBe('refuse')
    expect(readAll(peer.machine, START + 22)).toBe(0)
    expect(peer.machine.arrive(START + 22, arrival).action).toBe('settle')
  })

  test('a packet with a wrong tag has no effect', () => {
    const peer = new Stranger()
    const arrival = peer.data(START + 21, [{ type: 'reset', code: 0, reason: '' }])
    arrival.record[arrival.record.length - 1] = (arrival.record.at(-1) ?? 0) ^ 1
    expect(peer.machine.arrive(START + 21, arrival)).toEqual({ action: 'dropped' })
    expect(peer.machine.state).toBe('open')
  })

  test('packet numbers near 2^53 are taken like any other', () => {
    const peer = new Stranger()
    for (const number of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2 ** 32, 2 ** 31]) {
      const frame = { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: false } as const
      expect(peer.machine.arrive(START + 21, peer.data(START + 21, [frame], number))).toEqual({ action: 'taken' })
    }
    expect(readAll(peer.machine, START + 21)).toBe(1)
    peer.machine.arrive(START + 21, peer.data(START + 21, [{ type: 'ping', keepalive: false }]))
    expect(send(peer.machine, START + 21)).toHaveLength(1)
  })

  test('numbers that were forgotten are not told as received, and a late landing among them still counts', () => {
    const peer = new Stranger()
    const at = START + 21
    for (let number = 2_000; number > 2; number -= 2) {
      peer.machine.arrive(at, peer.data(at, [{ type: 'blocked', limit: 0 }], number))
    }
    const frame = { type: 'stream', offset: 0, data: Uint8Array.of(1), fin: false } as const
    peer.machine.arrive(at, peer.data(at, [frame], 1))
    expect(readAll(peer.machine, at)).toBe(1)
  })
})
