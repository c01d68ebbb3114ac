import type { Duplex } from 'node:stream'
import { duplexPair } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/cli/transfer/file-content.ts'
import { MAX_FINISHING, MAX_SETS, PREAMBLE, SILENT_MS } from '../../src/cli/transfer/limits.ts'
import { encodeMessage, type Message, MessageReader } from '../../src/cli/transfer/messages.ts'
import { encodeList, type SetEntry } from '../../src/cli/transfer/set-list.ts'
import type { SendingConnection } from '../../src/cli/transfer/transfer-queue.ts'
import { pattern } from './command-line.ts'
import { ReceiverFolder, sendSetTo, turns } from './receiver-folder.ts'

const BYTES = pattern(100, 1)
const ENTRIES: readonly SetEntry[] = [
  { kind: 'folder', path: 'a', mode: 0o755 },
  ...['b', 'c'].map((name): SetEntry => {
    const content = { size: BYTES.length, sha256: hashOf(BYTES) }
    return { kind: 'file', path: `a/${name}`, mode: 0o644, mtimeS: 1, content }
  }),
]
const LIST = encodeList(ENTRIES)
const CONTENT = { size: 200, sha256: hashOf(LIST) }
const SET = { entries: ENTRIES.length, listBytes: LIST.length }

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
})
afterEach(() => {
  receiver.close()
})

/** A connection that sends, of which the last byte came at 0. */
const connection = (onGiveWay: () => void = () => undefined): SendingConnection => ({
  lastByteMs: receiver.time.now(),
  giveWay: async () => await Promise.resolve(onGiveWay()),
})

const file = (index: number): Message => ({ type: 'file', index, offset: 0, sha256: undefined })
const data = (bytes: Uint8Array): Message => ({ type: 'data', bytes })

/** Offers a set by hand, and sends its list. */
async function offer(line: Duplex): Promise<MessageReader> {
  const reader = new MessageReader(line, 'receiver')
  line.write(PREAMBLE)
  const session = new Uint8Array(16)
  line.write(encodeMessage({ type: 'offer', name: 'a', session, content: CONTENT, set: SET }))
  expect(await reader.next()).toEqual({ type: 'have', offset: 0 })
  line.write(encodeMessage({ type: 'list', bytes: LIST }))
  return reader
}

