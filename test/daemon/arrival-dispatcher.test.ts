import { secp256k1 } from '@noble/curves/secp256k1.js'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  HOLD_MS,
  MAX_HELD_OPENS,
  MAX_RECENT_ARRIVALS,
  MAX_WAITING_ARRIVALS,
} from '../../src/backends/daemon/protocol/limits.ts'
import { ArrivalDispatcher } from '../../src/backends/daemon/server/arrival-dispatcher.ts'
import { KeyAgreements, type PortOfOpen } from '../../src/backends/daemon/server/key-agreements.ts'
import { ConnectionOwners, PortOwners } from '../../src/backends/daemon/server/ownership.ts'
import { ProgramSession, ProgramSessions } from '../../src/backends/daemon/server/program-session.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { encodeHeader, type Header } from '../../src/wire/packets.ts'
import { Writer } from '../../src/wire/writer.ts'

/** A program that keeps the settle indexes of what it is handed. */
class Program {
  readonly session: ProgramSession
  readonly got: number[] = []

  constructor(processId: string, id = 1) {
    this.session = new ProgramSession({
      program: '',
      id,
      processId,
      phantomLane: false,
      keysends: false,
      now: 0,
      send: (event) => {
        if (event.type === 'arrival') this.got.push(Number(event.settleIndex))
      },
    })
  }
}

const ephemeral = secp256k1.getPublicKey(new Uint8Array(32).fill(1), true)
const cid = (id: number): Uint8Array => new Uint8Array(8).fill(id)
const open = (id: number): Uint8Array => packet({ kind: 'open', cid: cid(id), attempt: 0, ephemeral, number: 0 })
const data = (id: number): Uint8Array => packet({ kind: 'data', cid: cid(id), number: 5 })
const reply = (id: number): Uint8Array => packet({ kind: 'reply', cid: cid(id), number: 5 })

/** A message's payment, of which the daemon looks at the first byte only; the rest is sealed. */
function note(): Uint8Array {
  const record = new Uint8Array(100)
  record[0] = 0x15
  return record
}

/** A header that can be read; what is sealed is nobody's business here. */
function packet(header: Header): Uint8Array {
  const record = new Uint8Array(100)
  encodeHeader(new Writer(record), header)
  return record
}

let sim: Simulation
let ports: PortOwners
let connections: ConnectionOwners
let sessions: ProgramSessions
let one: Program
let two: Program
/** The daemon's own endpoint. */
let refuser: Program
let arrivals: ArrivalDispatcher
let passed: number[]
/** Answers the oldest question for a port that waits. */
let answers: ((port: PortOfOpen) => void)[]
let index: number

function portOf(): Promise<PortOfOpen> {
  return new Promise((resolve) => {
    answers.push(resolve)
  })
}

function make(settleIndex?: bigint, agreements?: Pick<KeyAgreements, 'portOf' | 'portOfNote' | 'waiting'>): void {
  ports = new PortOwners(sim.clock.now())
  connections = new ConnectionOwners()
  arrivals = new ArrivalDispatcher({
    clock: sim.clock,
    agreements: agreements ?? { portOf, portOfNote: portOf, waiting: 0 },
    connections,
    ports,
    sessions,
    settleIndex,
    passed: (settled) => passed.push(Number(settled)),
  })
}

beforeEach(async () => {
  sim = createSimulation(demoNetwork(), { seed: 1 })
  one = new Program('one')
  two = new Program('two')
  refuser = new Program('refuser', 0)
  sessions = new ProgramSessions([one, two, refuser].map(({ session }) => session))
  answers = []
  passed = []
  index = 0
  make()
  // Past the time in which a daemon that has just started waits for programs.
  await sim.runFor(HOLD_MS)
})

function settle(record: Uint8Array): void {
  index += 1
  arrivals.handle({
    type: 'arrival',
    record,
    amountMsat: 1_000n,
    hash: new Uint8Array(32),
    settleIndex: BigInt(index),
  })
}

async function answer(port: PortOfOpen): Promise<void> {
  answers.shift()?.(port)
  await sim.runFor(0)
}

/** It dies: its ports are free, and nothing reaches it any more. */
function die({ session }: Program): void {
  session.end(sim.clock.now())
  ports.vacate(session, sim.clock.now())
}

