import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashOf } from '../../src/cli/transfer/file-content.ts'
import { IDLE_MS, MAX_PARTS, PREAMBLE, SILENT_MS } from '../../src/cli/transfer/limits.ts'
import { encodeMessage, type Message, MessageReader } from '../../src/cli/transfer/messages.ts'
import { pattern } from './command-line.ts'
import { begin, fileOf, ReceiverFolder, sendTo, streamOf, turns } from './receiver-folder.ts'

let receiver: ReceiverFolder

beforeEach(() => {
  receiver = new ReceiverFolder()
})
afterEach(() => {
  receiver.close()
})

/** Sends, and gives what the receiver made of it. */
async function send(...[source, options]: [Parameters<typeof sendTo>[1], Parameters<typeof sendTo>[2]?]): Promise<{
  readonly from: number
  readonly path: string
  readonly wasThere: boolean
}> {
  const { line, received } = await receiver.accept()
  const { from } = await sendTo(line, source, options)
  const { path, wasThere } = await received
  return { from, path: path.slice(receiver.folder.length + 1), wasThere }
}

/** Sends until the line is cut, and waits until the receiver has let go. */
async function sendCut(source: Parameters<typeof sendTo>[1], cutAt: number): Promise<void> {
  const { line, received } = await receiver.accept()
  await expect(sendTo(line, source, { cutAt })).rejects.toMatchObject({ name: 'ConnectionLost' })
  await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
}

describe('a receiver that its user ends', () => {
  it('tells the sender that this goes on later, and takes what is on its way', async () => {
    const ending = new AbortController()
    const source = fileOf('a.bin', pattern(60_000))
    const { line, received } = await receiver.accept(undefined, ending.signal)
    const reader = await begin(line, source)
    line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 20_000) }))
    await turns()
    ending.abort()
    expect(await reader.next()).toMatchObject({ type: 'error', code: 'BUSY', reason: expect.stringMatching(/goes on/) })
    line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(20_000, 50_000) }))
    await turns()
    line.destroy()
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
    expect(receiver.parts['a.bin']).toEqual([50_000])
  })

  it('takes a file that becomes whole, and has it when it is offered again', async () => {
    const ending = new AbortController()
    const source = fileOf('a.bin', pattern(1_000))
    const { line, received } = await receiver.accept(undefined, ending.signal)
    await begin(line, source)
    ending.abort()
    line.write(encodeMessage({ type: 'data', bytes: source.bytes }))
    line.write(encodeMessage({ type: 'end', size: 1_000, sha256: hashOf(source.bytes) }))
    expect(await received).toMatchObject({ wasThere: false })
    expect(await send(source)).toMatchObject({ path: 'a.bin', wasThere: true })
  })
})

