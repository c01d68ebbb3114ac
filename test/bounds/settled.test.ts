/** What others can make grow in the backend of lnd, pushed against its bound (docs/bounds.md). */
import { expect, it } from 'vitest'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { CONFIRM_POLL_MS, MAX_UNCONFIRMED } from '../../src/backends/lnd/limits.ts'
import { Confirmations, type ConfirmationsNeeds } from '../../src/backends/lnd/phantom/confirmations.ts'
import { turn } from '../../src/floor/clock.ts'
import { ManualClock } from '../manual-clock.ts'

it('8,192 settled HTLCs are looked for until their money is there, and one more is not', async () => {
  const clock = new ManualClock(turn)
  const events: BackendEvent[] = []
  const channels = {
    list: async () => [{ chan_id: '1', pending_htlcs: [] }],
  } as unknown as ConfirmationsNeeds['channels']
  const confirmations = new Confirmations({ clock, channels, emit: (event) => events.push(event) })
  for (let i = 0; i <= MAX_UNCONFIRMED; i++) {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, i)
    confirmations.settled({ hash, amountMsat: 1n, chanId: '1' })
  }
  await clock.advance(2 * CONFIRM_POLL_MS)
  expect(events.length).toBe(MAX_UNCONFIRMED)
  expect(clock.timers).toBe(0)
})
