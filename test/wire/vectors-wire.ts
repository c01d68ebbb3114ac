/** Vectors of single values: varints, addresses, the places of frames, prices. */

/** Varints at the borders of their lengths (spec §1.3). */
export function varintVectors(): object {
  const valid: readonly (readonly [number, string])[] = [
    [0, '00'],
    [1, '01'],
    [63, '3f'],
    [64, '4040'],
    [16_383, '7fff'],
    [16_384, '80004000'],
    [2 ** 30 - 1, 'bfffffff'],
    [2 ** 30, 'c000000040000000'],
    [2 ** 32 - 1, 'c0000000ffffffff'],
    [2 ** 32, 'c000000100000000'],
    [2 ** 53 - 1, 'c01fffffffffffff'],
  ]
  const invalid: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['0 in two bytes', '4000'],
    ['63 in two bytes', '403f'],
    ['63 in four bytes', '8000003f'],
    ['16,383 in four bytes', '80003fff'],
    ['16,383 in eight bytes', 'c000000000003fff'],
    ['2^30 - 1 in eight bytes', 'c00000003fffffff'],
    ['2^53', 'c020000000000000'],
    ['2^62 - 1', 'ffffffffffffffff'],
    ['two bytes cut short', '40'],
    ['four bytes cut short', '800040'],
    ['eight bytes cut short', 'c0000000400000'],
  ]
  return {
    valid: valid.map(([value, hex]) => ({ value, hex })),
    invalid: invalid.map(([name, hex]) => ({ name, hex })),
  }
}

const KEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const OTHER = '03d30199d74fb5a22d47b6e054e2f378cedacffcb89904a61d75d0dbd407143e65'
const NOT_ON_CURVE = `02${'00'.repeat(31)}05`

interface HintVector {
  readonly publicKey: string
  readonly channel: string
  readonly baseMsat: number
  readonly ppm: number
  readonly delta: number
  readonly leastMsat: number
}

