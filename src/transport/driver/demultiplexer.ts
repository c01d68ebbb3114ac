import type { BackendEvent } from '../../backends/backend.ts'
import { toHex } from '../../floor/bytes.ts'
import { Code, ProtocolError } from '../../wire/errors.ts'
import { decodeHeader, type Header } from '../../wire/packets.ts'
import type { Connection } from '../connection/connection.ts'
import type { Lane } from '../../medium/payment.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { Decide, Offer } from './held-offers.ts'
import type { Acceptor } from './acceptor.ts'
import { EarlyPackets } from '../tables/early-packets.ts'
import type { Tombstones } from '../tables/tombstones.ts'

type NodeArrival = Extract<BackendEvent, { readonly type: 'arrival' }>

/** What the demultiplexer needs of its driver. */
export interface DemultiplexerOwner {
  readonly acceptor: Acceptor
  readonly tombstones: Tombstones
  now(): number
  /** Counted; `amountMsat` came with it and belongs to no connection (spec §8.12). */
  stray(why: string, amountMsat: bigint): void
}

/**
 * From what arrives to the connection that it belongs to: by path on a lane that one connection has for
 * itself, by connection id otherwise. A packet's kind tells its direction, so one node may hold both ends
 * of a connection (spec §3.5).
 */
export class Demultiplexer {
  readonly #owner: DemultiplexerOwner
  readonly #initiators: Map<string, DrivenConnection> = new Map()
  readonly #responders: Map<string, DrivenConnection> = new Map()
  readonly #byPath: Map<string, DrivenConnection> = new Map()
  readonly #early: EarlyPackets = new EarlyPackets()

  constructor(owner: DemultiplexerOwner) {
    this.#owner = owner
  }

  get size(): number {
    return this.#initiators.size + this.#responders.size
  }

  get early(): number {
    return this.#early.size
  }

  get paths(): number {
    return this.#byPath.size
  }

  *links(): Generator<DrivenConnection> {
    yield* this.#initiators.values()
    yield* this.#responders.values()
  }

  *connections(): Generator<Connection> {
    for (const link of this.links()) yield link.connection
  }

  responder(connectionId: string): DrivenConnection | undefined {
    return this.#responders.get(connectionId)
  }

  byPath(pathId: string): DrivenConnection | undefined {
    return this.#byPath.get(pathId)
  }

  add(link: DrivenConnection): void {
    if (link.connection.role === 'initiator') this.#initiators.set(link.id, link)
    else this.#responders.set(link.id, link)
  }

  remove(link: DrivenConnection): void {
    if (link.connection.role === 'initiator') this.#initiators.delete(link.id)
    else this.#responders.delete(link.id)
  }

  addPath(pathId: string, link: DrivenConnection): void {
    this.#byPath.set(pathId, link)
  }

  removePath(pathId: string): void {
    this.#byPath.delete(pathId)
  }

  /** What came before its OPEN (spec §6.6). */
  earlyOf(link: DrivenConnection): readonly Arrival[] {
    return this.#early.take(this.#owner.now(), link.id)
  }

  /** Node lane. */
  arrival({ record, amountMsat, hash }: NodeArrival): void {
    const arrival: Arrival = { lane: 'node', record, amountMsat, hash }
    const header = headerOf(record)
    if (header === undefined) return this.#owner.stray('malformed', amountMsat)
    if (header.kind === 'open') return this.#owner.acceptor.take(header, arrival, undefined)
    const link = this.#linkOf(header, 'node')
    if (link !== undefined) {
      link.receive(arrival)
      return
    }
    const id = header.cid === undefined ? '' : toHex(header.cid)
    const waits = header.kind === 'early' && !this.#owner.tombstones.has(id)
    if (waits && this.#early.keep(this.#owner.now(), id, arrival)) return
    this.#owner.stray(waits ? 'too many early packets' : 'unknown connection', amountMsat)
  }

  /** Phantom lane. */
  offer(offer: Offer, decide: Decide): void {
    const { record, amountMsat, hash, pathId } = offer
    if (pathId !== undefined) {
      const link = this.#byPath.get(pathId)
      // spec §9.3: one that was closed belongs to nobody, least of all to those who take packets at the node's phantom.
      if (link === undefined) return this.#refuse(decide, Code.CLOSED)
      return decide(link.receive({ lane: 'phantom', record, amountMsat, hash, pathId }), link)
    }
    const arrival: Arrival = { lane: 'phantom', record, amountMsat, hash }
    const header = headerOf(record)
    if (header === undefined) return this.#refuse(decide, Code.PROTOCOL)
    if (header.kind === 'open') return this.#owner.acceptor.take(header, arrival, decide)
    const known = this.#linkOf(header, 'phantom')
    if (known !== undefined) return decide(known.receive(arrival), known)
    // spec §6.6
    this.#refuse(decide, header.kind === 'early' ? Code.STALE : Code.CLOSED)
  }

  #linkOf(header: Header, lane: Lane): DrivenConnection | undefined {
    if (header.cid === undefined) return undefined
    const id = toHex(header.cid)
    switch (header.kind) {
      case 'open':
      case 'early':
      case 'data':
        return this.#responders.get(id)
      case 'answer':
      case 'reply': {
        // spec §3.3: an initiator that hides is met over its paths only. Here anyone could ask whether it is this node's.
        const link = lane === 'node' ? this.#initiators.get(id) : undefined
        return link?.asksDirect === true ? link : undefined
      }
    }
  }

  #refuse(decide: Decide, code: Code): void {
    this.#owner.stray('unknown connection', 0n)
    decide({ action: 'refuse', code }, undefined)
  }
}

/** The header of a packet that names its connection; undefined where it is malformed. */
function headerOf(record: Uint8Array): Header | undefined {
  try {
    return decodeHeader(record, 'cid').header
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}