describe('a transfer', () => {
  it.each([0, 1, 8_192, 100_000])('of %d bytes arrives, and nothing else is left', async (length) => {
    const source = fileOf('a.bin', pattern(length))
    expect(await send(source)).toEqual({ from: 0, path: 'a.bin', wasThere: false })
    expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
    expect(receiver.parts).toEqual({})
  })

  it('of a stream arrives, although nobody knew its length', async () => {
    const source = streamOf('stdin', pattern(50_000))
    expect(await send(source)).toEqual({ from: 0, path: 'stdin', wasThere: false })
    expect(receiver.read('stdin').equals(source.bytes)).toBe(true)
  })

  it('cut anywhere, any number of times, goes on where it stopped and arrives whole', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 5 })
    const property = fc.asyncProperty(cuts, fc.boolean(), async (at, isStream) => {
      receiver.close()
      receiver = new ReceiverFolder()
      const source = (isStream ? streamOf : fileOf)('a.bin', pattern(60_001))
      let least = 0
      for (const cutAt of at) {
        const { line, received } = await receiver.accept()
        await sendTo(line, source, { cutAt }).catch(() => undefined)
        await received.catch(() => undefined)
        const now = receiver.parts['a.bin']?.[0] ?? 0
        expect(now).toBeGreaterThanOrEqual(least)
        least = now
      }
      expect((await send(source)).from).toBe(least)
      expect(receiver.files).toEqual(['a.bin'])
      expect(receiver.parts).toEqual({})
      expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
    })
    await fc.assert(property, { numRuns: 30 })
  })

  it('of a file that changed since is another one: nothing of both is mixed', async () => {
    await sendCut(fileOf('a.bin', pattern(60_000, 1)), 30_000)
    const changed = fileOf('a.bin', pattern(60_000, 2))
    expect((await send(changed)).from).toBe(0)
    expect(receiver.read('a.bin').equals(changed.bytes)).toBe(true)
    expect(receiver.parts['a.bin']).toHaveLength(1)
  })

  it('of a stream that is another one this time starts from nothing, and keeps the other part', async () => {
    await sendCut(streamOf('stdin', pattern(60_000, 1)), 30_000)
    const other = streamOf('stdin', pattern(60_000, 2))
    expect((await send(other)).from).toBe(0)
    expect(receiver.read('stdin').equals(other.bytes)).toBe(true)
    expect(receiver.parts['stdin']).toHaveLength(1)
  })

  it('of a stream that is shorter than the part of another one arrives as well', async () => {
    await sendCut(streamOf('stdin', pattern(60_000, 1)), 50_000)
    const short = streamOf('stdin', pattern(100, 2))
    expect((await send(short)).from).toBe(0)
    expect(receiver.read('stdin').equals(short.bytes)).toBe(true)
  })

  it('does not go on from a part that the disk has damaged', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    await sendCut(source, 40_000)
    const damaged = receiver.read(receiver.part)
    damaged[17] = (damaged[17] ?? 0) ^ 1
    receiver.put(receiver.part, damaged)
    expect((await send(source)).from).toBe(0)
    expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
    expect(receiver.parts).toEqual({})
  })

  it('ends at once where the same file is there already', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    receiver.put('a.bin', source.bytes)
    expect(await send(source)).toEqual({ from: 0, path: 'a.bin', wasThere: true })
    expect(receiver.files).toEqual(['a.bin'])
  })

  it('never replaces another file of that name', async () => {
    receiver.put('a.bin', Buffer.from('mine'))
    const source = fileOf('a.bin', pattern(1_000))
    expect(await send(source)).toMatchObject({ path: 'a (2).bin', wasThere: false })
    expect(await send(source)).toMatchObject({ path: 'a (2).bin', wasThere: true })
    expect(await send(fileOf('a.bin', pattern(1_000, 3)))).toMatchObject({ path: 'a (3).bin' })
    expect(receiver.read('a.bin').toString()).toBe('mine')
  })

  it('replaces it where the user said so', async () => {
    receiver.put('a.bin', Buffer.from('mine'))
    const { line, received } = await receiver.accept(await receiver.storage(true))
    await sendTo(line, fileOf('a.bin', pattern(1_000)))
    await received
    expect(receiver.files).toEqual(['a.bin'])
    expect(receiver.read('a.bin').equals(pattern(1_000))).toBe(true)
  })

  it('of a file that changes on the way is given up by the sender, and nothing stays', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    source.bytes = pattern(60_000, 9)
    const { line, received } = await receiver.accept()
    await expect(sendTo(line, source)).rejects.toMatchObject({ code: 'ERR_TRANSFER_CHANGED', isRemote: false })
    await expect(received).rejects.toMatchObject({ code: 'ERR_TRANSFER_CHANGED', isRemote: true })
    expect(receiver.files).toEqual([])
    expect(receiver.parts).toEqual({})
  })
})

