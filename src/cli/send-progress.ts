import type { Socket } from '../index.ts'
import { RateMeter } from './display/rate-meter.ts'
import { DATA_BYTES, UNACKNOWLEDGED_BYTES, UNACKNOWLEDGED_SECONDS } from './transfer/bounds.ts'
import { HEAD_BYTES } from './transfer/messages.ts'

type Stats = Socket['stats']

/** How far a source is on one connection, and how far it may go. Bytes count from the beginning of the source. */
export class SendProgress {
  /** Acknowledged by the other process. */
  acknowledged: number
  /** Acknowledged, or about: paid for and at the other node. */
  settled: number
  /** Handed to the connection. */
  written: number
  /** When there was something new, ms. */
  forwardMs: number
  /** Where this connection began, and how much of the protocol went over it before. */
  readonly offset: number
  readonly #before: number
  readonly #meter: RateMeter = new RateMeter()
  readonly #acknowledgedMeter: RateMeter = new RateMeter()
  #waiting: { readonly bytes: number; readonly resolve: () => void } | undefined
  #isOver = false

  constructor({ offset, before, nowMs }: { readonly offset: number; readonly before: number; readonly nowMs: number }) {
    this.offset = offset
    this.#before = before
    this.acknowledged = offset
    this.settled = offset
    this.written = offset
    this.forwardMs = nowMs
  }

  /** Of what settles, bytes a second. */
  get bytesPerSecond(): number {
    return this.#meter.bytesPerSecond
  }

  get isAllAcknowledged(): boolean {
    return this.acknowledged >= this.written
  }

  /** @param packetBytes what a packet carries; 0: not known */
  update(stats: Stats, { nowMs, packetBytes }: { readonly nowMs: number; readonly packetBytes: number }): void {
    const acknowledged = this.#acknowledgedOf(stats)
    const settled = Math.max(acknowledged, this.#settledOf(stats, packetBytes))
    if (acknowledged > this.acknowledged || settled > this.settled) this.forwardMs = nowMs
    this.acknowledged = acknowledged
    this.settled = settled
    this.#meter.add(nowMs, settled)
    this.#acknowledgedMeter.add(nowMs, acknowledged)
    this.#grant()
  }

  /** The other side has everything. */
  complete(size: number): void {
    this.written = size
    this.acknowledged = size
    this.settled = size
  }

  /** Resolves when bytes up to here may be written, or the connection is over. One writer at a time. */
  async mayWrite(bytes: number): Promise<void> {
    if (bytes <= this.#mayWriteTo || this.#isOver) return
    await new Promise<void>((resolve) => {
      this.#waiting = { bytes, resolve }
    })
  }

  /** The connection is over. */
  end(): void {
    this.#isOver = true
    this.#grant()
  }

  #grant(): void {
    const waiting = this.#waiting
    if (waiting === undefined || (waiting.bytes > this.#mayWriteTo && !this.#isOver)) return
    this.#waiting = undefined
    waiting.resolve()
  }

  get #mayWriteTo(): number {
    const recent = this.#acknowledgedMeter.bytesPerSecond * UNACKNOWLEDGED_SECONDS
    return this.acknowledged + Math.max(UNACKNOWLEDGED_BYTES, recent)
  }

  /** What is acknowledged of the connection, without the heads of messages. */
  #acknowledgedOf({ bytesAcknowledged }: Stats): number {
    const stream = Math.max(0, bytesAcknowledged - this.#before)
    const heads = Math.ceil(stream / (DATA_BYTES + HEAD_BYTES)) * HEAD_BYTES
    return Math.min(this.written, this.offset + Math.max(0, stream - heads))
  }

  /** By payments that settled: about, since packets differ in length and some are copies. */
  #settledOf({ attempts, failedAttempts, unresolvedAttempts }: Stats, packetBytes: number): number {
    const packets = attempts - failedAttempts - unresolvedAttempts
    return Math.min(this.written, this.offset + Math.max(0, packets * packetBytes - this.#before))
  }
}
