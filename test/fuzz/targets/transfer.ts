/** What the two sides of a transfer of files say to each other, and the two of a chat. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { ChatLines, ChatProtocolError } from '../../../src/cli/chat/lines.ts'
import { MAX_CHAT_LINE_BYTES, MAX_TEXT_CHARACTERS } from '../../../src/cli/chat/limits.ts'
import { ConnectionLost, TransferError } from '../../../src/cli/transfer/errors.ts'
import { hashOf } from '../../../src/cli/transfer/file-content.ts'
import { MAX_SET_PATH_BYTES, PREAMBLE } from '../../../src/cli/transfer/limits.ts'
import { encodeMessage, type Message, MessageReader } from '../../../src/cli/transfer/messages.ts'
import { decodeList, encodeList, type SetEntry, twins } from '../../../src/cli/transfer/set-list.ts'
import { must, onlyThrows, type Target } from '../../../tools/fuzz/target.ts'
import { ReceiverFolder, turns } from '../../cli/receiver-folder.ts'

const SESSION = new Uint8Array(16).fill(1)
const BYTES = Buffer.from('hello')
const CONTENT = { size: BYTES.length, sha256: hashOf(BYTES) }
const LIST: readonly SetEntry[] = [
  { kind: 'folder', path: 'a', mode: 0o755 },
  { kind: 'file', path: 'a/b.txt', mode: 0o644, mtimeS: 1, content: CONTENT },
  { kind: 'file', path: 'c', mode: 0o644, mtimeS: 1, content: CONTENT },
]
const LIST_BYTES = encodeList(LIST)
const SET_OFFER: Message = {
  type: 'offer',
  name: 'a',
  session: SESSION,
  content: { size: 2 * BYTES.length, sha256: hashOf(LIST_BYTES) },
  set: { entries: LIST.length, listBytes: LIST_BYTES.length },
}

function said(messages: readonly Message[]): Uint8Array {
  return Buffer.concat(messages.map((message) => encodeMessage(message)))
}

const FROM_SENDER = [
  Buffer.concat([
    PREAMBLE,
    said([
      { type: 'offer', name: 'a.txt', session: SESSION, content: CONTENT, attributes: { mode: 0o644, mtimeS: 5 } },
      { type: 'start', offset: 0, sha256: hashOf(new Uint8Array()) },
      { type: 'data', bytes: BYTES },
      { type: 'end', ...CONTENT },
    ]),
  ]),
  Buffer.concat([
    PREAMBLE,
    said([
      { type: 'offer', name: 'stdin', session: SESSION, content: undefined },
      { type: 'start', offset: 0, sha256: hashOf(new Uint8Array()) },
      { type: 'data', bytes: BYTES },
      { type: 'error', code: 'CHANGED', reason: 'no more' },
    ]),
  ]),
  Buffer.concat([
    PREAMBLE,
    said([
      SET_OFFER,
      { type: 'list', bytes: LIST_BYTES },
      { type: 'file', index: 1, offset: 0, sha256: undefined },
      { type: 'data', bytes: BYTES },
      { type: 'file', index: 2, offset: 0, sha256: hashOf(new Uint8Array()) },
      { type: 'data', bytes: BYTES },
      { type: 'skip', index: 2 },
    ]),
  ]),
]

/** Where messages begin: three bytes of head, the last two of them a length. */
function messageStarts(bytes: Uint8Array): readonly number[] {
  const starts: number[] = []
  for (let at = PREAMBLE.length; at + 3 <= bytes.length; at += 3 + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0))
    starts.push(at)
  return starts
}

async function readAll(input: Uint8Array, from: 'sender' | 'receiver'): Promise<void> {
  const reader = new MessageReader(Readable.from([input], { objectMode: false }), from)
  try {
    for (let message = await reader.next(); message !== undefined; message = await reader.next()) {
      // What was read can be said again, but for fields that are passed over, and texts that were made visible.
      if (message.type !== 'offer' && message.type !== 'error') encodeMessage(message)
    }
  } catch (error) {
    if (!(error instanceof TransferError)) throw error
  }
}

