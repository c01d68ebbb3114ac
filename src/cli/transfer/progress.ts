import type { Socket } from '../../index.ts'
import {
  DATA_BYTES,
  DEAD_MS,
  MAX_RATE_SAMPLES,
  MIN_RATE_MS,
  RATE_WINDOW_MS,
  UNACKNOWLEDGED_BYTES,
  UNACKNOWLEDGED_SECONDS,
} from './limits.ts'
import { HEAD_BYTES } from './messages.ts'
import type { SetMark } from './send-session.ts'

type Stats = Socket['stats']

/** How far a source is on one connection, and how far it may go. Bytes count from the beginning of the source. */
export class SendProgress {
  /** Where this connection began, and how much of the protocol went over it before. */
  readonly #offset: number
  readonly #before: number
  #acknowledged: number
  #settled: number
  /** Handed to the connection. */
  #written: number
  #forwardMs: number
  readonly #meter: RateMeter = new RateMeter()
  readonly #acknowledgedMeter: RateMeter = new RateMeter()
  #waiting: { readonly bytes: number; readonly resolve: () => void } | undefined
  #isOver = false
  /** Of a set: how far it is when so much of the connection is acknowledged; what is not yet, in order. */
  readonly #marks: (SetMark & { readonly bytes: number })[] = []
  #marked: (SetMark & { readonly bytes: number }) | undefined

  constructor({ offset, before, nowMs }: { readonly offset: number; readonly before: number; readonly nowMs: number }) {
    this.#offset = offset
    this.#before = before
    this.#acknowledged = offset
    this.#settled = offset
    this.#written = offset
    this.#forwardMs = nowMs
  }

  /** Acknowledged by the other process. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Acknowledged, or about: paid for and at the other node. */
  get settled(): number {
    return this.#settled
  }

  /** When the counts grew last, ms. */
  get forwardMs(): number {
    return this.#forwardMs
  }

  /** The rate at which payments settle, bytes a second. */
  get bytesPerSecond(): number {
    return this.#meter.bytesPerSecond
  }

  get isAllAcknowledged(): boolean {
    return this.#acknowledged >= this.#written
  }

  /** @param packetBytes what a packet carries; 0: not known */
  update(stats: Stats, { nowMs, packetBytes }: { readonly nowMs: number; readonly packetBytes: number }): void {
    const acknowledged = this.#acknowledgedOf(stats)
    const settled = Math.max(acknowledged, this.#settledOf(stats, packetBytes))
    if (acknowledged > this.#acknowledged || settled > this.#settled) this.#forwardMs = nowMs
    this.#acknowledged = acknowledged
    this.#settled = settled
    this.#meter.add(nowMs, settled)
    this.#acknowledgedMeter.add(nowMs, acknowledged)
    this.#grant()
  }

  /**
   * Bytes up to here are handed to the connection.
   *
   * @param ofSet of a set, of which the rest of the protocol takes any share of the connection
   */
  recordWritten(bytes: number, ofSet?: SetMark): void {
    this.#written = bytes
    if (ofSet !== undefined) this.#marks.push({ ...ofSet, bytes })
  }

  /** Files of a set that the other process has; undefined: none of this connection yet. */
  get files(): number | undefined {
    return this.#marked?.files
  }

  /** The other side has everything. */
  complete(size: number): void {
    this.#written = size
    this.#acknowledged = size
    this.#settled = size
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
    return this.#acknowledged + Math.max(UNACKNOWLEDGED_BYTES, recent)
  }

  /** What is acknowledged of the connection, without the heads of messages. */
  #acknowledgedOf({ bytesAcknowledged }: Stats): number {
    while ((this.#marks[0]?.ofConnection ?? Infinity) <= bytesAcknowledged) this.#marked = this.#marks.shift()
    if (this.#marks.length > 0 || this.#marked !== undefined) return this.#marked?.bytes ?? this.#offset
    const stream = Math.max(0, bytesAcknowledged - this.#before)
    const heads = Math.ceil(stream / (DATA_BYTES + HEAD_BYTES)) * HEAD_BYTES
    return Math.min(this.#written, this.#offset + Math.max(0, stream - heads))
  }

  /** An estimate by the payments that settled: packets differ in length, and some are copies. */
  #settledOf({ attempts, failedAttempts, unresolvedAttempts }: Stats, packetBytes: number): number {
    const packets = attempts - failedAttempts - unresolvedAttempts
    return Math.min(this.#written, this.#offset + Math.max(0, packets * packetBytes - this.#before))
  }
}

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

/** Bytes a second over the last ten seconds, from counts that only grow. */
export class RateMeter {
  readonly #samples: Sample[] = []

  add(atMs: number, bytes: number): void {
    this.#samples.push({ atMs, bytes })
    // The sample before the window stays: it is where the window begins.
    while (this.#samples.length > MAX_RATE_SAMPLES || (this.#samples[1]?.atMs ?? Infinity) <= atMs - RATE_WINDOW_MS) {
      this.#samples.shift()
    }
  }

  /** 0 until half a second of samples is there. */
  get bytesPerSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs - first.atMs < MIN_RATE_MS) return 0
    return ((last.bytes - first.bytes) * 1_000) / (last.atMs - first.atMs)
  }
}

/** How long the other process has given no sign although something is owed to this one (file-transfer §5.2). */
export class StallTimer {
  #acknowledged = 0
  #signMs: number

  constructor(nowMs: number) {
    this.#signMs = nowMs
  }

  /** Bytes of one connection: what was written to it, and what the other process has acknowledged. */
  update({
    written,
    acknowledged,
    nowMs,
  }: {
    readonly written: number
    readonly acknowledged: number
    readonly nowMs: number
  }): void {
    if (acknowledged > this.#acknowledged || acknowledged >= written) this.#signMs = nowMs
    this.#acknowledged = acknowledged
  }

  /** Starts again: this side paused, which is no fault of the other one. */
  excuse(nowMs: number): void {
    this.#signMs = nowMs
  }

  isStalled(nowMs: number): boolean {
    return nowMs - this.#signMs >= DEAD_MS
  }
}
