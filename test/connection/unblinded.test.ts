import { describe, expect, it } from 'vitest'
import { Connection } from '../../src/transport/connection/connection.ts'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Attempt, ConnectionFailure } from '../../src/transport/connection/interface.ts'
import { Code } from '../../src/wire/errors.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { accept, arrivalOf, events, only, send, START } from './pair.ts'
import { REFUSED, RICH, SETTINGS } from './joined.ts'
import { randomFrom } from './random.ts'

const random = randomFrom(7)
const DELIVERED: PaymentOutcome = { status: 'delivered', feeMsat: 0n }

function connect(): Connection {
  return Connection.connect({
    now: START,
    random: (length) => random.bytes(length),
    grow: () => true,
    settings: SETTINGS,
    peerBudget: RICH,
    // The responder of pair.ts.
    responderKey: publicKey(new Uint8Array(32).fill(7)),
    connectionId: random.bytes(8),
    port: 7,
    lane: 'phantom',
    replies: { lane: 'phantom', paths: [{ pathId: 'a0', bytes: random.bytes(240), expiryHeight: 800_144 }] },
    blockHeight: 800_000,
  })
}

/** What it sends at its next deadline. */
function next(machine: Connection): Attempt[] {
  const now = machine.deadline() ?? 0
  machine.wake(now)
  return send(machine, now)
}

function refused(code?: Code): PaymentOutcome {
  return { ...REFUSED, ...(code !== undefined && { refusal: code }) }
}

function failureOf(machine: Connection): ConnectionFailure | undefined {
  return events(machine).find((event) => event.type === 'ended')?.error
}

const kindOf = ({ record }: Attempt): number => (record[0] ?? 0) & 7
const hasId = ({ record }: Attempt): boolean => ((record[0] ?? 0) & 8) !== 0

describe('an initiator on the unblinded phantom lane', () => {
  it.for([
    [Code.NO_LISTENER, 'ECONNREFUSED'],
    [Code.NO_ROOM, 'ECONNREFUSED'],
    [Code.STALE, 'ECONNREFUSED'],
    [Code.UNSUPPORTED, 'ECONNREFUSED'],
    [Code.PRICE, 'ERR_KEYSOCK_PRICE'],
  ] as const)('ends at once when its OPEN is refused with code %i: %s', ([code, error]) => {
    const machine = connect()
    machine.resolve(START + 300, only(send(machine, START)).id, refused(code))
    expect(machine.state).toBe('closed')
    expect(failureOf(machine)).toMatchObject({ code: error, wireCode: code })
  })

  it.for([Code.BUSY, Code.DUPLICATE] as const)('sends the next copy after code %i, with a hash of its own', (code) => {
    const machine = connect()
    const first = only(send(machine, START))
    machine.resolve(START + 300, first.id, refused(code))
    const second = only(next(machine))
    expect([first, second].map(({ record }) => record[9])).toEqual([0, 1])
    expect(second.record.slice(10)).toEqual(first.record.slice(10))
    expect(second.hash).not.toEqual(first.hash)
    expect(second.preimage).toBeUndefined()
  })

  it('sends them at growing distances while the other side is busy', () => {
    const machine = connect()
    const waits: number[] = []
    let now = START
    machine.resolve(now, only(send(machine, now)).id, refused(Code.BUSY))
    for (let copy = 1; copy <= 5; copy++) {
      const at = machine.deadline() ?? 0
      waits.push(at - now)
      now = at
      machine.resolve(now, only(next(machine)).id, refused(Code.BUSY))
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
  })

  it('is refused when four copies in a row meet nobody: its interceptor would have been back', () => {
    const machine = connect()
    machine.resolve(START, only(send(machine, START)).id, refused())
    let now = START
    for (let copy = 1; copy < 4; copy++) {
      expect(machine.state).toBe('opening')
      now = machine.deadline() ?? 0
      machine.resolve(now, only(next(machine)).id, refused())
    }
    expect(failureOf(machine)).toMatchObject({ code: 'ECONNREFUSED' })
    expect(now - START).toBeGreaterThan(5_000)
  })

  it('is not refused when one of them is told that the other side is busy', () => {
    const machine = connect()
    machine.resolve(START, only(send(machine, START)).id, refused())
    for (const code of [undefined, undefined, Code.BUSY, undefined, undefined]) {
      const now = machine.deadline() ?? 0
      machine.resolve(now, only(next(machine)).id, refused(code))
    }
    expect(machine.state).toBe('opening')
  })

  it('keeps what follows its OPEN until that is settled, then sends no further copy', () => {
    const machine = connect()
    const open = only(send(machine, START))
    machine.write(START, new Uint8Array(3_000))
    expect(send(machine, START + 100)).toEqual([])
    machine.resolve(START + 300, open.id, DELIVERED)
    const early = send(machine, START + 300)
    expect(early.map(kindOf)).toEqual(early.map(() => 1))
    expect(early.length).toBeGreaterThan(1)
    for (const each of early) machine.resolve(START + 600, each.id, DELIVERED)
    machine.wake(START + 60_000)
    expect(send(machine, START + 60_000)).toEqual([])
    expect(machine.stats.bytesAcknowledged).toBe(3_000)
  })

  it('names its connection in every packet, and takes settlement for delivery', () => {
    const machine = connect()
    const open = only(send(machine, START))
    const responder = accept(open)
    expect(responder.openReception).toMatchObject({ action: 'settle' })
    machine.resolve(START + 300, open.id, DELIVERED)
    responder.wake(START + 20)
    const answer = only(send(responder, START + 20))
    machine.arrive(START + 400, arrivalOf(answer, 'a0'))
    machine.write(START + 400, new Uint8Array(5_000))
    const data = send(machine, START + 500)
    expect(data.every((each) => kindOf(each) === 2 && hasId(each) && each.lane === 'phantom')).toBe(true)
    for (const each of data) {
      expect(responder.arrive(START + 600, arrivalOf(each))).toMatchObject({ action: 'settle' })
      machine.resolve(START + 700, each.id, DELIVERED)
    }
    expect(machine.bufferedBytes).toBe(0)
    // No acknowledgement travels back.
    responder.wake(START + 60_000)
    const later = send(responder, START + 60_000)
    expect(later).toEqual([])
  })

  it('ends with ECONNRESET when the other process does not know it any more', () => {
    const machine = connect()
    const open = only(send(machine, START))
    const responder = accept(open)
    machine.resolve(START + 300, open.id, DELIVERED)
    responder.wake(START + 20)
    machine.arrive(START + 400, arrivalOf(only(send(responder, START + 20)), 'a0'))
    events(machine)
    machine.write(START + 400, new Uint8Array(500))
    machine.resolve(START + 900, only(send(machine, START + 500)).id, refused(Code.CLOSED))
    expect(failureOf(machine)).toMatchObject({ code: 'ECONNRESET', wireCode: Code.CLOSED })
  })
})
