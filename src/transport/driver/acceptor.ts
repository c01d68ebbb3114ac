import type { Backend } from '../../backends/backend.ts'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import { Code } from '../../wire/errors.ts'
import { paymentHash, preimage } from '../../wire/keys.ts'
import type { OpenHeader } from '../../wire/packets.ts'
import { openOpen, type OpenedPacket } from '../connection/opening.ts'
import type { Lane } from '../../medium/payment.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Reception } from '../connection/interface.ts'
import type { DrivenConnection } from './driven-connection.ts'
import { messageOf } from '../errors.ts'
import {
  KEY_AGREEMENT_BURST,
  KEY_AGREEMENTS_PER_SECOND,
  MAX_KEY_AGREEMENTS,
  MAX_PENDING_OPEN_COPIES,
  MAX_UNPAID_KEY_AGREEMENTS,
  MAX_UNPAID_OPEN_COPIES,
  OPEN_AGE_BLOCKS,
  OPEN_AHEAD_BLOCKS,
} from '../limits.ts'
import type { Listener } from './connection-handle.ts'
import type { LogFields } from '../logger.ts'
import type { Decide, HeldOffers } from './held-offers.ts'
import type { StoreChange } from '../store/store.ts'
import type { SeenOpens } from '../tables/seen-opens.ts'
import type { Tombstones } from '../tables/tombstones.ts'
import { TokenBucket } from '../../floor/token-bucket.ts'

/** What opening needs of its driver. */
export interface AcceptorOwner {
  readonly backend: Backend
  readonly publicKey: Uint8Array
  readonly seen: SeenOpens
  readonly tombstones: Tombstones
  readonly offers: Pick<HeldOffers, 'isHeld'>
  readonly blockHeight: number
  now(): number
  /** On disk when it resolves. */
  store(changes: readonly StoreChange[]): Promise<void>
  listenerOn(port: number): Listener | undefined
  /** The responder's side of this connection id. */
  responder(connectionId: string): DrivenConnection | undefined
  /** Whether one more connection fits. */
  hasRoom(): boolean
  accept(open: AuthenticOpen, listener: Listener): DrivenConnection
  /** Undefined where the REFUSE needs no connection, or finds no room for one. */
  refuse(open: AuthenticOpen, code: Code, reason: string): DrivenConnection | undefined
  dropped(why: string): void
  debug(fields: LogFields, message: string): void
  stopped(): boolean
}

/** An OPEN whose tag is right. */
export interface AuthenticOpen {
  readonly header: OpenHeader
  readonly connectionId: string
  readonly ephemeral: string
  readonly opened: OpenedPacket
  readonly arrival: Arrival
}

/** One copy of an OPEN that waits for what becomes of the first. */
interface Copy {
  readonly arrival: Arrival
  /** Phantom lane. */
  readonly decide: Decide | undefined
}

/** Everything that stands before a connection of the responder's side (spec §6.2 to §6.5). */
export class Acceptor {
  readonly #owner: AcceptorOwner
  /** One for each lane: what costs its sender nothing must not use up what others pay for. */
  readonly #buckets: Readonly<Record<Lane, TokenBucket>>
  /** By e_i: the OPENs whose key is being agreed on, with copies that came meanwhile. */
  readonly #pending: Map<string, Copy[]> = new Map()
  /** Connections that are being accepted, by port. */
  readonly #backlog: Map<number, number> = new Map()

  constructor(owner: AcceptorOwner) {
    this.#owner = owner
    const bucket = { perSecond: KEY_AGREEMENTS_PER_SECOND, burst: KEY_AGREEMENT_BURST, now: owner.now() }
    this.#buckets = { node: new TokenBucket(bucket), phantom: new TokenBucket(bucket) }
  }

  get pending(): number {
    return this.#pending.size
  }

