import { createHash } from 'node:crypto'
import { link, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FolderStorage } from '../../src/cli/transfer/folder-storage.ts'
import { encodeMessage, type TransferOffer } from '../../src/cli/transfer/messages.ts'
import { receiveFrom } from '../../src/cli/transfer/receive-session.ts'
import { sendOver } from '../../src/cli/transfer/send-session.ts'
import type { Source } from '../../src/cli/transfer/source.ts'
import type { Storage } from '../../src/cli/transfer/storage.ts'
import { TransferQueue } from '../../src/cli/transfer/transfer-queue.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keysock-storage-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const sha256 = (bytes: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(bytes).digest())

it('a part whose file has its name already is never written to again', async () => {
  let count = 0
  const entropy = { bytes: (length: number) => new Uint8Array(length).fill(++count) }
  const options = { overwrite: false, entropy }
  const offer: TransferOffer = { name: 'log.txt', session: new Uint8Array(16), content: undefined }
  const storage = await FolderStorage.open(folder, options)
  const part = await storage.create(offer)
  await part.append(Buffer.from('complete'), new AbortController().signal)
  await part.suspend()
  // The process is killed between the two halves of a move.
  const [name = ''] = await readdir(folder)
  await link(join(folder, name), join(folder, 'log.txt'))
  const restarted = await FolderStorage.open(folder, options)
  expect(await restarted.parts(offer)).toEqual([])
  expect(await readdir(folder)).toEqual(['log.txt'])
  expect(await readFile(join(folder, 'log.txt'), 'utf8')).toBe('complete')
})

const data = new Uint8Array(50_000).fill(7)
const source: Source = {
  name: 'f',
  content: { size: data.length, sha256: sha256(data) },
  read: async (offset, length) => data.subarray(offset, offset + length),
  close: async () => undefined,
}
const watcher = {
  started: () => undefined,
  mayWrite: async () => undefined,
  sent: () => undefined,
  waits: () => undefined,
}

it('a receiver that asks for another beginning again and again is not paid for it', async () => {
  const [near, far] = duplexPair()
  far.resume()
  for (let i = 0; i < 6; i++) far.write(encodeMessage({ type: 'have', offset: 0 }))
  const sent = sendOver(near, source, { session: new Uint8Array(16), watcher })
  await expect(sent).rejects.toMatchObject({ reason: 'MALFORMED' })
})

it('a receiver that asks to wait after it has answered is not waited for', async () => {
  const [near, far] = duplexPair()
  far.resume()
  far.write(encodeMessage({ type: 'have', offset: 0 }))
  far.write(encodeMessage({ type: 'wait' }))
  const sent = sendOver(near, source, { session: new Uint8Array(16), watcher })
  await expect(sent).rejects.toMatchObject({ reason: 'MALFORMED' })
})

it('a disk that fills up ends a stream before it is full, and what came is kept', async () => {
  const storage = await FolderStorage.open(folder, { overwrite: false, entropy: { bytes: (n) => new Uint8Array(n) } })
  let left = 4
  const filling: Storage = {
    find: (...given) => storage.find(...given),
    parts: (offer) => storage.parts(offer),
    create: (offer) => storage.create(offer),
    room: async () => Math.max(0, left--),
  }
  const time = { now: () => 0, schedule: () => () => undefined }
  const [near, far] = duplexPair({ allowHalfOpen: true })
  const stream: Source = {
    name: 's',
    content: undefined,
    read: async (_offset, length) => new Uint8Array(length),
    close: async () => undefined,
  }
  const hears = {
    offered: () => undefined,
    waits: () => undefined,
    started: () => undefined,
    received: () => undefined,
    fileDone: () => undefined,
  }
  const taken = receiveFrom(far, {
    storage: filling,
    queue: new TransferQueue(time),
    maxSizeBytes: 2 ** 30,
    time,
    watcher: hears,
  })
  const sent = sendOver(near, stream, { session: new Uint8Array(16), watcher })
  const reasons = (await Promise.allSettled([taken, sent])).map(
    (end) => end.status === 'rejected' && (end.reason as unknown),
  )
  expect(reasons).toMatchObject([{ reason: 'NO_SPACE' }, { reason: 'NO_SPACE', isRemote: true }])
  const [part = ''] = await readdir(folder)
  expect((await stat(join(folder, part))).size).toBeGreaterThan(4 * 2 ** 20)
  expect((await stat(join(folder, part))).size).toBeLessThan(6 * 2 ** 20)
})
