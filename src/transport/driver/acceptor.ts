import type { Admission } from '../../floor/admission.ts'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { Code, openingPriceCode } from '../../wire/errors.ts'
import { openTranscript } from '../../wire/handshake.ts'
import { openIdentityProof, paymentHash, preimage } from '../../wire/keys.ts'
import type { OpenHeader } from '../../wire/packets.ts'
import type { ConnectionSettings } from '../connection/interface.ts'
import { openOpen, type OpenedPacket } from '../connection/opening.ts'
import { messageOf } from '../errors.ts'
import { MAX_UNPAID_OPEN_COPIES, MAX_PENDING_OPEN_COPIES, OPEN_AGE_BLOCKS, OPEN_AHEAD_BLOCKS } from '../limits.ts'
import type { EarlyPackets } from '../tables/early-packets.ts'
import type { SeenOpens } from '../tables/seen-opens.ts'
import type { Tombstones } from '../tables/tombstones.ts'
import type { Accountant } from './accountant.ts'
import { allowsKey, type KeyRule } from '../policy/policy.ts'
import type { OpeningDecision, PortListener } from './connection-handle.ts'
import { budgetKeyOf, type ConnectionMaker } from './connection-maker.ts'
import type { Connections } from './connections.ts'
import type { DriverCounts } from './counts.ts'
import { callOutside, type DrivenConnection } from './driven-connection.ts'
import { handTo, type HeldOffers, type OfferDecision, refusal } from './held-offers.ts'
import { Openings } from './openings.ts'
import type { OwnNode } from './own-node.ts'
import type { Ports } from './ports.ts'
import type { Runtime } from './runtime.ts'

interface AcceptorParts {
  readonly runtime: Runtime
  readonly node: OwnNode
  readonly seen: SeenOpens
  readonly tombstones: Tombstones
  readonly early: EarlyPackets
  readonly offers: Pick<HeldOffers, 'isHeld'>
  readonly ports: Pick<Ports, 'get' | 'all'>
  readonly connections: Connections
  readonly maker: ConnectionMaker
  readonly counts: DriverCounts
  readonly accountant: Pick<Accountant, 'received'>
  /** By lane: what costs its sender nothing must not use up what others pay for. */
  readonly agreements: Pick<Admission<Lane>, 'enter' | 'leave'>
  /** Which callers that name their key may connect; undefined: all. */
  readonly callers: KeyRule | undefined
}

/** An OPEN whose tag is right. */
export interface AuthenticOpen {
  readonly header: OpenHeader
  readonly connectionId: string
  readonly ephemeral: string
  readonly opened: OpenedPacket
  readonly arrival: Arrival
}

/** An OPEN whose key is being agreed on. */
interface PendingOpen {
  /** How many of its copies wait for the result, the first one too. */
  waitingCopies: number
  /** The connection it led to, or why there is none. Never rejects. */
  readonly result: Promise<DrivenConnection | number>
}

/** What a listener has agreed to. */
interface Agreed {
  readonly listener: PortListener
  /** The caller's node key, where the OPEN has proved it. */
  readonly remoteKey: Uint8Array | undefined
  /** What the listener asked for the opening, msat. */
  readonly priceMsat: bigint
}

/** Everything that stands before a connection of the responder's side (spec §6.2 to §6.5, §6.14, §6.15). */
export class Acceptor {
  readonly #parts: AcceptorParts
  /** By e_i. */
  readonly #pending: Map<string, PendingOpen> = new Map()
  readonly #openings: Openings

  constructor(parts: AcceptorParts) {
    this.#parts = parts
    const { runtime, ports } = parts
    this.#openings = new Openings({ runtime, ports })
  }

  get pending(): number {
    return this.#pending.size
  }

  /** An OPEN came. What becomes of it decides about its payment on the phantom lane. The promise never rejects. */
  receive(header: OpenHeader, arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    const { connections, seen, tombstones } = this.#parts
    const connectionId = toHex(header.cid)
    const ephemeral = toHex(header.ephemeral)
    const known = connections.responder(connectionId)
    if (known !== undefined) {
      // spec §6.5: a copy of its OPEN goes to it; §6.8: another OPEN under its id does not.
      return known.ephemeral === ephemeral ? handTo(known, arrival) : this.#drop('connection id in use', Code.CLOSED)
    }
    // spec §6.5: a copy waits with one that is judged, also while that is written down, and is seen by then.
    const pending = this.#pending.get(ephemeral)
    if (pending !== undefined) return this.#receiveCopy(pending, arrival)
    // spec §6.5: after the end a copy opens nothing.
    const isOver = seen.has(ephemeral) || tombstones.isOfOpen(connectionId, ephemeral)
    return isOver
      ? this.#drop('copy of an OPEN that has ended', Code.CLOSED)
      : this.#receiveFirst({ header, connectionId, ephemeral, arrival })
  }

