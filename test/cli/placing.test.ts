import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { placeFolderBeside } from '../../src/cli/transfer/placing.ts'
import { pattern } from './command-line.ts'
import { fileOf, ReceiverFolder, sendTo } from './receiver-folder.ts'
import { makeTree } from './tree.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-placing-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('what has come whole', () => {
  it('gets a name of its own where another folder gets the same one in the same moment', async () => {
    const parts = [1, 2, 3].map((number) => makeTree(join(folder, `part${number}`), { 'a.txt': pattern(number) }))
    const places = await Promise.all(parts.map((part) => placeFolderBeside(part, folder, 'album')))
    expect(places.toSorted()).toEqual(['album', 'album (2)', 'album (3)'].map((name) => join(folder, name)))
  })

  it('goes beside a folder of its name where files are to be replaced', async () => {
    const receiver = new ReceiverFolder()
    mkdirSync(join(receiver.folder, 'notes'))
    writeFileSync(join(receiver.folder, 'notes', 'mine'), 'my own')
    const { line, received } = await receiver.accept(await receiver.storage(true))
    await sendTo(line, fileOf('notes', pattern(5_000)))
    await received
    expect(readdirSync(receiver.folder)).toEqual(['notes', 'notes (2)'])
    receiver.close()
  })
})
