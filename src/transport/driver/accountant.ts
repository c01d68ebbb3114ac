import { dayText } from '../../floor/clock.ts'
import type { DecidedOutcome } from '../../medium/payment.ts'
import type { Tracer } from '../../medium/trace.ts'
import type { AccountBook } from '../account/account.ts'
import { type AccountParty, NOBODY, type PaidEntry } from '../account/entry.ts'
import type { WantReason } from '../connection/interface.ts'
import type { Reservation, StoreChange } from '../store/store.ts'
import type { Runtime } from './runtime.ts'

/** What a process knows of a payment that it sent, for the account. */
export interface PaymentFacts {
  readonly party: AccountParty
  /** Of its route. */
  readonly channels: readonly string[]
  readonly reason: WantReason
}

/** When entries are made, and who hears of them. */
type EntryTime = Pick<Runtime, 'wallNow'> & { readonly tracer?: Tracer | undefined }

/** A payment that is decided. */
interface Decided {
  readonly reservation: Reservation
  readonly outcome: DecidedOutcome
  /** Undefined for what a former process sent: what is known of that stands in the reservation. */
  readonly sent: PaymentFacts | undefined
}

const NO_CHANNELS: readonly string[] = []

/** Enters what is paid and what comes in into the account of the endpoint, at the time of the wall. */
export class Accountant {
  readonly #time: EntryTime
  readonly #book: AccountBook

  constructor(time: EntryTime, book: AccountBook) {
    this.#time = time
    this.#book = book
  }

  /**
   * Enters a payment that is decided. When the promise resolves, it may be released in the store, with the change that
   * is the result: not before, or a crash would lose what was spent.
   */
  paid({ reservation, outcome, sent }: Decided): {
    readonly change: StoreChange
    readonly kept: Promise<boolean> | undefined
  } {
    const { hash, amountMsat } = reservation
    const party = sent?.party ?? partyOf(reservation)
    const entry: PaidEntry = {
      type: 'paid',
      timeMs: this.#time.wallNow(),
      ...party,
      hash,
      amountMsat,
      feeMsat: outcome.status === 'failed' ? 0n : outcome.feeMsat,
      channels: sent?.channels ?? NO_CHANNELS,
      outcome: outcome.status,
      purpose: sent === undefined ? '' : purposeOf(sent.reason),
    }
    return { change: releaseOf(entry), kept: this.#book.add(entry, party) }
  }

  /** Money came in; `party`: whose connection took it, undefined for none (spec §8.12). */
  received(party: AccountParty | undefined, amountMsat: bigint): void {
    if (amountMsat === 0n) return
    const known = party ?? NOBODY
    const purpose = party === undefined ? 'stray' : 'packet'
    const timeMs = this.#time.wallNow()
    void this.#book.add({ type: 'received', timeMs, ...known, amountMsat, purpose }, known)
    const { tracer } = this.#time
    if (tracer !== undefined)
      this.#trace(party === undefined ? tracer : tracer.within(party.connection), party, amountMsat)
  }

  #trace(tracer: Tracer, party: AccountParty | undefined, amountMsat: bigint): void {
    const { receivedMsat } = this.#book
    tracer.emit('money_received', { amount_msat: amountMsat, received_msat: receivedMsat, stray: party === undefined })
  }
}

/** What is stored of a payment that has its entry: its money is free again, or spent on the day of the entry. */
export function releaseOf(entry: PaidEntry): StoreChange {
  const { hash, outcome, timeMs, port, program, amountMsat, feeMsat } = entry
  if (outcome === 'failed') return { type: 'release', hash }
  return { type: 'release', hash, spent: { day: dayText(timeMs), port, program, msat: amountMsat + feeMsat } }
}

function partyOf({ peer, port = 0, connection = '', program = '' }: Reservation): AccountParty {
  return { connection, peer, port, role: '', program }
}

function purposeOf(reason: WantReason): PaidEntry['purpose'] {
  switch (reason) {
    case 'control':
    case 'data':
      return reason
    case 'urgent':
    case 'hedge':
    case 'early':
      return 'copy'
  }
}
