import { BackOff } from '../../floor/back-off.ts'
import { BoundedMap } from '../../floor/bounded.ts'
import { fromHex, toHex } from '../../floor/bytes.ts'
import { type Clock, wallTime } from '../../floor/clock.ts'
import type { DecidedOutcome, Payment } from '../../medium/payment.ts'
import type { Backend } from '../../backends/backend.ts'
import { type Account, AccountBook } from '../account/account.ts'
import type { AccountParty } from '../account/entry.ts'
import { FolderKeeper } from '../account/folder-keeper.ts'
import { type AccountKeeper, MemoryKeeper } from '../account/keeper.ts'
import { messageOf } from '../errors.ts'
import { MAX_PURSE_CONNECTIONS, TRACK_AGAIN_MAX_MS, TRACK_AGAIN_MS } from '../limits.ts'
import { allowsKey, type Rules } from '../policy/policy.ts'
import type { CapName } from '../connection/budget.ts'
import type { Reservation, Store, StoreChange, StoredState } from '../store/store.ts'
import { Accountant, type PaymentFacts } from './accountant.ts'
import { Ledger, type LedgerOptions, capInWords, NO_CAP_MSAT } from './ledger.ts'
import { settleRecorded } from './start-driver.ts'
import { ToldArrivals } from './told-arrivals.ts'

interface PurseOptions {
  readonly store: Store
  readonly clock: Clock
  /** Undefined: it only keeps the account. */
  readonly rules: Rules | undefined
  readonly log: (message: string) => void
}

/** A payment without outcome. Those of a former daemon are not `sent`. */
interface UnderWay {
  readonly reservation: Reservation
  readonly sent: PaymentFacts | undefined
}

/** A payment that a program asks for. */
interface Asked {
  readonly program: string
  readonly payment: Payment
  readonly peer: string
  readonly feeMsat: bigint
  readonly channels: readonly string[]
}

/** All in msat. */
export interface ProgramsMoney {
  /** Amounts and fees, on this day (UTC), by this daemon and former ones. */
  readonly spentTodayMsat: bigint
  /** Payments without an outcome. */
  readonly reservedMsat: bigint
  /** Since the daemon started. */
  readonly receivedMsat: bigint
  /** The caps of a day. */
  readonly caps: readonly {
    readonly cap: CapName['cap']
    /** The port, or the name of the program; '*': all others together. */
    readonly of: string
    readonly capMsat: bigint
    readonly spentMsat: bigint
    readonly reservedMsat: bigint
  }[]
}

interface Income {
  readonly amountMsat: bigint
  readonly program: string | undefined
  readonly connection?: string
  readonly port?: number
  readonly settleIndex?: bigint
}

const NO_RULES: NonNullable<LedgerOptions['rules']> = {
  dayMsat: undefined,
  hourMsat: undefined,
  ports: new Map(),
  programs: new Map(),
  alertPercent: undefined,
}

/** Programs have caps of their own by peer; here all are one, so that nothing is kept of each. */
const ANYONE = ''

/**
 * The money of all programs of a daemon: their caps of a day, by port and by program, and the account of all of them.
 * As at an endpoint, what is reserved is stored before it is paid, and stays so, over restarts, until its outcome is
 * certain (spec/daemon.md §9.3).
 */
export class ProgramsPurse {
  readonly #options: PurseOptions
  readonly #ledger: Ledger
  readonly #book: AccountBook
  readonly #accountant: Accountant
  /** By payment hash, in hexadecimal. */
  readonly #underWay: Map<string, UnderWay> = new Map()
  /** Whom connections are about, by id: answers do not say it. */
  readonly #parties: BoundedMap<string, AccountParty> = new BoundedMap(MAX_PURSE_CONNECTIONS)
  readonly #backOff: BackOff = new BackOff({ minMs: TRACK_AGAIN_MS, maxMs: TRACK_AGAIN_MAX_MS })
  readonly #told: ToldArrivals
  #track: Backend['track'] | undefined
  #cancelTracking: (() => void) | undefined
  #storing = Promise.resolve()
  /** Ends of reservations that are being stored, by payment hash. */
  readonly #ends: Map<string, Promise<void>> = new Map()
  #receivedMsat = 0n
  #isClosed = false