describe('several senders', () => {
  it('are served at once', async () => {
    const sources = [1, 2, 3, 4].map((mark) => fileOf(`${mark}.bin`, pattern(40_000, mark)))
    await Promise.all(sources.map((source) => send(source)))
    expect(receiver.files).toEqual(['1.bin', '2.bin', '3.bin', '4.bin'])
    for (const { name, bytes } of sources) expect(receiver.read(name).equals(bytes)).toBe(true)
  })

  it('of the same file: the second waits for the first, and then need not send', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const first = await receiver.accept()
    const reader = await begin(first.line, source)
    const second = await receiver.accept()
    const sending = sendTo(second.line, source, { session: 2 })
    await turns()
    expect(second.seen).toEqual(['offered a.bin', 'waits'])
    first.line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 30_000) }))
    first.line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(30_000) }))
    first.line.write(encodeMessage({ type: 'end', size: 60_000, sha256: hashOf(source.bytes) }))
    expect(await reader.next()).toEqual({ type: 'done' })
    await receiver.time.advance(1_000)
    expect(await sending).toMatchObject({ bytes: 0 })
    expect(await second.received).toMatchObject({ wasThere: true })
  })

  it('of the same file: the second takes over when the first has been silent for long', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const first = await receiver.accept()
    await begin(first.line, source)
    first.line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 30_000) }))
    await turns()
    const second = await receiver.accept()
    const sending = sendTo(second.line, source, { session: 2 })
    await turns()
    await receiver.time.advance(SILENT_MS)
    expect(await sending).toMatchObject({ from: 30_000 })
    await expect(first.received).rejects.toMatchObject({ name: 'ConnectionLost' })
    expect(receiver.read('a.bin').equals(source.bytes)).toBe(true)
  })

  it('of the same file: the second waits as long as bytes of the first come, however few', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const first = await receiver.accept()
    await begin(first.line, source)
    const second = await receiver.accept()
    const sending = sendTo(second.line, source, { session: 2 })
    sending.catch(() => undefined)
    const message = encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 30_000) })
    for (let at = 0; at < 10; at++) {
      first.line.write(message.subarray(at, at + 1))
      await turns()
      await receiver.time.advance(SILENT_MS - 1_000)
    }
    expect(second.seen).toEqual(['offered a.bin', 'waits'])
    await receiver.time.advance(2_000)
    expect(await sending).toMatchObject({ from: 0 })
  })

  it('that are one, over another connection, take over at once', async () => {
    const source = fileOf('a.bin', pattern(60_000))
    const first = await receiver.accept()
    await begin(first.line, source)
    first.line.write(encodeMessage({ type: 'data', bytes: source.bytes.subarray(0, 30_000) }))
    await turns()
    const second = await receiver.accept()
    expect(await sendTo(second.line, source, { session: 1 })).toMatchObject({ from: 30_000 })
    await expect(first.received).rejects.toMatchObject({ name: 'ConnectionLost' })
    expect(receiver.parts).toEqual({})
  })

  it('leave no more parts than there is room for; the smallest goes', async () => {
    for (let i = 0; i < MAX_PARTS; i++)
      receiver.put(`x.0000000000000000-${String(i).padStart(8, '0')}.keysock-part`, pattern(100 + i))
    await sendCut(fileOf('a.bin', pattern(60_000)), 30_000)
    expect(receiver.parts['x']).toHaveLength(MAX_PARTS - 1)
    expect(Math.min(...(receiver.parts['x'] ?? []))).toBe(101)
    expect(receiver.parts['a.bin']).toHaveLength(1)
  })
})