  #receiveCopy(pending: PendingOpen, arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    const max = arrival.lane === 'node' ? MAX_PENDING_OPEN_COPIES : MAX_UNPAID_OPEN_COPIES
    if (pending.waitingCopies >= max) return this.#drop('too many copies of an OPEN', Code.BUSY)
    pending.waitingCopies += 1
    return pending.result.then((result) =>
      typeof result === 'object' ? handTo(result, arrival) : this.#dropUntaken(result),
    )
  }

  #receiveFirst(open: Omit<AuthenticOpen, 'opened'>): OfferDecision | Promise<OfferDecision> {
    const { arrival, ephemeral } = open
    // spec §6.15: who pays too little for any listener costs no key agreement.
    const tooLittle = arrival.lane === 'phantom' ? this.#openings.refusalBelowAll(arrival.amountMsat) : undefined
    if (tooLittle !== undefined) return this.#drop('an OPEN below every opening price', tooLittle)
    // spec §14: one of the node lane waits for its turn; it is paid for, and nobody tells its sender no.
    const turn = this.#parts.agreements.enter(arrival.lane)
    if (turn === undefined) return this.#drop('too many OPENs', Code.BUSY)
    const result = turn === 'now' ? this.#open(open) : turn.then(() => this.#open(open))
    this.#pending.set(ephemeral, { waitingCopies: 1, result })
    return result.then((connection) => {
      this.#pending.delete(ephemeral)
      this.#parts.agreements.leave()
      if (typeof connection !== 'object') return this.#dropUntaken(connection)
      // The connection was made with this copy.
      const { openReception } = connection
      return { reception: openReception ?? refusal(Code.PROTOCOL).reception, paid: connection }
    })
  }

  async #open(open: Omit<AuthenticOpen, 'opened'>): Promise<DrivenConnection | number> {
    const { runtime, node } = this.#parts
    try {
      const sharedSecret = await node.backend.sharedSecret(open.header.ephemeral)
      if (runtime.isStopped) return Code.SHUTDOWN
      const opened = openOpen({ record: open.arrival.record, responderKey: node.publicKey, sharedSecret })
      return opened === undefined ? Code.PROTOCOL : await this.#connect({ ...open, opened })
    } catch (error) {
      runtime.debug({ connection: open.connectionId, reason: messageOf(error) }, 'an OPEN could not be read')
      return Code.BUSY
    }
  }

  /** The connection of an OPEN, or why there is none. */
  async #connect(open: AuthenticOpen): Promise<DrivenConnection | number> {
    const { port } = open.opened
    const agreed = await this.#agree(open)
    if ('code' in agreed) return this.#refuse(open, agreed)
    // Others may have come while its key was asked for: from here on it counts, until it is a connection.
    if (this.#isFull(port, agreed.listener)) return this.#refuse(open, because(Code.NO_ROOM))
    return await this.#openings.countedAt(port, this.#admit(open, agreed))
  }

  /** The connection of an OPEN that there is room for, once application and disk have said so, or why there is none. */
  async #admit(open: AuthenticOpen, agreed: Agreed): Promise<DrivenConnection | number> {
    const { runtime, seen, connections, ports } = this.#parts
    const { connectionId, ephemeral, opened, arrival } = open
    const { port, height } = opened
    const { listener, remoteKey } = agreed
    const isWanted = (): boolean => !this.#isUnpaid(arrival)
    const refused = await this.#openings.decide(open, listener, { remoteKey, isWanted })
    if (refused !== undefined) return this.#refuse(open, refused)
    if (!isWanted()) return Code.BUSY
    // spec §6.4: the next process must know it before this one's application sees a byte.
    await runtime.store(seen.add(ephemeral, height))
    if (runtime.isStopped) return Code.SHUTDOWN
    if (this.#isUnpaid(arrival)) {
      // Its next copy is as good as the first (spec §6.9: a refusal that was not paid for changes nothing).
      seen.forget(ephemeral)
      return Code.BUSY
    }
    // spec §6.8: another OPEN took the id in the meantime.
    if (connections.responder(connectionId) !== undefined) return Code.CLOSED
    // The listener may have closed, or its bound been reached, in the meantime.
    if (ports.get(port) !== listener) return this.#refuse(open, because(Code.NO_LISTENER))
    const isRoom = connections.hasRoom && listener.admit()
    return isRoom ? this.#accept(open, agreed) : this.#refuse(open, because(Code.NO_ROOM))
  }

  /** Who is to take the connection, and on what terms; or why nobody is. */
  async #agree(open: AuthenticOpen): Promise<Agreed | NonNullable<OpeningDecision>> {
    const { arrival, opened } = open
    const { port } = opened
    const listener = isPaid(open) ? this.#listenerFor(opened) : Code.PROTOCOL
    if (typeof listener !== 'object') return because(listener)
    const priceMsat = this.#openings.priceMsat(port, listener)
    if (priceMsat === 'faulty') return because(Code.INTERNAL)
    // spec §6.15: on the node lane the money is there, and what is missing is owed.
    if (arrival.lane === 'phantom' && arrival.amountMsat < priceMsat) return because(openingPriceCode(priceMsat))
    const remoteKey = await this.#identityIn(open)
    if (typeof remoteKey === 'number') return because(remoteKey)
    if (!this.#isWelcome(open, remoteKey)) return because(Code.DENIED)
    // Nobody is asked about what cannot be taken any more.
    if (this.#isUnpaid(arrival)) return because(Code.BUSY)
    return { listener, remoteKey, priceMsat }
  }

  /** Whether the policy lets a caller in: by the key that it proves, and by the one at which it asks to be answered. */
  #isWelcome(open: AuthenticOpen, remoteKey: Uint8Array | undefined): boolean {
    const { callers } = this.#parts
    if (callers === undefined) return true
    const named = [remoteKey === undefined ? '' : toHex(remoteKey), budgetKeyOf(open)]
    return named.every((key) => key === '' || allowsKey(callers, key))
  }

  /** The node key that an OPEN proves (spec §6.16); undefined: it names none. */
  async #identityIn({ header, opened, arrival }: AuthenticOpen): Promise<Uint8Array | undefined | Code> {
    const { publicKey, backend } = this.#parts.node
    const { identity } = opened.parameters
    if (identity === undefined) return undefined
    // spec §14: it costs the node another key agreement.
    const turn = this.#parts.agreements.enter(arrival.lane)
    if (turn === undefined) return Code.BUSY
    try {
      if (turn !== 'now') await turn
      const secret = await backend.sharedSecret(identity.key)
      const proof = openIdentityProof(secret, openTranscript(publicKey, header.cid, header.ephemeral))
      return equalBytes(proof, identity.proof) ? identity.key : Code.PROTOCOL
    } finally {
      this.#parts.agreements.leave()
    }
  }

  #accept(open: AuthenticOpen, { listener, remoteKey, priceMsat }: Agreed): DrivenConnection {
    const { runtime, maker, counts, early, accountant } = this.#parts
    const connection = maker.accept(open, settingsFor(listener, open, priceMsat), {
      remoteKey,
      isPriced: priceMsat > 0n,
    })
    if (remoteKey !== undefined) connection.identified(remoteKey)
    counts.accepted()
    this.#openings.taken(listener)
    callOutside(() => listener.accept(connection, remoteKey === undefined ? undefined : toHex(remoteKey)))
    // spec §6.6: what came before its OPEN.
    for (const arrival of early.take(runtime.now(), connection.id)) {
      if (connection.receive(arrival).action === 'taken') accountant.received(connection.party, arrival.amountMsat)
      else counts.unclaimed(arrival.amountMsat)
    }
    return connection
  }

  /** A connection that carries the REFUSE, or the code where it needs none, or finds no room for one. */
  #refuse(open: AuthenticOpen, why: NonNullable<OpeningDecision>): DrivenConnection | number {
    const { code } = why
    const { runtime, counts, connections, maker } = this.#parts
    runtime.debug({ connection: open.connectionId, port: open.opened.port, code }, 'connection refused')
    counts.refused()
    // spec §6.9: over the phantom lane its payer reads the code in the failure.
    return open.arrival.lane === 'phantom' || !connections.hasRoom ? code : maker.refuse(open, why)
  }

  /** Nobody waits for the verdict any more: its payer has been told so already (spec §2.5), or never will be. */
  #isUnpaid(arrival: Arrival): boolean {
    return arrival.lane === 'phantom' && !this.#parts.offers.isHeld(arrival)
  }

  /** spec §6.2, the second half: who listens, or the code of the refusal. */
  #listenerFor({ refusal: refused, height, port }: OpenedPacket): PortListener | Code {
    const { node, seen, ports, connections } = this.#parts
    const { blockHeight } = node
    if (refused !== undefined) return refused
    if (height < blockHeight - OPEN_AGE_BLOCKS || height > blockHeight + OPEN_AHEAD_BLOCKS || height < seen.floor) {
      return Code.STALE
    }
    const listener = ports.get(port)
    if (listener === undefined) return Code.NO_LISTENER
    return this.#isFull(port, listener) || !connections.hasRoom ? Code.NO_ROOM : listener
  }

  #isFull(port: number, { backlog }: PortListener): boolean {
    return this.#openings.waiting(port) >= backlog
  }

  #dropUntaken(code: number): OfferDecision {
    return this.#drop('an OPEN that was not taken', code)
  }

  #drop(why: string, code: number): OfferDecision {
    this.#parts.counts.stray(why, 0n)
    return refusal(code)
  }
}

/** spec §2.4: whether this copy's preimage is that of its payment. On the node lane the money is there already. */
function isPaid({ header, opened, arrival }: AuthenticOpen): boolean {
  if (arrival.lane === 'node') return true
  return equalBytes(paymentHash(preimage(opened.session.early.settle, 0, header.attempt)), arrival.hash)
}

/** spec §6.15: on the node lane the opening price is a part of what the connection is asked. */
function settingsFor({ settings }: PortListener, { arrival }: AuthenticOpen, priceMsat: bigint): ConnectionSettings {
  const isOwn = arrival.lane === 'phantom' || priceMsat === (settings.openingPriceMsat ?? 0n)
  return isOwn ? settings : { ...settings, openingPriceMsat: priceMsat }
}

/** A refusal that its code explains. */
function because(code: number): NonNullable<OpeningDecision> {
  return { code, reason: '' }
}
