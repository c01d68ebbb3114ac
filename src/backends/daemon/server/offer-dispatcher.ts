import { BoundedMap } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { Verdict } from '../../../medium/verdict.ts'
import { Code } from '../../../wire/errors.ts'
import { isNote } from '../../../wire/notes.ts'
import type { Header } from '../../../wire/packets.ts'
import type { Backend, BackendEvent } from '../../backend.ts'
import { HOLD_MS, MAX_REMEMBERED, OFFER_MARGIN_MS } from '../protocol/limits.ts'
import type { OfferEvent } from '../protocol/messages.ts'
import { headerOf } from '../protocol/packet-header.ts'
import type { KeyAgreements, PortOfOpen } from './key-agreements.ts'
import type { ConnectionOwners, PathOwners, PortOwners } from './ownership.ts'
import type { ProgramSession, ProgramSessions } from './program-session.ts'

export interface OfferDispatcherOptions {
  readonly clock: Clock
  readonly backend: Pick<Backend, 'answer' | 'hold'>
  readonly agreements: Pick<KeyAgreements, 'portOf' | 'portOfNote'>
  readonly connections: ConnectionOwners
  readonly ports: PortOwners
  readonly paths: Pick<PathOwners, 'ownerOf'>
  readonly sessions: ProgramSessions
}

interface HeldOffer {
  readonly session: ProgramSession
  readonly hash: string
  readonly open: Header | undefined
}

interface Opening {
  readonly session: ProgramSession
  /** Offers that wait with this OPEN: each copy may be the one that is settled. */
  readonly copies: number
}

/** A port that no program has or had: what is for it waits as long as for any port after the daemon's start. */
const NO_PORT = 0

/** Phantom lane: each offer goes to one program, whose verdict alone counts. What nobody takes is refused at once. */
export class OfferDispatcher {
  readonly #options: OfferDispatcherOptions
  readonly #held = new Map<string, HeldOffer>()
  /** Programs that an OPEN waits for, by connection id: the program has the connection once it settles the OPEN. */
  readonly #opening = new Map<string, Opening>()
  /** Which program settled an offer, by hash, until the node confirms it. */
  readonly #settled = new BoundedMap<string, ProgramSession>(MAX_REMEMBERED)

  constructor(options: OfferDispatcherOptions) {
    this.#options = options
  }

  handle(offer: OfferEvent): void {
    const { pathId } = offer
    if (pathId === undefined) return this.#handleUnblinded(offer)
    const session = this.#options.paths.ownerOf(pathId)
    if (session === undefined) this.#refuse(offer.offerId, Code.CLOSED)
    else this.#give(session, offer)
  }

  /** A program's verdict; one about another's offer, or about one that is gone, changes nothing. */
  async answer(session: ProgramSession, offerId: string, verdict: Verdict): Promise<void> {
    const held = this.#held.get(offerId)
    if (held === undefined || held.session !== session) return
    this.#forget(offerId)
    if (verdict.action === 'settle') {
      this.#settled.set(held.hash, session)
      if (held.open !== undefined) this.#options.connections.addReceiver(held.open, session)
    }
    await this.#options.backend.answer(offerId, verdict)
  }