describe('a receiver of a set', () => {
  it('answers a list with all that it wants, in one go', async () => {
    const { line, received } = await receiver.accept()
    const reader = await offer(line)
    expect(await reader.next()).toEqual({ type: 'want', ranges: [{ first: 1, count: 2, offset: 0 }] })
    expect(await reader.next()).toEqual({ type: 'want', ranges: [] })
    for (const index of [1, 2]) for (const message of [file(index), data(BYTES)]) line.write(encodeMessage(message))
    expect(await reader.next()).toEqual({ type: 'done' })
    await received
  })

  it.each<[string, readonly Message[]]>([
    ['bytes of no file', [data(BYTES)]],
    ['a file that is a folder', [file(0)]],
    ['a file that the list has not', [file(3)]],
    ['a file within another', [file(1), file(2)]],
    ['a file twice', [file(1), data(BYTES), file(1)]],
    ['more bytes than the file has', [file(1), data(pattern(101))]],
    ['a part that it has not', [{ type: 'file', index: 1, offset: 50, sha256: hashOf() }]],
    ['another list', [{ type: 'list', bytes: LIST }]],
    ['the end of a file', [{ type: 'end', size: 1, sha256: hashOf() }]],
    ['to skip what is not wanted', [{ type: 'skip', index: 0 }]],
  ])('refuses %s', async (_what, messages) => {
    const { line, received } = await receiver.accept()
    await offer(line)
    for (const message of messages) line.write(encodeMessage(message))
    await expect(received).rejects.toMatchObject({ reason: 'MALFORMED', isRemote: false })
  })

  it('takes what comes while files are written to the disk, of which it writes several at once', async () => {
    const names = Array.from({ length: MAX_FINISHING + 3 }, (_, index) => `a/${index}`)
    const entries: readonly SetEntry[] = names.map((path) => {
      return { kind: 'file', path, mode: 0o644, mtimeS: 1, content: { size: 100, sha256: hashOf(BYTES) } }
    })
    const list = encodeList([ENTRIES[0] as SetEntry, ...entries])
    const content = { size: 100 * names.length, sha256: hashOf(list) }
    const disk = Promise.withResolvers<undefined>()
    let [atOnce, most] = [0, 0]
    const storage = await receiver.storage()
    const filePart = storage.filePart.bind(storage)
    storage.filePart = (options) => {
      const part = filePart(options)
      const finish = part.finish.bind(part)
      part.finish = async () => {
        most = Math.max(most, ++atOnce)
        await disk.promise
        atOnce--
        return await finish()
      }
      return part
    }
    const { line, received } = await receiver.accept(storage)
    const sent = sendSetTo(line, {
      name: 'a',
      content,
      set: { entries: names.length + 1, listBytes: list.length },
      entries: [ENTRIES[0] as SetEntry, ...entries],
      list,
      open: () =>
        Promise.resolve({ read: (at) => Promise.resolve(BYTES.subarray(at)), close: () => Promise.resolve() }),
      close: () => Promise.resolve(),
    })
    while (most < MAX_FINISHING) await turns()
    await turns()
    disk.resolve(undefined)
    await sent
    expect(await received).toMatchObject({ files: names.length })
    expect(most).toBe(MAX_FINISHING)
  })

  it('wants a file again whose bytes are not those of the list, and gives up at the second time', async () => {
    const { line, received } = await receiver.accept()
    const reader = await offer(line)
    for (let i = 0; i < 2; i++) await reader.next()
    line.write(encodeMessage(file(1)))
    line.write(encodeMessage(data(pattern(100, 5))))
    expect(await reader.next()).toEqual({ type: 'want', ranges: [{ first: 1, count: 1, offset: 0 }] })
    line.write(encodeMessage(file(1)))
    line.write(encodeMessage(data(pattern(100, 5))))
    await expect(received).rejects.toMatchObject({ reason: 'HASH' })
  })

  it('holds no more lists than it has room for', async () => {
    const others: Promise<unknown>[] = []
    for (let i = 0; i < MAX_SETS; i++) await receiver.queue.takeSet(connection())
    const { line, received } = await receiver.accept()
    others.push(offer(line).catch(() => undefined))
    await expect(received).rejects.toMatchObject({ reason: 'BUSY' })
  })

  it('lets a set that was silent for long give way to another', async () => {
    const gone: number[] = []
    for (let i = 0; i < MAX_SETS; i++) await receiver.queue.takeSet(connection(() => gone.push(i)))
    await receiver.time.advance(SILENT_MS)
    const { line } = await receiver.accept()
    const reader = await offer(line)
    expect(await reader.next()).toMatchObject({ type: 'want' })
    expect(gone).toEqual([0])
  })
})

describe('a sender of a set', () => {
  it.each<[string, readonly Message[]]>([
    ['a file that the list has not', [{ type: 'want', ranges: [{ first: 7, count: 1, offset: 0 }] }]],
    ['a folder', [{ type: 'want', ranges: [{ first: 0, count: 1, offset: 0 }] }]],
    ['more files than there are', [{ type: 'want', ranges: [{ first: 1, count: 4_000_000_000, offset: 0 }] }]],
    ['more of a file than it has', [{ type: 'want', ranges: [{ first: 1, count: 1, offset: 101 }] }]],
    [
      'a file three times',
      [{ type: 'want', ranges: Array.from({ length: 3 }, () => ({ first: 1, count: 1, offset: 0 })) }],
    ],
    ['none of a file', [{ type: 'want', ranges: [{ first: 1, count: 0, offset: 0 }] }]],
    [
      'a file again that has not come',
      [
        { type: 'want', ranges: [] },
        { type: 'want', ranges: [{ first: 1, count: 1, offset: 0 }] },
      ],
    ],
    [
      'to be done before all has come',
      [{ type: 'want', ranges: [{ first: 1, count: 2, offset: 0 }] }, { type: 'want', ranges: [] }, { type: 'done' }],
    ],
    ['another list', [{ type: 'have', offset: 0 }]],
    ['to be done before it has said what it wants', [{ type: 'done' }]],
  ])('refuses a receiver that wants %s', async (_what, messages) => {
    const [line, other] = duplexPair()
    for (const end of [line, other]) end.on('error', () => undefined)
    other.resume()
    const sent = sendSetTo(line, {
      name: 'a',
      content: CONTENT,
      set: SET,
      entries: ENTRIES,
      list: LIST,
      open: () => Promise.resolve({ read: () => Promise.resolve(BYTES), close: () => Promise.resolve() }),
      close: () => Promise.resolve(),
    })
    other.write(encodeMessage({ type: 'have', offset: 0 }))
    await turns()
    for (const message of messages) other.write(encodeMessage(message))
    await expect(sent).rejects.toMatchObject({ reason: 'MALFORMED', isRemote: false })
  })
})
