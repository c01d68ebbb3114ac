import { sha256 } from '@noble/hashes/sha2.js'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import { KEY_BYTES } from '../../wire/keys.ts'
import { APPLICATION_CODES, Code } from '../../wire/errors.ts'
import type { Arrival } from '../../medium/arrival.ts'
import type { Lane } from '../../medium/payment.ts'
import { invalidOption, KeysockError } from '../errors.ts'
import type { Runtime } from '../driver/runtime.ts'
import type { WaitingMessage } from './letters.ts'
import { DECIDE_MARGIN_MS } from './limits.ts'
import type { NoteReceiver } from './note-receiver.ts'
import type { PendingNote } from './pending-note.ts'

const decoder = new TextDecoder()

/** A message that came, on a port of this endpoint. */
export interface Message {
  /** 32 hexadecimal digits, as its sender chose or drew them. */
  readonly id: string
  readonly port: number
  readonly bytes: Uint8Array
  /** `bytes` as UTF-8. */
  readonly text: string
  /** What its payment brings; of one that waits: no less. */
  readonly amountMsat: bigint
  /** The hash of its payment, 32 bytes; of a locked one, by this the receiver knows its own. */
  readonly hash: Uint8Array
  readonly lane: Lane
  /** The money is here: nothing is left to be said. Else it waits for `accept`, `refuse` or `settle`. */
  readonly isPaid: boolean
  /** It is paid to a hash that this side issued: `settle` takes it. */
  readonly isLocked: boolean
  /**
   * When its payment goes back if nothing is said, ms of the endpoint's clock; undefined where it is paid. `hold` moves
   * it.
   */
  readonly deadline: number | undefined
  /** At this block height it goes back in any case; undefined where it is paid, or the node does not say. */
  readonly deadlineHeight: number | undefined
  /** Takes its payment; only then it may be acted on. @throws KeysockError ERR_KEYSOCK_MESSAGE_OVER */
  accept(): Promise<void>
  /**
   * Gives its payment back. The sender reads `code`: DENIED (18), or one of the application's own from 256 to 2^24 - 1.
   * `reason` goes to this side's log: a failure of Lightning has no room for it.
   *
   * @throws KeysockError ERR_KEYSOCK_MESSAGE_OVER
   */
  refuse(reason?: string, code?: number): Promise<void>
  /** Takes the payment of a locked message with the preimage of its hash. @throws KeysockError as `accept` */
  settle(preimage: Uint8Array): Promise<void>
  /**
   * Keeps the payment waiting beyond the 3 s of a verdict: 10 minutes from the first call on, and not above
   * `deadlineHeight`; and no word is taken from the loop's going on. Until when, or undefined where it is kept no
   * longer than before.
   */
  hold(): Promise<number | undefined>
}

/** A message that was paid for before its application saw it. */
export class KeptMessage implements Message {
  readonly isPaid = true
  readonly isLocked = false
  readonly deadline = undefined
  readonly deadlineHeight = undefined
  /** Where it stands among those of the endpoint. */
  readonly serial: number
  readonly id: string
  readonly port: number
  readonly bytes: Uint8Array
  readonly amountMsat: bigint
  readonly hash: Uint8Array
  readonly lane: Lane

  constructor({ serial, id, port, data, amountMsat, hash, lane }: WaitingMessage) {
    this.serial = serial
    this.id = id
    this.port = port
    this.bytes = data
    this.amountMsat = amountMsat
    this.hash = hash
    this.lane = lane
  }

  get text(): string {
    return decoder.decode(this.bytes)
  }

  async accept(): Promise<void> {
    // It was.
  }

  async refuse(): Promise<void> {
    throw over('it was paid before this side could say anything: messages over the node lane are')
  }

  async settle(): Promise<void> {
    throw over('it is not paid to a hash of this side')
  }

  async hold(): Promise<undefined> {
    return undefined
  }
}

/** A message whose payment waits for what its application says. */
export class OfferedMessage implements Message {
  readonly #pending: PendingNote
  readonly #receiver: NoteReceiver
  readonly #runtime: Runtime
  /** The payment that is shown: the first one, then the one that is settled, which brings no less. */
  #arrival: Arrival
  readonly #deadline: ReturnType<Runtime['deadlines']['add']>
  #isPaid = false
  /** Its application asked for time: that the loop goes on says nothing. */
  #isHeld = false