  /** A program needs more time for an offer of its own; how much it has now, ms. */
  async hold(session: ProgramSession, offerId: string): Promise<number | undefined> {
    if (this.#held.get(offerId)?.session !== session) return undefined
    const deadlineMs = await this.#options.backend.hold?.(offerId)
    return deadlineMs === undefined ? undefined : Math.max(0, Math.floor(deadlineMs - this.#options.clock.now()))
  }

  gone(offerId: string): void {
    const session = this.#held.get(offerId)?.session
    this.#forget(offerId)
    session?.emit({ type: 'offer-gone', offerId })
  }

  confirmed(event: Extract<BackendEvent, { readonly type: 'offer-confirmed' }>): ProgramSession | undefined {
    const key = toHex(event.hash)
    const session = this.#settled.get(key)
    this.#settled.delete(key)
    session?.emit(event)
    return session
  }

  /** Its program is gone: what waited for it is refused. */
  leave(session: ProgramSession): void {
    for (const offerId of session.offers) {
      this.#forget(offerId)
      this.#refuse(offerId, Code.CLOSED)
    }
  }

  /** spec §2.9: on the unblinded lane a packet names its connection, and an OPEN its port. */
  #handleUnblinded(offer: OfferEvent): void {
    const { agreements } = this.#options
    // spec §18.1: a message says its port to its receiver only, as an OPEN does.
    if (isNote(offer.record)) return void this.#giveByPort(offer, agreements.portOfNote(offer.record, 'phantom'))
    const header = headerOf(offer.record)
    if (header === undefined) return this.#giveToAnyone(offer)
    const owner = this.#responderOf(header.header)
    if (owner?.isGone === false) return this.#give(owner, offer, header.header)
    if (header.header.kind === 'open')
      return void this.#giveByPort(offer, agreements.portOf(offer.record, header, 'phantom'), header.header)
    // spec §6.10: CLOSED would end a connection whose program may be about to come back.
    const holdUntilMs = owner === undefined ? this.#options.ports.holdUntil(NO_PORT) : owner.goneMs + HOLD_MS
    if (this.#options.clock.now() < holdUntilMs) return this.#refuse(offer.offerId, Code.BUSY)
    // spec §6.6: an EARLY came before its OPEN; §6.10: any other packet is for a connection that is not known any more.
    this.#refuse(offer.offerId, header.header.kind === 'early' ? Code.STALE : Code.CLOSED)
  }

  /** The program that is the responder of this packet's connection; it may be gone. */
  #responderOf(header: Header): ProgramSession | undefined {
    const { cid, kind } = header
    // spec §3.3: initiators take nothing here, so nothing may depend on which program has an id.
    if (cid === undefined || kind === 'answer' || kind === 'reply') return undefined
    return this.#options.connections.ownerOf(header) ?? this.#opening.get(toHex(cid))?.session
  }

  /** To the program that has its port, once that is found. `header`: of an OPEN. */
  async #giveByPort(offer: OfferEvent, found: Promise<PortOfOpen>, header?: Header): Promise<void> {
    const port = await found
    if (port === undefined) return this.#refuse(offer.offerId, Code.PROTOCOL)
    const now = this.#options.clock.now()
    if (port === 'busy' || now > offer.deadlineMs - OFFER_MARGIN_MS) return this.#refuse(offer.offerId, Code.BUSY)
    const session = this.#options.ports.ownerOf(port)
    if (session?.phantomLane === true) return this.#give(session, offer, header)
    // spec §6.9: BUSY is asked again later, when a program that died may be back.
    const isHeld = session === undefined && now < this.#options.ports.holdUntil(port)
    this.#refuse(offer.offerId, isHeld ? Code.BUSY : Code.NO_LISTENER)
  }

  /**
   * What is no packet is for no program, but the backend contract hands up any record. There is one verdict, so one
   * program gets it.
   */
  #giveToAnyone(offer: OfferEvent): void {
    for (const session of this.#options.sessions.programs()) if (session.phantomLane) return this.#give(session, offer)
    this.#refuse(offer.offerId, Code.NO_LISTENER)
  }

  #give(session: ProgramSession, offer: OfferEvent, header?: Header): void {
    if (!session.offers.hasRoom()) return this.#refuse(offer.offerId, Code.BUSY)
    const open = header?.kind === 'open' ? header : undefined
    this.#held.set(offer.offerId, { session, hash: toHex(offer.hash), open })
    this.#countCopies(open, session, 1)
    session.offers.add(offer.offerId)
    const { deadlineMs, ...rest } = offer
    session.emit({ ...rest, leftMs: Math.max(0, Math.floor(deadlineMs - this.#options.clock.now())) })
  }

  #forget(offerId: string): void {
    const held = this.#held.get(offerId)
    if (held === undefined) return
    this.#held.delete(offerId)
    held.session.offers.delete(offerId)
    this.#countCopies(held.open, held.session, -1)
  }

  #countCopies(open: Header | undefined, session: ProgramSession, change: 1 | -1): void {
    if (open?.cid === undefined) return
    const id = toHex(open.cid)
    const opening = this.#opening.get(id) ?? { session, copies: 0 }
    const copies = opening.copies + change
    if (copies > 0) this.#opening.set(id, { ...opening, copies })
    else this.#opening.delete(id)
  }

  #refuse(offerId: string, code: Code): void {
    // Where this does not reach the node, the offer is refused at the node's own deadline.
    this.#options.backend.answer(offerId, { action: 'refuse', code }).catch(() => undefined)
  }
}
