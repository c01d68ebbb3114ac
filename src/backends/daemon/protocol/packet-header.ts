/** What a packet says in clear text of the connection that it belongs to. */
import { ProtocolError } from '../../../wire/errors.ts'
import { decodeHeader, type DecodedHeader, type Header } from '../../../wire/packets.ts'

/** The header of a packet that names its connection; undefined for a record that is no packet of ours. */
export function headerOf(record: Uint8Array): DecodedHeader | undefined {
  try {
    return decodeHeader(record, 'cid')
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** A packet's kind tells which end of the connection sent it (spec §3.5). */
export function isFromInitiator({ kind }: Header): boolean {
  return kind === 'open' || kind === 'early' || kind === 'data'
}
