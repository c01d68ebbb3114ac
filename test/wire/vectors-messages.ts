/** spec/vectors/messages.json: NOTEs made by noise.ts, and what becomes of attempts under one id (spec §18). */
import * as noise from './noise.ts'
import { toJson } from './vectors-json.ts'

const RECEIVER_SECRET = Buffer.alloc(32, 0x11)
const EPHEMERAL_SECRET = Buffer.alloc(32, 0x22)
const HEIGHT = 900_000
const ID = Buffer.alloc(16, 0x44)

interface Note {
  readonly name: string
  readonly number: number
  readonly attempt: number
  readonly failed: number
  /** The sealed letter. */
  readonly letter: Buffer
  readonly isLocked?: boolean
}

/** Port 7, the height, the id, and then what is given. */
function letterOf(parameters: string, data: string): Buffer {
  const length = parameters.length / 2
  if (length > 63) throw new Error('a length of two bytes')
  return Buffer.concat([
    Buffer.from('0007800dbba0', 'hex'),
    ID,
    Buffer.of(length),
    Buffer.from(parameters, 'hex'),
    Buffer.from(data),
  ])
}

const CONTENT = `0224${'55'.repeat(32)}800186a0`
const LOCKED = '0400'

const NOTES: readonly Note[] = [
  { name: 'a short message', number: 0, attempt: 0, failed: 0, letter: letterOf('', 'hello') },
  { name: 'no bytes at all', number: 0, attempt: 0, failed: 0, letter: letterOf('', '') },
  { name: 'a later attempt', number: 0, attempt: 3, failed: 2, letter: letterOf('', 'hello') },
  { name: 'a further message under the same key', number: 300, attempt: 0, failed: 0, letter: letterOf('', 'more') },
  { name: 'content that came as a stream', number: 0, attempt: 0, failed: 0, letter: letterOf(CONTENT, '') },
  { name: 'locked', number: 0, attempt: 1, failed: 1, letter: letterOf(LOCKED, 'swap'), isLocked: true },
  { name: 'an unknown odd parameter', number: 0, attempt: 0, failed: 0, letter: letterOf('070101', 'hello') },
]

const BAD_LETTERS: readonly { readonly name: string; readonly letter: Buffer; readonly error: string }[] = [
  { name: 'port 0', letter: Buffer.concat([Buffer.of(0, 0), letterOf('', '').subarray(2)]), error: 'PROTOCOL' },
  { name: 'cut in its id', letter: letterOf('', '').subarray(0, 12), error: 'PROTOCOL' },
  {
    name: 'parameters beyond its end',
    letter: Buffer.concat([letterOf('', '').subarray(0, 22), Buffer.of(9)]),
    error: 'PROTOCOL',
  },
  { name: 'content and data', letter: letterOf(CONTENT, 'x'), error: 'PROTOCOL' },
  { name: 'a parameter twice', letter: letterOf(LOCKED + LOCKED, ''), error: 'PROTOCOL' },
  { name: 'parameters out of order', letter: letterOf(LOCKED + CONTENT, ''), error: 'PROTOCOL' },
  { name: 'locked with a value', letter: letterOf('040100', ''), error: 'PROTOCOL' },
  { name: 'an unknown even parameter', letter: letterOf('080101', ''), error: 'UNSUPPORTED' },
]

function keys(): { readonly key: Buffer; readonly associated: Buffer; readonly settle: Buffer } {
  let h = noise.sha256(Buffer.from('Noise_NK_secp256k1_ChaChaPoly_SHA256'))
  let ck = h
  h = noise.sha256(h, Buffer.from('keysock note\x01'))
  h = noise.sha256(h, noise.publicKey(RECEIVER_SECRET))
  h = noise.sha256(h, noise.publicKey(EPHEMERAL_SECRET))
  const t = noise.hmac(ck, noise.ecdh(RECEIVER_SECRET, noise.publicKey(EPHEMERAL_SECRET)))
  ck = noise.hmac(t, Buffer.of(1))
  return {
    key: noise.hmac(t, ck, Buffer.of(2)),
    associated: h,
    settle: noise.hmac(ck, Buffer.from('keysock note settle')),
  }
}

