import { rmSync } from 'node:fs'
import type * as Disk from 'node:fs/promises'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TransferError } from '../../src/cli/transfer/errors.ts'
import { hashOf } from '../../src/cli/transfer/file-content.ts'
import type { TransferOffer } from '../../src/cli/transfer/messages.ts'
import { openSpool } from '../../src/cli/transfer/source.ts'
import { pattern } from './command-line.ts'
import { fileOf, ReceiverFolder, sendTo } from './receiver-folder.ts'

/** What is wrong with the disk. */
interface Faults {
  /** Bytes that one write takes at most. */
  writeBytes: number
  /** Operations that fail, with EIO. */
  failing: 'read' | 'truncate' | undefined
  openFiles: number
}

const faults = vi.hoisted((): Faults => ({ writeBytes: Infinity, failing: undefined, openFiles: 0 }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Disk>()
  type Call = (...args: unknown[]) => Promise<unknown>
  return {
    ...real,
    open: async (...given: Parameters<typeof Disk.open>): Promise<Disk.FileHandle> => {
      const file = await real.open(...given)
      faults.openFiles++
      const write = file.write.bind(file) as Call
      const close = file.close.bind(file)
      const unless = (name: Faults['failing'], call: Call): Call => {
        return (...args) =>
          faults.failing === name ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : call(...args)
      }
      return Object.assign(file, {
        read: unless('read', file.read.bind(file) as Call),
        truncate: unless('truncate', file.truncate.bind(file) as Call),
        write: (bytes: Uint8Array, from: number, length: number, at: number) =>
          write(bytes, from, Math.min(length, faults.writeBytes), at),
        close: () => {
          faults.openFiles--
          return close()
        },
      })
    },
  }
})

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
  Object.assign(faults, { writeBytes: Infinity, failing: undefined, openFiles: 0 })
})
afterEach(() => {
  receiver.close()
})

const offer: TransferOffer = { name: 'log', session: new Uint8Array(16), content: undefined }
const never = new AbortController().signal

/** Makes a part of so many bytes, and lets go of it. */
async function cut(length: number): Promise<void> {
  const part = await (await receiver.storage()).create(offer)
  await part.append(pattern(length), never)
  await part.suspend()
}

describe('a disk that takes less than it was given', () => {
  beforeEach(() => {
    faults.writeBytes = 1_000
  })

  it('keeps all of a stream that is sent', async () => {
    const bytes = pattern(30_000)
    const spool = await openSpool(Readable.from([bytes.subarray(0, 20_000), bytes.subarray(20_000)]), 'stdin')
    const read: Uint8Array[] = []
    for (let at = 0; at < 30_000; at += 10_000) read.push(await spool.read(at, 10_000))
    expect(Buffer.concat(read).equals(bytes)).toBe(true)
    await spool.close()
  })

  it('keeps all of a file that arrives', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const { line, received } = await receiver.accept()
    await sendTo(line, source)
    await received
    expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
  })
})

describe('a disk that fails', () => {
  it.each(['read', 'truncate'] as const)('at %s, is told so, and no file stays open', async (failing) => {
    await cut(5_000)
    const [part] = await (await receiver.storage()).parts(offer)
    faults.failing = failing
    const continued = part?.continueFrom(5_000, hashOf(pattern(5_000)), never)
    await expect(continued).rejects.toMatchObject({ name: 'TransferError', reason: 'STORAGE' })
    expect(faults.openFiles).toBe(0)
    faults.failing = undefined
    expect(await part?.continueFrom(5_000, hashOf(pattern(5_000)), never)).toBe(true)
    await part?.suspend()
  })

  it('is no reason to say that a file is there that cannot be read', async () => {
    const source = fileOf('a.bin', pattern(1_000))
    receiver.put('a.bin', source.bytes)
    faults.failing = 'read'
    expect(await (await receiver.storage()).find({ ...offer, ...source }, never)).toBeUndefined()
    expect(faults.openFiles).toBe(0)
  })

  it('has no secrets for the sender: a folder that went is told without its path', async () => {
    const storage = await receiver.storage()
    rmSync(receiver.folder, { recursive: true })
    for (const ask of [() => storage.room(), () => storage.parts(offer), () => storage.create(offer)]) {
      const error = await ask().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(TransferError)
      expect(error).toMatchObject({ reason: 'STORAGE', cause: expect.stringContaining(receiver.folder) })
      expect((error as Error).message).not.toContain(receiver.folder)
    }
  })
})
