import { toHex } from '../../floor/bytes.ts'
import { Code } from '../../wire/errors.ts'
import type { DecodedHeader, Header } from '../../wire/packets.ts'
import type { Clock } from '../../floor/clock.ts'
import type { Verdict } from '../../medium/verdict.ts'
import type { Agreements } from './agreements.ts'
import { HOLD_MS, MAX_OFFERS, MAX_REMEMBERED, OFFER_MARGIN_MS } from './bounds.ts'
import { type Connections, headerOf, type Owner } from './connections.ts'
import type { PortTable } from './port-table.ts'
import type { Offer, SentOffer } from './values.ts'

/** A program, as offers know it. */
export interface Taker extends Owner {
  /** When it went; Infinity before. */
  readonly goneMs: number
  /** Takes packets at the node's phantom. */
  readonly phantomLane: boolean
  /** Offers that wait for its verdict. */
  readonly offers: Set<string>
  offered(offer: SentOffer): void
  confirmed(hash: Uint8Array, amountMsat: bigint): void
  offerGone(offerId: string): void
}

export interface OffersNeeds<Client extends Taker> {
  readonly clock: Clock
  readonly agreements: Pick<Agreements, 'portOf'>
  readonly connections: Connections<Client>
  readonly ports: PortTable<Client>
  /** Who made this path. */
  pathOwner(pathId: string): Client | undefined
  everyone(): Iterable<Client>
  answer(offerId: string, verdict: Verdict): Promise<void>
}

interface Held<Client> {
  readonly client: Client
  readonly hash: string
  readonly open: Header | undefined
}

interface Opening<Client> {
  readonly client: Client
  /** Offers of it that wait: each copy may be the one that is paid for. */
  readonly copies: number
}

/** Nobody has it, or had: it is held as long as any is after the start. */
const NO_PORT = 0

/** Phantom lane: each offer goes to one program, whose verdict alone counts. What nobody takes is refused at once. */
export class Offers<Client extends Taker> {
  readonly #needs: OffersNeeds<Client>
  readonly #held = new Map<string, Held<Client>>()
  /** Whose OPEN waits for a verdict, by connection id: it is that program's connection once it is paid for. */
  readonly #opening = new Map<string, Opening<Client>>()
  /** Who settled what, by hash; until it is confirmed. */
  readonly #settled = new Map<string, Client>()

  constructor(needs: OffersNeeds<Client>) {
    this.#needs = needs
  }

  take(offer: Offer): void {
    const { pathId } = offer
    if (pathId === undefined) return this.#unblinded(offer)
    const client = this.#needs.pathOwner(pathId)
    if (client === undefined) this.#refuse(offer.offerId, Code.CLOSED)
    else this.#give(client, offer)
  }

  /** A program's word; one about another's offer, or about one that is gone, is no word. */
  async answer(client: Client, offerId: string, verdict: Verdict): Promise<void> {
    const held = this.#held.get(offerId)
    if (held === undefined || held.client !== client) return
    this.#forget(offerId)
    if (verdict.action === 'settle') {
      this.#remember(held.hash, client)
      if (held.open !== undefined) this.#needs.connections.receives(held.open, client)
    }
    await this.#needs.answer(offerId, verdict)
  }

  gone(offerId: string): void {
    const client = this.#held.get(offerId)?.client
    this.#forget(offerId)
    client?.offerGone(offerId)
  }

  confirmed(hash: Uint8Array, amountMsat: bigint): void {
    const key = toHex(hash)
    const client = this.#settled.get(key)
    this.#settled.delete(key)
    if (client?.isGone === false) client.confirmed(hash, amountMsat)
  }

  /** Its program is gone: what waited for it is refused. */
  leave(client: Client): void {
    for (const offerId of client.offers) {
      this.#forget(offerId)
      this.#refuse(offerId, Code.CLOSED)
    }
  }

