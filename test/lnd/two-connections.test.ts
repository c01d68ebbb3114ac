import { randomBytes } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { compare, fieldsOf, sharedRuns } from '../../tools/demo/lnd-demo/two-connections.ts'
import { encodePath, type PathParts } from '../../src/backends/paths/reply-path.ts'
import { toHex } from '../../src/floor/bytes.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { DEFAULT_PARAMETERS } from '../../src/wire/parameters.ts'
import type { OpenedConnection } from '../../tools/regtest/opened-packets.ts'

/** A point whose first byte is 2, as every other one has. */
function point(): Uint8Array {
  for (;;) {
    const key = secp256k1.getPublicKey(secp256k1.utils.randomSecretKey(), true)
    if (key[0] === 2) return key
  }
}

const GUARD = point()
const totals = { baseFeeMsat: 1_000, feePpm: 100, cltvDelta: 144, minHtlcMsat: 1_000 }

function path(given: Partial<PathParts> = {}): Uint8Array {
  const data = [48, 48, 16].map((length) => Uint8Array.from(randomBytes(length)))
  return encodePath({ introduction: GUARD, pathKey: point(), blindedIds: [point(), point()], data, totals, ...given })
}

function connection(...paths: Uint8Array[]): OpenedConnection {
  const frames: Frame[] = [
    { type: 'open', port: 8, height: 458, parameters: DEFAULT_PARAMETERS },
    { type: 'reply-paths', generation: 0, paths: paths.map((bytes) => ({ bytes, expiryHeight: 602 })) },
  ]
  return { cid: toHex(randomBytes(8)), ephemeral: point(), records: [Uint8Array.from(randomBytes(900))], frames }
}

function compared(first: OpenedConnection, second: OpenedConnection): ReturnType<typeof compare> {
  const payments = new Map(
    [first, second].map(({ records: [record = new Uint8Array()] }) => [
      toHex(record),
      { hash: toHex(randomBytes(32)), amountMsat: 1_000, channel: '1', blocksLeft: 80 },
    ]),
  )
  const names = new Map<string, string>()
  return compare(fieldsOf(first, payments, names), fieldsOf(second, payments, names))
}

describe('two connections side by side', () => {
  it('share the introduction node and the classes, and that is no run of bytes to complain of', () => {
    const [first, second] = [connection(path(), path()), connection(path(), path())]
    expect(compared(first, second).filter(({ ok }) => !ok)).toEqual([])
    // The byte after the introduction node is the same in half of all paths.
    expect(sharedRuns(first, second)).toEqual([])
  })

  it('are told apart from ones that share a key, or a part of the encrypted data', () => {
    const blindedIds = [point(), point()]
    const [first, second] = [connection(path({ blindedIds })), connection(path({ blindedIds }))]
    const wrong = compared(first, second).filter(({ ok }) => !ok)
    expect(wrong).toMatchObject([{ name: 'blinded node ids', verdict: 'equal' }])
    expect(sharedRuns(first, second).length).toBeGreaterThan(20)

    const data = (): Uint8Array[] => [new Uint8Array(48).fill(7), Uint8Array.from(randomBytes(48)), new Uint8Array(16)]
    const [third, fourth] = [connection(path({ data: data() })), connection(path({ data: data() }))]
    expect(compared(third, fourth).filter(({ ok }) => !ok)).toMatchObject([
      { name: 'encrypted data', verdict: 'some equal' },
    ])
  })

  it('are told apart from ones with classes of their own', () => {
    const [first, second] = [connection(path()), connection(path({ totals: { ...totals, feePpm: 500 } }))]
    expect(compared(first, second).filter(({ ok }) => !ok)).toMatchObject([{ name: 'fee, millionths' }])
  })
})
