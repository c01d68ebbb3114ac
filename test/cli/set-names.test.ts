import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { duplexPair } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/cli/transfer/file-content.ts'
import { innerNameComplaint } from '../../src/cli/transfer/file-name.ts'
import { MAX_DEPTH } from '../../src/cli/transfer/limits.ts'
import { decodeList, encodeList, pathComplaint, type SetEntry, sizeOfSet } from '../../src/cli/transfer/set-list.ts'
import type { SetSource } from '../../src/cli/transfer/set-source.ts'
import { pattern } from './command-line.ts'
import { ReceiverFolder, sendSetTo } from './receiver-folder.ts'
import { makeTree, treeOf } from './tree.ts'

function fileEntry(path: string, bytes: Uint8Array): SetEntry {
  return {
    kind: 'file',
    path,
    mode: 0o644,
    mtimeS: 1_700_000_000,
    content: { size: bytes.length, sha256: hashOf(bytes) },
  }
}

function folderEntry(path: string): SetEntry {
  return { kind: 'folder', path, mode: 0o755 }
}

/** A set of whatever entries, as a hostile sender would make it. */
function setOf(entries: readonly SetEntry[], bytesOf: (index: number) => Uint8Array): SetSource {
  const list = encodeList(entries)
  return {
    name: 'set',
    entries,
    list,
    content: { size: sizeOfSet(entries), sha256: hashOf(list) },
    set: { entries: entries.length, listBytes: list.length },
    open: (index) =>
      Promise.resolve({
        read: (offset, length) => Promise.resolve(bytesOf(index).subarray(offset, offset + length)),
        close: () => Promise.resolve(),
      }),
    close: () => Promise.resolve(),
  }
}

/** Components that lead elsewhere, that systems take for something else, and harmless ones. */
const component = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'A', 'é', 'e\u0301', 'link', 'folder') },
  fc.constantFrom('..', '.', '', '/', 'C:', '\\', '..\\..', 'nul', 'CON.txt', 'a\0b', '~', '-rf', 'x.', 'x ', '\u202e'),
  fc.string({ maxLength: 5 }),
)
const path = fc.array(component, { minLength: 1, maxLength: 5 }).map((components) => components.join('/'))
const BYTES = pattern(40, 1)
const entry = fc.oneof(
  path.map((each) => fileEntry(each, BYTES)),
  path.map((each) => folderEntry(each)),
)
/** With the folders that a path needs, so that more than the first check is met. */
const entries = fc.array(entry, { minLength: 1, maxLength: 8 }).map((list) => {
  const all = list.flatMap((each) => {
    const components = each.path.split('/')
    return [...components.keys()]
      .slice(1)
      .map((depth) => folderEntry(components.slice(0, depth).join('/')))
      .concat(each)
  })
  return all.filter((each, index) => all.findIndex((other) => other.path === each.path) === index)
})

let receiver: ReceiverFolder
let sandbox: string

beforeEach(() => {
  receiver = new ReceiverFolder()
  sandbox = mkdtempSync(join(tmpdir(), 'keysock-names-'))
})
afterEach(() => {
  receiver.close()
  rmSync(sandbox, { recursive: true, force: true })
})

