import { backOffMs } from '../../floor/back-off.ts'
import { BoundedMap } from '../../floor/bounded.ts'
import { equalBytes, fromHex, toHex } from '../../floor/bytes.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { Code, ProtocolError } from '../../wire/errors.ts'
import { paymentHash } from '../../wire/keys.ts'
import {
  type Letter,
  noteHeader,
  type NoteHeader,
  type NoteKeys,
  noteKeys,
  notePreimage,
  openNote,
} from '../../wire/notes.ts'
import type { Driver } from '../driver/driver.ts'
import { type OfferDecision, refusal } from '../driver/held-offers.ts'
import { messageOf } from '../errors.ts'
import { OPEN_AGE_BLOCKS, OPEN_AHEAD_BLOCKS } from '../limits.ts'
import type { NoteFate } from '../store/store.ts'
import type { Contents } from './contents.ts'
import type { Inbox } from './inbox.ts'
import type { PaidMessage } from './letters.ts'
import { AGAIN, MAX_KEY_TRIES, MAX_NOTE_KEYS, MAX_UNPAID_WAITING_ATTEMPTS, MAX_WAITING_ATTEMPTS } from './limits.ts'
import type { MessagePorts } from './message-ports.ts'
import { partyOf, PendingNote } from './pending-note.ts'
import type { SeenNotes } from './seen-notes.ts'

export interface NoteReceiverParts {
  readonly driver: Pick<Driver, 'runtime' | 'node' | 'agreements' | 'offers' | 'counts' | 'accountant'>
  readonly ports: MessagePorts
  readonly seen: SeenNotes
  readonly inbox: Inbox
  readonly contents: Contents
}

/** A message whose tag is right. */
interface AuthenticNote {
  readonly header: NoteHeader
  readonly letter: Letter
  /** Port and id. */
  readonly key: string
  /** What settles this attempt; undefined: a hash of the receiver's. */
  readonly preimage: Uint8Array | undefined
  readonly arrival: Arrival
}

/** A key that is being agreed on, and how many attempts wait for it. */
interface Agreeing {
  readonly keys: Promise<NoteKeys | undefined>
  waiting: number
  /** One of them is paid: it is worth more than one try. */
  isPaid: boolean
}

/** Everything that stands before a message reaches an application: spec §18.5 clause by clause, in its order. */
export class NoteReceiver {
  readonly #parts: NoteReceiverParts
  /** By ephemeral key: of senders that were heard. */
  readonly #keys: BoundedMap<string, NoteKeys> = new BoundedMap(MAX_NOTE_KEYS)
  readonly #agreeing: Map<string, Agreeing> = new Map()
  /** Messages whose payments wait for their application, by port and id. */
  readonly #pending: Map<string, PendingNote> = new Map()
  /** Messages that are being stored to be kept, by port and id. */
  readonly #keeping: Map<string, Promise<OfferDecision>> = new Map()

  /** Paid messages of which nothing is decided yet. */
  #undecided = 0
  readonly #whenDecided: (() => void)[] = []

  constructor(parts: NoteReceiverParts) {
    this.#parts = parts
  }

  /** Payments of messages that wait. */
  get pending(): number {
    return this.#pending.size
  }

