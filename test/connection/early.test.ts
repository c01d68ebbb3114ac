/** Data that travels before the connection is open. */
import { expect, test } from 'vitest'
import type { Attempt } from '../../src/transport/connection/interface.ts'
import { connect, send, START } from './pair.ts'
import { WENT_WRONG } from './joined.ts'

/** What a responder keeps of packets that overtake their OPEN, spec §14. */
const KEPT = 64
const ENOUGH = new Uint8Array(250_000)

function firstPackets(): {
  readonly machine: ReturnType<typeof connect>
  readonly open: Attempt
  readonly early: Attempt[]
} {
  const machine = connect()
  machine.write(START, ENOUGH.slice())
  const [open, ...early] = send(machine, START)
  if (open === undefined) throw new Error('no OPEN')
  return { machine, open, early }
}

test('until the OPEN has settled, no more goes than a responder keeps', () => {
  const { machine, open, early } = firstPackets()
  expect(early.length).toBeGreaterThan(KEPT / 2)
  for (const attempt of early) machine.resolve(START + 500, attempt.id, { status: 'settled', feeMsat: 0n })
  expect(send(machine, START + 500)).toEqual([])
  expect(early.length).toBeLessThanOrEqual(KEPT)
  machine.resolve(START + 600, open.id, { status: 'settled', feeMsat: 0n })
  expect(send(machine, START + 600).length).toBeGreaterThan(KEPT)
})

test('early packets that failed go again, and those in flight stay as few', () => {
  const { machine, early } = firstPackets()
  const failed = early.slice(0, 20)
  for (const { id } of failed) {
    machine.resolve(START + 500, id, WENT_WRONG)
  }
  const again = send(machine, START + 500)
  expect(again.length).toBeGreaterThanOrEqual(failed.length)
  expect(early.length - failed.length + again.length).toBeLessThanOrEqual(KEPT)
})