describe('what settles at the node', () => {
  it('is not handed to a program that is new where a former daemon had passed it', async () => {
    make(10n)
    settle(open(1))
    // A program that never was here claims the port while the key is agreed on.
    ports.claim(7, one.session)
    await answer(7)
    expect(one.got).toEqual([])
    expect(arrivals.counts.recent).toBe(1)
  })

  it('goes to the program whose port an OPEN is for, and so does the rest of the connection', async () => {
    ports.claim(7, one.session)
    ports.claim(8, two.session)
    settle(open(1))
    settle(open(2))
    await answer(8)
    await answer(7)
    settle(data(1))
    settle(data(2))
    settle(open(1)) // a copy: nobody needs to open it
    expect([one.got, two.got, refuser.got]).toEqual([[2, 4], [1, 3, 5], []])
    expect(answers).toEqual([])
  })

  it('goes to the program that sent what it answers', () => {
    connections.addSender({ kind: 'open', cid: cid(1), attempt: 0, ephemeral, number: 0 }, two.session)
    settle(reply(1))
    expect([one.got, two.got]).toEqual([[], [1]])
  })

  it('stays with the program that has the connection, whoever else names it', () => {
    const header = { kind: 'data', cid: cid(1), number: 0 } as const
    connections.addReceiver(header, one.session)
    connections.adopt(two.session, { initiators: [], responders: [cid(1)] })
    connections.addReceiver(header, two.session)
    settle(data(1))
    expect([one.got, two.got]).toEqual([[1], []])
    die(one)
    connections.adopt(two.session, { initiators: [], responders: [cid(1)] })
    settle(data(1))
    expect([one.got, two.got]).toEqual([[1], [2]])
  })

  it('is handed on in order, also behind an OPEN whose port is not known yet', async () => {
    ports.claim(7, one.session)
    settle(open(1))
    settle(data(1))
    settle(data(9))
    expect([one.got, passed]).toEqual([[], []])
    await answer(7)
    expect([one.got, two.got, passed]).toEqual([[1, 2, 3], [3], [1, 2, 3]])
  })

  it('does not wait for ever behind a node that hangs', () => {
    settle(open(1))
    for (let i = 0; i < MAX_WAITING_ARRIVALS; i++) settle(data(9))
    expect(one.got).toHaveLength(MAX_WAITING_ARRIVALS)
  })

  it('waits for its port with 255 others, if it is an OPEN; one more is refused', async () => {
    ports.claim(7, one.session)
    die(one)
    for (let i = 0; i <= MAX_HELD_OPENS; i++) {
      settle(open(i % 250))
      await answer(7)
    }
    expect(arrivals.counts.held).toBe(MAX_HELD_OPENS)
    expect(refuser.got).toEqual([MAX_HELD_OPENS + 1])
  })

  it('is refused where nobody listens, and dropped where it cannot be read', async () => {
    settle(open(1))
    settle(open(2))
    settle(open(3))
    await answer(9)
    await answer(undefined)
    await answer('busy')
    settle(data(1))
    expect([one.got, two.got, refuser.got]).toEqual([[], [], [1, 4]])
    expect(arrivals.counts.strays).toBe(2)
  })

  it('goes to everyone where nobody can tell, and to nobody where its program is gone', () => {
    settle(data(9))
    settle(new Uint8Array(50))
    connections.addReceiver({ kind: 'data', cid: cid(3), number: 0 }, one.session)
    die(one)
    settle(data(3))
    expect(two.got).toEqual([1, 2])
    expect(arrivals.counts.strays).toBe(3)
  })
})

