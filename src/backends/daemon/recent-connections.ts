import { toHex } from '../../floor/bytes.ts'
import { MAX_NAMED_CONNECTIONS } from './bounds.ts'
import { headerOf } from './connections.ts'

/** The connection ids that a program met last, to tell a daemon that forgot them. */
export class RecentConnections {
  readonly #initiators = new Map<string, Uint8Array>()
  readonly #responders = new Map<string, Uint8Array>()

  get initiators(): readonly Uint8Array[] {
    return [...this.#initiators.values()]
  }

  get responders(): readonly Uint8Array[] {
    return [...this.#responders.values()]
  }

  /** An OPEN that was paid makes this program its responder; other packets may be somebody else's. */
  received(record: Uint8Array): void {
    const header = headerOf(record)?.header
    if (header?.cid === undefined) return
    if (header.kind === 'open' || this.#responders.has(toHex(header.cid))) keep(this.#responders, header.cid)
  }

  /** On the node lane, what is sent names its connection. */
  sent(record: Uint8Array): void {
    const header = headerOf(record)?.header
    if (header?.cid === undefined) return
    const isInitiator = header.kind === 'open' || header.kind === 'early' || header.kind === 'data'
    keep(isInitiator ? this.#initiators : this.#responders, header.cid)
  }
}

function keep(ids: Map<string, Uint8Array>, id: Uint8Array): void {
  const key = toHex(id)
  ids.delete(key)
  ids.set(key, id)
  if (ids.size > MAX_NAMED_CONNECTIONS) ids.delete(ids.keys().next().value as string)
}
