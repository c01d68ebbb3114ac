import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeySearch } from '../../tools/demo/lnd-demo/key-search.ts'
import { logEntries, searchable } from '../../tools/demo/lnd-demo/lnd-log.ts'
import { searchFor } from '../../tools/demo/lnd-demo/search.ts'
import { seenInLog, seenValue } from '../../tools/demo/lnd-demo/seen.ts'

const KEY = '0312f7a5c0ffee00112233445566778899aabbccddeeff0123456789abcdef0142'
const BOB = '02b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0'

const asText: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  bytes: (bytes) => bytes,
  hex: (bytes) => Buffer.from(bytes.toString('hex')),
  'hex in capitals': (bytes) => Buffer.from(bytes.toString('hex').toUpperCase()),
  decimal: (bytes) => Buffer.from(bytes.join(' ')),
  'decimal with commas': (bytes) => Buffer.from(bytes.join(',')),
}

describe('the search for a public key', () => {
  const bytes33 = fc.uint8Array({ minLength: 33, maxLength: 33 })
  const around = fc.uint8Array({ maxLength: 20 })

  for (const [name, write] of Object.entries(asText)) {
    it(`finds it as ${name}, whole or x alone, in both directions, anywhere`, () => {
      fc.assert(
        fc.property(bytes33, around, around, fc.boolean(), fc.boolean(), (raw, before, after, xOnly, reversed) => {
          const key = Buffer.from(raw)
          const part = xOnly ? key.subarray(1) : key
          const written = write(reversed ? Buffer.from(part.toReversed()) : part)
          expect(new KeySearch(key.toString('hex')).in(Buffer.concat([before, written, after]))).toBeDefined()
        }),
      )
    })
  }

  it('finds it in base64 of either alphabet, wherever it begins', () => {
    fc.assert(
      fc.property(bytes33, around, around, fc.boolean(), (raw, before, after, url) => {
        const text = Buffer.concat([before, raw, after]).toString(url ? 'base64url' : 'base64')
        expect(new KeySearch(Buffer.from(raw).toString('hex')).in(Buffer.from(text))).toMatch(/^base64/)
      }),
    )
  })

  it('finds nothing where it is not: one bit away', () => {
    fc.assert(
      fc.property(bytes33, fc.integer({ min: 8, max: 263 }), (seed, bit) => {
        // As good as random, as keys are: thirty-three equal bytes hold their x twice.
        const raw = Buffer.concat([Buffer.of(2), createHash('sha256').update(seed).digest()])
        const key = raw.toString('hex')
        const other = Buffer.from(raw)
        other.writeUInt8(other.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        // As the last of decimal numbers, 17 has 1 in it: the search takes no offence at a digit more.
        fc.pre(!String(other.at(-1)).startsWith(String(raw.at(-1))) || bit >> 3 < 32)
        for (const write of Object.values(asText)) expect(new KeySearch(key).in(write(other))).toBeUndefined()
      }),
    )
  })

  it('tells the whole key from x alone', () => {
    const search = new KeySearch(KEY)
    expect(search.in(Buffer.from(`node=${KEY}`))).toBe('hex')
    expect(search.in(Buffer.from(`X: ${KEY.slice(2)}`))).toBe('hex, x only')
  })
})

describe("lnd's log", () => {
  const dump = Buffer.from(KEY, 'hex')
  const line = (from: number, to: number): string =>
    `  0000${from.toString(16).padStart(4, '0')}  ${[...dump.subarray(from, to)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}  |..|`
  const log = [
    '2026-01-01 00:00:00.000 [TRC] PEER: Peer(02aa): readMessage from peer: (*lnwire.NodeAnnouncement1)(0xc0)({',
    ' NodeID: ([33]uint8) (len=33 cap=33) {',
    line(0, 16),
    line(16, 32),
    line(32, 33),
    ' },',
    `2026-01-01 00:00:00.001 [DBG] CRTR: Searching for path to ${KEY}, sending 1 mSAT`,
    `2026-01-01 00:00:00.002 [DBG] DISC: Processing NodeAnnouncement1: peer=${KEY}@127.0.0.1:1, node=${KEY}`,
    '2026-01-01 00:00:00.003 [INF] HSWC: nothing',
  ].join('\n')

  it('is read as entries, with what follows a line and with dumps as bytes', () => {
    const entries = logEntries(log)
    expect(entries.map(({ subsystem }) => subsystem)).toEqual(['PEER', 'CRTR', 'DISC', 'HSWC'])
    expect(entries.map((entry) => new KeySearch(KEY).in(searchable(entry)))).toEqual(['bytes', 'hex', 'hex', undefined])
  })

  it('names her publicly in gossip alone: not where she is searched for, nor where she is a peer', () => {
    const { publicGraph, beyond } = searchFor(KEY, seenInLog(log))
    expect(publicGraph.filter(({ found }) => found > 0)).toMatchObject([{ name: 'gossip on the wire', found: 1 }])
    expect(beyond).toMatchObject([
      { where: 'DBG CRTR', at: 'Searching for path to .., sending # mSAT' },
      { where: 'DBG DISC' },
    ])
  })

  it('has no public class that a route to her belongs to', () => {
    const route = { routes: [{ hops: [{ pub_key: BOB }, { pub_key: KEY }] }] }
    const { beyond } = searchFor(KEY, [seenValue('grpc', '/lnrpc.Lightning/QueryRoutes, received', route)])
    expect(beyond).toMatchObject([{ source: 'grpc', at: 'routes.#.hops.#.pub_key', form: 'hex', found: 1 }])
  })
})