const messages: Target = {
  name: 'messages',
  maxBytes: 1_000,
  runsInCi: 1_500,
  fields: messageStarts,
  seeds: () => [
    ...FROM_SENDER,
    said([
      { type: 'have', offset: 5 },
      { type: 'wait' },
      { type: 'want', ranges: [{ first: 0, count: 2, offset: 0 }] },
      { type: 'done' },
      { type: 'error', code: 'BUSY', reason: 'later' },
    ]),
  ],
  async run(input) {
    await readAll(input, 'sender')
    await readAll(input, 'receiver')
  },
}

/** Two bytes of how many entries were offered, six of how large they are, and the list. */
const list: Target = {
  name: 'list',
  maxBytes: 2_000,
  runsInCi: 2_000,
  seeds: () => {
    const head = Buffer.alloc(8)
    head.writeUInt16BE(LIST.length)
    head.writeUIntBE(2 * BYTES.length, 2, 6)
    return [Buffer.concat([head, LIST_BYTES])]
  },
  run(input) {
    if (input.length < 8) return
    const head = Buffer.from(input.subarray(0, 8))
    const bytes = input.slice(8)
    const content = { size: head.readUIntBE(2, 6), sha256: hashOf(bytes) }
    const set = { entries: head.readUInt16BE(0), listBytes: bytes.length }
    const entries = onlyThrows([TransferError], () => decodeList(bytes, { content, set }))
    if (entries === undefined) return
    twins(entries.entries())
    for (const { path } of entries) {
      must(Buffer.byteLength(path) <= MAX_SET_PATH_BYTES, 'a path that is too long')
      must(!path.startsWith('/') && !path.split('/').includes('..'), 'a path that leads out of its folder')
    }
    const again = encodeList(entries)
    const offer = { content: { ...content, sha256: hashOf(again) }, set }
    must(isDeepStrictEqual(decodeList(again, offer), entries), 'a list that does not come back')
  },
}

/** A whole receiver with a folder, to which a sender says this. */
const receiver: Target = {
  name: 'receiver',
  maxBytes: 1_000,
  runsInCi: 40,
  fields: messageStarts,
  seeds: () => FROM_SENDER,
  async run(input) {
    const parent = mkdtempSync(join(tmpdir(), 'keysock-fuzz-'))
    const own = new ReceiverFolder()
    try {
      const { line, received } = await own.accept(await own.storage(false, { folder: join(parent, '.') }))
      line.resume()
      line.end(input)
      let failure: unknown
      const over = received.then(
        () => true,
        (error: unknown) => {
          failure = error
          return true
        },
      )
      await Promise.race([
        over,
        (async () => {
          for (let i = 0; i < 10; i++) await turns()
          line.destroy()
        })(),
      ])
      await over
      const isKnown = failure === undefined || failure instanceof TransferError || failure instanceof ConnectionLost
      if (!isKnown) throw failure as Error
      // Nothing outside, and not more than came.
      const names = readdirSync(parent, { recursive: true, encoding: 'utf8' })
      must(names.length <= 2 * input.length + 8, 'more files than bytes')
    } finally {
      own.close()
      rmSync(parent, { recursive: true, force: true })
    }
  },
}

/** The first byte says how large the pieces are in which the rest comes. */
const chat: Target = {
  name: 'chat',
  maxBytes: 2_000,
  runsInCi: 2_000,
  seeds: () => [Buffer.from('\u0005{"chat":1,"name":"ann"}\n{"text":"hi"}\n{"away":true}\n{"later":1}\n')],
  run(input) {
    const lines = new ChatLines()
    const size = 1 + (input[0] ?? 0)
    onlyThrows([ChatProtocolError], () => {
      for (let at = 1; at < input.length; at += size) {
        for (const line of lines.read(input.subarray(at, at + size))) {
          if (line.type === 'text') must(line.text.length <= MAX_TEXT_CHARACTERS, 'a text that is too long')
        }
      }
    })
    must(input.length < MAX_CHAT_LINE_BYTES || input.includes(0x0a), 'a line without an end was taken')
  },
}

export const targets: readonly Target[] = [messages, list, receiver, chat]
