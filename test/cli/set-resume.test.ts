import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/cli/transfer/file-content.ts'
import { encodeList, type SetEntry } from '../../src/cli/transfer/set-list.ts'
import { openSet, type SetSource } from '../../src/cli/transfer/set-source.ts'
import { MAX_FOLDER_PARTS, MAX_ROOT_FOLDERS, PART_SUFFIX } from '../../src/cli/transfer/limits.ts'
import { pattern } from './command-line.ts'
import { ReceiverFolder, sendSetTo, turns } from './receiver-folder.ts'
import { makeTree, treeOf } from './tree.ts'

let receiver: ReceiverFolder
let sender: string

beforeEach(() => {
  receiver = new ReceiverFolder()
  sender = mkdtempSync(join(tmpdir(), 'keysock-set-'))
})
afterEach(() => {
  receiver.close()
  rmSync(sender, { recursive: true, force: true })
})

const FILES = {
  'a.txt': pattern(3_000, 1),
  'b/c.bin': pattern(60_000, 2),
  'b/d.bin': pattern(20_000, 3),
  'b/e/f': Buffer.alloc(0),
  'b/e/g': pattern(9_000, 4),
  empty: undefined,
}

const album = (): string => join(sender, 'album')
const received = (name = 'album'): Record<string, string> => treeOf(join(receiver.folder, name))

async function open(...paths: readonly string[]): Promise<SetSource> {
  return await openSet(paths.length === 0 ? [album()] : paths, { onLeftOut: () => undefined })
}

/** One run of the sender, and of the receiver: what was sent. */
async function send(options: Parameters<typeof sendSetTo>[2] & { readonly overwrite?: boolean } = {}): Promise<{
  readonly files: readonly string[]
  readonly bytes: number
}> {
  const { line, received: end } = await receiver.accept(await receiver.storage(options.overwrite))
  const sent = await sendSetTo(line, await open(), options)
  await end
  return sent
}

/** A run that breaks off: the files that the receiver had whole by then. */
async function breakAt(cutAt: number): Promise<readonly string[]> {
  const { line, received: end, seen } = await receiver.accept()
  const failed = await sendSetTo(line, await open(), { cutAt }).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failed !== undefined) expect(failed).toMatchObject({ name: 'ConnectionLost' })
  await end.catch(() => undefined)
  await turns()
  return seen.filter((each) => each.startsWith('done ')).map((each) => each.slice('done '.length))
}

/**
 * Copies a folder in which a receiver works: its calls run in threads, so that a name which was listed may be another
 * one by the time it is read. Such a copy is begun anew.
 */
function copyOfLive(folder: string, to: string): void {
  for (let tries = 1; ; tries += 1) {
    try {
      cpSync(folder, to, { recursive: true, preserveTimestamps: true })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 100) throw error
      rmSync(to, { recursive: true, force: true })
    }
  }
}

