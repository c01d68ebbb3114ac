import { expect, it, vi } from 'vitest'
import { Inbox } from '../../src/transport/messages/inbox.ts'
import { Mailbox } from '../../src/transport/messages/message-feed.ts'
import type { NoteReceiver } from '../../src/transport/messages/note-receiver.ts'
import { ManualClock } from '../manual-clock.ts'
import { settle } from '../transport/scripted-backend.ts'
import { testRuntime } from '../transport/test-runtime.ts'
import { PORT } from './worlds.ts'

it('a mailbox that was asked a hundred times in vain has nobody left to wake', async () => {
  const clock = new ManualClock(settle)
  const runtime = testRuntime(clock)
  vi.spyOn(runtime, 'store').mockResolvedValue()
  const mailbox = new Mailbox(PORT, {
    runtime,
    inbox: new Inbox({ letters: new Map(), lastSerial: 0 }),
    receiver: undefined as unknown as NoteReceiver,
    maxBytes: 1_000,
    claimed: Promise.resolve(PORT),
    release: () => undefined,
  })
  for (let i = 0; i < 100; i++) {
    const polling = mailbox.poll({ waitMs: 1_000 })
    await clock.advance(1_000)
    expect((await polling).messages).toEqual([])
  }
  const disarmed = vi.spyOn(runtime.deadlines, 'set')
  mailbox.added()
  expect(disarmed).not.toHaveBeenCalled()
})