  /** Resolves when what was paid is read and stored; undefined where nothing waits for that. */
  decided(): Promise<void> | undefined {
    if (this.#undecided === 0) return undefined
    return new Promise((resolve) => {
      this.#whenDecided.push(resolve)
    })
  }

  /** The promise never rejects. */
  receive(arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    const decision = this.#decide(arrival)
    if (arrival.lane !== 'node' || !(decision instanceof Promise)) return decision
    this.#undecided += 1
    return decision.finally(() => {
      this.#undecided -= 1
      if (this.#undecided > 0) return
      for (const resolve of this.#whenDecided.splice(0)) resolve()
    })
  }

  #decide(arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    let header: NoteHeader
    try {
      header = noteHeader(arrival.record)
    } catch (error) {
      if (error instanceof ProtocolError) return this.#drop('a malformed message', arrival, Code.PROTOCOL)
      throw error
    }
    const known = this.#keys.get(toHex(header.ephemeral))
    if (known !== undefined) return this.#open(header, arrival, known)
    return this.#agree(header, arrival)
  }

  // ---- Keys ----------------------------------------------------------------------------------------------

  #agree(header: NoteHeader, arrival: Arrival): OfferDecision | Promise<OfferDecision> {
    const name = toHex(header.ephemeral)
    let agreeing = this.#agreeing.get(name)
    if (agreeing === undefined) {
      // spec §14: bounded with the OPENs, whose keys cost the node as much.
      const turn = this.#parts.driver.agreements.enter(arrival.lane)
      if (turn === undefined) return this.#drop('too many messages', arrival, Code.BUSY)
      agreeing = { keys: this.#keysOf(header.ephemeral, turn), waiting: 0, isPaid: false }
      this.#agreeing.set(name, agreeing)
    } else if (agreeing.waiting >= (arrival.lane === 'node' ? MAX_WAITING_ATTEMPTS : MAX_UNPAID_WAITING_ATTEMPTS)) {
      return this.#drop('too many attempts of a message', arrival, Code.BUSY)
    }
    agreeing.waiting += 1
    agreeing.isPaid ||= arrival.lane === 'node'
    return agreeing.keys.then(async (keys) => {
      if (keys === undefined) return this.#drop('a message that could not be read', arrival, Code.BUSY)
      return await this.#open(header, arrival, keys)
    })
  }

  async #keysOf(ephemeral: Uint8Array, turn: 'now' | Promise<void>): Promise<NoteKeys | undefined> {
    const { runtime, node, agreements } = this.#parts.driver
    const name = toHex(ephemeral)
    try {
      if (turn !== 'now') await turn
      for (let tries = 1; ; tries++) {
        try {
          const secret = await node.backend.sharedSecret(ephemeral)
          return noteKeys(node.publicKey, ephemeral, secret)
        } catch (error) {
          runtime.debug({ reason: messageOf(error) }, 'a message could not be read')
        }
        // One that is not paid is sent again by its sender.
        if (this.#agreeing.get(name)?.isPaid !== true || tries >= MAX_KEY_TRIES) return undefined
        await this.#pause(backOffMs(AGAIN, tries - 1))
      }
    } finally {
      agreements.leave()
      this.#agreeing.delete(name)
    }
  }

  async #pause(ms: number): Promise<void> {
    const { runtime } = this.#parts.driver
    await new Promise<void>((resolve) => {
      runtime.deadlines.set(runtime.deadlines.add(resolve), runtime.now() + ms)
    })
  }

  #open(header: NoteHeader, arrival: Arrival, keys: NoteKeys): OfferDecision | Promise<OfferDecision> {
    let letter: Letter | undefined
    try {
      letter = openNote(arrival.record, header, keys)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return this.#drop('a malformed letter', arrival, error.code)
    }
    if (letter === undefined) return this.#drop('a message with a wrong tag', arrival, Code.PROTOCOL)
    this.#keys.renew(toHex(header.ephemeral), keys)
    const key = `${letter.port}/${toHex(letter.id)}`
    const { attempt, number } = header
    const preimage = letter.isLocked ? undefined : notePreimage(keys, number, attempt)
    // spec §2.4: what settles it has to be its own; §18.7: there are no locked payments on the node lane.
    const isRight =
      arrival.lane === 'node'
        ? !letter.isLocked
        : preimage === undefined || equalBytes(paymentHash(preimage), arrival.hash)
    if (!isRight) return this.#drop('a message whose payment is another', arrival, Code.PROTOCOL)
    return this.#judge({ header, letter, key, preimage, arrival })
  }

  // ---- What becomes of it -----------------------------------------------------------------------------

  #judge(note: AuthenticNote): OfferDecision | Promise<OfferDecision> {
    const { seen, ports, driver } = this.#parts
    const { letter, key, arrival } = note
    // Until it is known what becomes of an attempt before, this one is neither a first nor a later one.
    const keeping = this.#keeping.get(key)
    if (keeping !== undefined) return keeping.then(() => this.#judge(note))
    const fate = seen.fateOf(key)
    const pending = this.#pending.get(key)
    if (fate !== undefined || pending !== undefined) return this.#again(note, fate, pending)
    const { blockHeight } = driver.node
    const { height } = letter
    if (height < blockHeight - OPEN_AGE_BLOCKS || height > blockHeight + OPEN_AHEAD_BLOCKS || height < seen.floor)
      return this.#drop('a stale message', arrival, Code.STALE)
    if (ports.isTooLong(letter.port, letter)) return this.#drop('a message that is too long', arrival, Code.NO_ROOM)
    const data = this.#dataOf(note)
    if (data === undefined) return this.#drop('a message without its content', arrival, Code.CONTENT)
    const reader = ports.get(letter.port)
    if (arrival.lane === 'node') return this.#keepOnce(note, data, reader !== undefined)
    if (reader === undefined) return this.#drop('a message for nobody', arrival, Code.NO_LISTENER)
    // Who answers by itself has no preimage of its own.
    if (reader.takes === 'all' && letter.isLocked) return this.#drop('a locked message', arrival, Code.UNSUPPORTED)
    if (reader.takes === 'all') return this.#keepOnce(note, data, true)
    const pendingNote = new PendingNote({ key, letter, data, first: arrival }, (each) => driver.offers.isHeld(each))
    const decision = pendingNote.join({ arrival, attempt: note.header.attempt, preimage: note.preimage })
    this.#pending.set(key, pendingNote)
    if (!reader.offer(pendingNote)) this.abandon(pendingNote, Code.BUSY)
    return decision
  }

