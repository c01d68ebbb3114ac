/** One whole exchange, byte by byte: spec/vectors/exchange.json, and the same as it stands in spec §17. */
import * as noise from './noise.ts'

/** Some bytes, and what they say. */
interface Part {
  readonly hex: string
  readonly says: string
}

interface ExchangePacket {
  readonly title: string
  readonly lane: string
  readonly kind: 'open' | 'answer' | 'data' | 'reply'
  readonly number: number
  /** What stands in the clear. */
  readonly header: readonly Part[]
  /** The frames before they are sealed. */
  readonly frames: readonly Part[]
}

const secrets = {
  responderSecret: Buffer.alloc(32, 0x11),
  initiatorEphemeralSecret: Buffer.alloc(32, 0x22),
  responderEphemeralSecret: Buffer.alloc(32, 0x33),
  cid: Buffer.from('0102030405060708', 'hex'),
}
const CID: Part = { hex: '0102030405060708', says: 'cid' }

const OPEN_FRAMES: readonly Part[] = [
  { hex: '2206', says: 'OPEN, 6 bytes' },
  { hex: '0007', says: 'port 7' },
  { hex: '800dbba0', says: 'height 900,000; no parameter differs from its default' },
  { hex: '1009', says: 'REPLY_PATHS, 9 bytes' },
  { hex: '0101', says: 'generation 1, one path' },
  { hex: '800dbc3002aabb', says: 'until height 900,144, 2 bytes (a real path has about 250: §9.10)' },
  { hex: '0c0068656c6c6f', says: 'STREAM to the end of the packet, offset 0, "hello"' },
]

function join(parts: readonly Part[]): Buffer {
  return Buffer.from(parts.map(({ hex }) => hex).join(''), 'hex')
}

const transcript = noise.handshake({ ...secrets, frames: join(OPEN_FRAMES) })

const packets: readonly ExchangePacket[] = [
  {
    title: 'OPEN, initiator to responder over the node lane',
    lane: 'node',
    kind: 'open',
    number: 0,
    header: [
      { hex: '18', says: 'version 1, with a connection id, kind 0: OPEN' },
      CID,
      { hex: '00', says: 'attempt 0' },
      { hex: transcript.initiatorEphemeral.toString('hex'), says: 'e_i' },
    ],
    frames: OPEN_FRAMES,
  },
  {
    title: 'ANSWER, responder to initiator over the path',
    lane: 'phantom',
    kind: 'answer',
    number: 0,
    header: [
      { hex: '13', says: 'version 1, no connection id (the path names the connection), kind 3: ANSWER' },
      { hex: transcript.responderEphemeral.toString('hex'), says: 'e_r' },
      { hex: '00', says: 'number 0' },
    ],
    frames: [
      { hex: '2000', says: 'ACCEPT, all parameters at their defaults' },
      { hex: '020405000000', says: 'ACK: every byte below 5 is there; largest 0, no further range, 0 to 0' },
      { hex: '0c00776f726c64', says: 'STREAM to the end, offset 0, "world"' },
    ],
  },
  {
    title: 'DATA, initiator to responder over the node lane, with the end of its stream',
    lane: 'node',
    kind: 'data',
    number: 1,
    header: [
      { hex: '1a', says: 'version 1, with a connection id, kind 2: DATA' },
      CID,
      { hex: '01', says: 'number 1' },
    ],
    frames: [{ hex: '0a0105', says: 'STREAM with FIN, 1 byte: offset 5, no data; so 5 is the final offset' }],
  },
  {
    title: 'REPLY, responder to initiator over the path, with its end and the word that all has come',
    lane: 'phantom',
    kind: 'reply',
    number: 1,
    header: [
      { hex: '14', says: 'version 1, no connection id, kind 4: REPLY' },
      { hex: '01', says: 'number 1' },
    ],
    frames: [
      {
        hex: '020406010001',
        says: 'ACK: delivered 6, one more than the final offset; largest 1, no further range, 0 to 1',
      },
      { hex: '0e05', says: 'STREAM to the end, with FIN: offset 5, no data' },
    ],
  },
]

function made({ kind, number, header, frames }: ExchangePacket): {
  sealed: string
  packet: string
  preimage: string | null
} {
  const head = join(header)
  const plain = join(frames)
  if (kind === 'open') {
    const packet = transcript.open
    return { sealed: packet.subarray(head.length).toString('hex'), packet: packet.toString('hex'), preimage: null }
  }
  const [key, settle] =
    kind === 'data'
      ? [transcript.mainSealToResponder, transcript.mainSettleToResponder]
      : [transcript.mainSealToInitiator, transcript.mainSettleToInitiator]
  const sealed = noise.encrypt(key, number, Buffer.concat([transcript.h2, head]), plain)
  const message = Buffer.alloc(9)
  message.writeBigUInt64BE(BigInt(number))
  return {
    sealed: sealed.toString('hex'),
    packet: Buffer.concat([head, sealed]).toString('hex'),
    preimage: kind === 'data' ? null : noise.hmac(settle, message).toString('hex'),
  }
}

/** The exchange with everything that follows from its secrets. */
export function exchangeVectors(): object {
  const hex = Object.fromEntries(Object.entries(secrets).map(([name, bytes]) => [name, bytes.toString('hex')]))
  return { ...hex, packets: packets.map((packet) => ({ ...packet, ...made(packet) })) }
}

const COLUMN = 36

/** A line: the bytes, in rows of 16 where they are many, and what they say behind them. */
function line({ hex, says }: Part): string {
  const rows = hex.match(/.{1,32}/g) ?? ['']
  return rows.map((row, i) => (i === rows.length - 1 ? `${row.padEnd(COLUMN)}# ${says}` : row)).join('\n')
}

/** The blocks of spec §17. */
export function exchangeText(): string {
  return packets
    .map((packet, i) => {
      const { sealed, preimage } = made(packet)
      const tag = { hex: sealed, says: `sealed: the ${sealed.length / 2 - 16} bytes of the frames, and a tag of 16` }
      const lines = [
        `${i + 1}. ${packet.title}`,
        'in the clear',
        ...packet.header.map((part) => line(part)),
        'frames, before they are sealed',
        ...packet.frames.map((part) => line(part)),
        'what travels behind the header',
        line(tag),
        ...(preimage === null
          ? []
          : [
              'the preimage of its payment (§4.8)',
              line({ hex: preimage, says: 'HMAC(main settle r2i, number as u64 ‖ 00)' }),
            ]),
      ]
      return lines.join('\n')
    })
    .join('\n\n')
}