  /** spec §2.9: the packet names its connection, or its OPEN the port. */
  #unblinded(offer: Offer): void {
    const header = headerOf(offer.record)
    if (header === undefined) return this.#anyone(offer)
    const owner = this.#responderOf(header.header)
    if (owner?.isGone === false) return this.#give(owner, offer, header.header)
    if (header.header.kind === 'open') return void this.#open(offer, header)
    // spec §6.10: CLOSED would end a connection whose program may be about to come back.
    const holdUntilMs = owner === undefined ? this.#needs.ports.holdUntil(NO_PORT) : owner.goneMs + HOLD_MS
    if (this.#needs.clock.now() < holdUntilMs) return this.#refuse(offer.offerId, Code.BUSY)
    // spec §6.6, §6.10
    this.#refuse(offer.offerId, header.header.kind === 'early' ? Code.STALE : Code.CLOSED)
  }

  /** Who answers for this packet's connection; it may be gone. */
  #responderOf(header: Header): Client | undefined {
    const { cid, kind } = header
    // spec §3.3: initiators take nothing here, so nothing may hang on whose an id is.
    if (cid === undefined || kind === 'answer' || kind === 'reply') return undefined
    return this.#needs.connections.ownerOf(header) ?? this.#opening.get(toHex(cid))?.client
  }

  async #open(offer: Offer, header: DecodedHeader): Promise<void> {
    const { clock, ports } = this.#needs
    const port = await this.#needs.agreements.portOf(offer.record, header, 'phantom')
    if (port === undefined) return this.#refuse(offer.offerId, Code.PROTOCOL)
    const now = clock.now()
    if (port === 'busy' || now > offer.deadlineMs - OFFER_MARGIN_MS) return this.#refuse(offer.offerId, Code.BUSY)
    const client = ports.get(port)
    if (client?.phantomLane === true) {
      return this.#give(client, offer, header.header)
    }
    // spec §6.9: BUSY is asked again later, when a program that died may be back.
    const isHeld = client === undefined && now < ports.holdUntil(port)
    this.#refuse(offer.offerId, isHeld ? Code.BUSY : Code.NO_LISTENER)
  }

  /** What is no packet is for nobody, but the backend contract hands up any record. One verdict: one program gives it. */
  #anyone(offer: Offer): void {
    for (const client of this.#needs.everyone()) if (client.phantomLane) return this.#give(client, offer)
    this.#refuse(offer.offerId, Code.NO_LISTENER)
  }

  #give(client: Client, offer: Offer, header?: Header): void {
    if (client.offers.size >= MAX_OFFERS) return this.#refuse(offer.offerId, Code.BUSY)
    const open = header?.kind === 'open' ? header : undefined
    this.#held.set(offer.offerId, { client, hash: toHex(offer.hash), open })
    this.#opens(open, client, 1)
    client.offers.add(offer.offerId)
    const { deadlineMs, ...rest } = offer
    client.offered({ ...rest, leftMs: Math.max(0, Math.floor(deadlineMs - this.#needs.clock.now())) })
  }

  #forget(offerId: string): void {
    const held = this.#held.get(offerId)
    held?.client.offers.delete(offerId)
    if (held !== undefined) this.#opens(held.open, held.client, -1)
    this.#held.delete(offerId)
  }

  #opens(open: Header | undefined, client: Client, change: 1 | -1): void {
    if (open?.cid === undefined) return
    const id = toHex(open.cid)
    const opening = this.#opening.get(id) ?? { client, copies: 0 }
    const copies = opening.copies + change
    if (copies > 0) this.#opening.set(id, { ...opening, copies })
    else this.#opening.delete(id)
  }

  #remember(hash: string, client: Client): void {
    this.#settled.set(hash, client)
    if (this.#settled.size > MAX_REMEMBERED) this.#settled.delete(this.#settled.keys().next().value as string)
  }

  #refuse(offerId: string, code: Code): void {
    // One that is not written is refused by the node's own deadline.
    this.#needs.answer(offerId, { action: 'refuse', code }).catch(() => undefined)
  }
}