  /** An OPEN came. `decide`: phantom lane only. */
  take(header: OpenHeader, arrival: Arrival, decide: Decide | undefined): void {
    const owner = this.#owner
    const connectionId = toHex(header.cid)
    const ephemeral = toHex(header.ephemeral)
    const link = owner.responder(connectionId)
    if (link !== undefined) {
      // spec §6.5, §6.8
      if (link.ephemeral === ephemeral) this.#hand(link, { arrival, decide })
      else this.#drop('connection id in use', decide, Code.CLOSED)
      return
    }
    // spec §6.5
    const isOver = owner.seen.has(ephemeral) || owner.tombstones.isOfOpen(connectionId, ephemeral)
    if (isOver) return this.#drop('copy of an OPEN that has ended', decide, Code.CLOSED)
    const copies = this.#pending.get(ephemeral)
    if (copies !== undefined) {
      const most = arrival.lane === 'node' ? MAX_PENDING_OPEN_COPIES : MAX_UNPAID_OPEN_COPIES
      if (copies.length < most) copies.push({ arrival, decide })
      else this.#drop('too many copies of an OPEN', decide, Code.BUSY)
      return
    }
    const most = arrival.lane === 'node' ? MAX_KEY_AGREEMENTS : MAX_UNPAID_KEY_AGREEMENTS
    if (this.#pending.size >= most || !this.#buckets[arrival.lane].take(owner.now())) {
      return this.#drop('too many OPENs', decide, Code.BUSY)
    }
    this.#pending.set(ephemeral, [{ arrival, decide }])
    this.#open(header, connectionId, ephemeral, arrival).then(
      (result) => this.#finish(ephemeral, result),
      (error: unknown) => {
        owner.debug({ connection: connectionId, reason: messageOf(error) }, 'an OPEN could not be read')
        this.#finish(ephemeral, Code.BUSY)
      },
    )
  }

  /** The connection it led to, or why there is none. */
  async #open(
    header: OpenHeader,
    connectionId: string,
    ephemeral: string,
    arrival: Arrival,
  ): Promise<DrivenConnection | Code> {
    const owner = this.#owner
    const sharedSecret = await owner.backend.sharedSecret(header.ephemeral)
    if (owner.stopped()) return Code.SHUTDOWN
    const opened = openOpen({ record: arrival.record, responderKey: owner.publicKey, sharedSecret })
    if (opened === undefined) return Code.PROTOCOL
    const open: AuthenticOpen = { header, connectionId, ephemeral, opened, arrival }
    const verdict = isPaid(open) ? this.#judge(opened) : Code.PROTOCOL
    if (typeof verdict !== 'object') return this.#refuse(open, verdict)
    if (creditMsat(opened) > arrival.amountMsat && arrival.lane === 'phantom') return this.#refuse(open, Code.PRICE)
    if (this.#isUnpaid(arrival)) return Code.BUSY
    const { port } = opened
    this.#backlog.set(port, (this.#backlog.get(port) ?? 0) + 1)
    try {
      // spec §6.4: the next process must know it before this one's application sees a byte.
      await owner.store(owner.seen.add(ephemeral, opened.height))
    } finally {
      const left = (this.#backlog.get(port) ?? 1) - 1
      if (left === 0) this.#backlog.delete(port)
      else this.#backlog.set(port, left)
    }
    if (owner.stopped()) return Code.SHUTDOWN
    if (this.#isUnpaid(arrival)) {
      // Its next copy is as good as the first (spec §6.9).
      owner.seen.forget(ephemeral)
      return Code.BUSY
    }
    if (owner.responder(connectionId) !== undefined) return Code.CLOSED // spec §6.8, in the meantime
    // The listener may have closed, or its bound been reached, in the meantime.
    if (owner.listenerOn(port) !== verdict) return this.#refuse(open, Code.NO_LISTENER)
    return verdict.admit() ? owner.accept(open, verdict) : this.#refuse(open, Code.NO_ROOM)
  }

  /** Nobody waits for the verdict any more: its payer has been told so already (spec §2.5), or never will be. */
  #isUnpaid(arrival: Arrival): boolean {
    return arrival.lane === 'phantom' && !this.#owner.offers.isHeld(arrival)
  }

  #refuse(open: AuthenticOpen, code: Code): DrivenConnection | Code {
    this.#owner.debug({ connection: open.connectionId, port: open.opened.port, code }, 'connection refused')
    return this.#owner.refuse(open, code, '') ?? code
  }

  /** spec §6.2, the second half: the listener, or the code of the refusal. */
  #judge(opened: OpenedPacket): Listener | Code {
    const { blockHeight, seen } = this.#owner
    if (opened.refusal !== undefined) return opened.refusal
    const { height } = opened
    if (height < blockHeight - OPEN_AGE_BLOCKS || height > blockHeight + OPEN_AHEAD_BLOCKS || height < seen.floor) {
      return Code.STALE
    }
    const listener = this.#owner.listenerOn(opened.port)
    if (listener === undefined) return Code.NO_LISTENER
    const waiting = this.#backlog.get(opened.port) ?? 0
    return waiting >= listener.backlog || !this.#owner.hasRoom() ? Code.NO_ROOM : listener
  }

  #finish(ephemeral: string, result: DrivenConnection | Code): void {
    const copies = this.#pending.get(ephemeral) ?? []
    this.#pending.delete(ephemeral)
    for (const [index, copy] of copies.entries()) {
      if (typeof result !== 'object') this.#drop('an OPEN that was not taken', copy.decide, result)
      else if (index > 0) this.#hand(result, copy)
      // The connection was made with the first.
      else copy.decide?.(result.connection.openReception ?? { action: 'refuse', code: Code.PROTOCOL }, result)
    }
  }

  #hand(link: DrivenConnection, { arrival, decide }: Copy): void {
    const reception: Reception = link.receive(arrival)
    decide?.(reception, link)
  }

  #drop(why: string, decide: Decide | undefined, code: Code): void {
    this.#owner.dropped(why)
    decide?.({ action: 'refuse', code }, undefined)
  }
}

/** spec §2.4: whether this copy's preimage is that of its payment. On the node lane the money is there already. */
function isPaid({ header, opened, arrival }: AuthenticOpen): boolean {
  if (arrival.lane === 'node') return true
  return equalBytes(paymentHash(preimage(opened.session.early.settle, 0, header.attempt)), arrival.hash)
}

function creditMsat({ frames }: OpenedPacket): bigint {
  return frames.reduce((sum, frame) => (frame.type === 'credit' ? sum + frame.amountMsat : sum), 0n)
}
