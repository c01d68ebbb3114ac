import { secp256k1 } from '@noble/curves/secp256k1.js'
import { beforeEach, describe, expect, it } from 'vitest'
import { Arrivals, type Receiver } from '../../src/backends/daemon/arrivals.ts'
import type { ReadPort } from '../../src/backends/daemon/agreements.ts'
import { HOLD_MS, MAX_RECENT, MAX_WAITING } from '../../src/backends/daemon/bounds.ts'
import { Connections } from '../../src/backends/daemon/connections.ts'
import { PortTable } from '../../src/backends/daemon/port-table.ts'
import { createSimulation, demoNetwork, type Simulation } from '../../src/sim.ts'
import { encodeHeader, type Header } from '../../src/wire/packets.ts'
import { Writer } from '../../src/wire/writer.ts'

/** A program that notes the settle indexes of what it is handed. */
class Program implements Receiver {
  isGone = false
  readonly session: string
  readonly got: number[] = []

  constructor(session: string) {
    this.session = session
  }

  receive({ settleIndex }: { readonly settleIndex: bigint }): void {
    this.got.push(Number(settleIndex))
  }
}

const ephemeral = secp256k1.getPublicKey(new Uint8Array(32).fill(1), true)
const cid = (id: number): Uint8Array => new Uint8Array(8).fill(id)
const open = (id: number): Uint8Array => packet({ kind: 'open', cid: cid(id), attempt: 0, ephemeral, number: 0 })
const data = (id: number): Uint8Array => packet({ kind: 'data', cid: cid(id), number: 5 })
const reply = (id: number): Uint8Array => packet({ kind: 'reply', cid: cid(id), number: 5 })

/** A header that can be read; what is sealed is nobody's business here. */
function packet(header: Header): Uint8Array {
  const record = new Uint8Array(100)
  encodeHeader(new Writer(record), header)
  return record
}

let sim: Simulation
let ports: PortTable<Program>
let connections: Connections<Program>
let programs: Program[]
let rest: Program
let arrivals: Arrivals<Program>
let passed: number[]
/** Answers the oldest question for a port that waits. */
let answers: ((port: ReadPort) => void)[]
let index: number

function portOf(): Promise<ReadPort> {
  return new Promise((resolve) => {
    answers.push(resolve)
  })
}

function make(settleIndex?: bigint): void {
  ports = new PortTable(sim.clock.now())
  connections = new Connections()
  arrivals = new Arrivals(
    {
      clock: sim.clock,
      agreements: { portOf },
      connections,
      ports,
      everyone: () => programs,
      rest: () => rest,
      passed: (settled) => passed.push(Number(settled)),
    },
    settleIndex,
  )
}

beforeEach(async () => {
  sim = createSimulation(demoNetwork(), { seed: 1 })
  programs = [new Program('one'), new Program('two')]
  rest = new Program('rest')
  answers = []
  passed = []
  index = 0
  make()
  // Past the time in which a daemon that has just started waits for programs.
  await sim.runFor(HOLD_MS)
})

function settle(record: Uint8Array): void {
  index += 1
  arrivals.take({
    type: 'arrival',
    record,
    amountMsat: 1_000n,
    hash: new Uint8Array(32),
    settleIndex: BigInt(index),
  })
}

async function answer(port: ReadPort): Promise<void> {
  answers.shift()?.(port)
  await sim.runFor(0)
}

const [one, two] = [(): Program => programs[0] as Program, (): Program => programs[1] as Program]

