import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FolderStore } from '../../src/transport/store/folder.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'
import type { Store, StoreChange, StoredState } from '../../src/transport/store/store.ts'

const folders: string[] = []

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keysock-store-'))
  folders.push(folder)
  return join(folder, 'state')
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

const reserve = { type: 'reserve', hash: 'aa', peer: '02ff', amountMsat: 2n ** 70n, feeMsat: 3n } as const
const everything: readonly StoreChange[] = [
  { type: 'settle-index', index: 7n },
  { type: 'floor', height: 100 },
  { type: 'open-seen', ephemeral: 'e1', height: 110 },
  { type: 'tombstone', connectionId: 'c1', ephemeral: 'e1', ending: 'clean', height: 120 },
  reserve,
  { type: 'message', id: 'm1' },
  { type: 'allowance', leftMsat: 99_000n },
]

async function stateOf(store: Store): Promise<StoredState> {
  const state = await store.open()
  await store.close()
  return state
}

/** The contract of every store. `reopen` is what a later process does. */
function storeContract(
  name: string,
  make: () => Promise<{ readonly store: Store; readonly reopen: () => Store }>,
): void {
  describe(`the store contract: ${name}`, () => {
    it('is empty at first', async () => {
      const { store } = await make()
      const state = await store.open()
      expect(state).toEqual({
        settleIndex: undefined,
        spent: [],
        notes: { floor: 0, lastSerial: 0, letters: new Map(), seen: new Map(), sent: new Map() },
        floor: 0,
        opensSeen: new Map(),
        tombstones: new Map(),
        reservations: new Map(),
        messages: new Set(),
      })
      await store.close()
    })

    it('hands everything that was written to the next process', async () => {
      const { store, reopen } = await make()
      await store.open()
      await store.write(everything)
      await store.close()
      const next = reopen()
      const state = await next.open()
      expect(state.settleIndex).toBe(7n)
      expect(state.floor).toBe(100)
      expect(state.allowanceMsat).toBe(99_000n)
      expect([...state.opensSeen]).toEqual([['e1', 110]])
      expect(state.tombstones.get('c1')).toEqual({ connectionId: 'c1', ephemeral: 'e1', ending: 'clean', height: 120 })
      expect(state.reservations.get('aa')).toEqual({ hash: 'aa', peer: '02ff', amountMsat: 2n ** 70n, feeMsat: 3n })
      expect([...state.messages]).toEqual(['m1'])
      await next.close()
    })

    it('forgets what later changes take back', async () => {
      const { store, reopen } = await make()
      await store.open()
      await store.write(everything)
      await store.write([
        { type: 'settle-index', index: 5n },
        { type: 'release', hash: 'aa' },
        { type: 'floor', height: 111 },
        { type: 'tombstones-forgotten', belowHeight: 121 },
      ])
      await store.close()
      const state = await stateOf(reopen())
      expect(state.settleIndex, 'an index never goes back').toBe(7n)
      expect(state.reservations.size + state.opensSeen.size + state.tombstones.size).toBe(0)
    })

    it('keeps the order of writes that overlap', async () => {
      const { store, reopen } = await make()
      await store.open()
      await Promise.all(
        Array.from({ length: 100 }, (_, i) => [
          store.write([{ ...reserve, hash: `h${i}` }]),
          store.write([{ type: 'release', hash: `h${i}` }]),
          store.write([{ type: 'open-seen', ephemeral: `e${i}`, height: 200 + i }]),
        ]).flat(),
      )
      await store.close()
      const state = await stateOf(reopen())
      expect(state.reservations.size).toBe(0)
      expect([...state.opensSeen.values()]).toEqual(Array.from({ length: 100 }, (_, i) => 200 + i))
    })

    it('does not change what it handed out', async () => {
      const { store } = await make()
      const state = await store.open()
      await store.write(everything)
      expect(state.messages.size).toBe(0)
      await store.close()
    })

    it('admits one user at a time', async () => {
      const { store, reopen } = await make()
      await store.open()
      await expect(reopen().open()).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_LOCKED' })
      await store.close()
      const next = reopen()
      await next.open()
      await next.close()
    })

    it('refuses to be written when it is closed, and closes twice', async () => {
      const { store } = await make()
      await store.open()
      await store.close()
      await store.close()
      await expect(store.write([reserve])).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE' })
    })

    it('bounds its tables: the oldest go', async () => {
      const { store, reopen } = await make()
      await store.open()
      const ids = Array.from({ length: 66_000 }, (_, i): StoreChange => ({ type: 'message', id: `${i}` }))
      await store.write(ids)
      await store.close()
      const state = await stateOf(reopen())
      expect(state.messages.size).toBe(65_536)
      expect(state.messages.has('463')).toBe(false)
      expect(state.messages.has('464')).toBe(true)
    })
  })
}

