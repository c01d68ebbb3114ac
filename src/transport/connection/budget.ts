/** What one cap governs, all in msat. `spent` counts amounts and fees that are gone, `reserved` those that may go. */
export interface BudgetView {
  readonly capMsat: bigint
  readonly spentMsat: bigint
  /** The fees in what is spent. */
  readonly feesMsat: bigint
  readonly reservedMsat: bigint
}

/** What a cap is of. */
export interface CapName {
  readonly cap: 'hour' | 'day' | 'port' | 'program' | 'peer' | 'process'
  /** The port, the program's name or the peer's key; '' where there is one only. */
  readonly of: string
}

/** What a cap may have beside its money. */
export interface BudgetOptions {
  readonly name?: CapName
  /** Called once when so much of the cap is spent, and once more after the cap was set, or the day began, anew. */
  readonly alert?: { readonly percent: number; readonly tell: (budget: Budget) => void }
}

/** Who waits until a cap may let more pass. */
export interface Waiter {
  resume(): void
}

/** Of most budgets; never added to. */
const NOBODY: Set<Waiter> = new Set()

/**
 * The money under one cap, and under the wider ones in which it stands: that of a connection in its peer's, that of a
 * peer in the process's. Whether there is money is asked here, for all of them at once, and what is reserved or spent
 * counts in all (spec §12.2): spent + reserved + the next attempt <= cap.
 *
 * A budget may stand in several wider ones that do not stand in each other: a peer's and a port's, for one.
 *
 * What is reserved stays so for as long as it takes: only `spend` and `release` end it.
 */
export class Budget {
  /** This one and the wider ones, outwards. */
  readonly #caps: readonly Budget[]
  #capMsat: bigint
  #spentMsat = 0n
  #feesMsat = 0n
  #reservedMsat = 0n
  /** What this cap alone leaves: cap - spent - reserved. Below 0 where it was lowered, or adopted too much. */
  #leftMsat: bigint
  /** How often there may have come room, and how often a cap was set: what was found before may be so no more. */
  #moves = 0
  #settings = 0
  #waiters: Set<Waiter> = NOBODY
  readonly name: CapName | undefined
  readonly #alert: BudgetOptions['alert']
  #isAlerted = false
  #isAsked = false

  constructor(capMsat: bigint, wider: Budget | readonly Budget[] | undefined, { name, alert }: BudgetOptions = {}) {
    this.#capMsat = notNegative(capMsat)
    this.#leftMsat = capMsat
    this.name = name
    this.#alert = alert
    const around = wider === undefined ? [] : wider instanceof Budget ? [wider] : wider
    // Each once, the widest last: money of one payment counts once in each.
    const caps = around.flatMap((each) => each.#caps)
    const wide = caps.filter((each, index) => caps.lastIndexOf(each) === index)
    // What is spread into a list leaves it room for 16 more, and there is a list for each connection.
    this.#caps = [this as Budget].concat(wide)
  }

  /** Somebody is asked whether this cap may be raised: what it stops waits for the answer. */
  get isAsked(): boolean {
    return this.#isAsked
  }

  setAsked(isAsked: boolean): void {
    this.#isAsked = isAsked
  }

  /** What was spent under this cap alone, before this process began. */
  remember(spentMsat: bigint): void {
    this.#spentMsat += notNegative(spentMsat)
    this.#leftMsat -= spentMsat
    this.#checkAlert()
  }

  /** A cap of an hour or a day begins anew: nothing is spent, and what is reserved stays so. */
  begin(capMsat: bigint): void {
    this.#leftMsat += this.#spentMsat
    this.#spentMsat = 0n
    this.#feesMsat = 0n
    this.setCap(capMsat)
  }

  get moves(): number {
    return this.#moves
  }

  /** How often this cap, or one above it, was set anew. */
  get settings(): number {
    return this.#caps.reduce((sum, each) => sum + each.#settings, 0)
  }

  /** What one more payment may cost now, fee included, under all caps. Never below 0. */
  get availableMsat(): bigint {
    const leftMsat = this.#tightest.#leftMsat
    return leftMsat > 0n ? leftMsat : 0n
  }

  /** Says nothing: it was never used, or all that was reserved came back. */
  get isUnused(): boolean {
    return this.#spentMsat === 0n && this.#reservedMsat === 0n
  }

  /** That with the least left; of equal ones the widest. */
  get #tightest(): Budget {
    return this.#caps.reduce((tightest, each) => (each.#leftMsat <= tightest.#leftMsat ? each : tightest))
  }

