import type { Reservation } from '../store/store.ts'

/** What one cap governs, all in msat. `spent` counts amounts and fees that are gone, `reserved` those that may go. */
export interface BudgetAccount {
  readonly capMsat: bigint
  readonly spentMsat: bigint
  readonly reservedMsat: bigint
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

  constructor(options: BudgetOptions) {
    this.#peerCapMsat = notNegative(options.peerCapMsat)
    this.#process = { capMsat: notNegative(options.processCapMsat), spentMsat: 0n, reservedMsat: 0n }
    // They are under way, whatever the caps of this process say.
    for (const reservation of options.reservations ?? []) this.#hold(reservation)
  }

  /**
   * Sets amount and fee bound aside for a payment. False: a cap would be exceeded, and nothing has changed.
   * @throws RangeError where the hash is reserved already, or an amount is negative
   */
  reserve(reservation: Reservation): boolean {
    const sum = total(reservation)
    if (this.#reservations.has(reservation.hash)) throw new RangeError(`${reservation.hash} is reserved already`)
    if (sum > this.availableMsat(reservation.peer)) return false
    this.#hold(reservation)
    return true
  }

  /**
   * The payment went through: the amount and the fee that was really paid are spent, the rest is free again.
   * False where nothing is reserved under the hash: it was decided before.
   */
  settle(hash: string, feeMsat: bigint): boolean {
    notNegative(feeMsat)
    const reservation = this.#take(hash)
    if (reservation === undefined) return false
    const sum = reservation.amountMsat + feeMsat
    this.#process.spentMsat += sum
    this.#account(reservation.peer).spentMsat += sum
    return true
  }

  /** The money is back, or was never sent. False where nothing is reserved under the hash. */
  release(hash: string): boolean {
    const reservation = this.#take(hash)
    if (reservation === undefined) return false
    this.#forgetIfIdle(reservation.peer)
    return true
  }

  /** What one more payment to this peer may cost now, fee included. Never below 0. */
  availableMsat(peer: string): bigint {
    const ofPeer = left(this.#peers.get(peer) ?? this.#unused())
    const ofProcess = left(this.#process)
    return ofPeer < ofProcess ? ofPeer : ofProcess
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

  /** What is under way, to ask the node about after a restart. */
  reservations(): IterableIterator<Reservation> {
    return this.#reservations.values()
  }

  #hold(reservation: Reservation): void {
    const sum = total(reservation)
    if (this.#reservations.has(reservation.hash)) throw new RangeError(`${reservation.hash} is reserved already`)
    this.#reservations.set(reservation.hash, reservation)
    this.#process.reservedMsat += sum
    this.#account(reservation.peer).reservedMsat += sum
  }

  #take(hash: string): Reservation | undefined {
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

function left(account: Account): bigint {
  const free = account.capMsat - account.spentMsat - account.reservedMsat
  return free > 0n ? free : 0n
}

function total(reservation: Reservation): bigint {
  return notNegative(reservation.amountMsat) + notNegative(reservation.feeMsat)
}

function notNegative(amountMsat: bigint): bigint {
  if (amountMsat < 0n) throw new RangeError(`an amount of ${amountMsat} msat`)
  return amountMsat
}
