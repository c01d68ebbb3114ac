import fc from 'fast-check'
import type { EncryptedData } from '../../../src/wire/bolt4/encrypted-data.ts'
import { BoltError } from '../../../src/wire/bolt4/errors.ts'
import { MAX_MSAT } from '../../../src/wire/bolt4/integers.ts'
import { FIRST_CUSTOM_TYPE, KEYSEND_TYPE, type Payload } from '../../../src/wire/bolt4/payload.ts'
import { encodeTlvStream } from '../../../src/wire/bolt4/tlv.ts'
import { publicKey } from '../../../src/wire/keys.ts'

const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength })

/** A private key: any 32 bytes but the few that are none. */
export const secrets: fc.Arbitrary<Uint8Array> = bytes(32).map((key) => {
  const secret = key.slice()
  secret[0] = 1 // below the order, and not zero
  return secret
})

const points: fc.Arbitrary<Uint8Array> = secrets.map((secret) => publicKey(secret))

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const u32 = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 32 - 1 }))
const msat = fc.oneof(fc.bigInt({ min: 0n, max: 100_000n }), fc.bigInt({ min: 0n, max: MAX_MSAT }))

export const customRecords: fc.Arbitrary<ReadonlyMap<bigint, Uint8Array>> = fc
  .array(fc.tuple(fc.bigInt({ min: FIRST_CUSTOM_TYPE, max: 2n ** 64n - 1n }), bytes(0, 90)), { maxLength: 4 })
  .map((entries) => new Map(entries.filter(([type]) => type !== KEYSEND_TYPE).toSorted(byType)))

/** Fields that are there or not, in any combination, legal for some hop or for none. */
export const payloads: fc.Arbitrary<Payload> = fc.record(
  {
    amountMsat: msat,
    cltvExpiry: u32,
    shortChannelId: u64,
    paymentData: fc.record({ paymentSecret: bytes(32), totalMsat: msat }),
    encryptedData: bytes(0, 80),
    pathKey: points,
    paymentMetadata: bytes(0, 40),
    totalAmountMsat: msat,
    keysendPreimage: bytes(32),
    customRecords,
  },
  { requiredKeys: ['customRecords'] },
)

export const encryptedData: fc.Arbitrary<EncryptedData> = fc.record(
  {
    paddingBytes: fc.nat({ max: 300 }),
    shortChannelId: u64,
    nextNodeId: points,
    pathId: bytes(0, 40),
    nextPathKeyOverride: points,
    paymentRelay: fc.record({
      cltvExpiryDelta: fc.nat({ max: 0xffff }),
      feeProportionalMillionths: u32,
      feeBaseMsat: u32,
    }),
    paymentConstraints: fc.record({ maxCltvExpiry: u32, htlcMinimumMsat: msat }),
    allowedFeatures: bytes(0, 20),
    unknown: fc
      .uniqueArray(fc.bigInt({ min: 10n, max: 2n ** 62n }), { minLength: 1, maxLength: 3 })
      .chain((halves) =>
        fc.tuple(
          ...halves
            .toSorted(ascending)
            .map((half) => fc.record({ type: fc.constant(half * 2n + 1n), value: bytes(0, 20) })),
        ),
      ),
  },
  { requiredKeys: [] },
)

/** Bytes that get past the outer checks more often than noise does: TLV streams of likely types with any values. */
export const likelyStreams: fc.Arbitrary<Uint8Array> = fc.oneof(
  bytes(0, 100),
  fc
    .uniqueArray(
      fc.record({
        type: fc.oneof(fc.bigInt({ min: 0n, max: 20n }), fc.constant(KEYSEND_TYPE), u64),
        value: fc.oneof(bytes(0, 12), bytes(32, 45), points),
      }),
      { selector: ({ type }) => type, maxLength: 6 },
    )
    .map(encodeTlvStream),
)

/** The result, or the BoltError that bad input is answered with. Lets every other error through. */
export function orBoltError<Result>(read: () => Result): Result | BoltError {
  try {
    return read()
  } catch (error) {
    if (error instanceof BoltError) return error
    throw error
  }
}

/** The code of the BoltError that `read` throws. Lets every other error through. */
export function boltCode(read: () => unknown): string {
  const result = orBoltError(read)
  return result instanceof BoltError ? result.code : 'none'
}

function byType([a]: [bigint, unknown], [b]: [bigint, unknown]): number {
  return ascending(a, b)
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b)
}
