import { Account } from './account.ts'
import { Control } from './controls.ts'
import { Buyer, CreditIds, Seller } from './credit.ts'
import type { Parts } from './parts.ts'

type Needs = 'controls' | 'life' | 'outputs' | 'role' | 'settings'

/**
 * What a connection pays and is paid (spec §12): its account, its side of the price, and whether the cap stands against
 * more.
 */
export class Money {
  readonly #parts: Pick<Parts, Needs>
  readonly account: Account
  /** Undefined: this side asks for no money. */
  readonly seller: Seller | undefined
  /** Undefined: this side is the responder. */
  readonly buyer: Buyer | undefined
  /** Undefined until a CREDIT came: most connections never see one. */
  #creditIds: CreditIds | undefined
  /** The cap stands against any packet, or against a CREDIT only (spec §12.2). */
  #isPaused = false
  #isCreditPaused = false
  #isPauseReported = false

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
    const { capMsat, packetPriceMsat: packetMsat, kilobytePriceMsat: kilobyteMsat } = parts.settings
    this.account = new Account(capMsat)
    this.buyer = parts.role === 'initiator' ? new Buyer() : undefined
    const sells = parts.role === 'responder' && (packetMsat > 0n || kilobyteMsat > 0n)
    this.seller = sells ? new Seller({ packetMsat, kilobyteMsat }) : undefined
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get isCreditPaused(): boolean {
    return this.#isCreditPaused
  }

  /** spec §12.5: whether the peer's credit lets stream data go. */
  get allowsStream(): boolean {
    return this.seller === undefined || this.seller.allowsStream()
  }

  /** spec §12.5: an initiator that has not heard of the price cannot pay it. */
  get allowsControl(): boolean {
    return this.seller === undefined || this.seller.allowsControl() || this.#parts.controls.isOpen(Control.PRICE)
  }

  /** Bytes of stream that the peer's credit pays for in one packet. */
  get affordableBytes(): number {
    return this.seller?.affordableBytes() ?? Infinity
  }

  /** A CREDIT has to go (spec §12.5), and the cap did not stand against it. */
  get isCreditDue(): boolean {
    return this.buyer !== undefined && this.buyer.dueMsat > 0n && !this.#isCreditPaused
  }

  /** Responder: a CREDIT with this id counted before (spec §12.4). */
  hasCounted(id: number): boolean {
    return this.#creditIds?.has(id) === true
  }

  /** A CREDIT came with the money that it promises. False: its id was counted before (spec §12.4). */
  count(id: number, amountMsat: bigint): boolean {
    if (!(this.#creditIds ??= new CreditIds()).add(id)) return false
    this.seller?.credit(amountMsat)
    return true
  }

  setCap(capMsat: bigint): void {
    this.account.setCap(capMsat)
    this.resume()
    this.#isPauseReported = false
  }

  /** The cap lets no packet pass: one costs `priceMsat`, amount and fee together. */
  pause(priceMsat: bigint): void {
    this.#isPaused = true
    this.#reportPause(priceMsat)
  }

  /** The cap lets no CREDIT pass (spec §12.2): what else there is to send may still be within it. */
  pauseCredit(priceMsat: bigint): void {
    this.#isCreditPaused = true
    this.#reportPause(priceMsat)
  }

  /** Money came free: what was paused may fit now. */
  resume(): void {
    this.#isPaused = false
    this.#isCreditPaused = false
  }

  #reportPause(priceMsat: bigint): void {
    if (this.#isPauseReported) return
    this.#isPauseReported = true
    const { capMsat, spentMsat, reservedMsat } = this.account.view()
    // What was paid, or may have been, can still be answered.
    const isFinal = this.#parts.life.isOpening && spentMsat + reservedMsat === 0n
    this.#parts.outputs.emit({ type: 'paused', reason: 'cost', pause: { priceMsat, capMsat, isFinal } })
  }
}