describe('a folder that is sent', () => {
  it('is whole when it has its name, and not there before', async () => {
    makeTree(album(), FILES)
    await breakAt(50_000)
    expect(readdirSync(receiver.folder).every((name) => name.endsWith(PART_SUFFIX))).toBe(true)
    await send()
    expect(readdirSync(receiver.folder)).toEqual(['album'])
    expect(received()).toEqual(treeOf(album()))
  })

  it('goes on wherever it broke off, and no file that was whole is sent again', async () => {
    makeTree(album(), FILES)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 95_000 }), { minLength: 1, maxLength: 4 }), async (cuts) => {
        for (const name of readdirSync(receiver.folder)) rmSync(join(receiver.folder, name), { recursive: true })
        const whole = new Set<string>()
        for (const cut of cuts) for (const path of await breakAt(cut)) whole.add(path)
        const { files } = await send()
        expect(files.filter((path) => whole.has(path))).toEqual([])
        expect(readdirSync(receiver.folder)).toEqual(['album'])
        expect(received()).toEqual(treeOf(album()))
      }),
      { numRuns: 25 },
    )
  })

  it('goes on from what a crash left on the disk at any moment', async () => {
    makeTree(album(), FILES)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 500, max: 91_000 }), async (cut) => {
        for (const name of readdirSync(receiver.folder)) rmSync(join(receiver.folder, name), { recursive: true })
        const left = join(sender, 'left')
        const { line, received: end, seen } = await receiver.accept()
        let whole: readonly string[] = []
        const crash = (): void => {
          // The process dies here: it tidies up nothing, and its locks are gone.
          copyOfLive(receiver.folder, left)
          whole = seen.filter((each) => each.startsWith('done ')).map((each) => each.slice('done '.length))
        }
        await sendSetTo(line, await open(), { cutAt: cut, onCut: crash }).catch(() => undefined)
        await end.catch(() => undefined)
        for (const name of readdirSync(receiver.folder)) rmSync(join(receiver.folder, name), { recursive: true })
        cpSync(left, receiver.folder, { recursive: true, preserveTimestamps: true })
        rmSync(left, { recursive: true })
        const { files } = await send()
        expect(files.filter((path) => whole.includes(path))).toEqual([])
        expect(readdirSync(receiver.folder)).toEqual(['album'])
        expect(received()).toEqual(treeOf(album()))
      }),
      { numRuns: 20 },
    )
  })

  it('is read by nobody else while it comes', async () => {
    makeTree(album(), { 'large.bin': pattern(100_000, 1) })
    await breakAt(70_000)
    expect(statSync(join(receiver.folder, readdirSync(receiver.folder)[0] ?? '')).mode & 0o077).toBe(0)
  })

  it('goes on within a file', async () => {
    makeTree(album(), { 'large.bin': pattern(100_000, 1) })
    await breakAt(70_000)
    const { bytes } = await send()
    expect(bytes).toBeLessThan(50_000)
    expect(received()).toEqual(treeOf(album()))
  })

  it('has no part in it of a file that is whole, whatever a crash left', async () => {
    makeTree(album(), { 'a.bin': pattern(9_000, 1), 'b.bin': pattern(60_000, 2) })
    await breakAt(40_000)
    const folder = join(receiver.folder, readdirSync(receiver.folder)[0] ?? '')
    const part = readdirSync(folder).find((name) => name.startsWith('b.bin.'))
    expect(part).toBeDefined()
    // As a copy of a folder has it, in which two names of one file become two files.
    writeFileSync(join(folder, part ?? ''), pattern(60_000, 2))
    writeFileSync(join(folder, 'b.bin'), pattern(60_000, 2))
    await send()
    expect(received()).toEqual(treeOf(album()))
  })

  it('is not sent again where it is there, whatever else is in it', async () => {
    makeTree(album(), FILES)
    await send()
    writeFileSync(join(receiver.folder, 'album', 'mine.txt'), 'my own')
    expect(await send()).toMatchObject({ bytes: 0, files: [] })
    expect(readdirSync(receiver.folder)).toEqual(['album'])
  })

  it('becomes another folder where one is there that differs, of which only the difference is sent', async () => {
    makeTree(album(), FILES)
    await send()
    const before = received()
    writeFileSync(join(album(), 'a.txt'), 'changed')
    expect(await send()).toMatchObject({ files: ['album/a.txt'] })
    expect(received()).toEqual(before)
    expect(received('album (2)')).toEqual(treeOf(album()))
  })

  it('replaces files where the receiver wants that, and leaves others alone', async () => {
    makeTree(album(), FILES)
    await send()
    writeFileSync(join(album(), 'a.txt'), 'changed')
    writeFileSync(join(receiver.folder, 'album', 'mine.txt'), 'my own')
    expect(await send({ overwrite: true })).toMatchObject({ files: ['album/a.txt'] })
    expect(readdirSync(receiver.folder)).toEqual(['album'])
    expect(received()).toEqual({ ...treeOf(album()), 'mine.txt': Buffer.from('my own').toString('hex') })
  })

  it('sends anew what changed since it broke off, and forgets what is gone', async () => {
    makeTree(album(), FILES)
    const whole = await breakAt(75_000)
    writeFileSync(join(album(), 'a.txt'), 'changed')
    rmSync(join(album(), 'b/e/g'))
    const { files } = await send()
    expect(files).toContain('album/a.txt')
    expect(files.filter((path) => whole.includes(path))).toEqual(['album/a.txt'])
    expect(received()).toEqual(treeOf(album()))
  })

  it('is not mixed with what another sender left unfinished under the same name', async () => {
    makeTree(album(), FILES)
    await breakAt(75_000)
    const other = makeTree(join(sender, 'other', 'album'), { 'a.txt': pattern(10, 9), evil: pattern(5_000, 8) })
    const { line, received: end } = await receiver.accept()
    await sendSetTo(line, await open(other), { session: 2 })
    await end
    expect(received()).toEqual(treeOf(other))
    await send()
    expect(received('album (2)')).toEqual(treeOf(album()))
  })

  it('goes round a link that stands in its way', async () => {
    makeTree(album(), FILES)
    const outside = makeTree(join(sender, 'outside'), { kept: pattern(10) })
    symlinkSync(outside, join(receiver.folder, 'album'))
    await send()
    expect(treeOf(outside)).toEqual({ kept: pattern(10).toString('hex') })
    expect(received('album (2)')).toEqual(treeOf(album()))
  })

  it('replaces a link inside the folder that it goes into, and follows none', async () => {
    makeTree(album(), { 'b/c': pattern(100) })
    const outside = makeTree(join(sender, 'outside'), { kept: pattern(10) })
    makeTree(join(receiver.folder, 'album'), { 'own.txt': pattern(5) })
    symlinkSync(outside, join(receiver.folder, 'album', 'b'))
    await send({ overwrite: true })
    expect(treeOf(outside)).toEqual({ kept: pattern(10).toString('hex') })
    expect(received()).toMatchObject({ 'b/c': pattern(100).toString('hex'), 'own.txt': pattern(5).toString('hex') })
  })

  it('says which file changed while it was sent, and the rest goes', async () => {
    makeTree(album(), FILES)
    const source = await open()
    writeFileSync(join(album(), 'b/d.bin'), pattern(20_000, 7))
    const { line, received: end, seen } = await receiver.accept()
    await expect(sendSetTo(line, source)).rejects.toMatchObject({
      reason: 'CHANGED',
      message: expect.stringMatching(/^album\/b\/d\.bin changed while it was sent/),
    })
    await expect(end).rejects.toMatchObject({ reason: 'CHANGED', isRemote: true })
    expect(seen).toContain('done album/b/e/g')
    const { files } = await send()
    expect(files).toEqual(['album/b/d.bin'])
    expect(received()).toEqual(treeOf(album()))
  })

  it('may go with files beside it, which get their names as they come', async () => {
    makeTree(album(), FILES)
    makeTree(sender, { 'note.txt': pattern(2_000, 5), 'zero.txt': Buffer.alloc(0) })
    receiver.put('note.txt', pattern(3))
    const { line, received: end } = await receiver.accept()
    await sendSetTo(line, await open(album(), join(sender, 'note.txt'), join(sender, 'zero.txt')))
    expect(await end).toMatchObject({ path: receiver.folder, files: 7 })
    expect(readdirSync(receiver.folder).toSorted()).toEqual(['album', 'note (2).txt', 'note.txt', 'zero.txt'])
    expect(receiver.read('note (2).txt').equals(pattern(2_000, 5))).toBe(true)
  })
})

