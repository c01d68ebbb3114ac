import type { BackendEvent } from '../../backends/backend.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { Code, ProtocolError } from '../../wire/errors.ts'
import { isNote } from '../../wire/notes.ts'
import { decodeHeader, type Header } from '../../wire/packets.ts'
import type { EarlyPackets } from '../tables/early-packets.ts'
import type { Tombstones } from '../tables/tombstones.ts'
import type { Acceptor } from './acceptor.ts'
import type { Accountant } from './accountant.ts'
import type { Connections } from './connections.ts'
import type { DriverCounts } from './counts.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { handTo, type OfferDecision, type PhantomOffer, refusal } from './held-offers.ts'
import type { NoteDoor } from './note-door.ts'
import type { PathMaker } from './path-maker.ts'
import type { Runtime } from './runtime.ts'
import { ToldArrivals } from './told-arrivals.ts'

type NodeArrival = Extract<BackendEvent, { readonly type: 'arrival' }>

interface DemultiplexerParts {
  readonly runtime: Runtime
  readonly connections: Connections
  readonly acceptor: Acceptor
  readonly tombstones: Tombstones
  readonly early: EarlyPackets
  readonly counts: DriverCounts
  readonly accountant: Pick<Accountant, 'received'>
  readonly paths: Pick<PathMaker, 'heard'>
  readonly notes: NoteDoor
}

/**
 * From what arrives to the connection that it belongs to: by path on a lane that one connection has for
 * itself, by connection id otherwise. A packet's kind tells its direction, so one node may hold both ends
 * of a connection (spec §3.5).
 */
export class Demultiplexer {
  readonly #parts: DemultiplexerParts
  readonly #told = new ToldArrivals()

  constructor(parts: DemultiplexerParts) {
    this.#parts = parts
  }

  /** Node lane: the packet is paid already, whatever becomes of it. */
  receiveArrival({ record, amountMsat: paidMsat, hash, settleIndex }: NodeArrival): void {
    // What the node tells again brought its money the first time.
    const isNew = this.#told.add(settleIndex)
    const amountMsat = isNew ? paidMsat : 0n
    const { runtime, acceptor, tombstones, early, counts } = this.#parts
    const arrival: Arrival = { lane: 'node', record, amountMsat: paidMsat, hash }
    // A message's money goes into the account with what becomes of the message.
    if (isNote(record)) return void this.#parts.notes.receive({ ...arrival, amountMsat })
    const header = headerOf(record)
    if (header === undefined) return counts.stray('malformed', amountMsat)
    if (header.kind === 'open') {
      const decision = acceptor.receive(header, arrival)
      if (decision instanceof Promise) return void decision.then((decided) => this.#paid(decided, amountMsat))
      return this.#paid(decision, amountMsat)
    }
    const connection = this.#connectionOf(header, 'node')
    if (connection !== undefined) return this.#paid(handTo(connection, arrival), amountMsat)
    const id = header.cid === undefined ? '' : toHex(header.cid)
    const waits = header.kind === 'early' && !tombstones.has(id)
    // Told again it waits already, or was given up.
    if (waits && (!isNew || early.keep(runtime.now(), id, arrival))) return
    counts.stray(waits ? 'too many early packets' : 'unknown connection', amountMsat)
  }

  /** Node lane: whose the money is that has come, whatever became of the packet. */
  #paid({ reception, paid }: OfferDecision, amountMsat: bigint): void {
    const { accountant, counts } = this.#parts
    if (reception.action === 'taken' && paid !== undefined) accountant.received(paid.party, amountMsat)
    else counts.unclaimed(amountMsat)
  }

  /** Phantom lane: what becomes of an offer. */
  receiveOffer(offer: PhantomOffer): OfferDecision | Promise<OfferDecision> {
    const { connections, acceptor, paths } = this.#parts
    const { record, amountMsat, hash, pathId } = offer
    if (pathId !== undefined) {
      const connection = connections.byPath(pathId)
      // spec §9.3: a path that was closed leads to nobody, least of all to those who get packets at the node's
      // phantom.
      if (connection === undefined) return this.#refuse(Code.CLOSED)
      const decision = handTo(connection, { lane: 'phantom', record, amountMsat, hash, pathId })
      if (decision.reception.action === 'settle') paths.heard(pathId)
      return decision
    }
    const arrival: Arrival = {
      lane: 'phantom',
      record,
      amountMsat,
      hash,
      ...(offer.holdHeight === undefined ? {} : { holdHeight: offer.holdHeight }),
    }
    if (isNote(record)) return this.#parts.notes.receive(arrival)
    const header = headerOf(record)
    if (header === undefined) return this.#refuse(Code.PROTOCOL)
    if (header.kind === 'open') return acceptor.receive(header, arrival)
    const known = this.#connectionOf(header, 'phantom')
    if (known !== undefined) return handTo(known, arrival)
    // spec §6.6: an EARLY packet that overtook its OPEN comes again after it.
    return this.#refuse(header.kind === 'early' ? Code.STALE : Code.CLOSED)
  }

  #connectionOf(header: Header, lane: Lane): DrivenConnection | undefined {
    if (header.cid === undefined) return undefined
    const { connections } = this.#parts
    const id = toHex(header.cid)
    switch (header.kind) {
      case 'open':
      case 'early':
      case 'data':
        return connections.responder(id)
      case 'answer':
      case 'reply': {
        // spec §3.3: an initiator that hides is met over its paths only. Here anyone could ask whether it is this
        // node's.
        const connection = lane === 'node' ? connections.initiator(id) : undefined
        return connection?.asksDirect === true ? connection : undefined
      }
    }
  }

  #refuse(code: Code): OfferDecision {
    this.#parts.counts.stray('unknown connection', 0n)
    return refusal(code)
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