  /** What stands against a payment of this price, amount and fee together; undefined: there is money for it. */
  obstacle(priceMsat: bigint): CapObstacle | undefined {
    const tightest = this.#tightest
    if (notNegative(priceMsat) <= tightest.#leftMsat) return undefined
    const isForGood = this.#caps.some((each) => each.#spentMsat + priceMsat > each.#capMsat)
    return new CapObstacle(tightest, priceMsat, isForGood)
  }

  /** @throws Error where a cap would be exceeded: that was to be asked for before */
  reserve(amountMsat: bigint, feeMsat: bigint): void {
    if (this.obstacle(notNegative(amountMsat) + notNegative(feeMsat)) !== undefined)
      throw new Error('an attempt beyond the cap')
    this.#hold(amountMsat + feeMsat)
  }

  /** What a former process left under way counts, whatever the caps of this one say. */
  adopt(amountMsat: bigint, feeMsat: bigint): void {
    this.#hold(notNegative(amountMsat) + notNegative(feeMsat))
  }

  /** The money is back, or was never sent. */
  release(amountMsat: bigint, feeMsat: bigint): void {
    this.#free(amountMsat + feeMsat, 0n, 0n)
  }

  /** It went through: the amount and the fee that was really paid are spent, the rest is free again. */
  spend(amountMsat: bigint, feeMsat: bigint, paidFeeMsat: bigint): void {
    this.#free(amountMsat + feeMsat, amountMsat + notNegative(paidFeeMsat), paidFeeMsat)
  }

  /** Below what is spent and reserved already, it only stops what would come next. */
  setCap(capMsat: bigint): void {
    this.#leftMsat += notNegative(capMsat) - this.#capMsat
    this.#capMsat = capMsat
    this.#settings++
    this.#isAlerted = false
    this.#checkAlert()
    this.#moved()
  }

  /** So much more, or less, may pass under this cap alone; nobody has set it anew. */
  allow(msat: bigint): void {
    this.#capMsat += msat
    this.#leftMsat += msat
    if (msat > 0n) this.#moved()
  }

  /** `waiter` is called once, when there may be room under this cap. */
  wait(waiter: Waiter): void {
    if (this.#waiters === NOBODY) this.#waiters = new Set()
    this.#waiters.add(waiter)
  }

  /** `waiter` waits no longer, for none of the caps. */
  forget(waiter: Waiter): void {
    for (const each of this.#caps) each.#waiters.delete(waiter)
  }

  view(): BudgetView {
    return {
      capMsat: this.#capMsat,
      spentMsat: this.#spentMsat,
      feesMsat: this.#feesMsat,
      reservedMsat: this.#reservedMsat,
    }
  }

  #hold(sumMsat: bigint): void {
    for (const each of this.#caps) {
      each.#reservedMsat += sumMsat
      each.#leftMsat -= sumMsat
    }
  }

  #free(reservedMsat: bigint, spentMsat: bigint, feesMsat: bigint): void {
    if (reservedMsat > this.#reservedMsat) throw new Error('more was released than reserved')
    for (const each of this.#caps) {
      each.#reservedMsat -= reservedMsat
      each.#spentMsat += spentMsat
      each.#leftMsat += reservedMsat - spentMsat
      each.#feesMsat += feesMsat
      if (spentMsat > 0n) each.#checkAlert()
      each.#moved()
    }
  }

  #checkAlert(): void {
    const alert = this.#alert
    if (alert === undefined || this.#isAlerted) return
    if (this.#spentMsat === 0n || this.#spentMsat * 100n < this.#capMsat * BigInt(alert.percent)) return
    this.#isAlerted = true
    alert.tell(this)
  }

  #moved(): void {
    this.#moves++
    const waiters = this.#waiters
    this.#waiters = NOBODY
    for (const waiter of waiters) waiter.resume()
  }
}

/** A cap that stood against a payment when it was asked. */
export class CapObstacle {
  readonly budget: Budget
  /** Of the payment that it stood against. */
  readonly priceMsat: bigint
  /** What is spent fills a cap: payments that come back make no room. */
  readonly isForGood: boolean
  readonly #moves: number

  constructor(budget: Budget, priceMsat: bigint, isForGood: boolean) {
    this.budget = budget
    this.priceMsat = priceMsat
    this.isForGood = isForGood
    this.#moves = budget.moves
  }

  /** No room has come since. */
  get stands(): boolean {
    return this.budget.moves === this.#moves
  }
}

function notNegative(amountMsat: bigint): bigint {
  if (amountMsat < 0n) throw new RangeError(`an amount of ${amountMsat} msat`)
  return amountMsat
}
