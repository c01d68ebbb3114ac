import { Budget, type CapObstacle, type Waiter } from './budget.ts'
import { Control } from './controls.ts'
import { Buyer, CreditIds, Seller } from './credit.ts'
import { Income } from './income.ts'
import type { Parts } from './parts.ts'

type Needs = 'controls' | 'outputs' | 'role' | 'settings'

/**
 * What a connection pays and is paid (spec §12): its budget, its income, its side of the price, and whether a cap
 * stands against more.
 */
export class Money {
  readonly #parts: Pick<Parts, Needs>
  /** Its own cap, under those of its peer and of the process. */
  readonly budget: Budget
  readonly income: Income = new Income()
  /** Undefined: this side asks for no money. */
  readonly seller: Readonly<Seller> | undefined
  /** Undefined: this side is the responder. */
  readonly buyer: Readonly<Buyer> | undefined
  /** Undefined until a CREDIT came: most connections never see one. */
  #creditIds: CreditIds | undefined
  /** What stood against any packet, or against a CREDIT only, when it was asked last. */
  #packetObstacle: CapObstacle | undefined
  #creditObstacle: CapObstacle | undefined
  /** By cap, whether it was reported as final; since a cap was last set. */
  #reported: { readonly settings: number; readonly finals: Map<Budget, boolean> } | undefined

  constructor(parts: Pick<Parts, Needs>, peerBudget: Budget) {
    this.#parts = parts
    const { capMsat, packetPriceMsat: packetMsat, kilobytePriceMsat: kilobyteMsat } = parts.settings
    this.budget = new Budget(capMsat, peerBudget)
    this.buyer = parts.role === 'initiator' ? new Buyer() : undefined
    const sells = parts.role === 'responder' && (packetMsat > 0n || kilobyteMsat > 0n)
    this.seller = sells ? new Seller({ packetMsat, kilobyteMsat }) : undefined
  }

  /** A cap lets no packet pass, until there may be room. */
  get isPaused(): boolean {
    return this.#packetObstacle?.stands === true
  }

  /** The cap that lets no packet pass is the connection's own. */
  get isPausedByOwnCap(): boolean {
    return this.isPaused && this.#packetObstacle?.budget === this.budget
  }

  /** A cap lets no CREDIT pass (spec §12.2). */
  get isCreditPaused(): boolean {
    return this.#creditObstacle?.stands === true
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

  /** A CREDIT has to go (spec §12.5), and no cap stands against it. */
  get isCreditDue(): boolean {
    return this.buyer !== undefined && this.buyer.dueMsat > 0n && !this.isCreditPaused
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
    this.budget.setCap(capMsat)
  }

  /** Whether all caps let a packet pass; if not, none goes. `priceMsat`: amount and fee together (spec §12.2). */
  affordsPacket(priceMsat: bigint): boolean {
    this.#packetObstacle = this.#ask(priceMsat)
    return this.#packetObstacle === undefined
  }

  /** Whether all caps let a CREDIT pass; if not, what else there is to send may still be within them. */
  affordsCredit(priceMsat: bigint): boolean {
    this.#creditObstacle = this.#ask(priceMsat)
    return this.#creditObstacle === undefined
  }

  /** `waiter` is called once when there may be room under the cap that stands against something. */
  wait(waiter: Waiter): void {
    if (this.isPaused) this.#packetObstacle?.budget.wait(waiter)
    else if (this.isCreditPaused) this.#creditObstacle?.budget.wait(waiter)
  }

  #ask(priceMsat: bigint): CapObstacle | undefined {
    const obstacle = this.budget.obstacle(priceMsat)
    if (obstacle !== undefined) this.#report(obstacle, priceMsat)
    return obstacle
  }

  // spec §12.2: once for each cap until one is set anew, and once more when it is for good.
  #report({ budget, isForGood }: CapObstacle, priceMsat: bigint): void {
    // What was paid, or may have been, can still be answered.
    const isFinal = isForGood && this.budget.isUnused
    const { settings } = this.budget
    if (this.#reported?.settings !== settings) this.#reported = { settings, finals: new Map() }
    const { finals } = this.#reported
    const wasFinal = finals.get(budget)
    if (wasFinal === true || wasFinal === isFinal) return
    finals.set(budget, isFinal)
    const { capMsat } = budget.view()
    const isOwnCap = budget === this.budget
    this.#parts.outputs.emit({ type: 'paused', reason: 'cost', pause: { priceMsat, capMsat, isFinal }, isOwnCap })
  }
}
