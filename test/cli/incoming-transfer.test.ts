import { expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { IncomingTransfer } from '../../src/cli/transfer/receive-server.ts'
import type { Socket } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { turns } from './receiver-folder.ts'

function incoming(): { readonly events: CliEvent[]; readonly time: ManualClock; readonly transfer: IncomingTransfer } {
  const events: CliEvent[] = []
  const time = new ManualClock(turns)
  const stats = { unresolvedAttempts: 0, failedAttempts: 0, satPaid: 0, reservedMsat: 0n }
  const transfer = new IncomingTransfer({
    socket: { stats } as unknown as Socket,
    emit: (event) => void events.push(event),
    time,
    onBegin: () => undefined,
    nextNumber: () => 1,
  })
  const [session, sha256] = [new Uint8Array(16), new Uint8Array(32)]
  transfer.offered({ name: 'a.bin', session, content: { size: 2_000_000, sha256 } })
  transfer.tick()
  return { events, time, transfer }
}

it('counts the rate of a transfer that goes on from where it goes on', async () => {
  const { events, time, transfer } = incoming()
  await time.advance(9_000)
  transfer.tick()
  expect(events).toEqual([])
  transfer.started(1_000_000)
  for (let second = 1; second <= 4; second++) {
    await time.advance(1_000)
    transfer.received(1_000_000 + second * 1_000)
    transfer.tick()
  }
  expect(events.at(-1)).toMatchObject({ event: 'progress', bytes: 1_004_000, bytesPerSecond: 1_000, secondsLeft: 996 })
})

it('tells once that a sender is silent, whose line goes away until something comes', async () => {
  const { events, time, transfer } = incoming()
  transfer.started(0)
  transfer.received(1_000_000)
  for (let second = 0; second < 60; second++) {
    await time.advance(1_000)
    transfer.tick()
  }
  expect(events.filter(({ event }) => event === 'silent')).toEqual([
    expect.objectContaining({
      transfer: 1,
      bytes: 1_000_000,
      message: 'a.bin (50 % of 2 MB): nothing came for 20 s; what came is kept, and the sender is waited for',
    }),
  ])
  expect(events.at(-1)).toMatchObject({ event: 'silent' })
  transfer.received(1_001_000)
  transfer.tick()
  expect(events.at(-1)).toMatchObject({ event: 'progress', bytes: 1_001_000 })
})