describe('a list that comes', () => {
  it('has only paths that lead into the folder, whatever it is made of', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const source = setOf(list, () => BYTES)
        let taken: readonly SetEntry[]
        try {
          taken = decodeList(source.list, source)
        } catch (error) {
          expect(error).toMatchObject({ name: 'TransferError' })
          return
        }
        expect(taken).toEqual(list)
        for (const each of taken) {
          const inside = relative('/out', resolve('/out', each.path))
          expect(inside).toBe(each.path)
          expect(inside.startsWith('..')).toBe(false)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('is refused where it is damaged, with a code of the protocol', () => {
    const source = setOf([folderEntry('a'), fileEntry('a/b', BYTES), fileEntry('a/c', BYTES)], () => BYTES)
    fc.assert(
      fc.property(fc.nat(source.list.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Uint8Array.from(source.list)
        damaged[at] = (damaged[at] ?? 0) ^ flip
        expect(() => decodeList(damaged, source)).toThrow(expect.objectContaining({ name: 'TransferError' }))
      }),
    )
  })

  it.each([
    ['a path twice', [fileEntry('a', BYTES), fileEntry('a', BYTES)], 'MALFORMED'],
    ['a file in a folder that is not listed', [fileEntry('a/b', BYTES)], 'MALFORMED'],
    ['a file in a file', [fileEntry('a', BYTES), fileEntry('a/b', BYTES)], 'MALFORMED'],
    ['a way up', [folderEntry('a'), fileEntry('a/..', BYTES)], 'NAME'],
    ['an absolute path', [fileEntry('/a', BYTES)], 'NAME'],
    ['a hidden file outside a folder', [fileEntry('.bashrc', BYTES)], 'NAME'],
    ['a device of Windows', [folderEntry('a'), fileEntry('a/Nul.txt', BYTES)], 'NAME'],
  ])('is refused with %s', (_what, list, reason) => {
    const source = setOf(list, () => BYTES)
    expect(() => decodeList(source.list, source)).toThrow(expect.objectContaining({ reason }))
  })

  it('may have hidden files inside a folder, and not too deep ones', () => {
    expect(pathComplaint('a/.git')).toBeUndefined()
    expect(pathComplaint(Array.from({ length: MAX_DEPTH + 1 }, () => 'a').join('/'))).toMatch(/folders deep/)
  })

  it('may have characters that Windows does not take, unless that is where it comes', () => {
    expect(innerNameComplaint('12:30?.txt', false)).toBeUndefined()
    expect(innerNameComplaint('12:30?.txt', true)).toMatch(/Windows/)
  })
})

describe('a set of a hostile sender', () => {
  it('writes nowhere but into the folder, and changes nothing that is there', async () => {
    await fc.assert(
      fc.asyncProperty(entries, async (list) => {
        // What a run that failed left.
        for (const name of readdirSync(sandbox)) rmSync(join(sandbox, name), { recursive: true })
        const out = join(sandbox, 'out')
        makeTree(join(sandbox, 'outside'), { secret: pattern(10) })
        makeTree(out, { 'folder/own': pattern(20), 'a/own': pattern(30) })
        symlinkSync(join(sandbox, 'outside'), join(out, 'link'))
        symlinkSync(join(sandbox, 'outside'), join(out, 'a', 'b'))
        const before = treeOf(sandbox)
        const [line, other] = duplexPair()
        for (const end of [line, other]) end.on('error', () => undefined)
        const { received } = await receiver.acceptOn(other, await receiver.storage(false, { folder: out }))
        line.once('close', () => other.destroy())
        const sent = await sendSetTo(
          line,
          setOf(list, () => BYTES),
        ).then(
          () => true,
          () => false,
        )
        line.destroy()
        const took = await received.then(
          () => true,
          () => false,
        )
        expect(took).toBe(sent)
        const after = treeOf(sandbox)
        for (const [name, bytes] of Object.entries(before)) expect(after[name]).toBe(bytes)
        for (const name of Object.keys(after)) {
          if (!(name in before)) expect(name.startsWith('out/')).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('that lies about what a file holds fills nothing up', async () => {
    mkdirSync(join(receiver.folder, 'kept'))
    writeFileSync(join(receiver.folder, 'kept', 'x'), 'x')
    const list = [folderEntry('a'), fileEntry('a/b', BYTES)]
    const { line, received } = await receiver.accept()
    await expect(
      sendSetTo(
        line,
        setOf(list, () => pattern(40, 9)),
      ),
    ).rejects.toMatchObject({ reason: 'CHANGED' })
    await received.catch(() => undefined)
    expect(readdirSync(receiver.folder)).toEqual(['kept'])
  })

  it('may have names that differ only by case or form, and loses none of them', async () => {
    const list = [folderEntry('a'), fileEntry('a/É', BYTES), fileEntry('a/e\u0301', BYTES), fileEntry('a/é', BYTES)]
    const { line, received } = await receiver.accept()
    await sendSetTo(
      line,
      setOf(list, () => BYTES),
    )
    await received
    expect(readdirSync(join(receiver.folder, 'a'))).toHaveLength(3)
  })
})
