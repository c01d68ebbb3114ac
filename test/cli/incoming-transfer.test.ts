import { expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { IncomingTransfer } from '../../src/cli/transfer/receive-server.ts'
import type { Socket } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { turns } from './receiver-folder.ts'

it('counts the rate of a transfer that goes on from where it goes on', async () => {
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