describe('a program that comes back', () => {
  it('gets what was handed to it and not read, and what nobody could place', async () => {
    ports.claim(7, one.session)
    ports.claim(8, two.session)
    settle(open(1))
    settle(open(2))
    await answer(7)
    await answer(8)
    settle(data(1))
    die(one)
    settle(data(9))
    const back = new Program('one')
    sessions.delete(one.session)
    sessions.add(back.session)
    ports.claim(7, back.session)
    connections.adopt(back.session, { initiators: [], responders: [cid(1)] })
    arrivals.attached(back.session, 1n, true)
    settle(data(1))
    expect(back.got).toEqual([3, 4, 5])
  })

  it('and was another process before gets only what was handed to nobody', async () => {
    ports.claim(7, one.session)
    settle(open(1))
    await answer(7)
    settle(data(9))
    die(one)
    settle(open(2))
    await answer(7)
    const next = new Program('next')
    ports.claim(7, next.session)
    arrivals.attached(next.session, 0n, false)
    expect(next.got).toEqual([2, 3])
    expect(arrivals.counts.held).toBe(0)
  })

  it('gets no OPEN that was refused', async () => {
    settle(open(1))
    await answer(7)
    const next = new Program('next')
    ports.claim(7, next.session)
    arrivals.attached(next.session, 0n, true)
    arrivals.claimed(7, next.session)
    expect([next.got, refuser.got]).toEqual([[], [1]])
  })

  it('finds what a former daemon may have handed on, where it says that it did not get it', async () => {
    make(2n)
    settle(open(1))
    await answer(7)
    settle(data(9))
    settle(open(2))
    await answer(7)
    const back = new Program('back')
    sessions.add(back.session)
    ports.claim(7, back.session)
    arrivals.attached(back.session, 0n, true)
    arrivals.claimed(7, back.session)
    expect(back.got).toEqual([1, 2, 3])
    expect([one.got, refuser.got]).toEqual([[], []])
  })

  it('gets a message from before the daemon that it did not get, also where that is read after it came', async () => {
    make(1n)
    settle(note())
    ports.claim(7, one.session)
    arrivals.attached(one.session, 0n, false)
    arrivals.claimed(7, one.session)
    await answer(7)
    expect(one.got).toEqual([1])
  })

  it('gets no message from before the daemon that it had, or that it cannot say it did not get', async () => {
    make(2n)
    settle(note())
    await answer(7)
    settle(note())
    await answer(7)
    // It was in touch with the former daemon until after the first one.
    arrivals.attached(one.session, 1n, true)
    arrivals.claimed(7, one.session)
    expect(one.got).toEqual([2])
    make(2n)
    index = 0
    settle(note())
    await answer(7)
    settle(note())
    await answer(7)
    settle(note())
    await answer(7)
    // It has no memory of a former daemon: one that came since then is for it.
    arrivals.claimed(7, two.session)
    expect(two.got).toEqual([3])
  })

  it('finds so much and no more', () => {
    for (let i = 0; i < MAX_RECENT_ARRIVALS + 10; i++) settle(data(9))
    const next = new Program('next')
    arrivals.attached(next.session, 0n, false)
    expect(next.got).toHaveLength(MAX_RECENT_ARRIVALS)
    expect(arrivals.counts.recent).toBe(MAX_RECENT_ARRIVALS)
  })
})

describe('OPENs beyond the burst of key agreements', () => {
  /** Secrets that were asked of the node. */
  let asked: number
  let agreements: KeyAgreements
  const key = (id: number): Uint8Array =>
    secp256k1.getPublicKey(
      Uint8Array.from({ length: 32 }, (_, at) => (at === 1 ? id >> 8 : id & 0xff)),
      true,
    )
  const openOf = (id: number): Uint8Array =>
    packet({ kind: 'open', cid: cid(id), attempt: 0, ephemeral: key(id), number: 0 })

  beforeEach(() => {
    asked = 0
    const sharedSecret = async (): Promise<Uint8Array> => new Uint8Array(32).fill(++asked)
    agreements = new KeyAgreements({ clock: sim.clock, backend: { sharedSecret }, publicKey: ephemeral })
    make(undefined, agreements)
  })

  it('wait for their turn, twenty a second, as at an endpoint: they are paid for', async () => {
    for (let id = 1; id <= 160; id++) settle(openOf(id))
    await sim.runFor(0)
    expect([asked, agreements.waiting]).toEqual([100, 60])
    await sim.runFor(1_000)
    expect(asked).toBeGreaterThanOrEqual(119)
    expect(asked).toBeLessThanOrEqual(121)
    await sim.runFor(2_100)
    // Each was read; what is sealed in these is nobody's.
    expect([asked, agreements.waiting, arrivals.counts.strays]).toEqual([160, 0, 160])
  })

  it('hold up nothing that comes after them', async () => {
    connections.addReceiver({ kind: 'open', cid: cid(250), attempt: 0, ephemeral, number: 0 }, one.session)
    for (let id = 1; id <= 160; id++) settle(openOf(id))
    settle(data(250))
    await sim.runFor(0)
    expect(one.got).toEqual([161])
    expect(passed.at(-1)).toBe(161)
  })

  it('are 256 at most, those that wait included', async () => {
    for (let id = 1; id <= 254; id++) settle(openOf(id))
    for (let id = 300; id < 320; id++) settle(openOf(id))
    expect(agreements.waiting).toBe(156)
    await sim.runFor(8_000)
    expect([asked, arrivals.counts.strays]).toEqual([256, 274])
  })

  it('are read no more where the daemon ends', async () => {
    for (let id = 1; id <= 120; id++) settle(openOf(id))
    agreements.stop()
    await sim.runFor(60_000)
    expect(asked).toBe(100)
  })
})
