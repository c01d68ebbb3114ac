/**
 * Named frames in hexadecimal: the rows of spec/vectors/frames.json, and of the unit tests.
 */
import { fromHex } from '../../src/floor/bytes.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { NO_TARIFF } from '../../src/wire/tariffs.ts'

export interface ValidCase {
  readonly name: string
  readonly hex: string
  readonly frames: readonly Frame[]
  /** Whether an encoder writes exactly these bytes. */
  readonly canonical: boolean
}

export interface InvalidCase {
  readonly name: string
  readonly hex: string
}

export interface UnsupportedCase extends InvalidCase {
  /** What is known of them. */
  readonly frames: readonly Frame[]
}

const point = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const notOnCurve = `02${'00'.repeat(31)}05`
const defaults = { maxData: 262_144, idleTimeoutMs: 1_800_000, ackDelayMs: 30_000 }
const ping: Frame = { type: 'ping', keepalive: false }

function canonical(name: string, hex: string, ...frames: readonly Frame[]): ValidCase {
  return { name, hex, frames, canonical: true }
}

function other(name: string, hex: string, ...frames: readonly Frame[]): ValidCase {
  return { name, hex, frames, canonical: false }
}

function stream(offset: number, data: string, fin: boolean): Frame {
  return { type: 'stream', offset, data: fromHex(data), fin }
}

const streams: readonly ValidCase[] = [
  canonical('STREAM to the end', '0c05aabb', stream(5, 'aabb', false)),
  canonical('STREAM to the end, with FIN', '0e05aabb', stream(5, 'aabb', true)),
  canonical('STREAM with a length', '080305aabb120100', stream(5, 'aabb', false), ping),
  canonical('STREAM with a length and FIN', '0a0305aabb120100', stream(5, 'aabb', true), ping),
  canonical('STREAM with FIN alone', '0e4400', stream(1024, '', true)),
  canonical('STREAM up to the highest offset', '0cc01ffffffffffffdaa', stream(2 ** 53 - 3, 'aa', false)),
  canonical('two STREAMs', '0802000a0c40ff0b', stream(0, '0a', false), stream(255, '0b', false)),
  other('STREAM with a length at the end of the packet', '080305aabb', stream(5, 'aabb', false)),
  other('empty STREAM', '080105', stream(5, '', false)),
]

