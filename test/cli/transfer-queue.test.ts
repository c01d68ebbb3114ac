import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_WAITING_OFFERS, SILENT_MS } from '../../src/cli/transfer/limits.ts'
import { encodeMessage } from '../../src/cli/transfer/messages.ts'
import { pattern } from './command-line.ts'
import { begin, fileOf, ReceiverFolder, sendTo, turns } from './receiver-folder.ts'

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
})
afterEach(() => {
  receiver.close()
})

describe('senders', () => {
  it('lose their place where others need it: the one that was silent longest, and its part is kept', async () => {
    const connect = async (mark: number): Promise<Awaited<ReturnType<ReceiverFolder['accept']>>> => {
      const source = fileOf(`${mark}.bin`, pattern(60_000, mark))
      const taken = await receiver.accept()
      await begin(taken.line, source)
      taken.line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 30_000) }))
      await turns()
      return taken
    }
    const first = await connect(1)
    await receiver.time.advance(5_000)
    const second = await connect(2)
    const third = await connect(3)
    const lost = (): boolean[] => [first, second, third].map(({ line }) => line.destroyed)
    await receiver.time.advance(SILENT_MS - 5_001)
    receiver.queue.makeRoom()
    await turns()
    expect(lost()).toEqual([false, false, false])
    await receiver.time.advance(1)
    receiver.queue.makeRoom()
    receiver.queue.makeRoom()
    await turns()
    expect(lost()).toEqual([true, false, false])
    await expect(first.received).rejects.toMatchObject({ name: 'ConnectionLost' })
    expect(receiver.parts['1.bin']).toEqual([30_000])
    await receiver.time.advance(10_000)
    third.line.write(Uint8Array.of(3))
    await turns()
    receiver.queue.makeRoom()
    receiver.queue.makeRoom()
    await turns()
    expect(lost()).toEqual([true, true, false])
  })

  it('lose their place also before they offer anything', async () => {
    const { received } = await receiver.accept()
    await receiver.time.advance(SILENT_MS)
    receiver.queue.makeRoom()
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
  })

  it('of the same file wait in a line that has an end', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const first = await receiver.accept()
    await begin(first.line, source)
    const waiting = []
    for (let session = 2; session < 2 + MAX_WAITING_OFFERS; session++) {
      const { line, seen } = await receiver.accept()
      sendTo(line, source, { session }).catch(() => undefined)
      waiting.push({ line, seen })
    }
    await turns()
    for (const { seen } of waiting) expect(seen).toEqual(['offered a.bin', 'waits'])
    const { line, received } = await receiver.accept()
    await expect(sendTo(line, source, { session: 99 })).rejects.toMatchObject({ reason: 'BUSY', isRemote: true })
    await expect(received).rejects.toMatchObject({ reason: 'BUSY' })
    waiting[0]?.line.destroy()
    await turns()
    const next = await receiver.accept()
    sendTo(next.line, source, { session: 99 }).catch(() => undefined)
    await turns()
    expect(next.seen).toEqual(['offered a.bin', 'waits'])
  })
})
