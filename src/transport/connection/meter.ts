import { NONE, withLast } from '../../floor/light.ts'
import type { Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'
import { MAX_STRETCHES } from './limits.ts'

/** From where in the responder's stream 1,000 bytes cost so much. */
interface Stretch {
  readonly from: number
  readonly kilobyteMsat: bigint
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
  // Counted since the tariff that holds began to, time from `#sinceMs` on.
  #packets = 0
  #uploadBytes = 0
  #messages = 0
  #sinceMs: number
  #uploaded = 0
  #stretches: Stretch[] = NONE
  #stoppedMs: number | undefined

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
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
    if (this.#stretches.at(-1)?.from === from) this.#stretches.pop()
    if (this.#stretches.length === 0 && from > 0) this.#stretches = [{ from: 0, kilobyteMsat: 0n }]
    this.#stretches = withLast(this.#stretches, { from, kilobyteMsat })
  }

  packet(): void {
    this.#packets++
  }

  message(): void {
    this.#messages++
  }

  /** The initiator's stream is there, or was sent, up to so many bytes. */
  upload(bytes: number): void {
    this.#uploadBytes += bytes - this.#uploaded
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
    const whole = packetMsat * BigInt(this.#packets) + messageMsat * BigInt(this.#messages)
    const ms = Math.max(0, Math.floor(Math.min(nowMs, this.#stoppedMs ?? Infinity) - this.#sinceMs))
    return whole * 1_000n + uploadMsat * BigInt(this.#uploadBytes) + secondMsat * BigInt(ms)
  }

  #fold(nowMs: number): void {
    this.#before += this.#counted(nowMs)
    this.#packets = 0
    this.#uploadBytes = 0
    this.#messages = 0
    this.#sinceMs = nowMs
  }
}
