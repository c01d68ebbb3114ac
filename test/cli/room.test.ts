import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Storage } from '../../src/cli/transfer/storage.ts'
import { pattern } from './command-line.ts'
import { fileOf, ReceiverFolder, sendTo } from './receiver-folder.ts'

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
})
afterEach(() => {
  receiver.close()
})

/** The receiver's folder, on a disk with so much room. */
async function withRoom(bytes: number): Promise<Storage> {
  const storage = await receiver.storage()
  return {
    find: (...given) => storage.find(...given),
    parts: (...given) => storage.parts(...given),
    create: (...given) => storage.create(...given),
    room: () => Promise.resolve(bytes),
  }
}

describe('a receiver whose disk is nearly full', () => {
  const source = fileOf('a.bin', pattern(60_000))

  async function cutAt(bytes: number): Promise<number> {
    const { line, received } = await receiver.accept()
    await expect(sendTo(line, source, { cutAt: bytes })).rejects.toMatchObject({ name: 'ConnectionLost' })
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
    return receiver.parts['a.bin']?.[0] ?? 0
  }

  it('goes on with a file of which the rest fits', async () => {
    const held = await cutAt(40_000)
    expect(held).toBeGreaterThan(30_000)
    const { line, received } = await receiver.accept(await withRoom(60_000 - held))
    expect(await sendTo(line, source)).toMatchObject({ from: held })
    await received
    expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
  })

  it('refuses a file of which the rest does not fit', async () => {
    const held = await cutAt(40_000)
    const { line, received } = await receiver.accept(await withRoom(60_000 - held - 1))
    const free = Math.round((60_000 - held - 1) / 100) / 10
    await expect(sendTo(line, source)).rejects.toMatchObject({
      reason: 'NO_SPACE',
      isRemote: true,
      message: expect.stringMatching(new RegExp(`^the receiver has room for ${free} kB, and \\S+ kB are to come$`)),
    })
    await expect(received).rejects.toMatchObject({ reason: 'NO_SPACE' })
    expect(receiver.parts['a.bin']).toEqual([held])
  })

  it('refuses the whole where what it holds is not the beginning of it', async () => {
    await cutAt(40_000)
    const damaged = receiver.read(receiver.part)
    damaged[17] = (damaged[17] ?? 0) ^ 1
    receiver.put(receiver.part, damaged)
    const { line, received } = await receiver.accept(await withRoom(59_999))
    await expect(sendTo(line, source)).rejects.toMatchObject({ reason: 'NO_SPACE', isRemote: true })
    await expect(received).rejects.toMatchObject({ reason: 'NO_SPACE' })
  })

  it('needs no room for a file that it has', async () => {
    receiver.put('a.bin', source.bytes)
    const { line, received } = await receiver.accept(await withRoom(0))
    expect(await sendTo(line, source)).toMatchObject({ bytes: 0 })
    expect(await received).toMatchObject({ wasThere: true })
  })
})