  /** @throws what the store throws; then it is closed */
  static async open(options: PurseOptions): Promise<ProgramsPurse> {
    const { store, clock, log } = options
    const opened = await store.open()
    const { accountFolder: folder } = store
    const keeper = folder === undefined ? new MemoryKeeper() : new FolderKeeper({ folder, clock, warn: log })
    try {
      const { stored, changes } = await settleRecorded(opened, keeper)
      if (changes.length > 0) await store.write(changes)
      return new ProgramsPurse(options, stored, keeper)
    } catch (error) {
      await keeper.close()
      await store.close()
      throw error
    }
  }

  private constructor(options: PurseOptions, stored: StoredState, keeper: AccountKeeper) {
    this.#options = options
    const { rules, log } = options
    this.#book = new AccountBook(keeper)
    const wallNow = (): number => this.#wallNow()
    this.#accountant = new Accountant({ wallNow }, this.#book)
    this.#ledger = new Ledger({
      peerCapMsat: NO_CAP_MSAT,
      processCapMsat: NO_CAP_MSAT,
      spent: stored.spent ?? [],
      wallMs: this.#wallNow(),
      // Without a cap the day is counted all the same: people ask what was spent.
      rules: { ...(rules ?? NO_RULES), dayMsat: rules?.dayMsat ?? NO_CAP_MSAT },
      alert: (budget) => log(capInWords(budget)),
    })
    this.#told = new ToldArrivals(stored.settleIndex)
    for (const reservation of stored.reservations.values()) {
      this.#ledger.adopt({ ...reservation, peer: ANYONE })
      this.#underWay.set(reservation.hash, { reservation, sent: undefined })
    }
  }

  /** The node is there: what became of what a former daemon paid is asked for, until it is known. */
  follow(track: Backend['track']): void {
    this.#track = track
    this.#arm(0)
  }

  /** Of all programs together. */
  get account(): Account {
    return this.#book.account
  }

  /** Payments without an outcome, those of former daemons included. */
  get unresolved(): number {
    return this.#underWay.size
  }

  /** What was spent today (UTC) and is reserved, by all programs, what came in since the start, and what caps leave. */
  money(): ProgramsMoney {
    this.#ledger.passTo(this.#wallNow())
    const { spentMsat = 0n, reservedMsat = 0n } = this.#ledger.day() ?? {}
    const caps = this.#ledger.caps().filter(({ capMsat }) => capMsat < NO_CAP_MSAT)
    return {
      spentTodayMsat: spentMsat,
      reservedMsat,
      receivedMsat: this.#receivedMsat,
      caps: caps.map(({ cap, of, capMsat, spentMsat: spent, reservedMsat: reserved }) => ({
        cap,
        of,
        capMsat,
        spentMsat: spent,
        reservedMsat: reserved,
      })),
    }
  }

  mayPay(publicKeyHex: string): boolean {
    const { rules } = this.#options
    return rules === undefined || allowsKey(rules.connectTo, publicKeyHex)
  }

  async begin({ program, payment, peer, feeMsat, channels }: Asked): Promise<string | undefined> {
    const { amountMsat, purpose } = payment
    const hash = toHex(payment.hash)
    this.#ledger.passTo(this.#wallNow())
    const { connection = '', port = 0, role = '', reason = 'data' } = purpose ?? {}
    const obstacle = this.#ledger.tryReserve({ peer: ANYONE, amountMsat, feeMsat, port, program })
    if (obstacle !== undefined) return `a cap of this daemon lets no more pass: ${capInWords(obstacle.budget)}`
    const known = this.#parties.get(connection)
    const isKnown = known?.peer === peer && known.program === program
    const party: AccountParty = isKnown ? known : { connection, peer, port, role, program }
    if (connection !== '') this.#parties.renew(connection, party)
    const reservation: Reservation = { hash, peer, amountMsat, feeMsat, port, connection, program }
    this.#underWay.set(hash, { reservation, sent: { party, channels, reason } })
    // spec §18.7: it may have the hash of one that has failed, whose end would take the new reservation with it.
    const end = this.#ends.get(hash)
    if (end !== undefined) await end
    try {
      await this.#options.store.write([{ type: 'reserve', ...reservation }])
    } catch (error) {
      this.#finish(hash, { status: 'failed', reason: 'node-away', place: 'local' })
      return `the daemon cannot store what is under way, so nothing is paid: ${messageOf(error)}`
    }
    return undefined
  }

  decided(hash: Uint8Array, outcome: DecidedOutcome): void {
    this.#finish(toHex(hash), outcome)
  }

  received({ amountMsat, program, connection = '', port = 0, settleIndex }: Income): void {
    if (settleIndex !== undefined && !this.#told.add(settleIndex)) return
    this.#receivedMsat += amountMsat
    this.#accountant.received(this.#partyOf(program, connection, port), amountMsat)
    if (settleIndex === undefined) return
    // The store keeps the highest one.
    void this.#storeWhen(this.#book.kept, { type: 'settle-index', index: settleIndex })
  }

  /** Its node was restored from an older state, so that what comes in has indices that came before. */
  nodeIsBehind(): void {
    this.#told.forget()
    void this.#store({ type: 'settle-index-forgotten' })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTracking?.()
    await this.#book.close()
    await this.#storing
    await this.#options.store.close()
  }

  #wallNow(): number {
    return wallTime(this.#options.clock)
  }

  #partyOf(program: string | undefined, connection: string, port: number): AccountParty | undefined {
    if (program === undefined) return undefined
    const known = this.#parties.get(connection)
    if (known?.program === program && (port === 0 || port === known.port)) return known
    const party: AccountParty = { connection, peer: '', port, role: '', program }
    if (connection !== '') this.#parties.renew(connection, party)
    return party
  }

  #finish(hash: string, outcome: DecidedOutcome): void {
    const underWay = this.#underWay.get(hash)
    if (underWay === undefined || this.#isClosed) return
    this.#underWay.delete(hash)
    const { reservation, sent } = underWay
    this.#ledger.passTo(this.#wallNow())
    this.#ledger.decide({ ...reservation, peer: ANYONE }, outcome)
    const { change, kept } = this.#accountant.paid({ reservation, outcome, sent })
    const end = this.#storeWhen(kept, change).then(() => {
      if (this.#ends.get(hash) === end) this.#ends.delete(hash)
    })
    this.#ends.set(hash, end)
  }

  /** Entry first: else a crash in between would lose it. */
  async #storeWhen(kept: Promise<boolean> | undefined, change: StoreChange): Promise<void> {
    if (kept === undefined || (await kept)) await this.#store(change)
  }

  #store(change: StoreChange): Promise<void> {
    const { store, log } = this.#options
    return (this.#storing = Promise.allSettled([
      this.#storing,
      store.write([change]).catch((error: unknown) => log(`what was paid could not be stored: ${messageOf(error)}`)),
    ]).then(() => undefined))
  }

  #found(hash: string, found: Awaited<ReturnType<Backend['track']>>): void {
    switch (found.status) {
      case 'delivered':
      case 'settled':
      case 'failed':
        return this.#finish(hash, found)
      case 'never':
        // One of this daemon may be on its way to the node.
        if (this.#underWay.get(hash)?.sent === undefined)
          this.#finish(hash, { status: 'failed', reason: 'node-away', place: 'local' })
        return
      case 'in-flight':
      case 'unknown':
        return
    }
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options
    this.#cancelTracking?.()
    this.#cancelTracking = clock.schedule(clock.now() + delayMs, () => void this.#ask())
  }

  /** Asks for what has no outcome: of what is under way in this daemon the node says just that. */
  async #ask(): Promise<void> {
    for (const hash of this.#underWay.keys()) {
      if (this.#isClosed) return
      try {
        const found = await this.#track?.(fromHex(hash))
        if (found !== undefined) this.#found(hash, found)
      } catch {
        // The node is away: it is asked again.
        break
      }
    }
    if (this.#isClosed) return
    this.#backOff.next()
    this.#arm(this.#backOff.delayMs)
  }
}
