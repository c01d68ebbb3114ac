import { linkSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import type * as Disk from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MAX_PARTS, OLD_PART_MS } from '../../src/cli/transfer/limits.ts'
import type { TransferOffer } from '../../src/cli/transfer/messages.ts'
import { pattern } from './command-line.ts'
import { ReceiverFolder, sendTo, streamOf, turns } from './receiver-folder.ts'

/** What is to be over before something is on the disk. */
const disk = vi.hoisted(() => ({ synced: Promise.resolve() }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Disk>()
  return {
    ...real,
    open: async (...given: Parameters<typeof Disk.open>): Promise<Disk.FileHandle> => {
      const file = await real.open(...given)
      const sync = file.sync.bind(file)
      return Object.assign(file, {
        sync: async () => {
          await disk.synced
          await sync()
        },
      })
    },
  }
})

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
  disk.synced = Promise.resolve()
})
afterEach(() => {
  receiver.close()
})

const never = new AbortController().signal
const offer: TransferOffer = { name: 'log', session: new Uint8Array(16), content: undefined }

/** Makes a part of so many bytes, and lets go of it. */
async function cut(length: number): Promise<void> {
  const part = await (await receiver.storage()).create(offer)
  await part.append(pattern(length), never)
  await part.suspend()
}

describe('parts', () => {
  it('that a person has linked elsewhere are left alone: neither deleted nor written to', async () => {
    await cut(5_000)
    const { part } = receiver
    mkdirSync(join(receiver.folder, 'copy'))
    linkSync(join(receiver.folder, part), join(receiver.folder, 'copy', part))
    const storage = await receiver.storage()
    expect(await storage.parts(offer)).toEqual([])
    expect(receiver.part).toBe(part)
    rmSync(join(receiver.folder, 'copy'), { recursive: true })
    expect(await storage.parts(offer)).toHaveLength(1)
  })

  it('that have their names already, the second of that name, go', async () => {
    await cut(5_000)
    receiver.put('log', Buffer.from('mine'))
    linkSync(join(receiver.folder, receiver.part), join(receiver.folder, 'log (2)'))
    expect(await (await receiver.storage()).parts(offer)).toEqual([])
    expect(readdirSync(receiver.folder).toSorted()).toEqual(['log', 'log (2)'])
  })

  it('that have just been made do not go for others', async () => {
    const storage = await receiver.storage()
    for (let i = 0; i < MAX_PARTS - 1; i++)
      receiver.put(`x.0000000000000000-${String(i).padStart(8, '0')}.keysock-part`, pattern(100))
    const first = await storage.create(offer)
    const second = await storage.create({ ...offer, name: 'other' })
    for (const part of [first, second]) {
      await part.append(pattern(10), never)
      await part.suspend()
    }
    expect(receiver.parts).toMatchObject({ log: [10], other: [10] })
  })

  it('that are still on their way to the disk are waited for by who sends them again', async () => {
    const storage = await receiver.storage()
    const source = streamOf('log', pattern(60_000))
    const synced = Promise.withResolvers<void>()
    disk.synced = synced.promise
    const first = await receiver.accept(storage)
    await expect(sendTo(first.line, source, { cutAt: 40_000 })).rejects.toMatchObject({ name: 'ConnectionLost' })
    const second = await receiver.accept(storage)
    const sending = sendTo(second.line, source)
    await turns()
    disk.synced = Promise.resolve()
    synced.resolve()
    const { from } = await sending
    expect(from).toBeGreaterThan(30_000)
    await second.received
    expect(receiver.parts).toEqual({})
  })
})

it('parts with which nobody went on for a month are told of when the folder is opened', async () => {
  await cut(5_000)
  const opened = await receiver.storage()
  expect(await opened.oldParts(OLD_PART_MS)).toBeUndefined()
  const path = join(receiver.folder, receiver.part)
  const written = statSync(path).mtimeMs / 1_000
  utimesSync(path, written - 29 * 86_400, written - 29 * 86_400)
  expect(await opened.oldParts(OLD_PART_MS)).toBeUndefined()
  utimesSync(path, written - 40 * 86_400, written - 40 * 86_400)
  expect(await opened.oldParts(OLD_PART_MS)).toMatchObject({ count: 1, bytes: 5_000 })
})
