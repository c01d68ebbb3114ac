import { beforeEach, describe, expect, it } from 'vitest'
import type { Verdict } from '../../src/medium/verdict.ts'
import { KEY_AGREEMENT_BURST } from '../../src/medium/limits.ts'
import { HOLD_MS, MAX_KNOWN_CONNECTIONS } from '../../src/backends/daemon/protocol/limits.ts'
import { KeyAgreements } from '../../src/backends/daemon/server/key-agreements.ts'
import { OfferDispatcher } from '../../src/backends/daemon/server/offer-dispatcher.ts'
import { ConnectionOwners, PortOwners } from '../../src/backends/daemon/server/ownership.ts'
import { ProgramSession, ProgramSessions } from '../../src/backends/daemon/server/program-session.ts'
import { Writer } from '../../src/wire/writer.ts'
import { Code } from '../../src/wire/errors.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { encodeHeader, type Header } from '../../src/wire/packets.ts'

const cid = (id: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, id >>> 24, id >>> 16, id >>> 8, id)
const ephemeral = publicKey(new Uint8Array(32).fill(9))
const open = (id: number, e_i = ephemeral): Uint8Array =>
  packet({ kind: 'open', cid: cid(id), number: 0, attempt: 0, ephemeral: e_i })
const data = (id: number): Uint8Array => packet({ kind: 'data', cid: cid(id), number: 5 })

function packet(header: Header): Uint8Array {
  const record = new Uint8Array(100)
  encodeHeader(new Writer(record), header)
  return record
}

const clock = { now: () => HOLD_MS, schedule: () => () => undefined }
let connections: ConnectionOwners
let ports: PortOwners
let program: ProgramSession
/** Offers that the program got. */
let got: string[]
let verdicts: Map<string, Verdict>
let offers: OfferDispatcher
let count: number

beforeEach(() => {
  connections = new ConnectionOwners()
  ports = new PortOwners(0)
  got = []
  program = new ProgramSession({
    program: '',
    id: 1,
    processId: 'one',
    phantomLane: true,
    keysends: false,
    now: 0,
    send: (event) => {
      if (event.type === 'offer') got.push(event.offerId)
    },
  })
  verdicts = new Map()
  count = 0
  ports.claim(7, program)
  offers = make({ portOf: async () => 7 })
})

function make(agreements: Pick<KeyAgreements, 'portOf'>): OfferDispatcher {
  return new OfferDispatcher({
    clock,
    backend: { answer: async (offerId, verdict) => void verdicts.set(offerId, verdict) },
    agreements: { portOfNote: async () => 7, portOf: (...given) => agreements.portOf(...given) },
    connections,
    ports,
    paths: { ownerOf: () => undefined },
    sessions: new ProgramSessions([program]),
  })
}

async function offer(record: Uint8Array): Promise<string> {
  const offerId = `o${++count}`
  const hash = new Uint8Array(32)
  offers.handle({ type: 'offer', offerId, record, amountMsat: 1_000n, hash, deadlineMs: HOLD_MS + 3_000 })
  await Promise.resolve()
  await Promise.resolve()
  return offerId
}

const refuse = { action: 'refuse', code: Code.PRICE } as const
const settle = { action: 'settle', preimage: new Uint8Array(32) } as const

describe('an OPEN at the phantom of the node', () => {
  it('makes its connection a program’s once it is paid for, and copies follow it before', async () => {
    const first = await offer(open(1))
    const copy = await offer(open(1))
    const early = await offer(data(1))
    expect(got).toEqual([first, copy, early])
    await offers.answer(program, first, settle)
    expect(connections.count(program)).toBe(1)
    expect(got).toContain(await offer(data(1)))
  })

  it('makes its connection a program’s where the first was refused and a copy is paid for', async () => {
    const first = await offer(open(1))
    const copy = await offer(open(1))
    await offers.answer(program, first, refuse)
    const early = await offer(data(1))
    expect(got).toEqual([first, copy, early])
    await offers.answer(program, copy, settle)
    expect(connections.count(program)).toBe(1)
    expect(got).toContain(await offer(data(1)))
  })

  it('leaves nothing behind where all copies are refused', async () => {
    const copies = [await offer(open(1)), await offer(open(1))]
    for (const copy of copies) await offers.answer(program, copy, refuse)
    expect(connections.count(program)).toBe(0)
    expect(verdicts.get(await offer(data(1)))).toEqual({ action: 'refuse', code: Code.CLOSED })
  })

  it('leaves nothing behind where it is refused', async () => {
    await offers.answer(program, await offer(open(1)), refuse)
    expect(connections.count(program)).toBe(0)
    expect(verdicts.get(await offer(data(1)))).toEqual({ action: 'refuse', code: Code.CLOSED })
  })

  it('does not push out connections that live, however many are refused unpaid', async () => {
    await offers.answer(program, await offer(open(0)), settle)
    for (let id = 1; id <= MAX_KNOWN_CONNECTIONS; id++) await offers.answer(program, await offer(open(id)), refuse)
    expect(got).toContain(await offer(data(0)))
  })

  it('cannot keep paid ones from being read: each lane has its own share of key agreements', async () => {
    let calls = 0
    const sharedSecret = async (): Promise<Uint8Array> => new Uint8Array(32).fill(++calls & 0xff)
    const agreements = new KeyAgreements({ clock, backend: { sharedSecret }, publicKey: ephemeral })
    offers = make(agreements)
    const key = (id: number): Uint8Array => publicKey(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : id)))
    for (let id = 1; id <= KEY_AGREEMENT_BURST + 20; id++) await offer(open(id, key(id)))
    expect(calls).toBe(KEY_AGREEMENT_BURST)
    const paid = open(200, key(200))
    const header = {
      header: { kind: 'open', cid: cid(200), number: 0, attempt: 0, ephemeral: key(200) },
      sealedOffset: 43,
    } as const
    // A wrong tag, but it was read.
    expect(await agreements.portOf(paid, header, 'node')).toBe(undefined)
    expect(calls).toBe(KEY_AGREEMENT_BURST + 1)
  })
})

describe('what is no packet', () => {
  it('goes to one program, as it would to one that had the node alone', async () => {
    const offerId = await offer(Uint8Array.of(255, 1, 2))
    expect(got).toEqual([offerId])
    await offers.answer(program, offerId, refuse)
    expect(verdicts.get(offerId)).toEqual(refuse)
  })
})

describe('a connection that is used', () => {
  it('stays known while others come and go', () => {
    const header: Header = { kind: 'data', cid: cid(0), number: 1 }
    connections.addReceiver(header, program)
    for (let id = 1; id < MAX_KNOWN_CONNECTIONS + 10; id++) {
      connections.addReceiver({ kind: 'data', cid: cid(id), number: 1 }, program)
      if (id % 1_000 === 0) expect(connections.ownerOf(header)).toBe(program)
    }
    expect(connections.ownerOf(header)).toBe(program)
    expect(connections.ownerOf({ kind: 'data', cid: cid(1), number: 1 })).toBe(undefined)
  })
})