/** Addresses (spec §1.6). */
export function addressVectors(): object {
  const hint: HintVector = {
    publicKey: OTHER,
    channel: '800000x1x0',
    baseMsat: 1_000,
    ppm: 100,
    delta: 80,
    leastMsat: 1_000,
  }
  const text = `${OTHER}/800000x1x0/1000/100/80/1000`
  const largest: HintVector = {
    publicKey: KEY,
    channel: '16777215x16777215x65535',
    baseMsat: 0xffff_ffff,
    ppm: 0xffff_ffff,
    delta: 0xffff,
    leastMsat: 2 ** 53 - 1,
  }
  const largestText = `${KEY}/16777215x16777215x65535/4294967295/4294967295/65535/9007199254740991`
  const none: HintVector = { ...largest, channel: '0x0x0', baseMsat: 0, ppm: 0, delta: 0, leastMsat: 0 }
  const valid: readonly (readonly [string, string, string, readonly HintVector[]])[] = [
    ['a public key', KEY, KEY, []],
    ['a public key in large letters', KEY.toUpperCase(), KEY, []],
    ['one hint', `${KEY}@${text}`, `${KEY}@${text}`, [hint]],
    [
      'a hint whose key has large letters',
      `${KEY}@${text.toUpperCase().replaceAll('X', 'x')}`,
      `${KEY}@${text}`,
      [hint],
    ],
    [
      'four hints',
      `${KEY}@${[text, text, text, text].join(',')}`,
      `${KEY}@${[text, text, text, text].join(',')}`,
      [hint, hint, hint, hint],
    ],
    ['the largest numbers', `${KEY}@${largestText}`, `${KEY}@${largestText}`, [largest]],
    ['the smallest numbers', `${KEY}@${KEY}/0x0x0/0/0/0/0`, `${KEY}@${KEY}/0x0x0/0/0/0/0`, [none]],
    ['a node with a phantom', `${KEY}+phantom`, `${KEY}+phantom`, []],
    ['a hint and a phantom', `${KEY}@${text}+phantom`, `${KEY}@${text}+phantom`, [hint]],
    ['fees with zeros in front', `${KEY}@${OTHER}/800000x1x0/01000/0100/080/01000`, `${KEY}@${text}`, [hint]],
  ]
  const withHint = (part: string): string => `${KEY}@${part}`
  const invalid: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['another word behind the key', `${KEY}+ghost`],
    ['a phantom before a hint', `${KEY}+phantom@${text}`],
    ['a key of 65 digits', KEY.slice(0, -1)],
    ['a key of 67 digits', `${KEY}0`],
    ['a key that begins with 04', `04${KEY.slice(2)}`],
    ['a key that is not on the curve', NOT_ON_CURVE],
    ['a space in front', ` ${KEY}`],
    ['@ without a hint', `${KEY}@`],
    ['a comma at the end', withHint(`${text},`)],
    ['five hints', withHint([text, text, text, text, text].join(','))],
    ['a hint without its least amount', withHint(text.slice(0, text.lastIndexOf('/')))],
    ['a hint with a field too many', withHint(`${text}/0`)],
    ['a hint whose key is not on the curve', withHint(text.replace(OTHER, NOT_ON_CURVE))],
    ['a channel with a large X', withHint(text.replace('800000x1x0', '800000X1X0'))],
    ['a channel with zeros in front', withHint(text.replace('800000x1x0', '0800000x1x0'))],
    ['a block above 24 bits', withHint(text.replace('800000x1x0', '16777216x1x0'))],
    ['a transaction above 24 bits', withHint(text.replace('800000x1x0', '800000x16777216x0'))],
    ['an output above 16 bits', withHint(text.replace('800000x1x0', '800000x1x65536'))],
    ['a channel as a number', withHint(text.replace('800000x1x0', '879609302220865536'))],
    ['a base fee above 32 bits', withHint(text.replace('/1000/', '/4294967296/'))],
    ['a proportional fee above 32 bits', withHint(text.replace('/100/', '/4294967296/'))],
    ['a delta above 16 bits', withHint(text.replace('/80/', '/65536/'))],
    ['a least amount above 2^53 - 1', withHint(text.replace(/1000$/, '9007199254740992'))],
    ['a negative fee', withHint(text.replace('/1000/', '/-1/'))],
    ['a fee with a point', withHint(text.replace('/1000/', '/1.0/'))],
  ]
  return {
    valid: valid.map(([name, address, written, hints]) => ({ name, address, written, publicKey: KEY, hints })),
    invalid: invalid.map(([name, address]) => ({ name, address })),
  }
}

