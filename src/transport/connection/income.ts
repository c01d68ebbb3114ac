/** What a connection is paid, msat (spec §12.1). */
export class Income {
  #receivedMsat = 0n
  #pendingMsat = 0n

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

  view(): { readonly receivedMsat: bigint; readonly pendingIncomeMsat: bigint } {
    return { receivedMsat: this.#receivedMsat, pendingIncomeMsat: this.#pendingMsat }
  }
}
