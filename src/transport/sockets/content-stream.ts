/** Contents of messages that no payment has room for: a stream before the payment (spec §18.8). */
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, equalBytes } from '../../floor/bytes.ts'
import { Code, codeName, ProtocolError } from '../../wire/errors.ts'
import { KEY_BYTES } from '../../wire/keys.ts'
import { type Content, NOTE_ID_BYTES } from '../../wire/notes.ts'
import { Reader } from '../../wire/reader.ts'
import { varintSize, Writer } from '../../wire/writer.ts'
import type { SocketHost } from '../driver/connection-handle.ts'
import { KeysockError } from '../errors.ts'
import { CONTENT_SILENCE_MS, MAX_CONTENT_STREAMS } from '../limits.ts'
import type { ConnectOptions, ConnectTarget } from '../options/options.ts'
import { createSocket } from './connecting.ts'
import { Server } from './server.ts'
import type { Socket } from './socket.ts'

/** The version of the stream, in its first byte. */
const VERSION = 1
/** The longest head: version, id, hash, a length of eight bytes. */
const MAX_HEAD_BYTES: number = 1 + NOTE_ID_BYTES + KEY_BYTES + 8
/** The receiver has all. */
const COMPLETE = 0

/** Where contents go to. */
export interface ContentKeeper {
  readonly maxBytes: number
  /** The message was taken before: nothing more is needed. */
  isKnown(id: Uint8Array): boolean
  keep(id: Uint8Array, content: Content, bytes: Uint8Array): void
}

/** Brings a content to the receiver; resolves once that has it. @throws KeysockError, or the signal's reason */
export async function bringContent(
  host: SocketHost,
  target: ConnectTarget,
  options: ConnectOptions,
  sent: { readonly id: Uint8Array; readonly content: Content; readonly bytes: Uint8Array },
): Promise<void> {
  const { id, content, bytes } = sent
  const head = new Uint8Array(1 + NOTE_ID_BYTES + KEY_BYTES + varintSize(content.length))
  const writer = new Writer(head)
  writer.u8(VERSION)
  writer.put(id)
  writer.put(content.sha256)
  writer.varint(content.length)
  const socket = createSocket(host, { target, options: { ...options, allowHalfOpen: true }, onConnect: undefined })
  socket.write(head)
  socket.end(bytes)
  let code: number | undefined
  // The answer is one byte, and the stream's end.
  for await (const chunk of socket as AsyncIterable<Uint8Array>) code ??= chunk[0]
  if (code === COMPLETE) return
  if (code === undefined)
    throw new KeysockError('ECONNRESET', 'the receiver ended the stream of a message without an answer')
  throw new KeysockError(
    'ECONNREFUSED',
    `the receiver does not take a message of ${bytes.length} bytes (${codeName(code)}); nothing was paid for it`,
    {
      peerCode: code,
    },
  )
}

/** Takes contents on a port. */
export function contentServer(host: SocketHost, keeper: ContentKeeper): Server {
  const server = new Server(host, { allowHalfOpen: true }, (socket) => {
    socket.setTimeout(CONTENT_SILENCE_MS, () => socket.destroy())
    // Whoever goes away comes again.
    socket.on('error', () => undefined)
    void takeContent(socket, keeper).then(
      (code) => socket.end(Uint8Array.of(code)),
      () => socket.destroy(),
    )
  })
  server.maxConnections = MAX_CONTENT_STREAMS
  return server
}

/** The answer: COMPLETE, or the code of a refusal. */
async function takeContent(socket: Socket, keeper: ContentKeeper): Promise<number> {
  const chunks: Uint8Array[] = []
  let got = 0
  let head: Head | undefined
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    got += chunk.length
    try {
      head ??= headOf(concat(...chunks))
    } catch (error) {
      if (error instanceof ProtocolError) return error.code
      throw error
    }
    if (head === undefined) continue
    const { id, content } = head
    if (keeper.isKnown(id)) return COMPLETE
    if (content.length > keeper.maxBytes) return Code.NO_ROOM
    if (got > head.bytes + content.length) return Code.PROTOCOL
  }
  if (head === undefined) return Code.PROTOCOL
  const { id, content } = head
  const bytes = concat(...chunks).subarray(head.bytes)
  if (bytes.length !== content.length || !equalBytes(sha256(bytes), content.sha256)) return Code.PROTOCOL
  keeper.keep(id, content, bytes)
  return COMPLETE
}

interface Head {
  readonly id: Uint8Array
  readonly content: Content
  /** Its own length. */
  readonly bytes: number
}

/** Undefined while it is not all there. @throws ProtocolError */
function headOf(bytes: Uint8Array): Head | undefined {
  if (bytes.length > 0 && bytes[0] !== VERSION) throw new ProtocolError(Code.VERSION, 'another version')
  if (bytes.length < MAX_HEAD_BYTES - 7) return undefined
  const reader = new Reader(bytes)
  reader.u8()
  const id = reader.take(NOTE_ID_BYTES).slice()
  const hash = reader.take(KEY_BYTES).slice()
  // A varint says its length in its first byte.
  const lengthBytes = 1 << ((bytes[reader.position] ?? 0) >>> 6)
  if (bytes.length < reader.position + lengthBytes) return undefined
  return { id, content: { sha256: hash, length: reader.varint() }, bytes: reader.position }
}
