/** UDP datagrams as messages of a connection (spec/udp.md §2). */
import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_INCOMPLETE } from './limits.ts'

/** What a message of a connection holds (spec §12.8). */
const MESSAGE_ROOM_BYTES = 512
/** The first byte of a message: a whole datagram, or a piece of one. */
const WHOLE = 0
const PIECE = 1
/** kind u8, number u16, index u8, count u8 */
const PIECE_HEAD_BYTES = 5
/** Two pieces of this size go into one packet of some 900 bytes, with the heads of their frames. */
const DATAGRAM_PIECE_BYTES = 400
/** What a DNS server sends at most by usual configurations (EDNS, 4,096), and more than an Ethernet frame. */
export const MAX_DATAGRAM_BYTES = 4_096
const MAX_PIECES: number = Math.ceil(MAX_DATAGRAM_BYTES / DATAGRAM_PIECE_BYTES)

/** Cuts datagrams into messages, and joins those of the other side. */
export class Datagrams {
  #number = 0
  readonly #incomplete: BoundedMap<number, (Uint8Array | undefined)[]> = new BoundedMap(MAX_INCOMPLETE)

  /** The messages of a datagram; none for one that is too large. */
  cut(data: Uint8Array): Uint8Array[] {
    if (data.length < MESSAGE_ROOM_BYTES) return [Buffer.concat([Uint8Array.of(WHOLE), data])]
    if (data.length > MAX_DATAGRAM_BYTES) return []
    const count = Math.ceil(data.length / DATAGRAM_PIECE_BYTES)
    const number = this.#number
    this.#number = (number + 1) & 0xffff
    return Array.from({ length: count }, (_, index) => {
      const piece = data.subarray(index * DATAGRAM_PIECE_BYTES, (index + 1) * DATAGRAM_PIECE_BYTES)
      return Buffer.concat([Uint8Array.of(PIECE, number >> 8, number & 0xff, index, count), piece])
    })
  }

  /** The datagram that a message completes; undefined: none, or it is no message of ours. */
  join(message: Uint8Array): Uint8Array | undefined {
    const [kind, high = 0, low = 0, index = 0, count = 0] = message
    if (kind === WHOLE) return message.subarray(1)
    if (kind !== PIECE || message.length <= PIECE_HEAD_BYTES || index >= count || count > MAX_PIECES) return undefined
    const number = high * 256 + low
    const known = this.#incomplete.get(number)
    const pieces = known?.length === count ? known : Array.from({ length: count }, () => undefined)
    pieces[index] = message.subarray(PIECE_HEAD_BYTES)
    this.#incomplete.renew(number, pieces)
    if (pieces.includes(undefined)) return undefined
    this.#incomplete.delete(number)
    return Buffer.concat(pieces.filter((piece) => piece !== undefined))
  }
}