/** RFC 4648 §6 in lower case without padding, by one large number: it shares no code with src. */
function base32(bytes: Uint8Array): string {
  const bits = bytes.length * 8
  const digits = Math.ceil(bits / 5)
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`) << BigInt(digits * 5 - bits)
  let text = ''
  for (let i = 0; i < digits; i++) {
    text = 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number(value & 31n)) + text
    value >>= 5n
  }
  return text
}

export function hostNameVectors(): object {
  const key = base32(Buffer.from(KEY, 'hex'))
  const other = base32(Buffer.from(OTHER, 'hex'))
  const valid: readonly (readonly [string, string, string])[] = [
    ['a key that begins with 02', `${key}.keysock`, KEY],
    ['a key that begins with 03', `${other}.keysock`, OTHER],
    ['large letters', `${key.toUpperCase()}.KEYSOCK`, KEY],
    ['a label in front', `www.${key}.keysock`, KEY],
    ['three labels in front, one of them a key', `a.${other}.b-1._c.${key}.keysock`, KEY],
    ['a dot at the end', `${key}.keysock.`, KEY],
    ['253 characters', `${'a.'.repeat(96)}${key}.keysock`, KEY],
  ]
  const last = 'abcdefghijklmnopqrstuvwxyz234567'
  const spare = key.slice(0, -1) + last.charAt(last.indexOf(key.slice(-1)) + 1)
  const invalid: readonly (readonly [string, string])[] = [
    ['nothing before it', '.keysock'],
    ['a name', 'shop.keysock'],
    ['another end', `${key}.onion`],
    ['the bit to spare is 1', `${spare}.keysock`],
    ['52 characters', `${key.slice(0, -1)}.keysock`],
    ['54 characters', `${key}a.keysock`],
    ['a character that is none of base32', `${key.slice(0, -1)}1.keysock`],
    ['padding', `${key}===.keysock`],
    ['a key that begins with 04', `${base32(Buffer.from(`04${KEY.slice(2)}`, 'hex'))}.keysock`],
    ['a key that is not on the curve', `${base32(Buffer.from(NOT_ON_CURVE, 'hex'))}.keysock`],
    ['a key in hexadecimal', `${KEY}.keysock`],
    ['an empty label in front', `.${key}.keysock`],
    ['two dots at the end', `${key}.keysock..`],
    ['254 characters', `aa.${'a.'.repeat(95)}${key}.keysock`],
    ['a phantom behind it', `${key}.keysock+phantom`],
    ['a space in front', ` ${key}.keysock`],
  ]
  return {
    valid: valid.map(([name, host, publicKey]) => ({
      name,
      host,
      written: `${publicKey === KEY ? key : other}.keysock`,
      publicKey,
    })),
    invalid: invalid.map(([name, host]) => ({ name, host })),
  }
}

const KINDS = ['open', 'early', 'data', 'answer', 'reply'] as const

/** One frame of each type, with the kinds of packet that it may stand in (spec §5.13). */
const FRAME_PLACES: readonly (readonly [string, string, readonly (typeof KINDS)[number][]])[] = [
  ['PADDING', '00', KINDS],
  ['ACK', '020400000000', ['data', 'answer', 'reply']],
  ['MAX_DATA', '040480100000', ['data', 'answer', 'reply']],
  ['BLOCKED', '060100', ['data', 'answer', 'reply']],
  ['STREAM', '080200aa', KINDS],
  ['STREAM with FIN', '0a0200aa', KINDS],
  ['REPLY_PATHS', '100501010a01aa', KINDS],
  ['PING', '120100', ['data', 'answer', 'reply']],
  ['RESET', '140100', ['data', 'answer', 'reply']],
  ['MESSAGE', `1810${'0f'.repeat(16)}`, KINDS],
  ['PRICE', '1a020100', ['answer', 'reply']],
  ['BILL', '260100', ['answer', 'reply']],
  ['AGREE', '240101', ['data']],
  ['SURPLUS', '2c0101', ['data']],
  ['COST', '2e0100', ['answer', 'reply']],
  ['PAYMENT', '1c0401000001', ['data', 'answer', 'reply']],
  ['REQUEST', '28020101', ['data', 'answer', 'reply']],
  ['DECLINE', '2a0101', ['data', 'answer', 'reply']],
  ['IDENTIFY', `1e4041${KEY}${'cd'.repeat(32)}`, ['data']],
  ['an unknown odd frame', '0300', KINDS],
]
const OPEN_FRAME = '2203000705'
const ACCEPT_FRAME = '2000'
const REFUSE_FRAME = '160105'
/** What a packet of a kind has to begin with. */
const FIRST: Readonly<Record<(typeof KINDS)[number], string>> = {
  open: OPEN_FRAME,
  early: '',
  data: '',
  answer: ACCEPT_FRAME,
  reply: '',
}

/** Which frames may stand where (spec §5.13): whole sequences of frames. */
export function placeVectors(): object[] {
  const rows: { readonly name: string; readonly kind: string; readonly frames: string; readonly allowed: boolean }[] =
    []
  const add = (name: string, kind: (typeof KINDS)[number], frames: string, allowed: boolean): void => {
    rows.push({ name: `${name} in ${kind.toUpperCase()}`, kind, frames, allowed })
  }
  for (const kind of KINDS) {
    add('the least', kind, FIRST[kind], true)
    for (const [name, frame, kinds] of FRAME_PLACES) add(name, kind, FIRST[kind] + frame, kinds.includes(kind))
    if (kind !== 'open') add('OPEN', kind, FIRST[kind] + OPEN_FRAME, false)
    if (kind !== 'answer') {
      add('ACCEPT', kind, FIRST[kind] + ACCEPT_FRAME, false)
      add('REFUSE', kind, FIRST[kind] + REFUSE_FRAME, false)
    }
  }
  add('no frame at all', 'open', '', false)
  add('no frame at all', 'answer', '', false)
  add('REFUSE first', 'answer', REFUSE_FRAME, true)
  add('PADDING before OPEN', 'open', `00${OPEN_FRAME}`, true)
  add('an unknown odd frame before ACCEPT', 'answer', `0300${ACCEPT_FRAME}`, true)
  add('STREAM before OPEN', 'open', `080200aa${OPEN_FRAME}`, false)
  add('STREAM before ACCEPT', 'answer', `080200aa${ACCEPT_FRAME}`, false)
  add('OPEN twice', 'open', OPEN_FRAME + OPEN_FRAME, false)
  add('ACCEPT twice', 'answer', ACCEPT_FRAME + ACCEPT_FRAME, false)
  add('ACCEPT and REFUSE', 'answer', ACCEPT_FRAME + REFUSE_FRAME, false)
  return rows
}

/** One thing after the other that a side counts (spec §12.3, §12.4). */
interface PriceStep {
  /** The tariff from here on; what is left out is 0. `from`: where in the responder's stream. */
  readonly tariff?: Readonly<Record<string, number>>
  readonly from?: number
  /** Packets that cost, datagrams, and the ends of both streams, since the step before. */
  readonly packets?: number
  readonly messages?: number
  readonly uploadBytes?: number
  readonly streamBytes?: number
  readonly atMs?: number
  /** What all costs then. */
  readonly costMsat: number
}

/** What connections cost, step by step (spec §12.3). */
export function priceVectors(): { readonly name: string; readonly steps: readonly PriceStep[] }[] {
  return [
    {
      name: 'packets and bytes, rounded up once in all',
      steps: [
        { tariff: { packetMsat: 7, kilobyteMsat: 1_500 }, costMsat: 0 },
        { packets: 1, streamBytes: 333, costMsat: 507 },
        { packets: 1, streamBytes: 334, costMsat: 515 },
        { packets: 1, streamBytes: 1_000, costMsat: 1_521 },
      ],
    },
    {
      name: 'a byte at 1 msat for 1,000',
      steps: [
        { tariff: { kilobyteMsat: 1 }, costMsat: 0 },
        { streamBytes: 1, costMsat: 1 },
        { streamBytes: 1_000, costMsat: 1 },
        { streamBytes: 1_001, costMsat: 2 },
      ],
    },
    {
      name: 'every component',
      steps: [
        {
          tariff: {
            openingMsat: 5_000,
            packetMsat: 10,
            kilobyteMsat: 100,
            uploadMsat: 50,
            secondMsat: 3,
            messageMsat: 70,
          },
          costMsat: 5_000,
        },
        { packets: 2, messages: 1, uploadBytes: 1_500, streamBytes: 2_000, atMs: 1_500, costMsat: 5_370 },
      ],
    },
    {
      name: 'the first tariff counts from the beginning, for what was counted before it, too',
      steps: [
        { packets: 2, uploadBytes: 1_000, atMs: 2_000, costMsat: 0 },
        { tariff: { packetMsat: 10, uploadMsat: 100, secondMsat: 1 }, atMs: 2_000, costMsat: 122 },
      ],
    },
    {
      name: 'a later one counts from then on, and the stream by its offsets',
      steps: [
        { tariff: { packetMsat: 10, kilobyteMsat: 1_000 }, costMsat: 0 },
        { packets: 3, streamBytes: 1_500, costMsat: 1_530 },
        { tariff: { packetMsat: 100, kilobyteMsat: 2_000 }, from: 2_000, costMsat: 1_530 },
        { packets: 1, streamBytes: 2_000, costMsat: 2_130 },
        { streamBytes: 3_000, costMsat: 4_130 },
      ],
    },
    {
      name: 'rates of several tariffs in one sum, rounded up once',
      steps: [
        { tariff: { kilobyteMsat: 1 }, costMsat: 0 },
        { tariff: { kilobyteMsat: 2 }, from: 100, costMsat: 0 },
        { tariff: { kilobyteMsat: 3 }, from: 200, costMsat: 0 },
        { streamBytes: 300, costMsat: 1 },
        { streamBytes: 434, costMsat: 2 },
      ],
    },
    {
      name: 'the largest numbers',
      steps: [
        { tariff: { packetMsat: 2 ** 53 - 1 }, costMsat: 0 },
        { packets: 1, costMsat: 2 ** 53 - 1 },
      ],
    },
  ]
}
