import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FolderStorage, makeFolder } from '../../src/cli/transfer/folder-storage.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-folder-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

it('makes a folder and those above it, and leaves one that is there', async () => {
  const path = join(folder, 'a', 'b', 'c')
  await makeFolder(path)
  await makeFolder(path)
  await Promise.all([makeFolder(join(folder, 'x', 'y')), makeFolder(join(folder, 'x', 'y'))])
  for (const made of [path, join(folder, 'x', 'y')]) expect(statSync(made).isDirectory()).toBe(true)
})

it('says of a file, and of what would be below one, that it is no folder', async () => {
  const file = join(folder, 's.bin')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'a', 'b')]) {
    await expect(makeFolder(path)).rejects.toMatchObject({
      code: 'ERR_CLI_FOLDER',
      message: `${file} is a file, not a folder; give a folder with --out`,
    })
  }
})

it.runIf(existsSync('/proc/self'))('ends where the system lets nobody make a folder, and says so', async () => {
  await expect(makeFolder('/proc/keysock/in')).rejects.toMatchObject({
    code: 'ERR_CLI_FOLDER',
    message: 'cannot make the folder /proc/keysock: the system lets nobody make one there',
  })
})

it.runIf(existsSync('/proc/self'))('says at once that nothing can be written into a folder', async () => {
  const entropy = { bytes: (length: number) => new Uint8Array(length) }
  await expect(FolderStorage.open('/proc/self', { overwrite: false, entropy })).rejects.toMatchObject({
    code: 'ERR_CLI_FOLDER',
    message: expect.stringMatching(/^nothing can be written into \/proc\/self: .*; give another folder with --out$/),
  })
  await FolderStorage.open(folder, { overwrite: false, entropy })
  expect(readdirSync(folder)).toEqual([])
})
