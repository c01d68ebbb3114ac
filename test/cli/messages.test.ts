import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransferError } from '../../src/cli/transfer/errors.ts'
import { nameComplaint, numberedName, visible } from '../../src/cli/transfer/file-name.ts'
import { MAX_ENTRIES, MAX_LIST_BYTES } from '../../src/cli/transfer/limits.ts'
import {
  decodeBody,
  encodeMessage,
  HEAD_BYTES,
  type Message,
  MessageReader,
  readHead,
} from '../../src/cli/transfer/messages.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 60 })
  .filter((text) => nameComplaint(text) === undefined)
const content = fc.option(fc.record({ size: offset, sha256: bytes(32) }), { nil: undefined })

const index = fc.nat(2 ** 32 - 1)

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('offer' as const), name, session: bytes(16), content }),
  fc.record({
    type: fc.constant('offer' as const),
    name,
    session: bytes(16),
    content: fc.record({ size: offset, sha256: bytes(32) }),
    set: fc.option(
      fc.record({
        entries: fc.integer({ min: 1, max: MAX_ENTRIES }),
        listBytes: fc.integer({ min: 1, max: MAX_LIST_BYTES }),
      }),
      { nil: undefined },
    ),
    attributes: fc.option(fc.record({ mode: fc.integer({ min: 0, max: 0o777 }), mtimeS: offset }), { nil: undefined }),
  }),
  fc.record({ type: fc.constant('list' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 32_768 }) }),
  fc.record({ type: fc.constant('file' as const), index, offset: fc.constant(0), sha256: fc.constant(undefined) }),
  fc.record({ type: fc.constant('file' as const), index, offset, sha256: bytes(32) }),
  fc.record({ type: fc.constant('skip' as const), index }),
  fc.record({
    type: fc.constant('want' as const),
    ranges: fc.array(fc.record({ first: index, count: index, offset }), { maxLength: 20 }),
  }),
  fc.record({ type: fc.constant('start' as const), offset, sha256: bytes(32) }),
  fc.record({ type: fc.constant('data' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 32_768 }) }),
  fc.record({ type: fc.constant('end' as const), size: offset, sha256: bytes(32) }),
  fc.record({ type: fc.constant('have' as const), offset }),
  fc.record({ type: fc.constantFrom('wait' as const, 'done' as const) }),
  fc.record({
    type: fc.constant('error' as const),
    code: fc.constantFrom('BUSY' as const, 'HASH' as const),
    reason: fc.string({ maxLength: 60 }).map(visible),
  }),
)

function decode(encoded: Uint8Array): Message {
  const { type, length } = readHead(encoded.subarray(0, HEAD_BYTES))
  expect(encoded.length).toBe(HEAD_BYTES + length)
  return decodeBody(type, encoded.slice(HEAD_BYTES))
}

/** Everything that a reader makes of bytes that come in pieces. */
async function readAll(pieces: readonly Uint8Array[], from: 'sender' | 'receiver'): Promise<Message[]> {
  const stream = new PassThrough()
  for (const piece of pieces) stream.write(piece)
  stream.end()
  const reader = new MessageReader(stream, from)
  const messages: Message[] = []
  for (;;) {
    const next = await reader.next()
    if (next === undefined) return messages
    messages.push(next)
  }
}

function* cut(whole: Uint8Array, at: readonly number[]): Generator<Uint8Array> {
  const places = [0, ...at.map((place) => place % (whole.length + 1)), whole.length].toSorted((a, b) => a - b)
  for (let i = 1; i < places.length; i++) {
    const piece = whole.subarray(places[i - 1], places[i])
    if (piece.length > 0) yield piece
  }
}