const control: readonly ValidCase[] = [
  canonical('ACK of one packet', '020400000000', { type: 'ack', delivered: 0, ranges: [{ smallest: 0, largest: 0 }] }),
  canonical('ACK of three ranges', '0209440014020500030107', {
    type: 'ack',
    delivered: 1024,
    ranges: [
      { smallest: 15, largest: 20 },
      { smallest: 10, largest: 13 },
      { smallest: 0, largest: 7 },
    ],
  }),
  canonical('MAX_DATA', '040480004000', { type: 'max-data', limit: 16_384 }),
  canonical('BLOCKED', '060100', { type: 'blocked', limit: 0 }),
  canonical('REPLY_PATHS', '100901020a01aa0b02bbcc', {
    type: 'reply-paths',
    generation: 1,
    paths: [
      { bytes: fromHex('aa'), expiryHeight: 10 },
      { bytes: fromHex('bbcc'), expiryHeight: 11 },
    ],
  }),
  canonical('PING', '120100', ping),
  canonical('PING as keepalive', '120101', { type: 'ping', keepalive: true }),
  other('PING of an unknown purpose', '120107', ping),
  canonical('RESET', '14050962796521', { type: 'reset', code: 9, reason: 'bye!' }),
  canonical('RESET with an application code and no reason', '14024100', { type: 'reset', code: 256, reason: '' }),
  canonical('REFUSE', '160405c3bc2e', { type: 'refuse', code: 5, reason: 'ü.' }),
  canonical('MESSAGE', `1812${'0f'.repeat(16)}aabb`, {
    type: 'message',
    id: fromHex('0f'.repeat(16)),
    data: fromHex('aabb'),
  }),
  canonical('PRICE', '1a060100040243e8', {
    type: 'price',
    serial: 1,
    from: 0,
    tariff: { ...NO_TARIFF, packetMsat: 1000n },
  }),
  canonical('PRICE of every component', '1a15024400020101040102060103080104'.concat('0a01050c0106'), {
    type: 'price',
    serial: 2,
    from: 1024,
    tariff: {
      openingMsat: 1n,
      packetMsat: 2n,
      kilobyteMsat: 3n,
      uploadMsat: 4n,
      secondMsat: 5n,
      messageMsat: 6n,
    },
  }),
  canonical('PRICE of nothing', '1a020300', { type: 'price', serial: 3, from: 0, tariff: NO_TARIFF }),
  other('PRICE with an unknown odd component', '1a0701000401010f00', {
    type: 'price',
    serial: 1,
    from: 0,
    tariff: { ...NO_TARIFF, packetMsat: 1n },
  }),
  canonical('AGREE', '240101', { type: 'agree', serial: 1 }),
  canonical('BILL', '2608c01fffffffffffff', { type: 'bill', dueMsat: 2n ** 53n - 1n }),
  canonical('PAYMENT', '1c0701000043e8c3bc', {
    type: 'payment',
    id: 1,
    kind: 0,
    reference: 0,
    amountMsat: 1000n,
    note: 'ü',
  }),
  canonical('PAYMENT that answers a REQUEST', '1c0402020501', {
    type: 'payment',
    id: 2,
    kind: 2,
    reference: 5,
    amountMsat: 1n,
    note: '',
  }),
  canonical('REQUEST', '280501016c6f67', { type: 'request', id: 1, amountMsat: 1n, note: 'log' }),
  canonical('DECLINE', '2a03016e6f', { type: 'decline', id: 1, reason: 'no' }),
  canonical('COST', '2e08c01fffffffffffff', { type: 'cost', dueMsat: 2n ** 53n - 1n }),
  canonical('RECEIPT', '2f03074400', { type: 'receipt', largest: 7, receivedMsat: 1024n }),
  canonical('SURPLUS', '2c024400', { type: 'surplus', amountMsat: 1024n }),
  canonical('IDENTIFY', `1e4041${point}${'cd'.repeat(32)}`, {
    type: 'identify',
    key: fromHex(point),
    proof: fromHex('cd'.repeat(32)),
  }),
  canonical('ACCEPT with no parameters', '2000', { type: 'accept', parameters: defaults }),
  canonical('ACCEPT with every parameter', '200d02048010000004010008025388', {
    type: 'accept',
    parameters: { maxData: 1_048_576, idleTimeoutMs: 0, ackDelayMs: 5000 },
  }),
  canonical('OPEN', '2203000705', { type: 'open', port: 7, height: 5, parameters: defaults }),
  canonical('OPEN for direct replies', `2229ffff800dbba00621${point}`, {
    type: 'open',
    port: 65_535,
    height: 900_000,
    parameters: { ...defaults, directReply: fromHex(point) },
  }),
  canonical('OPEN with a proof of who opens', `2240470007050a4041${point}${'cd'.repeat(32)}`, {
    type: 'open',
    port: 7,
    height: 5,
    parameters: { ...defaults, identity: { key: fromHex(point), proof: fromHex('cd'.repeat(32)) } },
  }),
  other('parameters with their default values', '200c020480040000080480007530', {
    type: 'accept',
    parameters: defaults,
  }),
  other('an unknown odd parameter', '20050101ff0300', { type: 'accept', parameters: defaults }),
]