describe('a hostile sender', () => {
  const source = fileOf('a.bin', pattern(10_000))
  const offer: Message = { type: 'offer', name: 'a.bin', session: new Uint8Array(16), content: source.content }
  const start: Message = { type: 'start', offset: 0, sha256: hashOf() }
  const whole: Message = { type: 'data', bytes: source.bytes }
  const end: Message = { type: 'end', size: 10_000, sha256: hashOf(source.bytes) }
  const wrong: Message = { type: 'data', bytes: pattern(10_000, 5) }

  it.each<readonly [string, string, readonly Message[]]>([
    [
      'an offer of a size beyond the bound',
      'TOO_LARGE',
      [{ ...offer, content: { size: 10_000_001, sha256: hashOf() } }],
    ],
    ['data before an offer', 'MALFORMED', [whole]],
    ['two offers', 'MALFORMED', [offer, offer]],
    ['a start at a place that nobody proposed', 'MALFORMED', [offer, { ...start, offset: 5 }]],
    ['a start with the hash of something', 'MALFORMED', [offer, { ...start, sha256: hashOf(source.bytes) }]],
    ['two starts', 'MALFORMED', [offer, start, start]],
    ['more data than was offered', 'MALFORMED', [offer, start, whole, { type: 'data', bytes: Uint8Array.of(1) }]],
    ['an end before the end', 'HASH', [offer, start, { ...end, size: 0, sha256: hashOf() }]],
    ['an end with the hash of other bytes', 'HASH', [offer, start, whole, { ...end, sha256: hashOf() }]],
    [
      'other bytes than were offered, with their true hash',
      'HASH',
      [offer, start, wrong, { ...end, sha256: hashOf(pattern(10_000, 5)) }],
    ],
    ['a stream without end', 'TOO_LARGE', [{ ...offer, content: undefined }, start, whole, whole]],
  ])('with %s is told %s, and leaves nothing that looks complete', async (_, code, messages) => {
    if (code === 'TOO_LARGE') receiver.maxSizeBytes = messages.length === 1 ? 10_000_000 : 15_000
    const { line, received } = await receiver.accept()
    line.write(PREAMBLE)
    for (const message of messages) line.write(encodeMessage(message))
    const reader = new MessageReader(line, 'receiver')
    let last = await reader.next()
    while (last?.type === 'have') last = await reader.next()
    expect(last).toMatchObject({ type: 'error', code })
    await expect(received).rejects.toMatchObject({ reason: code, isRemote: false })
    expect(await reader.next()).toBeUndefined()
    expect(receiver.files).toEqual([])
    receiver.maxSizeBytes = 10_000_000
    expect(await send(source)).toMatchObject({ path: 'a.bin' })
  })

  it('cannot append to a part whose bytes it does not know, nor take it away', async () => {
    const long = fileOf('a.bin', pattern(60_000))
    await sendCut(long, 40_000)
    const kept = receiver.parts['a.bin']
    const { line, received } = await receiver.accept()
    line.write(PREAMBLE)
    line.write(encodeMessage({ ...offer, content: long.content }))
    const reader = new MessageReader(line, 'receiver')
    const have = await reader.next()
    expect(have).toMatchObject({ type: 'have', offset: kept?.[0] })
    line.write(encodeMessage({ ...start, offset: kept?.[0] ?? 0, sha256: hashOf(Uint8Array.of(1)) }))
    expect(await reader.next()).toEqual({ type: 'have', offset: 0 })
    line.write(encodeMessage(start))
    line.write(encodeMessage(wrong))
    line.write(encodeMessage(end))
    expect(await reader.next()).toMatchObject({ type: 'error', code: 'HASH' })
    await expect(received).rejects.toMatchObject({ reason: 'HASH' })
    expect(receiver.parts['a.bin']).toEqual(kept)
    expect((await send(long)).from).toBe(kept?.[0])
  })

  it('that says anything at all is only ever refused', async () => {
    const message = fc.constantFrom<Message>(offer, start, whole, end, wrong, { ...end, size: 7 })
    const noise = fc.oneof(message.map(encodeMessage), fc.uint8Array({ minLength: 1, maxLength: 40 }))
    const property = fc.asyncProperty(fc.array(noise, { maxLength: 8 }), async (pieces) => {
      const { line, received } = await receiver.accept()
      line.resume()
      line.write(PREAMBLE)
      for (const piece of pieces) line.write(piece)
      line.end()
      const outcome = await received.catch((error: unknown) => error)
      const isWhole = (outcome as { size?: number }).size === 10_000
      if (!isWhole) expect((outcome as Error).name).toMatch(/^(?:TransferError|ConnectionLost)$/)
      for (const name of receiver.files) expect(receiver.read(name).equals(source.bytes)).toBe(true)
    })
    await fc.assert(property, { numRuns: 200 })
  })

  it('that is slow is let go when no byte came for ten minutes, not before', async () => {
    const { line, received } = await receiver.accept()
    await begin(line, source)
    let isOver = false
    received.catch(() => (isOver = true))
    for (const byte of encodeMessage(whole).subarray(0, 5)) {
      line.write(Uint8Array.of(byte))
      await turns()
      await receiver.time.advance(IDLE_MS - 1)
      expect(isOver).toBe(false)
    }
    await receiver.time.advance(1)
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
  })

  it('that says nothing is let go', async () => {
    const { received } = await receiver.accept()
    await receiver.time.advance(120_000)
    await expect(received).rejects.toMatchObject({ name: 'ConnectionLost' })
  })
})
