import {
  CREDIT_FIRST_BYTES,
  MAX_CREDIT_BYTES,
  CREDIT_PACKET_BYTES,
  MAX_CREDIT_RANGES,
  PREPAID_PACKETS,
} from './limits.ts'
import { RangeSet } from './range-set.ts'

/** What a responder asks (spec §12.3). */
export interface Price {
  readonly packetMsat: bigint
  readonly kilobyteMsat: bigint
}

/** What a packet with so many bytes of stream costs: rounded up at the packet (spec §12.3). */
export function packetPrice(price: Price, streamBytes: number): bigint {
  return price.packetMsat + (price.kilobyteMsat * BigInt(streamBytes) + 999n) / 1_000n
}

/** The ids of CREDIT that counted: each does once, also where no price is asked (spec §12.4). */
export class CreditIds {
  readonly #ids = new RangeSet()

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  /** False: it was counted before. */
  add(id: number): boolean {
    if (this.#ids.has(id)) return false
    this.#ids.add(id, id + 1)
    // Ids grow: the gaps between the lowest are ids whose payments failed. They count as used from here on.
    if (this.#ids.count > MAX_CREDIT_RANGES) this.#ids.add(this.#ids.start(0), this.#ids.end(1))
    return true
  }
}

/**
 * The responder's side: credit that came, less what was delivered for it. Packets under way are set aside;
 * what fails is not charged, so the initiator, who charges itself for every packet that comes, never
 * believes to have more credit than it has.
 */
export class Seller {
  readonly price: Price
  #creditMsat = 0n
  #setAsideMsat = 0n
  #prepaid = PREPAID_PACKETS

  constructor(price: Price) {
    this.price = price
  }

  /** A CREDIT came with the money it promises, for the first time. */
  credit(amountMsat: bigint): void {
    this.#creditMsat += amountMsat
    this.#prepaid = PREPAID_PACKETS
  }

  get availableMsat(): bigint {
    return this.#creditMsat - this.#setAsideMsat
  }

  /** spec §12.5 */
  allowsStream(): boolean {
    return this.availableMsat >= packetPrice(this.price, 1)
  }

  allowsControl(): boolean {
    return this.#prepaid > 0 || this.availableMsat >= this.price.packetMsat
  }

  /** Stream bytes that the credit pays for in one packet. */
  affordableBytes(): number {
    const left = this.availableMsat - this.price.packetMsat
    if (left < 0n) return 0
    if (this.price.kilobyteMsat === 0n) return Number.MAX_SAFE_INTEGER
    return Number((left * 1_000n) / this.price.kilobyteMsat)
  }

  /** A packet without stream goes: true when one that is prepaid was left for it (spec §12.5). */
  takePrepaid(): boolean {
    if (this.#prepaid === 0) return false
    this.#prepaid--
    return true
  }

  /** It did not arrive: another may go in its place. */
  returnPrepaid(): void {
    this.#prepaid = Math.min(this.#prepaid + 1, PREPAID_PACKETS)
  }

  /** A packet goes; what is set aside for it. */
  setAside(streamBytes: number): bigint {
    const priceMsat = packetPrice(this.price, streamBytes)
    this.#setAsideMsat += priceMsat
    return priceMsat
  }

  /** It arrived; `held`: its price is set aside still. */
  charge(priceMsat: bigint, held: boolean): void {
    if (held) this.#setAsideMsat -= priceMsat
    this.#creditMsat -= priceMsat
  }

  /** It did not arrive, or nobody knows for long. */
  putBack(priceMsat: bigint): void {
    this.#setAsideMsat -= priceMsat
  }
}

/** The initiator's side: how much the responder can have left, and when to pay more (spec §12.5). */
export class Buyer {
  price: Price | undefined
  #serial = -1
  // Paid or on its way, less the price of all that came.
  #leftMsat = 0n
  #bytes = CREDIT_FIRST_BYTES
  #nextId = 1
  /** CREDITs given up as late since one arrived. */
  #givenUp = 0
  #topUpMsat = 0n

  /** A PRICE came: true when it replaces the one before (spec §12.3). */
  learn(serial: number, price: Price): boolean {
    if (serial <= this.#serial) return false
    this.#serial = serial
    this.price = price
    this.#reckon()
    return true
  }

  /** A packet of the responder's was taken. */
  consumed(streamBytes: number): void {
    if (this.price === undefined) return
    this.#leftMsat -= packetPrice(this.price, streamBytes)
    this.#reckon()
  }

  get #targetMsat(): bigint {
    if (this.price === undefined) return 0n
    const packets = BigInt(Math.ceil(this.#bytes / CREDIT_PACKET_BYTES) + PREPAID_PACKETS)
    return this.price.packetMsat * packets + (this.price.kilobyteMsat * BigInt(this.#bytes) + 999n) / 1_000n
  }

  // Tops up when less than half of the target is left: one CREDIT pays for many packets.
  #reckon(): void {
    const target = this.#targetMsat
    this.#topUpMsat = this.#leftMsat * 2n < target || this.#leftMsat <= 0n ? target - this.#leftMsat : 0n
    if (target === 0n) this.#topUpMsat = 0n
  }

  /** What a CREDIT should carry now; 0n: none is needed. */
  get dueMsat(): bigint {
    return this.#topUpMsat
  }

  /** A CREDIT goes out; its id. An id is used once: after a failure a new one is made. */
  pay(amountMsat: bigint): number {
    this.#leftMsat += amountMsat
    this.#reckon()
    return this.#nextId++
  }

  /** It arrived: the responder keeps its side, so more may be risked. `lateMsat`: what had been given up of it. */
  arrived(lateMsat: bigint): void {
    this.#givenUp = 0
    this.#leftMsat += lateMsat
    this.#bytes = Math.min(2 * this.#bytes, MAX_CREDIT_BYTES)
    this.#reckon()
  }

  /** How long a CREDIT may be under way before another goes: twice as long for each that was late in a row. */
  lateAfterMs(delayMs: number): number {
    return delayMs * 2 ** this.#givenUp
  }

  /** It is late, and another one may go; it may arrive all the same. */
  late(amountMsat: bigint): void {
    this.#givenUp++
    this.failed(amountMsat)
  }

  /** It failed or was lost. */
  failed(amountMsat: bigint): void {
    this.#leftMsat -= amountMsat
    this.#reckon()
  }
}
