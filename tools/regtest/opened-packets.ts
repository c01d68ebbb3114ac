/** Opens what a responder's process opens, with the secrets that it drew. */
import type { Backend } from '../../src/backends/backend.ts'
import { toHex } from '../../src/floor/bytes.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeResponder, respond } from '../../src/wire/handshake.ts'
import type { DirectionKeys } from '../../src/wire/keys.ts'
import { decodeHeader, openPacket } from '../../src/wire/packets.ts'

/** What reached a responder of one connection. */
export interface OpenedConnection {
  /** Eight bytes, in hex. */
  readonly cid: string
  /** The initiator's ephemeral key, 33 bytes. */
  readonly ephemeral: Uint8Array
  /** Every packet, sealed. */
  readonly records: readonly Uint8Array[]
  /** Every frame in them. */
  readonly frames: readonly Frame[]
}

export interface SealedPackets {
  readonly responderKey: Uint8Array
  /** Packets that came over the node lane, of any number of connections. */
  readonly records: readonly Uint8Array[]
  /** Every value of 32 bytes that the responder's process drew. */
  readonly secrets: readonly Uint8Array[]
  readonly sharedSecret: Backend['sharedSecret']
}

/** By connection, in the order of their OPENs. @throws Error where a packet stays sealed: a search would miss it */
export async function openPackets(sealed: SealedPackets): Promise<OpenedConnection[]> {
  const byCid = Map.groupBy(sealed.records, (record) =>
    toHex(decodeHeader(record, 'cid').header.cid ?? new Uint8Array()),
  )
  return await Promise.all([...byCid].map(([cid, records]) => openConnection(cid, { ...sealed, records })))
}

async function openConnection(cid: string, sealed: SealedPackets): Promise<OpenedConnection> {
  const { responderKey, records, secrets, sharedSecret } = sealed
  const frames: Frame[] = []
  const keys: DirectionKeys[] = []
  let opener: Uint8Array | undefined
  for (const record of records) {
    const { header, sealedOffset } = decodeHeader(record, 'cid')
    if (header.kind !== 'open') continue
    const { ephemeral } = header
    const secret = await sharedSecret(ephemeral)
    const response = respond({
      responderKey,
      cid: header.cid,
      ephemeral,
      sharedSecret: secret,
      sealed: record.subarray(sealedOffset),
    })
    if (response === undefined) continue
    opener = ephemeral
    frames.push(...decodeFrames(response.frames))
    keys.push(response.early, ...secrets.map((drawn) => completeResponder(response, drawn).main.toResponder))
  }
  if (opener === undefined) throw new Error(`of connection ${cid} came no OPEN`)
  let closed = 0
  for (const record of records) {
    const decoded = decodeHeader(record, 'cid')
    if (decoded.header.kind === 'open') continue
    const plain = keys.map((key) => openPacket(record, decoded, key)).find((bytes) => bytes !== undefined)
    if (plain === undefined) closed++
    else frames.push(...decodeFrames(plain))
  }
  if (closed > 0) throw new Error(`${closed} of ${records.length} packets stayed sealed: the search would miss them`)
  return { cid, ephemeral: opener, records, frames }
}

/** The reply paths in these frames, as bytes. */
export function pathsIn(frames: readonly Frame[]): Uint8Array[] {
  return frames.flatMap((frame) => (frame.type === 'reply-paths' ? frame.paths.map((path) => path.bytes) : []))
}

/** The same backend, with every secret that its process draws kept, so that what the process opens can be opened. */
export function recordingEntropy(backend: Backend, secrets: Uint8Array[]): Backend {
  const { entropy } = backend
  if (entropy === undefined) throw new Error('this backend brings no entropy that could be listened to')
  const recorder = {
    bytes: (length: number): Uint8Array => {
      const drawn = entropy.bytes(length)
      if (length === 32) secrets.push(drawn.slice())
      return drawn
    },
  }
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'entropy') return recorder
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
