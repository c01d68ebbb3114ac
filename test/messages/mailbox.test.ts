import { expect, it, vi } from 'vitest'
import { pause } from '../../src/floor/clock.ts'
import { createEndpoint, MemoryStore, type Polled, type Store } from '../../src/index.ts'
import { Inbox } from '../../src/transport/messages/inbox.ts'
import { Mailbox } from '../../src/transport/messages/message-feed.ts'
import type { NoteReceiver } from '../../src/transport/messages/note-receiver.ts'
import { ManualClock } from '../manual-clock.ts'
import { settle } from '../transport/scripted-backend.ts'
import { testRuntime } from '../transport/test-runtime.ts'
import { AMOUNT_MSAT, closeEnds, type Ends, openEnds, PORT } from './worlds.ts'

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

/** How long a write of a message takes: longer than its payment waits. */
const SLOW_MS = 4_000

/** bob's mailbox, on a disk that is slow with the first message. */
async function onSlowDisk(): Promise<Ends & { readonly disk: Store }> {
  const ends = await openEnds()
  const { sim } = ends
  await sim.drive(ends.bob.close())
  const inner = new MemoryStore()
  let isSlow = true
  const disk: Store = {
    open: () => inner.open(),
    close: () => inner.close(),
    write: async (changes) => {
      if (isSlow && changes.some(({ type }) => type === 'letter')) {
        isSlow = false
        await pause(SLOW_MS, sim.clock)
      }
      return await inner.write(changes)
    },
  }
  const bob = await sim.drive(createEndpoint({ backend: sim.backend('bob'), store: disk, phantomLane: true }))
  return { ...ends, bob, disk }
}

const textsOf = ({ messages }: Polled): string[] => messages.map(({ text }) => text)

it('a mailbox hands out nothing that is not stored, nor what is not paid', async () => {
  const ends = await onSlowDisk()
  const { sim, alice, bob, address } = ends
  const mailbox = bob.mailbox(PORT)
  const sending = alice.sendMessage(address, PORT, 'order', { amount: AMOUNT_MSAT })
  await sim.runFor(1_500)
  expect([textsOf(await sim.drive(mailbox.poll())), mailbox.size, bob.stats.receivedMsat]).toEqual([[], 0, 0n])
  await sim.drive(sending)
  await sim.runFor(2_000)
  expect(textsOf(await sim.drive(mailbox.poll()))).toEqual(['order'])
  expect(bob.stats.receivedMsat).toBe(AMOUNT_MSAT)
  await closeEnds(ends)
})

it('a message whose payment went back while it was stored is taken by its next attempt, also by a later process', async () => {
  const { sim, alice, bob, address, disk } = await onSlowDisk()
  await sim.drive(bob.mailbox(PORT).poll())
  const sending = alice.sendMessage(address, PORT, 'order', { amount: AMOUNT_MSAT })
  await sim.runFor(1_000)
  // The next attempt comes when the first process is gone.
  sim.fault({ name: 'payment-hangs', from: 'alice', forMs: 30_000, end: 'land' })
  await sim.runFor(SLOW_MS + 3_000)
  await sim.drive(bob.close())
  const later = await sim.drive(createEndpoint({ backend: sim.backend('bob'), store: disk, phantomLane: true }))
  const mailbox = later.mailbox(PORT)
  await sim.drive(sending)
  await sim.runFor(2_000)
  expect(textsOf(await sim.drive(mailbox.poll()))).toEqual(['order'])
  expect(later.stats.receivedMsat).toBe(AMOUNT_MSAT)
  await closeEnds({ sim, alice, bob: later })
})