/** What is still valid at the bounds of spec §5. */
const extremes: readonly ValidCase[] = [
  canonical('STREAM with FIN at the highest offset', '0ec01ffffffffffffe', stream(2 ** 53 - 2, '', true)),
  canonical('ACK of the largest numbers', '0212c01fffffffffffffc01fffffffffffff0000', {
    type: 'ack',
    delivered: 2 ** 53 - 1,
    ranges: [{ smallest: 2 ** 53 - 1, largest: 2 ** 53 - 1 }],
  }),
  canonical('ACK of all numbers', '021200c01fffffffffffff00c01fffffffffffff', {
    type: 'ack',
    delivered: 0,
    ranges: [{ smallest: 0, largest: 2 ** 53 - 1 }],
  }),
  canonical('ACK of 64 ranges', `02408300407e3f00${'0000'.repeat(63)}`, {
    type: 'ack',
    delivered: 0,
    ranges: Array.from({ length: 64 }, (_, i) => ({ smallest: 126 - 2 * i, largest: 126 - 2 * i })),
  }),
  canonical('MAX_DATA of 2^53 - 1', '0408c01fffffffffffff', { type: 'max-data', limit: 2 ** 53 - 1 }),
  canonical('REPLY_PATHS of four paths, one of 512 bytes', `10420e0004${'0001aa'.repeat(3)}004200${'bb'.repeat(512)}`, {
    type: 'reply-paths',
    generation: 0,
    paths: [
      { bytes: fromHex('aa'), expiryHeight: 0 },
      { bytes: fromHex('aa'), expiryHeight: 0 },
      { bytes: fromHex('aa'), expiryHeight: 0 },
      { bytes: fromHex('bb'.repeat(512)), expiryHeight: 0 },
    ],
  }),
  canonical('RESET with the largest code and a reason of 128 bytes', `144088c01fffffffffffff${'61'.repeat(128)}`, {
    type: 'reset',
    code: 2 ** 53 - 1,
    reason: 'a'.repeat(128),
  }),
  canonical('MESSAGE without data', `1810${'00'.repeat(16)}`, {
    type: 'message',
    id: new Uint8Array(16),
    data: new Uint8Array(),
  }),
  canonical('MESSAGE of 512 bytes', `184210${'0f'.repeat(16)}${'aa'.repeat(512)}`, {
    type: 'message',
    id: fromHex('0f'.repeat(16)),
    data: fromHex('aa'.repeat(512)),
  }),
  canonical(
    'PRICE of the largest numbers',
    `1a24${'c01fffffffffffff'.repeat(2)}0408c01fffffffffffff0608c01fffffffffffff`,
    {
      type: 'price',
      serial: 2 ** 53 - 1,
      from: 2 ** 53 - 1,
      tariff: { ...NO_TARIFF, packetMsat: 2n ** 53n - 1n, kilobyteMsat: 2n ** 53n - 1n },
    },
  ),
  canonical('BILL of nothing', '260100', { type: 'bill', dueMsat: 0n }),
  canonical(
    'PAYMENT of the largest numbers, with a note of 256 bytes',
    `1c4119c01fffffffffffff02${'c01fffffffffffff'.repeat(2)}${'61'.repeat(256)}`,
    {
      type: 'payment',
      id: 2 ** 53 - 1,
      kind: 2,
      reference: 2 ** 53 - 1,
      amountMsat: 2n ** 53n - 1n,
      note: 'a'.repeat(256),
    },
  ),
  canonical(
    'ACCEPT with the largest max_data and idle_timeout, and no ack_delay',
    `20170208c01fffffffffffff0408c01fffffffffffff080100`,
    {
      type: 'accept',
      parameters: { maxData: 2 ** 53 - 1, idleTimeoutMs: 2 ** 53 - 1, ackDelayMs: 0 },
    },
  ),
  canonical('ACCEPT with the shortest idle_timeout and the longest ack_delay', '200a0402671008048000ea60', {
    type: 'accept',
    parameters: { ...defaults, idleTimeoutMs: 10_000, ackDelayMs: 60_000 },
  }),
  canonical('OPEN of port 1 at height 0', '2203000100', { type: 'open', port: 1, height: 0, parameters: defaults }),
  other('an unknown odd frame of the largest type', 'c01fffffffffffff00'),
  other('an unknown odd parameter of the largest id', '2009c01fffffffffffff00', {
    type: 'accept',
    parameters: defaults,
  }),
]

