import { toJson } from '../../floor/json.ts'
import { invalidOption } from '../errors.ts'
import type { Spent, StoreChange } from './store.ts'

/**
 * A journal's line: eight hexadecimal digits of CRC-32 over the rest, a space, and the change as JSON with
 * bigints as decimal strings.
 */
export function encodeLine(change: StoreChange): string {
  const text = toJson(change)
  return `${checksum(text)} ${text}\n`
}

/** The change of a line (without its end), or undefined where the line is damaged or none of ours. */
export function decodeLine(line: string): StoreChange | undefined {
  const text = line.slice(9)
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(text)) return undefined
  // What has a right checksum was written by this library, so it is JSON.
  return toChange(JSON.parse(text) as Readonly<Record<string, unknown>>)
}

function toChange(value: Readonly<Record<string, unknown>>): StoreChange | undefined {
  const { type } = value
  switch (type) {
    case 'node':
      return { type, publicKey: word(value['publicKey']), network: word(value['network']) }
    case 'settle-index-forgotten':
      return { type }
    case 'settle-index':
      return { type, index: amount(value['index']) }
    case 'open-seen':
      return { type, ephemeral: word(value['ephemeral']), height: count(value['height']) }
    case 'floor':
      return { type, height: count(value['height']) }
    case 'tombstone':
      return {
        type,
        connectionId: word(value['connectionId']),
        ephemeral: word(value['ephemeral']),
        ending: word(value['ending']),
        height: count(value['height']),
      }
    case 'tombstones-forgotten':
      return { type, belowHeight: count(value['belowHeight']) }
    case 'reserve':
      return {
        type,
        hash: word(value['hash']),
        peer: word(value['peer']),
        amountMsat: amount(value['amountMsat']),
        feeMsat: amount(value['feeMsat']),
        ...optional('port', value, count),
        ...optional('connection', value, word),
        ...optional('program', value, word),
      }
    case 'release':
      return { type, hash: word(value['hash']), ...optional('spent', value, toSpent) }
    case 'spent':
      return { type, ...toSpent(value) }
    case 'allowance':
      return { type, leftMsat: amount(value['leftMsat']) }
    case 'message':
      return { type, id: word(value['id']) }
    default:
      return toNoteChange(value)
  }
}

/** Changes that are about messages. */
function toNoteChange(value: Readonly<Record<string, unknown>>): StoreChange | undefined {
  const { type } = value
  switch (type) {
    case 'note-seen':
      return {
        type,
        id: word(value['id']),
        height: count(value['height']),
        ...optional('settledAttempt', value, count),
        ...optional('preimage', value, word),
        ...optional('refusal', value, count),
      }
    case 'note-floor':
      return { type, height: count(value['height']) }
    case 'letter':
      return { type, port: count(value['port']), serial: count(value['serial']), text: word(value['text']) }
    case 'letter-read':
    case 'letter-withdrawn':
      return { type, port: count(value['port']), serial: count(value['serial']) }
    case 'note-sent':
      return { type, id: word(value['id']), attempt: count(value['attempt']), hash: word(value['hash']) }
    case 'note-failed':
      return { type, id: word(value['id']), attempt: count(value['attempt']) }
    case 'note-paid':
      return {
        type,
        id: word(value['id']),
        attempt: count(value['attempt']),
        lane: value['lane'] === 'phantom' ? 'phantom' : 'node',
        hash: word(value['hash']),
        ...optional('preimage', value, word),
        amountMsat: amount(value['amountMsat']),
        feeMsat: amount(value['feeMsat']),
        route: Array.isArray(value['route']) ? value['route'].map(word) : [],
      }
    default:
      return undefined
  }
}

function toSpent(value: unknown): Spent {
  if (typeof value !== 'object' || value === null) throw invalidOption('what was spent is missing')
  const { day, port, program, msat } = value as Readonly<Record<string, unknown>>
  return { day: word(day), port: count(port), program: word(program), msat: amount(msat) }
}

/** A field that may be absent. */
function optional<Name extends string, Value>(
  name: Name,
  from: Readonly<Record<string, unknown>>,
  read: (value: unknown) => Value,
): { readonly [Key in Name]?: Value } {
  return from[name] === undefined ? {} : ({ [name]: read(from[name]) } as { readonly [Key in Name]?: Value })
}

function word(value: unknown): string {
  if (typeof value === 'string') return value
  throw invalidOption('a text is missing')
}

function count(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalidOption('a whole number is missing')
}

function amount(value: unknown): bigint {
  if (typeof value === 'string' && /^[0-9]+$/.test(value)) return BigInt(value)
  throw invalidOption('an amount is missing')
}

const table = new Uint32Array(256).map((_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})

/** CRC-32 (IEEE 802.3) of the UTF-8 bytes, as eight digits. */
function checksum(content: string): string {
  let crc = 0xffffffff
  for (const byte of Buffer.from(content)) crc = ((table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)) >>> 0
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0')
}