storeContract('memory', async () => {
  const store = new MemoryStore()
  return { store, reopen: () => store }
})

storeContract('folder', async () => {
  const folder = await freshFolder()
  return { store: new FolderStore(folder), reopen: () => new FolderStore(folder) }
})

describe('the folder store', () => {
  async function written(): Promise<{ readonly folder: string; readonly journal: string }> {
    const folder = await freshFolder()
    const store = new FolderStore(folder)
    await store.open()
    await store.write(everything)
    await store.close()
    return { folder, journal: join(folder, 'journal') }
  }

  it('drops a last line that a crash tore, at every length', async () => {
    const { folder, journal } = await written()
    const whole = await readFile(journal, 'utf8')
    const torn = '12345678 {"type":"message","id":"m2"}'
    for (let length = 0; length <= torn.length; length += 5) {
      await writeFile(journal, whole + torn.slice(0, length))
      const store = new FolderStore(folder)
      const state = await store.open()
      expect([...state.messages]).toEqual(['m1'])
      await store.write([{ type: 'message', id: 'm3' }])
      await store.close()
      expect(await readFile(journal, 'utf8'), 'the torn line is gone').not.toContain('m2')
    }
  })

  it('names the file and the line that is damaged', async () => {
    const { folder, journal } = await written()
    const whole = await readFile(journal, 'utf8')
    await writeFile(journal, whole.replace('"height":110', '"height":111'))
    const failure = new FolderStore(folder).open()
    await expect(failure).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_CORRUPT' })
    await expect(failure).rejects.toThrow(`${journal} is not a journal`)
    await expect(failure).rejects.toThrow('line 4 is damaged')
  })

  it('refuses a file of something else, and lets go of the folder then', async () => {
    const { folder, journal } = await written()
    await writeFile(journal, '{"other":"program"}\n')
    await expect(new FolderStore(folder).open()).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE_CORRUPT' })
    expect(await readdir(folder)).toEqual(['journal'])
  })

  it('says what it could not do', async () => {
    const folder = await freshFolder()
    await writeFile(folder, 'a file where the folder should be')
    await expect(new FolderStore(join(folder, 'x')).open()).rejects.toMatchObject({ code: 'ERR_KEYSOCK_STORE' })
  })

  it('takes over the folder of a process that died', async () => {
    const { folder } = await written()
    await writeFile(join(folder, 'lock'), '999999999\n')
    const store = new FolderStore(folder)
    await store.open()
    expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
    await store.close()
    expect(await readdir(folder)).toEqual(['journal'])
  })

  it('writes its journal anew when that has grown', async () => {
    const folder = await freshFolder()
    const store = new FolderStore(folder)
    await store.open()
    for (let i = 0; i < 40; i++) {
      await store.write(Array.from({ length: 1_000 }, (): StoreChange => ({ type: 'settle-index', index: BigInt(i) })))
    }
    const lines = (await readFile(join(folder, 'journal'), 'utf8')).split('\n').length
    expect(lines).toBeLessThan(18_000)
    await store.write([{ type: 'message', id: 'after' }])
    await store.close()
    const next = new FolderStore(folder)
    const state = await next.open()
    expect(state.settleIndex).toBe(39n)
    expect([...state.messages]).toEqual(['after'])
    await next.close()
  })

  it('reads a journal to which a later process appended', async () => {
    const { folder, journal } = await written()
    const whole = await readFile(journal, 'utf8')
    await appendFile(journal, whole.split('\n').slice(1).join('\n'))
    const store = new FolderStore(folder)
    expect((await store.open()).opensSeen.size).toBe(1)
    await store.close()
  })
})
