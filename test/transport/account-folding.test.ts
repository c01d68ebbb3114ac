import type * as fs from 'node:fs/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { foldOldest, partName } from '../../src/transport/account/files.ts'
import { MAX_ACCOUNT_PARTS } from '../../src/transport/limits.ts'

/** What is done to the disk, in order. */
const done = vi.hoisted((): string[] => [])

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  return {
    ...real,
    rename: async (from: string, to: string) => {
      done.push('rename')
      await real.rename(from, to)
    },
    unlink: async (path: string) => {
      done.push('unlink')
      await real.unlink(path)
    },
    open: async (path: string, flags: string, mode?: number) => {
      const handle = await real.open(path, flags, mode)
      const isFolder = (await handle.stat()).isDirectory()
      const sync = handle.sync.bind(handle)
      handle.sync = async () => {
        done.push(isFolder ? 'sync of the folder' : 'sync')
        await sync()
      }
      return handle
    },
  }
})

it('the sums are on disk before what was summed up is deleted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keysock-account-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (let i = 0; i <= MAX_ACCOUNT_PARTS; i++) await writeFile(join(folder, partName('2026-11', i)), '')
  await foldOldest(folder)
  expect(done).toEqual(['sync', 'rename', 'sync of the folder', 'unlink'])
})