  #dataOf({ letter, key }: AuthenticNote): Uint8Array | undefined {
    const { contents, driver } = this.#parts
    return letter.content === undefined ? letter.data : contents.get(driver.runtime.now(), key, letter.content)
  }

  /** One whose id came before (spec §18.6). */
  #again(
    note: AuthenticNote,
    fate: NoteFate | undefined,
    pending: PendingNote | undefined,
  ): OfferDecision | Promise<OfferDecision> {
    const { header, letter, arrival, preimage } = note
    if (arrival.lane === 'node') return this.#drop('another attempt of a message', arrival, Code.DUPLICATE)
    if (fate?.refusal !== undefined) return refusal(fate.refusal)
    if (fate?.settledAttempt !== undefined) return this.#settleAgain(note, fate)
    if (pending === undefined) return this.#drop('a message that was shown before', arrival, Code.DUPLICATE)
    // spec §18.6: its application is shown what the first one pays, and says yes to that.
    if (!pending.isLike(letter, arrival))
      return this.#drop('an attempt of a message that pays less', arrival, Code.DUPLICATE)
    if (pending.live.length >= MAX_WAITING_ATTEMPTS)
      return this.#drop('too many attempts of a message', arrival, Code.BUSY)
    return pending.join({ arrival, attempt: header.attempt, preimage })
  }

  /** It was taken: this attempt is settled only where the one before it brought nothing, as its sender says. */
  async #settleAgain(note: AuthenticNote, fate: NoteFate): Promise<OfferDecision> {
    const { header, key, arrival } = note
    const { attempt, failedBelow } = header
    const { settledAttempt = 0 } = fate
    const preimage = note.preimage ?? (fate.preimage === undefined ? undefined : fromHex(fate.preimage))
    const isVoid = failedBelow > settledAttempt || attempt === settledAttempt
    if (!isVoid || preimage === undefined || !equalBytes(paymentHash(preimage), arrival.hash))
      return this.#drop('another attempt of a message', arrival, Code.DUPLICATE)
    const { seen, driver } = this.#parts
    // Its preimage goes out once the next process would know of it, too.
    if (attempt !== settledAttempt) await this.#store(seen.set(key, { ...fate, settledAttempt: attempt }))
    return driver.runtime.isStopped ? refusal(Code.SHUTDOWN) : settled(preimage, note.letter.port)
  }

  #keepOnce(note: AuthenticNote, data: Uint8Array, isClaimed: boolean): Promise<OfferDecision> {
    const { key } = note
    const keeping = this.#keep(note, data, isClaimed).finally(() => this.#keeping.delete(key))
    this.#keeping.set(key, keeping)
    return keeping
  }

  /** Takes it in without asking anybody: it is paid already, or all is taken that has room. */
  async #keep(note: AuthenticNote, data: Uint8Array, isClaimed: boolean): Promise<OfferDecision> {
    const { inbox, seen, ports, contents, driver } = this.#parts
    const { letter, key, header, arrival, preimage } = note
    const { port } = letter
    const { lane, amountMsat, hash } = arrival
    const message: PaidMessage = { port, id: toHex(letter.id), data, records: [], lane, amountMsat, hash }
    const added = inbox.add(message, isClaimed)
    if (added === undefined) {
      this.#warnOfFull(arrival.lane)
      return this.#drop('no room for a message', arrival, Code.NO_ROOM)
    }
    const fate = { height: letter.height, settledAttempt: header.attempt }
    await this.#store([...seen.set(key, fate), added.change])
    if (driver.runtime.isStopped) return refusal(Code.SHUTDOWN)
    if (arrival.lane === 'phantom' && !driver.offers.isHeld(arrival)) {
      // Its payer was told no in the meantime, and tries again.
      driver.runtime.storeLater([...seen.forget(key), ...inbox.withdraw(port, added.serial)])
      // What came after it can be read now.
      ports.get(port)?.added()
      return refusal(Code.BUSY)
    }
    if (letter.content !== undefined) contents.drop(key, letter.content)
    inbox.show(added.serial)
    ports.get(port)?.added()
    if (lane === 'node') driver.accountant.received(partyOf(port), amountMsat)
    return preimage === undefined ? refusal(Code.INTERNAL) : settled(preimage, port)
  }

  // ---- What its application says ----------------------------------------------------------------------

  /**
   * The application is about to see it: the next process must know. False: nobody waits for its payment any more, and
   * it is as if it had never come.
   */
  async show(pending: PendingNote): Promise<boolean> {
    const { seen } = this.#parts
    const { key, letter } = pending
    if (pending.live.length > 0) {
      await this.#store(seen.set(key, { height: letter.height }))
      if (pending.live.length > 0) {
        pending.show()
        return true
      }
      this.#parts.driver.runtime.storeLater(seen.forget(key))
    }
    this.#pending.delete(key)
    pending.refuse(Code.BUSY)
    return false
  }

  /**
   * The application takes it; the attempt that is settled. Undefined: its payments went back before it said so, and it
   * must not be acted on.
   */
  async accept(pending: PendingNote, ofApplication?: Uint8Array): Promise<Arrival | undefined> {
    pending.begin()
    const { key, letter } = pending
    for (let next = pending.live[0]; next !== undefined; next = pending.live[0]) {
      const preimage = ofApplication ?? next.preimage
      if (preimage === undefined) throw new Error('a locked message is settled with its preimage')
      const ofHash = ofApplication === undefined ? {} : { preimage: toHex(ofApplication) }
      await this.#store(this.#parts.seen.set(key, { height: letter.height, settledAttempt: next.attempt, ...ofHash }))
      if (this.#parts.driver.runtime.isStopped) return undefined
      if (!pending.live.includes(next)) continue
      this.#end(pending)
      pending.settle(next, preimage)
      return next.arrival
    }
    await this.refuse(pending, Code.CANCELLED)
    return undefined
  }

  async refuse(pending: PendingNote, code: number): Promise<void> {
    pending.begin()
    const { key, letter } = pending
    await this.#store(this.#parts.seen.set(key, { height: letter.height, refusal: code }))
    this.#end(pending)
    pending.refuse(code)
  }

  /** It was never shown: the next attempt is a first one. */
  abandon(pending: PendingNote, code: Code): void {
    this.#pending.delete(pending.key)
    pending.refuse(code)
  }

  /** Holds its payment beyond the verdict's time (spec §18.7); until when, or undefined where it is not held longer. */
  async prolong(pending: PendingNote): Promise<number | undefined> {
    const [first] = pending.live
    return first === undefined ? undefined : await this.#parts.driver.offers.prolong(first.arrival)
  }

  /** When the last of its payments goes back, ms. */
  dueMs(pending: PendingNote): number | undefined {
    const times = pending.live.map(({ arrival }) => this.#parts.driver.offers.dueMs(arrival) ?? 0)
    return times.length === 0 ? undefined : Math.max(...times)
  }

  #end({ key, letter }: PendingNote): void {
    this.#pending.delete(key)
    if (letter.content !== undefined) this.#parts.contents.drop(key, letter.content)
  }

  // ---- Odds and ends ----------------------------------------------------------------------------------

  /** A store that fails ends the endpoint: then nothing is told or settled any more. */
  async #store(changes: Parameters<Driver['runtime']['store']>[0]): Promise<void> {
    const { runtime } = this.#parts.driver
    await runtime.store(changes).catch(() => runtime.stop())
  }

  #warnOfFull(lane: Lane): void {
    if (lane !== 'node') return
    this.#parts.driver.runtime.warn(
      'ERR_KEYSOCK_MESSAGES_FULL',
      'a message that was paid for was dropped: too many wait to be read, or nobody listens on its port. Read them',
    )
  }

  #drop(why: string, { lane, amountMsat }: Arrival, code: Code): OfferDecision {
    this.#parts.driver.counts.stray(why, lane === 'node' ? amountMsat : 0n)
    return refusal(code)
  }
}

function settled(preimage: Uint8Array, port: number): OfferDecision {
  return { reception: { action: 'settle', preimage }, paid: undefined, party: partyOf(port) }
}