function varint(value: number): Buffer {
  return value < 64 ? Buffer.of(value) : Buffer.of(0x40 | (value >> 8), value & 0xff)
}

function packetOf({ number, attempt, failed, letter }: Pick<Note, 'number' | 'attempt' | 'failed' | 'letter'>): Buffer {
  const { key, associated } = keys()
  return Buffer.concat([
    Buffer.of(0x15, attempt, failed),
    noise.publicKey(EPHEMERAL_SECRET),
    varint(number),
    noise.encrypt(key, number, associated, letter),
  ])
}

function preimageOf({ number, attempt }: Note): Buffer {
  const message = Buffer.alloc(9)
  message.writeBigUInt64BE(BigInt(number))
  message[8] = attempt
  return noise.hmac(keys().settle, message)
}

/** Attempts of one message in their order, each after the one before was answered. */
const ATTEMPTS = [
  {
    name: 'a copy of what was accepted brings nothing',
    steps: [
      { attempt: 0, failed: 0, says: 'accept', verdict: 'settle' },
      { attempt: 1, failed: 0, says: null, verdict: 'DUPLICATE' },
    ],
  },
  {
    name: 'the verdict was lost: the next attempt is taken in its place, and no other',
    steps: [
      { attempt: 0, failed: 0, says: 'accept', verdict: 'settle' },
      { attempt: 1, failed: 1, says: null, verdict: 'settle' },
      { attempt: 2, failed: 1, says: null, verdict: 'DUPLICATE' },
      { attempt: 3, failed: 3, says: null, verdict: 'settle' },
    ],
  },
  {
    name: 'what was refused is refused again, whatever the sender says',
    steps: [
      { attempt: 0, failed: 0, says: 'refuse', verdict: 'APPLICATION_300' },
      { attempt: 1, failed: 1, says: null, verdict: 'APPLICATION_300' },
    ],
  },
  {
    name: 'the same payment is offered again after its process was started again',
    steps: [
      { attempt: 4, failed: 4, says: 'accept', verdict: 'settle' },
      { attempt: 4, failed: 4, says: null, verdict: 'settle' },
    ],
  },
]

export function messageVectors(): object {
  const note = packetOf(NOTES[0] as Note)
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(note)
    copy[at] = value
    return copy
  }
  return toJson({
    receiverSecret: RECEIVER_SECRET,
    receiverKey: noise.publicKey(RECEIVER_SECRET),
    ephemeralSecret: EPHEMERAL_SECRET,
    ephemeral: noise.publicKey(EPHEMERAL_SECRET),
    ...keys(),
    height: HEIGHT,
    port: 7,
    id: ID,
    valid: NOTES.map((each) => ({
      ...each,
      isLocked: each.isLocked === true,
      packet: packetOf(each),
      preimage: each.isLocked === true ? null : preimageOf(each),
      hash: each.isLocked === true ? null : noise.sha256(preimageOf(each)),
    })),
    invalid: [
      ...BAD_LETTERS.map(({ letter, ...rest }) => ({
        ...rest,
        packet: packetOf({ number: 0, attempt: 0, failed: 0, letter }),
      })),
      { name: 'a wrong tag', error: 'tag', packet: changed(note.length - 1, 0) },
      { name: 'another number than it was sealed with', error: 'tag', packet: changed(36, 1) },
      { name: 'more attempts failed than were made', error: 'PROTOCOL', packet: changed(2, 1) },
      { name: 'a key that is no point', error: 'PROTOCOL', packet: changed(3, 5) },
      { name: 'cut short', error: 'PROTOCOL', packet: note.subarray(0, 52) },
    ],
    attempts: ATTEMPTS,
  }) as object
}
