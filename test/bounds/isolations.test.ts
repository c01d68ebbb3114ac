/** What the connections of an isolation (spec §9.13) can make grow: docs/bounds.md names each of these. */
import { beforeEach, expect, it } from 'vitest'
import type { DrivenConnection } from '../../src/transport/driver/driven-connection.ts'
import { type Isolation, Isolations } from '../../src/transport/driver/isolations.ts'
import {
  ALL_WINDOWS_BYTES,
  ISOLATION_WINDOWS_BYTES,
  MAX_IDLE_SCHEDULERS,
  MAX_ISOLATION_SCHEDULERS,
} from '../../src/transport/limits.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { ManualClock } from '../manual-clock.ts'
import { ScriptedBackend } from '../transport/scripted-backend.ts'
import { testRuntime } from '../transport/test-runtime.ts'

let isolations: Isolations

beforeEach(() => {
  isolations = new Isolations({
    runtime: testRuntime(new ManualClock()),
    node: { backend: new ScriptedBackend(), isOnline: true },
    queue: { ready: () => undefined },
    payer: { send: () => undefined },
    slots: new SlotPool(),
    maxFeeMsat: 10_000n,
    prefer: 'balanced',
  })
})

const named = (name: string): Isolation => isolations.for(name) as Isolation

/** How many ways to public keys are kept when twice as many as there may be were used. */
function keptOf(isolation: Isolation, most: number): number {
  const connection = { hints: [], hintsKey: '' } as unknown as DrivenConnection
  for (let i = 0; i < 2 * most; i++)
    isolation.schedulers.for(connection, { lane: 'node', publicKey: Uint8Array.of(2, i >>> 8, i & 0xff) })
  return isolation.schedulers.size
}

/** How far the sum of receive windows grows, by pieces of so many bytes. */
function grownBy(isolation: Isolation, piece: number): number {
  let sum = 0
  while (isolation.grow(piece) && sum < 2 * ALL_WINDOWS_BYTES) sum += piece
  return sum
}

it('256 ways to peers are kept in each role, and 32 in an isolation: those used the longest ago go', () => {
  expect(keptOf(isolations.responders, MAX_IDLE_SCHEDULERS)).toBe(MAX_IDLE_SCHEDULERS)
  expect(keptOf(isolations.unnamed, MAX_IDLE_SCHEDULERS)).toBe(MAX_IDLE_SCHEDULERS)
  expect(keptOf(named('shop'), MAX_ISOLATION_SCHEDULERS)).toBe(MAX_ISOLATION_SCHEDULERS)
})

it('receive windows grow to 256 MiB together in each role, and to 4 MiB in an isolation', () => {
  const piece = 1_048_576
  expect(grownBy(isolations.responders, piece)).toBe(ALL_WINDOWS_BYTES)
  expect(grownBy(isolations.unnamed, piece)).toBe(ALL_WINDOWS_BYTES)
  expect(grownBy(named('shop'), piece)).toBe(ISOLATION_WINDOWS_BYTES)
  // What is given back is there again, for that isolation alone.
  isolations.unnamed.grow(-piece)
  expect(isolations.responders.grow(piece)).toBe(false)
  expect(isolations.unnamed.grow(piece)).toBe(true)
})
