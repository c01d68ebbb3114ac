import type { Random } from '../../src/backends/sim/random.ts'

/** Values at the edges of what fields hold. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  ...[6, 7, 8, 14, 15, 16, 24, 30, 31, 32, 48, 53, 62, 63, 64].flatMap((bits) => [
    2n ** BigInt(bits) - 1n,
    2n ** BigInt(bits),
  ]),
]
/** What JSON may hold where nobody expects it. */
const ODD_JSON: readonly string[] = [
  'null',
  '[]',
  '{}',
  '""',
  '-1',
  '0.5',
  '1e999',
  '"\\ud800"',
  '{"toString":1}',
  '"__proto__"',
  '"constructor"',
]
/** Changes to one input: 2^0 to 2^4. */
const MAX_DOUBLINGS = 5
const MAX_PIECE_BYTES = 64

export interface Mutation {
  readonly random: Random
  readonly maxBytes: number
  /** What the code compares with. */
  readonly words: readonly string[]
  readonly numbers: readonly bigint[]
  /** Another input of the corpus. */
  readonly other: Uint8Array
  readonly fields?: ((input: Uint8Array) => readonly number[]) | undefined
}

type Change = (bytes: Uint8Array, mutation: Mutation) => Uint8Array

/** The input changed in some places. */
export function mutate(input: Uint8Array, mutation: Mutation): Uint8Array {
  const { random, maxBytes } = mutation
  let bytes = input
  for (let count = 1 << random.below(MAX_DOUBLINGS); count > 0; count--)
    bytes = random.oneOf(CHANGES)(bytes, mutation).slice(0, maxBytes)
  return bytes
}

function replaced(bytes: Uint8Array, from: number, to: number, piece: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(Math.min(to, bytes.length))])
}

function place(bytes: Uint8Array, random: Random): number {
  return random.below(bytes.length + 1)
}

/** Big-endian, in so many bytes. */
function inBytes(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * (size - 1 - i))) & 0xffn))
}

/** As the wire has it (spec §1.3), also above 2^53 - 1. */
function inVarint(value: bigint): Uint8Array {
  const step = [6n, 14n, 30n, 62n].findIndex((bits) => value < 1n << bits)
  const size = step < 0 ? 8 : 1 << step
  const bytes = inBytes(value, size)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | (Math.log2(size) << 6)
  return bytes
}

function anyNumber({ random, numbers }: Mutation): bigint {
  const number = random.oneOf(random.chance(0.5) || numbers.length === 0 ? EDGES : numbers)
  return random.chance(0.3) ? number + BigInt(random.below(3)) : number
}

function written(mutation: Mutation): Uint8Array {
  const { random } = mutation
  const number = anyNumber(mutation)
  switch (random.below(3)) {
    case 0:
      return inVarint(number)
    case 1:
      return inBytes(number, random.oneOf([1, 2, 4, 6, 8]))
    default:
      return Buffer.from(String(number))
  }
}

/** A piece between the places where two fields begin. */
function field(bytes: Uint8Array, { random, fields }: Mutation): readonly [number, number] {
  const starts = fields?.(bytes) ?? []
  if (starts.length === 0) {
    const from = place(bytes, random)
    return [from, Math.min(bytes.length, from + 1 + random.below(MAX_PIECE_BYTES))]
  }
  const i = random.below(starts.length)
  return [starts[i] ?? 0, starts[i + 1] ?? bytes.length]
}

const CHANGES: readonly Change[] = [
  // A bit, a byte, a step up or down.
  (bytes, { random }) => {
    const copy = Uint8Array.from(bytes)
    const at = place(bytes, random)
    if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
    return copy
  },
  (bytes, { random }) => {
    const copy = Uint8Array.from(bytes)
    const at = place(bytes, random)
    if (at < copy.length) copy[at] = random.below(256)
    return copy
  },
  (bytes, { random }) => {
    const copy = Uint8Array.from(bytes)
    const at = place(bytes, random)
    if (at < copy.length) copy[at] = (copy[at] ?? 0) + random.below(33) - 16
    return copy
  },
  // Pieces that go, come, or come again.
  (bytes, { random }) => {
    const from = place(bytes, random)
    return replaced(bytes, from, from + 1 + random.below(MAX_PIECE_BYTES), new Uint8Array())
  },
  (bytes, { random }) => bytes.slice(0, place(bytes, random)),
  (bytes, { random }) => {
    const at = place(bytes, random)
    return replaced(bytes, at, at, random.bytes(1 + random.below(8)))
  },
  (bytes, { random }) => {
    const from = place(bytes, random)
    const at = place(bytes, random)
    return replaced(bytes, at, at, bytes.slice(from, from + 1 + random.below(MAX_PIECE_BYTES)))
  },
  // Numbers and words that mean something, over what is there or between it.
  (bytes, mutation) => {
    const at = place(bytes, mutation.random)
    const piece = written(mutation)
    return replaced(bytes, at, mutation.random.chance(0.5) ? at + piece.length : at, piece)
  },
  (bytes, mutation) => {
    const { random, words } = mutation
    const at = place(bytes, random)
    const piece = Buffer.from(random.oneOf(random.chance(0.2) || words.length === 0 ? ODD_JSON : words))
    return replaced(bytes, at, random.chance(0.5) ? at + piece.length : at, piece)
  },
  // Decimal digits of a text.
  (bytes, mutation) => {
    const text = Buffer.from(bytes).toString('latin1')
    const runs = [...text.matchAll(/\d+/g)]
    if (runs.length === 0) return bytes
    const run = mutation.random.oneOf(runs)
    return replaced(bytes, run.index, run.index + run[0].length, Buffer.from(String(anyNumber(mutation))))
  },
  // Of another input: a piece, or its second half.
  (bytes, { random, other }) => {
    const from = place(other, random)
    const at = place(bytes, random)
    return replaced(bytes, at, at, other.slice(from, from + 1 + random.below(MAX_PIECE_BYTES)))
  },
  (bytes, { random, other }) =>
    Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]),
  // Whole fields.
  (bytes, mutation) => replaced(bytes, ...field(bytes, mutation), new Uint8Array()),
  (bytes, mutation) => {
    const [from, to] = field(bytes, mutation)
    const [at] = field(bytes, mutation)
    return replaced(bytes, at, at, bytes.slice(from, to))
  },
  (bytes, mutation) => {
    const [from, to] = field(mutation.other, mutation)
    const [at, end] = field(bytes, mutation)
    return replaced(bytes, at, mutation.random.chance(0.5) ? end : at, mutation.other.slice(from, to))
  },
  (bytes, mutation) => {
    const [from, to] = field(bytes, mutation)
    return replaced(bytes, from, to, written(mutation))
  },
  // A value of JSON.
  (bytes, { random }) => {
    const values = [
      ...Buffer.from(bytes)
        .toString('latin1')
        .matchAll(/[:[,]("[^"]*"|[^,\]}]+)/g),
    ]
    if (values.length === 0) return bytes
    const { index, 1: value = '' } = random.oneOf(values)
    return replaced(bytes, index + 1, index + 1 + value.length, Buffer.from(random.oneOf(ODD_JSON)))
  },
]
