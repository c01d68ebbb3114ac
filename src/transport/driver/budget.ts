import type { Reservation } from '../store/store.ts'

/** What one cap governs, all in msat. `spent` counts amounts and fees that are gone, `reserved` those that may go. */
export interface BudgetAccount {
  readonly capMsat: bigint
  readonly spentMsat: bigint
  readonly reservedMsat: bigint
}

/** The cap that stands against a payment. */
interface CapObstacle {
  readonly capMsat: bigint
  /** What is spent fills a cap: payments that come back make no room. */
  readonly isForGood: boolean
}

export interface BudgetOptions {
  /** Cap over all peers, for the life of the process. */
  readonly processCapMsat: bigint
  /** Cap of a peer that has none of its own. */
  readonly peerCapMsat: bigint
  /** What a former process left without outcome (`StoredState.reservations`): it counts until it is decided. */
  readonly reservations?: Iterable<Reservation>
}

/** Stands for every peer without a known key. */
const ANONYMOUS = ''

interface Account {
  capMsat: bigint
  spentMsat: bigint
  reservedMsat: bigint
}

/**
 * The money of a process: for each peer and for all together, spent + reserved + the next attempt <= cap
 * (spec §12.2). Pure; the owner writes reservations to the store before it sends, and takes them off after.
 *
 * A reservation of unknown outcome stays for as long as it takes: only `settle` and `release` end one.
 */
export class Budget {
  readonly #peerCapMsat: bigint
  readonly #process: Account
  readonly #peers: Map<string, Account> = new Map()
  /** By payment hash, in hexadecimal. */
  readonly #reservations: Map<string, Reservation> = new Map()
  #feesMsat = 0n

  constructor(options: BudgetOptions) {
    this.#peerCapMsat = notNegative(options.peerCapMsat)
    this.#process = { capMsat: notNegative(options.processCapMsat), spentMsat: 0n, reservedMsat: 0n }
    // They are under way, whatever the caps of this process say.
    for (const reservation of options.reservations ?? []) this.#set(reservation)
  }

  /** What stands against one more payment of this price, fee included; undefined: there is money for it. */
  obstacle(peer: string, priceMsat: bigint): CapObstacle | undefined {
    if (priceMsat <= this.availableMsat(peer)) return undefined
    const [ofPeer, ofProcess] = [this.peer(peer), this.process()]
    const { capMsat } = leftMsat(ofPeer) < leftMsat(ofProcess) ? ofPeer : ofProcess
    const isFull = ({ capMsat: cap, spentMsat }: BudgetAccount): boolean => spentMsat + priceMsat > cap
    return { capMsat, isForGood: isFull(ofPeer) || isFull(ofProcess) }
  }

  /**
   * Sets amount and fee bound aside for a payment. False: a cap would be exceeded, and nothing has changed.
   * @throws RangeError where the hash is reserved already, or an amount is negative
   */
  reserve(reservation: Reservation): boolean {
    this.#checkNew(reservation)
    if (this.obstacle(reservation.peer, total(reservation)) !== undefined) return false
    this.#set(reservation)
    return true
  }

  /**
   * The payment went through: the amount and the fee that was really paid are spent, the rest is free again.
   * False where nothing is reserved under the hash: it was decided before.
   */
  settle(hash: string, feeMsat: bigint): boolean {
    notNegative(feeMsat)
    const reservation = this.#takeOff(hash)
    if (reservation === undefined) return false
    const sum = reservation.amountMsat + feeMsat
    this.#feesMsat += feeMsat
    this.#process.spentMsat += sum
    this.#account(reservation.peer).spentMsat += sum
    return true
  }

  /** The money is back, or was never sent. False where nothing is reserved under the hash. */
  release(hash: string): boolean {
    const reservation = this.#takeOff(hash)
    if (reservation === undefined) return false
    this.#forgetIfIdle(reservation.peer)
    return true
  }

  /** What one more payment to this peer may cost now, fee included. Never below 0. */
  availableMsat(peer: string): bigint {
    const ofPeer = leftMsat(this.#peers.get(peer) ?? this.#unused())
    const ofProcess = leftMsat(this.#process)
    const leftOfBoth = ofPeer < ofProcess ? ofPeer : ofProcess
    return leftOfBoth > 0n ? leftOfBoth : 0n
  }

  /** Below what is spent and reserved already, it only stops what would come next. */
  setPeerCap(peer: string, capMsat: bigint): void {
    this.#account(peer).capMsat = notNegative(capMsat)
    this.#forgetIfIdle(peer)
  }

  /** It also caps all anonymous peers, which have no key to be told apart by. */
  setProcessCap(capMsat: bigint): void {
    this.#process.capMsat = notNegative(capMsat)
    this.setPeerCap(ANONYMOUS, capMsat)
  }

  peer(peer: string): BudgetAccount {
    return { ...(this.#peers.get(peer) ?? this.#unused()) }
  }

  process(): BudgetAccount {
    return { ...this.#process }
  }

  /** The fees in what the process has spent. */
  get feesMsat(): bigint {
    return this.#feesMsat
  }

  /** What is under way, to ask the node about after a restart. */
  reservations(): IterableIterator<Reservation> {
    return this.#reservations.values()
  }

  #checkNew({ hash }: Reservation): void {
    if (this.#reservations.has(hash)) throw new RangeError(`${hash} is reserved already`)
  }

  #set(reservation: Reservation): void {
    const sum = total(reservation)
    this.#checkNew(reservation)
    this.#reservations.set(reservation.hash, reservation)
    this.#process.reservedMsat += sum
    this.#account(reservation.peer).reservedMsat += sum
  }

  #takeOff(hash: string): Reservation | undefined {
    const reservation = this.#reservations.get(hash)
    if (reservation === undefined) return undefined
    this.#reservations.delete(hash)
    const sum = total(reservation)
    const account = this.#account(reservation.peer)
    this.#process.reservedMsat -= sum
    account.reservedMsat -= sum
    if (account.reservedMsat < 0n || this.#process.reservedMsat < 0n) throw new Error('more freed than was reserved')
    return reservation
  }

  #account(peer: string): Account {
    let account = this.#peers.get(peer)
    if (account === undefined) {
      account = this.#unused()
      this.#peers.set(peer, account)
    }
    return account
  }

  #unused(): Account {
    return { capMsat: this.#peerCapMsat, spentMsat: 0n, reservedMsat: 0n }
  }

  /** An account that says nothing is not kept: peers come and go. */
  #forgetIfIdle(peer: string): void {
    const account = this.#peers.get(peer)
    if (account === undefined || account.capMsat !== this.#peerCapMsat) return
    if (account.spentMsat === 0n && account.reservedMsat === 0n) this.#peers.delete(peer)
  }
}

/** What a cap still lets pass; below 0 where it was lowered, or a former process left more. */
function leftMsat({ capMsat, spentMsat, reservedMsat }: BudgetAccount): bigint {
  return capMsat - spentMsat - reservedMsat
}

function total(reservation: Reservation): bigint {
  return notNegative(reservation.amountMsat) + notNegative(reservation.feeMsat)
}

function notNegative(amountMsat: bigint): bigint {
  if (amountMsat < 0n) throw new RangeError(`an amount of ${amountMsat} msat`)
  return amountMsat
}