describe('what settles at the node', () => {
  it('is not handed to a program that is new where a former daemon had passed it', async () => {
    make(10n)
    settle(open(1))
    // A program that never was here claims the port while the key is agreed on.
    ports.claim(7, one())
    await answer(7)
    expect(one().got).toEqual([])
    expect(arrivals.counts.recent).toBe(1)
  })

  it('goes to the program whose port an OPEN is for, and so does the rest of the connection', async () => {
    ports.claim(7, one())
    ports.claim(8, two())
    settle(open(1))
    settle(open(2))
    await answer(8)
    await answer(7)
    settle(data(1))
    settle(data(2))
    settle(open(1)) // a copy: nobody needs to open it
    expect([one().got, two().got, rest.got]).toEqual([[2, 4], [1, 3, 5], []])
    expect(answers).toEqual([])
  })

  it('goes to the program that sent what it answers', () => {
    connections.sends({ kind: 'open', cid: cid(1), attempt: 0, ephemeral, number: 0 }, two())
    settle(reply(1))
    expect([one().got, two().got]).toEqual([[], [1]])
  })

  it('stays with the program that has the connection, whoever else names it', () => {
    const header = { kind: 'data', cid: cid(1), number: 0 } as const
    connections.receives(header, one())
    connections.adopt(two(), { initiators: [], responders: [cid(1)] })
    connections.receives(header, two())
    settle(data(1))
    expect([one().got, two().got]).toEqual([[1], []])
    one().isGone = true
    connections.adopt(two(), { initiators: [], responders: [cid(1)] })
    settle(data(1))
    expect([one().got, two().got]).toEqual([[1], [2]])
  })

  it('is handed on in order, also behind an OPEN whose port is not known yet', async () => {
    ports.claim(7, one())
    settle(open(1))
    settle(data(1))
    settle(data(9))
    expect([one().got, passed]).toEqual([[], []])
    await answer(7)
    expect([one().got, two().got, passed]).toEqual([[1, 2, 3], [3], [1, 2, 3]])
  })

  it('does not wait for ever behind a node that hangs', () => {
    settle(open(1))
    for (let i = 0; i < MAX_WAITING; i++) settle(data(9))
    expect(one().got).toHaveLength(MAX_WAITING)
  })

  it('is refused where nobody listens, and dropped where it cannot be read', async () => {
    settle(open(1))
    settle(open(2))
    settle(open(3))
    await answer(9)
    await answer(undefined)
    await answer('busy')
    settle(data(1))
    expect([one().got, two().got, rest.got]).toEqual([[], [], [1, 4]])
    expect(arrivals.counts.strays).toBe(2)
  })

  it('goes to everyone where nobody can tell, and to nobody where its program is gone', () => {
    settle(data(9))
    settle(new Uint8Array(50))
    connections.receives({ kind: 'data', cid: cid(3), number: 0 }, one())
    one().isGone = true
    settle(data(3))
    expect(two().got).toEqual([1, 2])
    expect(arrivals.counts.strays).toBe(3)
  })
})

describe('a program that comes back', () => {
  it('gets what was handed to it and not read, and what nobody could place', async () => {
    ports.claim(7, one())
    ports.claim(8, two())
    settle(open(1))
    settle(open(2))
    await answer(7)
    await answer(8)
    settle(data(1))
    one().isGone = true
    ports.vacate(7, one(), sim.clock.now())
    settle(data(9))
    const back = new Program('one')
    programs[0] = back
    ports.claim(7, back)
    connections.adopt(back, { initiators: [], responders: [cid(1)] })
    arrivals.attached(back, 1n, true)
    settle(data(1))
    expect(back.got).toEqual([3, 4, 5])
  })

  it('and was another process before gets only what was handed to nobody', async () => {
    ports.claim(7, one())
    settle(open(1))
    await answer(7)
    settle(data(9))
    one().isGone = true
    ports.vacate(7, one(), sim.clock.now())
    settle(open(2))
    await answer(7)
    const next = new Program('next')
    ports.claim(7, next)
    arrivals.attached(next, 0n, false)
    expect(next.got).toEqual([2, 3])
    expect(arrivals.counts.held).toBe(0)
  })

  it('gets no OPEN that was refused', async () => {
    settle(open(1))
    await answer(7)
    const next = new Program('next')
    ports.claim(7, next)
    arrivals.attached(next, 0n, true)
    arrivals.claimed(7, next)
    expect([next.got, rest.got]).toEqual([[], [1]])
  })

  it('finds what a former daemon may have handed on, where it says that it did not get it', async () => {
    make(2n)
    settle(open(1))
    await answer(7)
    settle(data(9))
    settle(open(2))
    await answer(7)
    const back = new Program('back')
    programs.push(back)
    ports.claim(7, back)
    arrivals.attached(back, 0n, true)
    arrivals.claimed(7, back)
    expect(back.got).toEqual([1, 2, 3])
    expect([one().got, rest.got]).toEqual([[], []])
  })

  it('finds so much and no more', () => {
    for (let i = 0; i < MAX_RECENT + 10; i++) settle(data(9))
    const next = new Program('next')
    arrivals.attached(next, 0n, false)
    expect(next.got).toHaveLength(MAX_RECENT)
    expect(arrivals.counts.recent).toBe(MAX_RECENT)
  })
})
