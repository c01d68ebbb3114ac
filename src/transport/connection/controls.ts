/** Control frames of which one, the newest, is ever of interest, as bits of a set. */
export const Control = {
  ACCEPT: 1,
  REFUSE: 2,
  RESET: 4,
  MAX_DATA: 8,
  BLOCKED: 16,
  PATHS: 32,
  PING: 64,
  KEEPALIVE: 128,
  PRICE: 256,
  IDENTIFY: 512,
  /** The end of the stream: travels in a STREAM frame. */
  FIN: 1024,
  /** The initiator pays by the newest tariff; also what carries money where nothing else goes. */
  AGREE: 2048,
  BILL: 4096,
  SURPLUS: 8192,
  /** What the responder's packets cost. */
  COST: 16_384,
} as const

const KINDS = Object.values(Control)

/**
 * Which control frames have to go, and which are under way. A frame is not stored: it is made anew, with the
 * value then current, each time it goes (spec §8.3).
 */
export class Controls {
  /** To be sent. */
  due = 0
  // Sent, and not known to have arrived.
  #outstanding = 0
  // The packet that carried each kind last, by the bit's position; undefined while none is outstanding.
  #last: number[] | undefined

  /** Makes `kinds` due. */
  want(kinds: number): void {
    this.due |= kinds
  }

  /** Makes `kinds` due unless they are on their way. */
  ensure(kinds: number): void {
    this.due |= kinds & ~this.#outstanding
  }

  /** Neither due nor waited for any more. */
  drop(kinds: number): void {
    this.due &= ~kinds
    this.#forget(kinds)
  }

  #forget(kinds: number): void {
    this.#outstanding &= ~kinds
    if (this.#outstanding === 0) this.#last = undefined
  }

  /** Due or on their way. */
  isOpen(kinds: number): boolean {
    return ((this.due | this.#outstanding) & kinds) !== 0
  }

  sent(kinds: number, number: number): void {
    this.due &= ~kinds
    if (kinds === 0) return
    this.#outstanding |= kinds
    const last = (this.#last ??= [])
    for (const kind of KINDS) {
      if ((kinds & kind) !== 0) last[31 - Math.clz32(kind)] = number
    }
  }

  // Those of `kinds` whose newest copy travelled in packet `number`, and that are not known to have arrived.
  #newest(kinds: number, number: number): number {
    let newest = 0
    const open = kinds & this.#outstanding
    for (const kind of KINDS) {
      if ((open & kind) !== 0 && this.#last?.[31 - Math.clz32(kind)] === number) newest |= kind
    }
    return newest
  }

  /** Packet `number` with `kinds` arrived. */
  delivered(kinds: number, number: number): void {
    this.#forget(this.#newest(kinds, number))
  }

  /** Packet `number` with `kinds` did not arrive, or nobody knows: what no later packet carries becomes due. */
  lost(kinds: number, number: number): void {
    const newest = this.#newest(kinds, number)
    this.#forget(newest)
    this.due |= newest
  }

  /** Those of `kinds` that packet `number` carried last and that still have to arrive. */
  waiting(kinds: number, number: number): number {
    return this.#newest(kinds, number)
  }
}
