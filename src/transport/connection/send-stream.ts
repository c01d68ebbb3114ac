import { backOffMs } from '../../floor/back-off.ts'
import { Control } from './controls.ts'
import {
  ASSUMED_CAPACITY_BYTES,
  COALESCE_MS,
  INITIAL_LIMIT,
  MAX_BLOCKED_MS,
  MIN_BLOCKED_MS,
  SEND_LOW_BYTES,
} from './limits.ts'
import type { Parts } from './parts.ts'
import { SendBuffer } from './send-buffer.ts'
import { earliest, type Timed } from './timed.ts'

const BLOCKED = { minMs: MIN_BLOCKED_MS, maxMs: MAX_BLOCKED_MS }

type Needs = 'controls' | 'life' | 'outputs' | 'settings'

/** The stream that goes out: what was written, the peer's limit, FIN, and when small writes have waited long enough. */
export class SendStream implements Timed {
  readonly #parts: Pick<Parts, Needs>
  readonly buffer: Readonly<SendBuffer> = new SendBuffer()
  /** What the peer takes: bytes at or beyond it may not be sent. */
  limit: number = INITIAL_LIMIT
  /** Nothing more will be written. */
  isFinished = false
  isFinSent = false
  isFinDelivered = false
  /** Small writes go at once. */
  #noDelay: boolean
  /** New data waits for more until then (spec §10.5). */
  #coalesceAt: number | undefined
  /** Room for stream data in the last packet built. */
  capacity: number = ASSUMED_CAPACITY_BYTES
  /** When BLOCKED goes again, and how often it went in a row. */
  #blockedAt: number | undefined
  #blockedTimes = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
    this.#noDelay = parts.settings.noDelay
  }

  /** All that was written has arrived, and the peer knows that it is all. */
  get isDelivered(): boolean {
    return this.isFinDelivered && this.buffer.buffered === 0
  }

  get isFinDue(): boolean {
    return (this.#parts.controls.due & Control.FIN) !== 0
  }

  /** The FIN can go, as everything before it was sent. */
  get isFinNext(): boolean {
    return this.isFinDue && this.buffer.unsent === 0 && !this.buffer.hasAgain
  }

  /** New bytes that the peer's limit lets pass. */
  get sendable(): number {
    // spec §7.2: before ACCEPT no other limit is known.
    const limit = this.#parts.life.isOpening ? Math.min(this.limit, INITIAL_LIMIT) : this.limit
    return Math.max(0, Math.min(this.buffer.written, limit) - this.buffer.sentEnd)
  }

  /** Whether `fresh` new bytes have no reason to wait for more (spec §10.5). */
  isRipe(now: number, fresh: number): boolean {
    return this.#noDelay || fresh >= this.capacity || this.isFinished || (this.#coalesceAt ?? now) <= now
  }

  get #isBlocked(): boolean {
    const { state } = this.#parts.life
    if (state !== 'open' && state !== 'closing') return false
    return this.buffer.unsent > 0 && this.buffer.sentEnd >= this.limit
  }

  dueAt(after: number): number | undefined {
    return earliest(after, this.#coalesceAt, this.#blockedAt)
  }

  run(now: number): void {
    if (this.#parts.life.isLive) this.settle(now)
  }

  /** spec §7.6: records that the peer's limit stands in the way, and says so again. */
  settle(now: number): void {
    const { controls } = this.#parts
    if (!this.#isBlocked) {
      this.#blockedAt = undefined
      controls.drop(Control.BLOCKED)
      return
    }
    if (this.#blockedAt === undefined) this.#blockedTimes = 0
    else if (this.#blockedAt > now) return
    this.#blockedAt = now + backOffMs(BLOCKED, this.#blockedTimes++)
    controls.want(Control.BLOCKED)
  }

  /** Lets go of everything; the stream is over. */
  stop(): void {
    this.buffer.clear()
    this.#blockedAt = undefined
    this.#coalesceAt = undefined
  }

  setNoDelay(noDelay: boolean): void {
    this.#noDelay = noDelay
  }

  /** Takes ownership of `data`. */
  write(now: number, data: Uint8Array): void {
    if (!this.#parts.life.isLive || data.length === 0) return
    if (this.isFinished) throw new Error('write after finish')
    this.buffer.write(data)
    this.#coalesceAt ??= now + COALESCE_MS
  }

  /** FIN after all that was written (spec §13.1). */
  finish(): void {
    if (!this.#parts.life.isLive || this.isFinished) return
    this.isFinished = true
    this.#parts.controls.want(Control.FIN)
  }

  /** The peer takes bytes up to `limit`. True when that is more than before. */
  raiseLimit(limit: number): boolean {
    if (limit <= this.limit) return false
    this.limit = limit
    this.#blockedAt = undefined
    this.#parts.controls.drop(Control.BLOCKED)
    return true
  }

  /** A packet that will be built has room for so many bytes of stream. */
  setCapacity(bytes: number): void {
    this.capacity = Math.max(1, bytes)
  }

  finSent(): void {
    this.isFinSent = true
  }

  /** A packet went out; before it, `unsentBefore` bytes had never been sent. */
  packetBuilt(unsentBefore: number): void {
    const { buffered, unsent } = this.buffer
    if (unsentBefore < SEND_LOW_BYTES || unsent >= SEND_LOW_BYTES) return
    this.#parts.outputs.emit({ type: 'writable', bufferedBytes: buffered })
  }

  packetSent(): void {
    if (this.buffer.unsent === 0) this.#coalesceAt = undefined
  }

  /** The peer has the FIN. True when that is news. */
  finDelivered(): boolean {
    if (this.isFinDelivered) return false
    this.isFinDelivered = true
    this.#parts.controls.drop(Control.FIN)
    return true
  }
}
