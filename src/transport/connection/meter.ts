import type { Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'
import { MAX_STRETCHES } from './limits.ts'

/** From where in the responder's stream 1,000 bytes cost so much. */
interface Stretch {
  readonly from: number
  readonly kilobyteMsat: bigint
}

/** What one side has counted since the tariff that holds began to. */
interface Counts {
  packets: number
  uploadBytes: number
  messages: number
  /** Time is counted from then on, ms. */
  sinceMs: number
}

/**
 * What a connection costs by the count of one side (spec §12.3). Sums are kept in thousandths of a millisatoshi, and
 * rounded up once in all, so that how the stream is cut into packets changes nothing.
 */
export class Meter {
  #tariff: Tariff = NO_TARIFF
  /** The first tariff counts from the beginning on. */
  #isFirst = true
  /** What was counted under the tariffs before, and the stream below the first stretch; in thousandths. */
  #before = 0n
  readonly #counts: Counts
  #uploaded = 0
  readonly #stretches: Stretch[] = []
  #stoppedMs: number | undefined

  constructor(nowMs: number) {
    this.#counts = { packets: 0, uploadBytes: 0, messages: 0, sinceMs: nowMs }
  }

  /** Of all but the responder's stream. */
  get tariff(): Tariff {
    return this.#tariff
  }

  /** No further tariff has room until bytes arrive. */
  get isFull(): boolean {
    return this.#stretches.length >= MAX_STRETCHES
  }

  /** Where the newest tariff of the stream begins. */
  get lastFrom(): number {
    return this.#stretches.at(-1)?.from ?? 0
  }

  /** What is counted from now on goes by this tariff; the first one takes in all that was counted. */
  change(nowMs: number, tariff: Tariff): void {
    if (this.#isFirst) this.#before += tariff.openingMsat * 1_000n
    else this.#fold(nowMs)
    this.#isFirst = false
    this.#tariff = tariff
  }

  /** The responder's stream costs so much from `from` on. `from` is not below that of the stretch before. */
  stretch(from: number, kilobyteMsat: bigint): void {
    if (this.lastFrom === from) this.#stretches.pop()
    if (this.#stretches.length === 0 && from > 0) this.#stretches.push({ from: 0, kilobyteMsat: 0n })
    this.#stretches.push({ from, kilobyteMsat })
  }

  packet(): void {
    this.#counts.packets++
  }

  message(): void {
    this.#counts.messages++
  }

  /** The initiator's stream is there, or was sent, up to so many bytes. */
  upload(bytes: number): void {
    this.#counts.uploadBytes += bytes - this.#uploaded
    this.#uploaded = bytes
  }

  /** Time does not count any more. */
  stop(nowMs: number): void {
    this.#stoppedMs ??= nowMs
  }

  /** Nothing is asked any more about what costs how much below `offset`. */
  forget(offset: number): void {
    for (;;) {
      const [first, second] = this.#stretches
      if (first === undefined || second === undefined || second.from > offset) return
      this.#before += first.kilobyteMsat * BigInt(second.from - first.from)
      this.#stretches.shift()
    }
  }

  /** What all costs at `nowMs` with `streamBytes` of the responder's stream, msat. */
  costMsat(nowMs: number, streamBytes: number): bigint {
    return (this.#thousandths(nowMs, streamBytes) + 999n) / 1_000n
  }

  /** How many bytes of stream from `streamBytes` on are covered when all may cost `msat`. */
  affordableBytes(nowMs: number, streamBytes: number, msat: bigint): number {
    let left = msat * 1_000n - this.#thousandths(nowMs, streamBytes)
    if (left < 0n) return 0
    let at = streamBytes
    for (const [index, { kilobyteMsat }] of this.#stretches.entries()) {
      const end = this.#stretches[index + 1]?.from ?? Infinity
      if (end <= at) continue
      if (kilobyteMsat > 0n) {
        const bytes = Number(left / kilobyteMsat)
        if (bytes < end - at) return at - streamBytes + bytes
        left -= kilobyteMsat * BigInt(end - at)
      }
      if (end === Infinity) break
      at = end
    }
    return Infinity
  }

  #thousandths(nowMs: number, streamBytes: number): bigint {
    let sum = this.#before + this.#counted(nowMs)
    for (const [index, { from, kilobyteMsat }] of this.#stretches.entries()) {
      const end = Math.min(streamBytes, this.#stretches[index + 1]?.from ?? Infinity)
      if (end > from) sum += kilobyteMsat * BigInt(end - from)
    }
    return sum
  }

  #counted(nowMs: number): bigint {
    const { packetMsat, uploadMsat, messageMsat, secondMsat } = this.#tariff
    const { packets, uploadBytes, messages, sinceMs } = this.#counts
    const whole = packetMsat * BigInt(packets) + messageMsat * BigInt(messages)
    const ms = Math.max(0, Math.floor(Math.min(nowMs, this.#stoppedMs ?? Infinity) - sinceMs))
    return whole * 1_000n + uploadMsat * BigInt(uploadBytes) + secondMsat * BigInt(ms)
  }

  #fold(nowMs: number): void {
    const counts = this.#counts
    this.#before += this.#counted(nowMs)
    counts.packets = 0
    counts.uploadBytes = 0
    counts.messages = 0
    counts.sinceMs = nowMs
  }
}
