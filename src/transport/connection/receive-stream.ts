import type { StreamFrame } from '../../wire/frames.ts'
import { Control } from './controls.ts'
import type { GrowWindow, State } from './interface.ts'
import { INITIAL_LIMIT } from './limits.ts'
import type { Parts } from './parts.ts'
import { Reassembly } from './reassembly.ts'
import { ReceiveWindow } from './receive-window.ts'

type Needs = 'ack' | 'controls' | 'idle' | 'life' | 'money' | 'outputs' | 'settings'

/** The stream that comes in: its bytes in order, how many may come, its end, and whether anybody reads. */
export class ReceiveStream {
  readonly #parts: Pick<Parts, Needs>
  readonly reassembly: Readonly<Reassembly> = new Reassembly()
  readonly #window: ReceiveWindow
  /** What this side's parameters say: they never change. */
  readonly firstLimit: number
  /** Every byte that came lies below. */
  receivedEnd = 0
  /** Bytes that came, each once. */
  receivedBytes = 0
  /** Where the stream ends; undefined until FIN came. */
  finalOffset: number | undefined
  /** The application wants no more bytes. */
  isStopped = false
  bytesRead = 0

  constructor(parts: Pick<Parts, Needs>, now: number, grow: GrowWindow, state: State) {
    this.#parts = parts
    const { initialWindow, maxWindow } = parts.settings
    // Whoever begins with its end takes no data.
    const wished = state === 'resetting' ? 0 : Math.max(0, initialWindow - INITIAL_LIMIT)
    // spec §7.5: what is above the minimum comes out of the endpoint's sum, if that has room.
    const grown = wished > 0 && grow(wished) ? wished : 0
    this.firstLimit = INITIAL_LIMIT + grown
    this.#window = new ReceiveWindow({ now, initial: this.firstLimit, grown, max: maxWindow, grow })
  }

  /** Bytes at or beyond it are a violation. */
  get limit(): number {
    return this.#window.limit
  }

  /** Every byte has arrived, and the end is known. */
  get isComplete(): boolean {
    return this.finalOffset !== undefined && this.reassembly.contiguous === this.finalOffset
  }

  /** The application has read every byte. */
  get isRead(): boolean {
    return this.finalOffset !== undefined && this.reassembly.readOffset === this.finalOffset
  }

  /** The `delivered` of an ACK of ours (spec §5.4). */
  get deliveredOffset(): number {
    const { contiguous } = this.reassembly
    return contiguous === this.finalOffset ? contiguous + 1 : contiguous
  }

  /** Takes a frame in. False: bytes came after this side stopped reading (spec §7.9). */
  receive(now: number, frame: StreamFrame): boolean {
    if (isEmpty(frame)) return true
    const { ack, controls, idle, outputs } = this.#parts
    const reassembly = this.reassembly
    const end = frame.offset + frame.data.length
    this.receivedEnd = Math.max(this.receivedEnd, end)
    const before = reassembly.contiguous
    const fresh = reassembly.insert(frame.offset, frame.data)
    this.receivedBytes += fresh
    const isFinNew = frame.fin && this.finalOffset === undefined
    if (isFinNew) {
      this.finalOffset = end
      // spec §7.8: nobody needs a higher limit any more.
      controls.drop(Control.MAX_DATA)
    }
    const isNews = fresh > 0 || isFinNew
    if (isNews) idle.active(now)
    if (fresh > 0 && this.isStopped) return false
    const { contiguous, readOffset } = reassembly
    if (contiguous > before) outputs.emit({ type: 'readable' })
    // spec §7.5: a window that the network's disorder uses up grows.
    if (
      this.finalOffset === undefined &&
      this.#window.widen(now, this.receivedEnd, readOffset, contiguous - readOffset)
    ) {
      controls.want(Control.MAX_DATA)
    }
    // spec §8.4: a complete stream is acknowledged at once.
    if (contiguous === this.finalOffset && isNews && ack.hasNews) ack.hurry(now)
    return true
  }

  /** The peer says that `limit` holds it up. */
  blocked(now: number, limit: number): void {
    if (this.finalOffset !== undefined || this.isStopped) return
    const { controls } = this.#parts
    const { readOffset, readable } = this.reassembly
    // spec §7.5, §7.8: room that there is, or that the peer has not heard of.
    if (this.#window.unblock(now, readOffset, readable)) controls.want(Control.MAX_DATA)
    else if (limit < this.#window.limit) controls.ensure(Control.MAX_DATA)
  }

  /** The next bytes in order, at most one piece of them. */
  read(now: number): Uint8Array | undefined {
    // spec §12.4: what is not paid for waits.
    const data = this.#parts.money.allowsReading ? this.reassembly.read() : undefined
    if (data === undefined) return undefined
    this.bytesRead += data.length
    const mayGrow = this.#parts.life.isLive && this.finalOffset === undefined
    if (mayGrow && this.#window.raise(now, this.reassembly.readOffset)) this.#parts.controls.want(Control.MAX_DATA)
    return data
  }

  /** The application wants no more bytes. */
  stopReading(): void {
    this.isStopped = true
  }

  /** Forgets what was not read. */
  drop(): void {
    this.reassembly.clear()
  }

  /** Forgets what lies beyond a gap: nothing will fill it. */
  dropGaps(): void {
    this.reassembly.clearGaps()
  }

  /** spec §7.5: what cannot come any more needs no window. */
  giveWindowBack(isLive: boolean): void {
    const mayCome = isLive && !this.isStopped
    if (mayCome && this.finalOffset === undefined) return
    const toCome = mayCome ? (this.finalOffset ?? 0) - this.reassembly.contiguous : 0
    this.#window.keep(this.reassembly.readable + toCome)
  }
}

/** Neither bytes nor an end: a STREAM without effect, whatever its offset (spec §5.5). */
export function isEmpty(frame: StreamFrame): boolean {
  return frame.data.length === 0 && !frame.fin
}
