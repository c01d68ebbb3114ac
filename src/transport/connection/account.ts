import type { AccountView } from './interface.ts'

/** Both sides' money of one connection, msat (spec §12.1). */
export class Account {
  #capMsat: bigint
  #spentMsat = 0n
  #feesMsat = 0n
  #reservedMsat = 0n
  #receivedMsat = 0n
  #pendingMsat = 0n

  constructor(capMsat: bigint) {
    this.#capMsat = capMsat
  }

  setCap(capMsat: bigint): void {
    this.#capMsat = capMsat
  }

  /** spec §12.2 */
  allows(amountMsat: bigint, feeMsat: bigint): boolean {
    return this.#spentMsat + this.#reservedMsat + amountMsat + feeMsat <= this.#capMsat
  }

  reserve(amountMsat: bigint, feeMsat: bigint): void {
    if (!this.allows(amountMsat, feeMsat)) throw new Error('an attempt beyond the cap')
    this.#reservedMsat += amountMsat + feeMsat
  }

  release(amountMsat: bigint, feeMsat: bigint): void {
    this.#reservedMsat -= amountMsat + feeMsat
    if (this.#reservedMsat < 0n) throw new Error('more was released than reserved')
  }

  /** An attempt settled; `paidFeeMsat` is what the route really took. */
  spend(amountMsat: bigint, feeMsat: bigint, paidFeeMsat: bigint): void {
    this.release(amountMsat, feeMsat)
    this.#spentMsat += amountMsat + paidFeeMsat
    this.#feesMsat += paidFeeMsat
  }

  /** A packet was taken, its money is not certain yet. */
  expect(amountMsat: bigint): void {
    this.#pendingMsat += amountMsat
  }

  /** Money that was expected is really here. */
  confirm(amountMsat: bigint): void {
    this.#pendingMsat -= amountMsat < this.#pendingMsat ? amountMsat : this.#pendingMsat
    this.#receivedMsat += amountMsat
  }

  /** Money came with a packet on the node lane: it was settled before the packet was read. */
  receive(amountMsat: bigint): void {
    this.#receivedMsat += amountMsat
  }

  /** `spentMsat` holds the fees, too; `feesMsat` is their part of it. */
  view(): AccountView {
    return {
      capMsat: this.#capMsat,
      spentMsat: this.#spentMsat,
      feesMsat: this.#feesMsat,
      reservedMsat: this.#reservedMsat,
      receivedMsat: this.#receivedMsat,
      pendingIncomeMsat: this.#pendingMsat,
    }
  }
}