  constructor(pending: PendingNote, receiver: NoteReceiver, runtime: Runtime) {
    this.#pending = pending
    this.#receiver = receiver
    this.#runtime = runtime
    this.#arrival = pending.first
    this.#deadline = runtime.deadlines.add(() => this.#due())
    this.#arm()
  }

  get id(): string {
    return toHex(this.#pending.letter.id)
  }

  get port(): number {
    return this.#pending.letter.port
  }

  get bytes(): Uint8Array {
    return this.#pending.data
  }

  get text(): string {
    return decoder.decode(this.bytes)
  }

  get amountMsat(): bigint {
    return this.#arrival.amountMsat
  }

  get hash(): Uint8Array {
    return this.#arrival.hash
  }

  get lane(): Lane {
    return 'phantom'
  }

  get isLocked(): boolean {
    return this.#pending.letter.isLocked
  }

  get isPaid(): boolean {
    return this.#isPaid
  }

  get deadline(): number | undefined {
    return this.#receiver.dueMs(this.#pending)
  }

  get deadlineHeight(): number | undefined {
    return this.#isPaid ? undefined : this.#arrival.holdHeight
  }

  /** The loop went on without a word about it: what is taken so is taken (but a locked one has to be settled). */
  async leftAlone(): Promise<void> {
    if (this.#pending.state !== 'shown' || this.#isHeld || this.isLocked) return
    await this.accept().catch((error: unknown) => {
      this.#runtime.debug({ message: this.id, reason: String(error) }, 'a message was not taken')
    })
  }

  async accept(): Promise<void> {
    if (this.isLocked) throw over('it is paid to a hash of this side; settle it with the preimage')
    await this.#take(undefined)
  }

  async settle(preimage: Uint8Array): Promise<void> {
    if (!this.isLocked) throw over('it is not paid to a hash of this side; accept it')
    if (!(preimage instanceof Uint8Array) || preimage.length !== KEY_BYTES)
      throw invalidOption('a preimage is a Uint8Array of 32 bytes')
    if (!equalBytes(sha256(preimage), this.hash)) throw invalidOption('this is not the preimage of the message’s hash')
    await this.#take(preimage.slice())
  }

  async refuse(reason = '', code: number = Code.DENIED): Promise<void> {
    const isOne = Number.isInteger(code) && code >= APPLICATION_CODES.first && code <= APPLICATION_CODES.last
    if (!isOne && code !== Code.DENIED) throw invalidOption('a code is DENIED (18), or from 256 to 16777215')
    this.#mustWait()
    this.#runtime.debug({ message: this.id, reason, code }, 'a message was refused')
    await this.#receiver.refuse(this.#pending, code)
    this.#arm()
  }

  async hold(): Promise<number | undefined> {
    this.#mustWait()
    const untilMs = await this.#receiver.prolong(this.#pending)
    if (untilMs === undefined) return undefined
    this.#isHeld = true
    this.#arm()
    return untilMs
  }

  async #take(preimage: Uint8Array | undefined): Promise<void> {
    if (this.#isPaid) return
    this.#mustWait()
    const arrival = await this.#receiver.accept(this.#pending, preimage)
    this.#arm()
    if (arrival === undefined) throw over('its payment went back to the sender before this was said')
    this.#arrival = arrival
    this.#isPaid = true
  }

  #mustWait(): void {
    if (this.#pending.state !== 'shown') throw over('its payment has gone one way or the other')
  }

  #arm(): void {
    const waits = this.#pending.state === 'shown'
    const { deadlines } = this.#runtime
    const dueMs = this.#receiver.dueMs(this.#pending) ?? this.#runtime.now()
    deadlines.set(this.#deadline, waits ? dueMs - DECIDE_MARGIN_MS : undefined)
  }

  /** Its payments are about to go back: its application has missed its time, and no later attempt is taken. */
  #due(): void {
    if (this.#pending.state !== 'shown') return
    const dueMs = this.#receiver.dueMs(this.#pending) ?? 0
    if (dueMs - DECIDE_MARGIN_MS > this.#runtime.now()) return this.#arm()
    void this.#receiver.refuse(this.#pending, Code.CANCELLED)
  }
}

function over(why: string): KeysockError {
  return new KeysockError('ERR_KEYSOCK_MESSAGE_OVER', `nothing can be said about this message: ${why}`)
}
