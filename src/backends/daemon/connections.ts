import { toHex } from '../../floor/bytes.ts'
import { ProtocolError } from '../../wire/errors.ts'
import { decodeHeader, type DecodedHeader, type Header } from '../../wire/packets.ts'
import { MAX_CONNECTIONS } from './bounds.ts'

/** A program, as connections know it. */
export interface Owner {
  readonly isGone: boolean
}

/** Connection ids in hexadecimal, the latest last, with who has them. Bounded: the oldest goes. */
class Ids<Client extends Owner> {
  readonly #owners = new Map<string, Client>()

  /** What is used stays longer. */
  get(id: string): Client | undefined {
    const owner = this.#owners.get(id)
    if (owner?.isGone === false) this.learn(id, owner)
    return owner
  }

  /** An id that a living program has stays with it. */
  learn(id: string, client: Client): void {
    const owner = this.#owners.get(id)
    if (owner !== undefined && owner !== client && !owner.isGone) return
    this.#owners.delete(id)
    this.#owners.set(id, client)
    if (this.#owners.size > MAX_CONNECTIONS) this.#owners.delete(this.#owners.keys().next().value as string)
  }

  count(client: Client): number {
    let count = 0
    for (const owner of this.#owners.values()) if (owner === client) count += 1
    return count
  }
}

/** Which program has which end of which connection. A packet's kind tells the end that it is for (spec §3.5). */
export class Connections<Client extends Owner> {
  readonly #initiators = new Ids<Client>()
  readonly #responders = new Ids<Client>()

  /** Who takes packets with this header; it may be gone. */
  ownerOf(header: Header): Client | undefined {
    if (header.cid === undefined) return undefined
    return this.#ends(header, 'receiver').get(toHex(header.cid))
  }

  /** `client` takes packets like this one from now on. */
  receives(header: Header, client: Client): void {
    if (header.cid !== undefined) this.#ends(header, 'receiver').learn(toHex(header.cid), client)
  }

  /** `client` sends this packet, so the answers are for it. */
  sends(header: Header, client: Client): void {
    if (header.cid !== undefined) this.#ends(header, 'sender').learn(toHex(header.cid), client)
  }

  adopt(
    client: Client,
    ids: { readonly initiators: readonly Uint8Array[]; readonly responders: readonly Uint8Array[] },
  ): void {
    for (const id of ids.initiators) this.#initiators.learn(toHex(id), client)
    for (const id of ids.responders) this.#responders.learn(toHex(id), client)
  }

  count(client: Client): number {
    return this.#initiators.count(client) + this.#responders.count(client)
  }

  #ends({ kind }: Header, end: 'sender' | 'receiver'): Ids<Client> {
    const isFromInitiator = kind === 'open' || kind === 'early' || kind === 'data'
    return isFromInitiator === (end === 'sender') ? this.#initiators : this.#responders
  }
}

/** The header of a packet that names its connection; undefined where it is none of ours. */
export function headerOf(record: Uint8Array): DecodedHeader | undefined {
  try {
    return decodeHeader(record, 'cid')
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}