const sequences: readonly ValidCase[] = [
  canonical('no frames', ''),
  other('PADDING', '000000'),
  other('PADDING around a frame', '001201000000', ping),
  other('unknown odd frames', '030102410103aabbcc120100', ping),
]

export const validFrames: readonly ValidCase[] = [...streams, ...control, ...extremes, ...sequences]

export const invalidFrames: readonly InvalidCase[] = [
  { name: 'a type alone', hex: '04' },
  { name: 'a type that is cut short', hex: '40' },
  { name: 'a type not in its shortest form', hex: '40040100' },
  { name: 'PADDING not in its shortest form', hex: '4000' },
  { name: 'a length beyond the packet', hex: '040200' },
  { name: 'a length not in its shortest form', hex: '04400100' },
  { name: 'a type above 2^53 - 1', hex: 'c02000000000000100' },
  { name: 'a length above 2^53 - 1', hex: '04ffffffffffffffff00' },
  { name: 'an unknown odd frame beyond the packet', hex: '0302aa' },
  { name: 'an unknown even frame beyond the packet', hex: '3e02aa' },
  { name: 'STREAM without an offset', hex: '0c' },
  { name: 'STREAM of length 0', hex: '0800' },
  { name: 'STREAM beyond the highest offset', hex: '0cc01ffffffffffffeaa' },
  { name: 'STREAM at an offset above 2^53 - 1', hex: '0cc020000000000000' },
  { name: 'STREAM at an offset that runs past the frame', hex: '080140aa' },
  { name: 'ACK cut short', hex: '0203000000' },
  { name: 'ACK with a byte left over', hex: '02050000000000' },
  { name: 'ACK whose first range goes below 0', hex: '020400050006' },
  { name: 'ACK whose second range ends below 0', hex: '0206000101010000' },
  { name: 'ACK whose gap goes below 0', hex: '0206000501000400' },
  { name: 'ACK whose second range begins below 0', hex: '0206000501000004' },
  { name: 'ACK of 65 ranges', hex: `024086004200404000${'0000'.repeat(64)}` },
  { name: 'ACK with fewer ranges than its count', hex: '02050005010000' },
  { name: 'MAX_DATA without a limit', hex: '0400' },
  { name: 'MAX_DATA with a byte left over', hex: '04020000' },
  { name: 'BLOCKED without a limit', hex: '0600' },
  { name: 'BLOCKED with a byte left over', hex: '06020000' },
  { name: 'REPLY_PATHS without paths', hex: '10020100' },
  { name: 'REPLY_PATHS of five paths', hex: `10110105${'0a01aa'.repeat(5)}` },
  { name: 'REPLY_PATHS with an empty path', hex: '100401010a00' },
  { name: 'REPLY_PATHS with a path of 513 bytes', hex: `10420601010a4201${'aa'.repeat(513)}` },
  { name: 'REPLY_PATHS with a path that runs past the frame', hex: '100501010a02aa' },
  { name: 'REPLY_PATHS with a byte left over', hex: '100601010a01aaff' },
  { name: 'REPLY_PATHS with fewer paths than its count', hex: '100501020a01aa' },
  { name: 'PING without a purpose', hex: '1200' },
  { name: 'PING with a byte left over', hex: '12020000' },
  { name: 'RESET without a code', hex: '1400' },
  { name: 'RESET with a reason that is not UTF-8', hex: '140209ff' },
  { name: 'RESET with a reason that ends within a character', hex: '140209c3' },
  { name: 'RESET with a surrogate in its reason', hex: '140409eda080' },
  { name: 'RESET with a reason of 129 bytes', hex: `14408209${'61'.repeat(129)}` },
  { name: 'REFUSE without a code', hex: '1600' },
  { name: 'REFUSE with a reason of 129 bytes', hex: `16408205${'61'.repeat(129)}` },
  { name: 'MESSAGE with an id of 15 bytes', hex: `180f${'00'.repeat(15)}` },
  { name: 'MESSAGE of 513 bytes', hex: `184211${'00'.repeat(529)}` },
  { name: 'PRICE cut short', hex: '1a0101' },
  { name: 'PRICE with a component cut short', hex: '1a0401000402' },
  { name: 'PRICE with a byte left over in a component', hex: '1a06010004020101' },
  { name: 'PRICE with components out of order', hex: '1a080100060101040101' },
  { name: 'PRICE with a component twice', hex: '1a080100040101040101' },
  { name: 'AGREE without a serial', hex: '2400' },
  { name: 'AGREE with a byte left over', hex: '24020100' },
  { name: 'BILL of more than 2^53 - 1', hex: '2608c020000000000000' },
  { name: 'BILL with a byte left over', hex: '26020101' },
  { name: 'PAYMENT without an amount', hex: '1c03010000' },
  { name: 'PAYMENT of an unknown kind', hex: '1c0401030001' },
  { name: 'PAYMENT of more than 2^53 - 1', hex: '1c0b010000c020000000000000' },
  { name: 'PAYMENT with a note that is not UTF-8', hex: '1c0501000001ff' },
  { name: 'PAYMENT with a note of 257 bytes', hex: `1c410501000001${'61'.repeat(257)}` },
  { name: 'REQUEST without an amount', hex: '280101' },
  { name: 'REQUEST with a note of 257 bytes', hex: `2841030101${'61'.repeat(257)}` },
  { name: 'DECLINE with a reason of 129 bytes', hex: `2a408201${'61'.repeat(129)}` },
  { name: 'SURPLUS with a byte left over', hex: '2c020101' },
  { name: 'COST with a byte left over', hex: '2e020101' },
  { name: 'IDENTIFY cut short', hex: `1e4040${point}${'cd'.repeat(31)}` },
  { name: 'IDENTIFY with a byte left over', hex: `1e4042${point}${'cd'.repeat(33)}` },
  { name: 'IDENTIFY with a key that is not on the curve', hex: `1e4041${notOnCurve}${'cd'.repeat(32)}` },
  { name: 'ACCEPT with a parameter cut short', hex: '20020401' },
  { name: 'ACCEPT with a parameter id alone', hex: '200104' },
  { name: 'ACCEPT with a parameter twice', hex: '2006040100040100' },
  { name: 'ACCEPT with an unknown odd parameter twice', hex: '200401000100' },
  { name: 'ACCEPT with parameters out of order', hex: '2006080100040100' },
  { name: 'ACCEPT with an empty parameter', hex: '20020400' },
  { name: 'ACCEPT with a byte left over in a parameter', hex: '200404020000' },
  { name: 'ACCEPT with max_data of 262,143', hex: '200602048003ffff' },
  { name: 'ACCEPT with idle_timeout of 9,999', hex: '20040402670f' },
  { name: 'ACCEPT with ack_delay of 60,001', hex: '200608048000ea61' },
  { name: 'ACCEPT with direct_reply', hex: `20230621${point}` },
  { name: 'OPEN with port 0', hex: '2203000005' },
  { name: 'OPEN without a height', hex: '22020007' },
  { name: 'OPEN with half a port', hex: '220107' },
  { name: 'OPEN with direct_reply of 32 bytes', hex: `22250007050620${point.slice(0, 64)}` },
  { name: 'OPEN with direct_reply that is not on the curve', hex: `22260007050621${notOnCurve}` },
  { name: 'an unknown even frame before a malformed one', hex: '3e0004' },
  { name: 'an unknown even parameter before one of a value out of its range', hex: '2008000008048000ea61' },
]

export const unsupportedFrames: readonly UnsupportedCase[] = [
  { name: 'an unknown even frame', hex: '3e00', frames: [] },
  { name: 'an unknown even frame of two bytes of type', hex: '120100410001ff', frames: [ping] },
  {
    name: 'an unknown even parameter',
    hex: '22060007050c01ff120100',
    frames: [{ type: 'open', port: 7, height: 5, parameters: defaults }, ping],
  },
]
