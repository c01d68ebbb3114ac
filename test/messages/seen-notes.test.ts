import { expect, it } from 'vitest'
import { MAX_NOTES_SEEN } from '../../src/transport/limits.ts'
import { SeenNotes } from '../../src/transport/messages/seen-notes.ts'
import { MemoryStore } from '../../src/index.ts'
import type { StoreChange } from '../../src/transport/store/store.ts'
import { Code } from '../../src/wire/errors.ts'

const HEIGHT = 1_000
/** As far ahead of the own height as a NOTE may say (spec §18.5). */
const AHEAD = HEIGHT + 12

/** A table at a height, and what it gave to the store. */
function table(): {
  readonly seen: SeenNotes
  readonly changes: StoreChange[]
  readonly fill: (key: string, count: number) => void
} {
  const seen = new SeenNotes({ floor: 0, seen: new Map() }, () => HEIGHT)
  const changes: StoreChange[] = []
  const fill = (key: string, count: number): void => {
    for (let i = 0; i < count; i++) changes.push(...seen.set(`${key}/${i}`, { height: AHEAD, refusal: Code.DENIED }))
  }
  return { seen, changes, fill }
}

it('messages that were refused do not make those of now stale, however many they are', () => {
  const { seen, fill } = table()
  seen.set('honest', { height: HEIGHT, refusal: Code.DENIED })
  fill('flood', MAX_NOTES_SEEN + 10)
  expect([seen.size, seen.floor]).toEqual([MAX_NOTES_SEEN, 0])
})

it('one that was taken stays known where others were refused, and in the store, too', async () => {
  const { seen, changes, fill } = table()
  const store = new MemoryStore()
  const taken = { height: AHEAD, settledAttempt: 0 }
  changes.push(...seen.set('taken', taken))
  fill('flood', MAX_NOTES_SEEN + 10)
  await store.open()
  await store.write(changes)
  expect(seen.fateOf('taken')).toEqual(taken)
  await store.close()
  expect((await store.open()).notes?.seen.get('taken')).toEqual(taken)
})

it('where none was refused the floor rises, and never above the height of now', () => {
  const { seen } = table()
  seen.set('old', { height: HEIGHT - 5, settledAttempt: 0 })
  for (let i = 0; i < MAX_NOTES_SEEN + 10; i++) seen.set(`taken/${i}`, { height: AHEAD, settledAttempt: 0 })
  expect([seen.size, seen.floor]).toEqual([MAX_NOTES_SEEN, HEIGHT - 4])
})
