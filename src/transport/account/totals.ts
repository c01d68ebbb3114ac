import { BoundedMap } from '../../floor/bounded.ts'
import { MAX_ACCOUNT_GROUPS } from '../limits.ts'
import { dayText } from '../../floor/clock.ts'
import type { AccountEntry } from './entry.ts'

/** What totals can be made by. */
export const GROUPINGS = ['all', 'peer', 'port', 'day', 'connection', 'program'] as const

/** What totals are made by; 'all': one sum of everything. */
export type AccountGrouping = (typeof GROUPINGS)[number]

/** Sums of what entries have in common. Amounts in msat. */
export interface AccountTotal {
  /** The peer's key, the port, the day, the connection's id or the program; '' where it is not known, and for 'all'. */
  readonly key: string
  /** Amounts and fees of payments that went through: what is gone. */
  readonly paidMsat: bigint
  /** The fees in `paidMsat`. */
  readonly feesMsat: bigint
  readonly payments: number
  /** Payments that failed: their money is back. */
  readonly failed: number
  /** Everything that came in, `strayMsat` included. */
  readonly receivedMsat: bigint
  readonly received: number
  /** What came with packets that no connection took. */
  readonly strayMsat: bigint
}

/** Where the sums of the oldest groups go, when there are too many: nothing is lost, only who it was. */
const OTHERS = 'others'

/** Adds entries up, by what they have in common. Bounded: the oldest groups become one. */
export class AccountSums {
  readonly #by: AccountGrouping
  readonly #sums: BoundedMap<string, AccountTotal> = new BoundedMap(MAX_ACCOUNT_GROUPS + 1)

  constructor(by: AccountGrouping) {
    this.#by = by
  }

  add(entry: AccountEntry): void {
    this.merge(totalOf(entry, keyOf(entry, this.#by)))
  }

  /** Adds what was summed up before, under its key. */
  merge(total: AccountTotal): void {
    const { key } = total
    const sum = this.#sums.get(key)
    if (sum === undefined && this.#sums.size >= MAX_ACCOUNT_GROUPS && key !== OTHERS) this.#joinOldest()
    this.#sums.set(key, sum === undefined ? total : plus(sum, total))
  }

  /** In the order in which they were met. */
  totals(): AccountTotal[] {
    return [...this.#sums.values()]
  }

  #joinOldest(): void {
    for (const [key, oldest] of this.#sums) {
      if (key === OTHERS) continue
      this.#sums.delete(key)
      this.merge({ ...oldest, key: OTHERS })
      return
    }
  }
}

/** What an entry alone comes to. */
function totalOf(entry: AccountEntry, key: string): AccountTotal {
  const isReceived = entry.type === 'received'
  const isPaid = !isReceived && entry.outcome !== 'failed'
  const feesMsat = isPaid ? entry.feeMsat : 0n
  const receivedMsat = isReceived ? entry.amountMsat : 0n
  return {
    key,
    paidMsat: isPaid ? entry.amountMsat + feesMsat : 0n,
    feesMsat,
    payments: isPaid ? 1 : 0,
    failed: isReceived || isPaid ? 0 : 1,
    receivedMsat,
    received: isReceived ? 1 : 0,
    strayMsat: isReceived && entry.purpose === 'stray' ? receivedMsat : 0n,
  }
}

function plus(one: AccountTotal, two: AccountTotal): AccountTotal {
  return {
    key: one.key,
    paidMsat: one.paidMsat + two.paidMsat,
    feesMsat: one.feesMsat + two.feesMsat,
    payments: one.payments + two.payments,
    failed: one.failed + two.failed,
    receivedMsat: one.receivedMsat + two.receivedMsat,
    received: one.received + two.received,
    strayMsat: one.strayMsat + two.strayMsat,
  }
}

/** Under what an entry is summed up. */
function keyOf(entry: AccountEntry, by: AccountGrouping): string {
  switch (by) {
    case 'all':
      return ''
    case 'port':
      return entry.port === 0 ? '' : String(entry.port)
    case 'day':
      return dayText(entry.timeMs)
    case 'peer':
    case 'connection':
    case 'program':
      return entry[by]
  }
}
