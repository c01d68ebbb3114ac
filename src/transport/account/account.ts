import { invalidOption } from '../errors.ts'
import type { AccountEntry, AccountParty } from './entry.ts'
import { ENTRY_HEADLINE, entryAsCsv, entryAsJson, TOTAL_HEADLINE, totalAsCsv, totalAsJson } from './export.ts'
import { foldedTotals, readEntries } from './files.ts'
import { type AccountGrouping, AccountSums, type AccountTotal, GROUPINGS } from './totals.ts'
import type { AccountKeeper } from './keeper.ts'

export interface AccountQuery {
  /** Only entries from this time on; a Date, or milliseconds since 1970. Default: all that is kept. */
  readonly since?: Date | number
}

/** What a reader of an account needs of where it is kept. */
type Source = Pick<AccountKeeper, 'read' | 'folded'>

/** What was paid and what came in, entry by entry and in sums: `endpoint.account`, or what a folder holds. */
export class Account {
  readonly #source: Source

  /** @internal */
  constructor(source: Source) {
    this.#source = source
  }

  /**
   * Entries, the oldest first. Without a folder the latest 4,096 of this process; with one all that is in its files,
   * and what was decided by the time of the call.
   */
  entries(query: AccountQuery = {}): AsyncIterable<AccountEntry> {
    return this.#source.read(sinceOf(query))
  }

  /** Sums of entries by what they have in common; of everything where nothing is named. */
  async totals({ by = 'all', ...query }: AccountQuery & { readonly by?: AccountGrouping } = {}): Promise<
    readonly AccountTotal[]
  > {
    if (!GROUPINGS.includes(by)) throw invalidOption(`by is one of ${GROUPINGS.join(', ')}; got ${by as string}`)
    const sinceMs = sinceOf(query)
    const sums = new AccountSums(by)
    // Sums of what is no more in detail say nothing of a part of it.
    if (sinceMs === 0) for (const total of await this.#source.folded(by)) sums.merge(total)
    for await (const entry of this.#source.read(sinceMs)) sums.add(entry)
    return sums.totals()
  }

  /** Totals as text, in the same forms. */
  *totalLines(format: 'json' | 'csv', totals: readonly AccountTotal[]): Generator<string> {
    if (format === 'csv') yield TOTAL_HEADLINE
    for (const total of totals) yield format === 'csv' ? totalAsCsv(total) : totalAsJson(total)
  }

  /** The entries as text, line by line, without line ends: objects of JSON, or CSV with a headline. */
  async *lines(format: 'json' | 'csv', query: AccountQuery = {}): AsyncGenerator<string> {
    if (format === 'csv') yield ENTRY_HEADLINE
    for await (const entry of this.entries(query)) yield format === 'csv' ? entryAsCsv(entry) : entryAsJson(entry)
  }
}

/**
 * The account in a folder: that of a FolderStore or of a daemon, in its folder `account`. It only reads, and may do so
 * while a program writes there.
 */
export function readAccount(folder: string): Account {
  return new Account({
    read: (sinceMs) => readEntries(folder, sinceMs),
    folded: (by) => foldedTotals(folder, by),
  })
}

function sinceOf({ since = 0 }: AccountQuery): number {
  const ms = typeof since === 'number' ? since : since.getTime()
  if (Number.isFinite(ms) && ms >= 0) return ms
  throw invalidOption('since is a Date, or milliseconds since 1970')
}

/** Takes entries while an endpoint runs, and knows at once what they come to. */
export class AccountBook {
  readonly account: Account
  readonly #keeper: AccountKeeper
  #receivedMsat = 0n
  #kept: Promise<boolean> | undefined

  constructor(keeper: AccountKeeper) {
    this.#keeper = keeper
    this.account = new Account(keeper)
  }

  /** All that came in since the endpoint is open. */
  get receivedMsat(): bigint {
    return this.#receivedMsat
  }

  /** Of all entries so far, as `AccountKeeper.add` says it of one. */
  get kept(): Promise<boolean> | undefined {
    return this.#kept
  }

  /** As `AccountKeeper.add`. */
  add(entry: AccountEntry, party: AccountParty): Promise<boolean> | undefined {
    if (entry.type === 'received') this.#receivedMsat += entry.amountMsat
    this.#kept = this.#keeper.add(entry, party)
    return this.#kept
  }

  close(): Promise<void> {
    return this.#keeper.close()
  }
}