describe('a receiver of a set', () => {
  it('refuses what is more than its folder may hold in all', async () => {
    makeTree(album(), FILES)
    receiver.put('old', pattern(10_000))
    const { line, received: end } = await receiver.accept(await receiver.storage(false, { maxTotalBytes: 100_000 }))
    await expect(sendSetTo(line, await open())).rejects.toMatchObject({ reason: 'NO_SPACE', isRemote: true })
    await expect(end).rejects.toMatchObject({ reason: 'NO_SPACE' })
    const roomy = await receiver.accept(await receiver.storage(false, { maxTotalBytes: 160_000 }))
    await sendSetTo(roomy.line, await open())
    expect(received()).toEqual(treeOf(album()))
  })

  it.each<[string, Readonly<Record<string, Uint8Array | undefined>>]>([
    ['folders', Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, undefined]))],
    ['files', Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, Buffer.alloc(0)]))],
  ])('lets empty %s not fill what its folder may hold in all', async (_what, files) => {
    makeTree(album(), files)
    const names = readdirSync(album()).map((name) => join(album(), name))
    for (const paths of [[album()], names]) {
      const { line } = await receiver.accept(await receiver.storage(false, { maxTotalBytes: 100_000 }))
      await expect(sendSetTo(line, await open(...paths))).rejects.toMatchObject({ reason: 'NO_SPACE', isRemote: true })
      await turns()
      expect(receiver.files).toEqual([])
    }
  })

  it('lets a set of many folders take the place of one unfinished folder at most', async () => {
    for (let i = 0; i < MAX_FOLDER_PARTS; i++) {
      rmSync(album(), { recursive: true, force: true })
      makeTree(album(), { 'large.bin': pattern(90_000, i) })
      const cutAt = 40_000 + 1_000 * i
      const { line, received: end } = await receiver.accept()
      await sendSetTo(line, await open(), { cutAt }).catch(() => undefined)
      await end.catch(() => undefined)
      await turns()
    }
    const before = readdirSync(receiver.folder)
    expect(before).toHaveLength(MAX_FOLDER_PARTS)
    const many = Array.from({ length: 20 }, (_, index) =>
      makeTree(join(sender, `f${index}`), { a: pattern(10, index) }),
    )
    const { line, received: end } = await receiver.accept()
    await sendSetTo(line, await open(...many))
    await end
    const after = new Set(readdirSync(receiver.folder))
    expect(before.filter((name) => !after.has(name))).toHaveLength(1)
  })

  it('refuses more folders beside one another than it takes', async () => {
    const source = await open(makeTree(album(), { a: undefined }))
    const entries = Array.from({ length: MAX_ROOT_FOLDERS + 1 }, (_, index): SetEntry => {
      return { kind: 'folder', path: `f${index}`, mode: 0o755 }
    })
    const list = encodeList(entries)
    const content = { size: 0, sha256: hashOf(list) }
    const { line } = await receiver.accept()
    const set = { entries: entries.length, listBytes: list.length }
    await expect(sendSetTo(line, { ...source, entries, list, content, set })).rejects.toMatchObject({
      reason: 'TOO_LARGE',
      isRemote: true,
    })
    expect(readdirSync(receiver.folder)).toEqual([])
  })

  it('wants a file that changed while it was to be copied', async () => {
    makeTree(album(), FILES)
    await send()
    writeFileSync(join(album(), 'new.txt'), pattern(10, 1))
    const storage = await receiver.storage()
    const place = join(receiver.folder, 'album', 'b', 'c.bin')
    const ofPrefix = storage.hashes.ofPrefix.bind(storage.hashes)
    // Between the look at it and the copy.
    storage.hashes.ofPrefix = async (read, length, signal) => {
      const hash = await ofPrefix(read, length, signal)
      if (length === 9_000) writeFileSync(place, pattern(60_000, 7))
      return hash
    }
    const { line, received: end } = await receiver.accept(storage)
    const { files } = await sendSetTo(line, await open())
    await end
    expect(files).toEqual(['album/b/c.bin', 'album/new.txt'])
    expect(received('album (2)')).toEqual(treeOf(album()))
  })

  it('refuses what is larger than it takes, before any of it comes', async () => {
    makeTree(album(), FILES)
    receiver.maxSizeBytes = 90_000
    const { line } = await receiver.accept()
    await expect(sendSetTo(line, await open())).rejects.toMatchObject({ reason: 'TOO_LARGE', isRemote: true })
    expect(readdirSync(receiver.folder)).toEqual([])
  })
})
