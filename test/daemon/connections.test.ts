/** Connections to a daemon, whoever makes them: how many there are, and how long each may say nothing. */
import { beforeEach, expect, it } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import {
  GREETING_MS,
  MAX_CALLS,
  MAX_CALLS_PER_PROGRAM,
  MAX_SOCKETS,
} from '../../src/backends/daemon/protocol/limits.ts'
import { streamPair } from '../../src/backends/daemon/protocol/socket.ts'
import { DaemonServer } from '../../src/backends/daemon/server/daemon-server.ts'
import type { RouteHint } from '../../src/medium/route.ts'
import { turn } from '../../src/floor/clock.ts'
import { publicKey } from '../../src/wire/keys.ts'
import { ManualClock } from '../manual-clock.ts'
import { RawProgram } from './raw-program.ts'

const node = { publicKey: publicKey(new Uint8Array(32).fill(1)), network: 'regtest', blockHeight: 1 }

let clock: ManualClock
let server: DaemonServer
/** Calls of the node, to be answered. */
let asked: (() => void)[]

beforeEach(async () => {
  clock = new ManualClock()
  asked = []
  const routeHints = async (): Promise<readonly RouteHint[]> =>
    await new Promise((resolve) => {
      asked.push(() => resolve([]))
    })
  const backend = { start: async () => node, stop: async () => undefined, routeHints } as unknown as Backend
  server = await DaemonServer.start({ backend, clock })
})

function connect(): RawProgram {
  const [program, daemon] = streamPair()
  server.serve(daemon)
  return new RawProgram(program)
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await turn()
}

it('128 connections are there at once, and one more is closed', async () => {
  const programs = Array.from({ length: MAX_SOCKETS }, connect)
  await settle()
  expect(programs.filter(({ isClosed }) => isClosed)).toEqual([])
  expect(await connect().closed()).toBe(true)
  expect(await programs[0]?.call('hello', { versions: [4] })).toHaveProperty('result')
  // Closed ones leave their places, and so does one that was one too many.
  programs[1]?.end()
  await settle()
  expect(await connect().call('hello', { versions: [4] })).toHaveProperty('result')
})

it('programs that hang up and come back have 16,384 calls at a node that does not answer, and no more', async () => {
  for (let begun = 0; begun < MAX_CALLS; begun += MAX_CALLS_PER_PROGRAM) {
    const program = connect()
    await program.attach(begun)
    for (let i = 0; i < MAX_CALLS_PER_PROGRAM; i++) void program.call('routeHints')
    await settle()
    program.end()
    await program.closed()
  }
  expect(asked.length).toBe(MAX_CALLS)
  const next = connect()
  await next.attach(MAX_CALLS)
  expect(await next.call('routeHints')).toMatchObject({ error: { code: 'unsupported' } })
  asked[0]?.()
  await settle()
  void next.call('routeHints')
  await settle()
  expect(asked.length).toBe(MAX_CALLS + 1)
  // Their places are free: nobody is kept out who asks for the status.
  expect(await connect().call('hello', { versions: [4] })).toHaveProperty('result')
})

it('a connection that has ended leaves no timer, however many come and go', async () => {
  for (let i = 0; i < 3 * MAX_SOCKETS; i++) {
    const program = connect()
    program.end()
    await program.closed()
  }
  await settle()
  expect(clock.timers).toBe(0)
})

it('one of a program that is attached has no timer, and may be silent for as long as it wants', async () => {
  const program = connect()
  expect(await program.attach()).toHaveProperty('result')
  expect(clock.timers).toBe(0)
  clock.pass(10 * GREETING_MS)
  expect(await program.call('status')).toHaveProperty('result')
})

it('one whose program has let go of all that it has is closed, where the program does not', async () => {
  const program = connect()
  await program.attach()
  clock.pass(10 * GREETING_MS)
  expect(await program.call('detach')).toHaveProperty('result')
  clock.pass(GREETING_MS - 1)
  await settle()
  expect(program.isClosed).toBe(false)
  clock.pass(1)
  expect(await program.closed()).toBe(true)
})