describe('a message of a file transfer', () => {
  it('is the same after it went over the wire', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decode(encodeMessage(sent))).toEqual(sent)
      }),
    )
  })

  it('comes whole however the stream is cut', async () => {
    const fromReceiver = message.filter(({ type }) => ['have', 'wait', 'done', 'error'].includes(type))
    const property = fc.asyncProperty(
      fc.array(fromReceiver, { maxLength: 8 }),
      fc.array(fc.nat()),
      async (sent, at) => {
        const whole = Buffer.concat(sent.map(encodeMessage))
        expect(await readAll([...cut(whole, at)], 'receiver')).toEqual(sent)
      },
    )
    await fc.assert(property)
  })

  it('made of any bytes is read, or refused with a code of the protocol', async () => {
    const begun = fc.constant(Uint8Array.of(0x4b, 0x53, 0x46, 0x54, 1))
    const head = fc
      .record({ type: fc.constantFrom(1, 2, 3, 4, 16, 17, 18, 32, 99), length: fc.integer({ min: 0, max: 80 }) })
      .map((given) => Uint8Array.of(given.type, 0, given.length))
    const noise = fc.array(fc.oneof(fc.uint8Array({ maxLength: 90 }), head), { maxLength: 12 })
    const property = fc.asyncProperty(fc.oneof(begun, fc.uint8Array({ maxLength: 6 })), noise, async (start, rest) => {
      try {
        await readAll(
          [start, ...rest].filter(({ length }) => length > 0),
          'sender',
        )
      } catch (error) {
        expect(error).toBeInstanceOf(TransferError)
      }
    })
    await fc.assert(property, { numRuns: 500 })
  })

  it('that announces too much is refused before it has come', () => {
    expect(() => readHead(Uint8Array.of(1, 0x04, 0x01))).toThrow('offer with 1025 bytes')
    expect(() => readHead(Uint8Array.of(3, 0x80, 0x01))).toThrow('data with 32769 bytes')
    expect(() => readHead(Uint8Array.of(32, 0, 202))).toThrow('error with 202 bytes')
  })

  it('of the other side is refused', async () => {
    const done = encodeMessage({ type: 'done' })
    await expect(readAll([Uint8Array.of(0x4b, 0x53, 0x46, 0x54, 1), done], 'sender')).rejects.toThrow(
      'done from the sender',
    )
  })

  it('of another version is refused as such', async () => {
    await expect(readAll([Uint8Array.of(0x4b, 0x53, 0x46, 0x54, 2)], 'sender')).rejects.toMatchObject({
      reason: 'UNSUPPORTED',
    })
    await expect(readAll([Buffer.from('GET / HTTP/1.1')], 'sender')).rejects.toMatchObject({ reason: 'MALFORMED' })
  })
})

describe('an offer', () => {
  const field = (type: number, value: Uint8Array): Uint8Array =>
    Buffer.concat([Uint8Array.of(type, value.length), value])
  const named = field(0, Buffer.from('a'))
  const session = field(2, new Uint8Array(16))
  const decodeOffer = (...fields: Uint8Array[]): Message => decodeBody('offer', Buffer.concat(fields))

  it('may have odd fields that nobody knows, and no even ones', () => {
    expect(decodeOffer(named, session, field(13, new Uint8Array(3)))).toMatchObject({ name: 'a', content: undefined })
    expect(() => decodeOffer(named, session, field(10, new Uint8Array(3)))).toThrow(/does not know/)
  })

  it.each([
    ['without a name', [session]],
    ['without a session', [named]],
    ['with a short session', [named, field(2, new Uint8Array(15))]],
    ['with fields out of order', [session, named]],
    ['with a field twice', [named, named, session]],
    ['with a size alone', [named, session, field(4, new Uint8Array(8))]],
    ['with a hash alone', [named, session, field(6, new Uint8Array(32))]],
    ['with a short hash', [named, session, field(4, new Uint8Array(8)), field(6, new Uint8Array(31))]],
    [
      'with a size above 2^53 - 1',
      [named, session, field(4, new Uint8Array(8).fill(255)), field(6, new Uint8Array(32))],
    ],
    ['with a field that is cut off', [named, session, Uint8Array.of(7, 4, 0)]],
  ])('%s is malformed', (_, fields) => {
    expect(() => decodeOffer(...fields)).toThrow(expect.objectContaining({ reason: 'MALFORMED' }))
  })
})

describe('a name from a stranger', () => {
  it.each([
    '',
    '.',
    '..',
    '.bashrc',
    'a/b',
    'a\\b',
    '/etc/passwd',
    '-rf',
    '~',
    ' a',
    'a ',
    'a.',
    'a\nb',
    'a\u0000',
    'a\u001b[2J',
    'a\u202egpj.exe',
    'a\u2028',
    'x'.repeat(201),
    'ä'.repeat(101),
    'a\ud800',
    'photo.0123.keysock-part',
  ])('is not taken: %j', (given) => {
    expect(nameComplaint(given)).toBeTypeOf('string')
  })

  it.each(['a', 'photo.jpg', 'a..b', 'Bericht (2).pdf', '写真.jpg', 'ä'.repeat(100), "it's $HOME", 'a'.repeat(200)])(
    'is taken: %j',
    (given) => {
      expect(nameComplaint(given)).toBeUndefined()
    },
  )

  it('never names anything outside of the folder, whatever it is', () => {
    const property = fc.property(fc.string({ unit: 'binary' }), (given) => {
      if (nameComplaint(given) !== undefined) return
      expect(given).not.toMatch(/[/\\\0]/)
      expect(['.', '..']).not.toContain(given)
      expect(Buffer.from(given).toString()).toBe(given)
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('gets a number before its extension', () => {
    expect([1, 2, 10].map((number) => numberedName('a.tar.gz', number))).toEqual([
      'a.tar.gz',
      'a.tar (2).gz',
      'a.tar (10).gz',
    ])
    expect(numberedName('README', 2)).toBe('README (2)')
  })
})
