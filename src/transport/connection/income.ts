import { CONFIRM_MS } from './limits.ts'

/** What a connection is paid, msat (spec §12.1). */
export class Income {
  #receivedMsat = 0n
  #pendingMsat = 0n
  /** What of it was pending already at that time. */
  #oldMsat = 0n
  #oldSinceMs: number

  constructor(nowMs: number) {
    this.#oldSinceMs = nowMs
  }

  // spec §12.1: what is not confirmed for so long was kept by somebody on its way; it is told if it comes all the same.
  tick(nowMs: number): void {
    if (nowMs < this.#oldSinceMs + CONFIRM_MS) return
    const isAllOld = nowMs >= this.#oldSinceMs + 2 * CONFIRM_MS
    this.#pendingMsat -= isAllOld ? this.#pendingMsat : this.#oldMsat
    this.#oldMsat = this.#pendingMsat
    this.#oldSinceMs = nowMs
  }

  /** A packet was taken, its money is not certain yet. */
  expect(amountMsat: bigint): void {
    this.#pendingMsat += amountMsat
  }

  /** Money that was expected is really here. */
  confirm(amountMsat: bigint): void {
    this.#pendingMsat -= amountMsat < this.#pendingMsat ? amountMsat : this.#pendingMsat
    // It was the oldest, as far as can be told.
    this.#oldMsat -= amountMsat < this.#oldMsat ? amountMsat : this.#oldMsat
    this.#receivedMsat += amountMsat
  }

  /** Money came with a packet on the node lane: it was settled before the packet was read. */
  receive(amountMsat: bigint): void {
    this.#receivedMsat += amountMsat
  }

  view(): { readonly receivedMsat: bigint; readonly pendingIncomeMsat: bigint } {
    return { receivedMsat: this.#receivedMsat, pendingIncomeMsat: this.#pendingMsat }
  }
}
