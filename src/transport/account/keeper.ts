import { BoundedSet } from '../../floor/bounded.ts'
import { MAX_ACCOUNT_RECENT } from '../limits.ts'
import type { AccountEntry, AccountParty, PaidEntry } from './entry.ts'
import { type AccountGrouping, AccountSums, type AccountTotal, GROUPINGS } from './totals.ts'

/** Where entries are kept. */
export interface AccountKeeper {
  /**
   * Takes an entry. Undefined: it is kept as well as it will be; else the promise resolves when it would survive a
   * crash, or is given up and a person was told: true. False: the keeper was closed, and could not write it. It never
   * rejects.
   *
   * @param party one object for all entries of a connection
   */
  add(entry: AccountEntry, party: AccountParty): Promise<boolean> | undefined
  /** What is kept, from this time on, the oldest first. */
  read(sinceMs: number): AsyncIterable<AccountEntry>
  /** Sums of what is kept in no other way any more. */
  folded(by: AccountGrouping): Promise<readonly AccountTotal[]>
  /** Of these payment hashes, those that were paid by an entry from just before the last process ended. */
  recorded(hashes: ReadonlySet<string>): Promise<readonly PaidEntry[]>
  close(): Promise<void>
}

/** Keeps the latest entries, and sums of those before them, as long as the process lives. */
export class MemoryKeeper implements AccountKeeper {
  readonly #recent = new BoundedSet<AccountEntry>(MAX_ACCOUNT_RECENT, [], (oldest) => {
    for (const sums of this.#sums.values()) sums.add(oldest)
  })
  readonly #sums: ReadonlyMap<AccountGrouping, AccountSums> = new Map(GROUPINGS.map((by) => [by, new AccountSums(by)]))

  add(entry: AccountEntry): undefined {
    this.#recent.add(entry)
  }

  async *read(sinceMs: number): AsyncGenerator<AccountEntry> {
    for (const entry of this.#recent) if (entry.timeMs >= sinceMs) yield entry
  }

  async folded(by: AccountGrouping): Promise<readonly AccountTotal[]> {
    return this.#sums.get(by)?.totals() ?? []
  }

  async recorded(): Promise<readonly PaidEntry[]> {
    return []
  }

  async close(): Promise<void> {
    // What was kept goes with the process.
  }
}
