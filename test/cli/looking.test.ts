import { utimesSync } from 'node:fs'
import type * as Disk from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PREAMBLE } from '../../src/cli/transfer/limits.ts'
import { encodeMessage, MessageReader } from '../../src/cli/transfer/messages.ts'
import { pattern } from './command-line.ts'
import { fileOf, ReceiverFolder, sendTo, streamOf, turns } from './receiver-folder.ts'

/** What is read of files, and when it may be. */
const disk = vi.hoisted(() => ({ reads: 0, readsAtOnce: 0, mostAtOnce: 0, openFiles: 0, mayRead: Promise.resolve() }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Disk>()
  return {
    ...real,
    open: async (...given: Parameters<typeof Disk.open>): Promise<Disk.FileHandle> => {
      const file = await real.open(...given)
      disk.openFiles++
      const read = file.read.bind(file) as (...args: unknown[]) => Promise<unknown>
      const close = file.close.bind(file)
      return Object.assign(file, {
        close: () => {
          disk.openFiles--
          return close()
        },
        read: async (...args: unknown[]) => {
          disk.reads++
          disk.mostAtOnce = Math.max(disk.mostAtOnce, ++disk.readsAtOnce)
          await disk.mayRead
          const result = await read(...args)
          disk.readsAtOnce--
          return result
        },
      })
    },
  }
})

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
  Object.assign(disk, { reads: 0, readsAtOnce: 0, mostAtOnce: 0, openFiles: 0, mayRead: Promise.resolve() })
})
afterEach(() => {
  receiver.close()
})

/** Lets nothing be read until the result is called. */
function stopReading(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  disk.mayRead = promise
  return resolve
}

describe('a receiver that looks whether it has a file already', () => {
  it('reads it once, however often it is offered, until it changes', async () => {
    const storage = await receiver.storage()
    const source = fileOf('a.bin', pattern(600_000))
    receiver.put('a.bin', source.bytes)
    for (const session of [1, 2, 3]) {
      const { line, received } = await receiver.accept(storage)
      await sendTo(line, source, { session })
      expect(await received).toMatchObject({ wasThere: true })
    }
    expect(disk.reads).toBe(3) // pieces
    receiver.put('a.bin', pattern(600_000, 2))
    utimesSync(join(receiver.folder, 'a.bin'), 1, 1)
    const { line, received } = await receiver.accept(storage)
    await sendTo(line, source)
    expect(await received).toMatchObject({ wasThere: false, path: join(receiver.folder, 'a (2).bin') })
  })

  it('reads for one offer at a time', async () => {
    const storage = await receiver.storage()
    const sources = [1, 2, 3].map((mark) => fileOf(`${mark}.bin`, pattern(600_000, mark)))
    for (const { name, bytes } of sources) receiver.put(name, bytes)
    const go = stopReading()
    const taken = sources.map(async (source) => {
      const { line, received } = await receiver.accept(storage)
      await sendTo(line, source)
      return (await received).wasThere
    })
    await turns()
    go()
    expect(await Promise.all(taken)).toEqual([true, true, true])
    expect(disk.mostAtOnce).toBe(1)
  })

  it('reads no further when the connection is gone', async () => {
    const source = fileOf('a.bin', pattern(6_000_000))
    receiver.put('a.bin', source.bytes)
    const go = stopReading()
    const { line, received } = await receiver.accept()
    const sending = sendTo(line, source)
    sending.catch(() => undefined)
    await turns()
    line.destroy()
    await turns()
    go()
    await expect(sending).rejects.toMatchObject({ name: 'ConnectionLost' })
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
    expect(disk.reads).toBe(1)
    expect(disk.openFiles).toBe(0)
  })
})

it('a part is not taken by who does not know its bytes, not even while they are compared', async () => {
  const storage = await receiver.storage()
  const source = streamOf('log', pattern(600_000))
  const cut = await receiver.accept(storage)
  await expect(sendTo(cut.line, source, { cutAt: 500_000 })).rejects.toMatchObject({ name: 'ConnectionLost' })
  await expect(cut.received).rejects.toMatchObject({ name: 'ConnectionLost' })
  const held = receiver.parts['log']?.[0] ?? 0
  expect(held).toBeGreaterThan(400_000)
  const go = stopReading()
  const hostile = await receiver.accept(storage)
  const reader = new MessageReader(hostile.line, 'receiver')
  hostile.line.write(PREAMBLE)
  const session = new Uint8Array(16).fill(9)
  hostile.line.write(encodeMessage({ type: 'offer', name: 'log', session, content: undefined }))
  expect(await reader.next()).toEqual({ type: 'have', offset: held })
  hostile.line.write(encodeMessage({ type: 'start', offset: held, sha256: new Uint8Array(32) }))
  await turns()
  const honest = await receiver.accept(storage)
  const sending = sendTo(honest.line, source)
  await turns()
  go()
  expect(await sending).toMatchObject({ from: held })
  await honest.received
  expect(await reader.next()).toEqual({ type: 'have', offset: 0 })
  expect(receiver.read('log').equals(source.bytes)).toBe(true)
})

it('a part that two senders know goes on with one of them', async () => {
  const storage = await receiver.storage()
  const source = streamOf('log', pattern(600_000))
  const cut = await receiver.accept(storage)
  await expect(sendTo(cut.line, source, { cutAt: 500_000 })).rejects.toMatchObject({ name: 'ConnectionLost' })
  await expect(cut.received).rejects.toMatchObject({ name: 'ConnectionLost' })
  const held = receiver.parts['log']?.[0] ?? 0
  const taken = [1, 2].map(async (mark) => {
    const { line, received } = await receiver.accept(storage)
    const { from } = await sendTo(line, source, { session: mark })
    await received
    return from
  })
  expect((await Promise.all(taken)).toSorted((a, b) => a - b)).toEqual([0, held])
  for (const name of ['log', 'log (2)']) expect(receiver.read(name).equals(source.bytes)).toBe(true)
  expect(receiver.parts).toEqual({})
})
