import type { Socket } from '../index.ts'
import type { Display, TransferName } from './display/events.ts'
import { RateMeter } from './display/rate-meter.ts'
import { bytesInWords } from './display/words.ts'
import { satOf } from './money.ts'
import { codeOf, messageOf } from './transfer/errors.ts'
import { shown } from './transfer/hashing.ts'
import type { Offer } from './transfer/messages.ts'
import type { Received, ReceiveWatcher } from './transfer/receiver.ts'
import type { Time } from './transfer/time.ts'

/** What is shown of one connection that sends to us. */
export class ReceivingRow implements ReceiveWatcher {
  bytes = 0
  readonly #socket: Socket
  readonly #display: Display
  readonly #time: Time
  readonly #begun: (offer: Offer) => void
  readonly #nextNumber: () => number
  /** From where this connection began. */
  #meter: RateMeter | undefined
  #name: TransferName | undefined
  #offer: Offer | undefined
  #offset = 0
  #startMs: number

  constructor(options: {
    readonly socket: Socket
    readonly display: Display
    readonly time: Time
    /** Hears of each transfer of which bytes will come. */
    readonly begun: (offer: Offer) => void
    /** The number of a transfer, once it is one. */
    readonly nextNumber: () => number
  }) {
    this.#socket = options.socket
    this.#display = options.display
    this.#time = options.time
    this.#begun = options.begun
    this.#nextNumber = options.nextNumber
    this.#startMs = options.time.now()
  }

  offered(offer: Offer): void {
    const { name, content } = offer
    this.#name = { transfer: this.#nextNumber(), name, size: content?.size ?? null }
    this.#startMs = this.#time.now()
    this.#offer = offer
  }

  waits(): void {
    const { name } = this.#known()
    this.#display.emit({
      event: 'warning',
      code: 'ERR_TRANSFER_BUSY',
      message: `${name}: offered by a second sender, which waits for the first`,
    })
  }

  started(offset: number): void {
    this.#offset = offset
    this.bytes = offset
    this.#startMs = this.#time.now()
    this.#meter = new RateMeter()
    if (this.#offer !== undefined) this.#begun(this.#offer)
    this.#display.emit({ event: 'start', ...this.#known(), offset })
    this.tick()
  }

  received(bytes: number): void {
    this.bytes = bytes
  }

  tick(): void {
    if (this.#meter === undefined) return
    const name = this.#known()
    this.#meter.add(this.#time.now(), this.bytes)
    const rate = this.#meter.bytesPerSecond
    const { stats } = this.#socket
    this.#display.emit({
      event: 'progress',
      ...name,
      bytes: this.bytes,
      bytesSettled: this.bytes,
      bytesPerSecond: Math.round(rate),
      inFlight: stats.unresolvedAttempts,
      failed: stats.failedAttempts,
      sat: stats.satPaid,
      reservedSat: satOf(stats.reservedMsat),
      secondsLeft: name.size === null || rate <= 0 ? null : Math.round((name.size - this.bytes) / rate),
    })
  }

  done({ path, size, sha256, wasThere }: Received): void {
    const { stats } = this.#socket
    this.#display.emit({
      event: 'done',
      ...this.#known(),
      size,
      bytes: size,
      bytesMoved: wasThere ? 0 : size - this.#offset,
      sha256: shown(sha256),
      path,
      seconds: Number(((this.#time.now() - this.#startMs) / 1_000).toFixed(3)),
      failed: stats.failedAttempts,
      sat: stats.satPaid,
      feesSat: satOf(stats.feesMsat),
      receivedSat: stats.satReceived,
      wasThere,
    })
  }

  /** The connection went; what came is kept. */
  lost(): void {
    // Whoever connects and offers nothing is of no interest.
    if (this.#offer === undefined) return
    const kept = this.#meter === undefined ? this.#offer.name : keptInWords(this.#offer, this.bytes)
    this.#display.emit({
      event: 'stopped',
      ...this.#known(),
      reason: 'lost',
      bytes: this.bytes,
      sat: this.#socket.stats.satPaid,
      message: `${kept}: the sender went away; what came is kept until it comes back`,
      resume: null,
    })
  }

  failed(error: Error): void {
    // The cause holds what the sender need not know: a path of ours.
    const message = typeof error.cause === 'string' ? `${messageOf(error)}; ${error.cause}` : messageOf(error)
    this.#display.emit({ event: 'error', ...this.#name, code: codeOf(error), message })
  }

  #known(): TransferName {
    if (this.#name === undefined) throw new Error('nothing was offered yet')
    return this.#name
  }
}

/** What is there of an offer. */
export function keptInWords({ name, content }: Offer, bytes: number): string {
  if (content === undefined) return `${name} (${bytesInWords(bytes)})`
  return `${name} (${percent(bytes, content.size)} of ${bytesInWords(content.size)})`
}

function percent(bytes: number, size: number): string {
  return `${size === 0 ? 100 : Math.floor((bytes / size) * 100)} %`
}
