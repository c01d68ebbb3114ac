import { BoundedMap } from '../../floor/bounded.ts'
import { DAY_MS, dayText, HOUR_MS, nextPeriodMs } from '../../floor/clock.ts'
import type { DecidedOutcome } from '../../medium/payment.ts'
import { Budget, type BudgetOptions, type BudgetView, type CapName, type CapObstacle } from '../connection/budget.ts'
import { MAX_PEER_BUDGETS } from '../limits.ts'
import { OTHERS_OF_POLICY, type Rules } from '../policy/policy.ts'
import type { Reservation, Spent } from '../store/store.ts'

export interface LedgerOptions {
  /** Cap of a peer that has none of its own, msat. */
  readonly peerCapMsat: bigint
  /** Cap over all peers, for the life of the process, msat. */
  readonly processCapMsat: bigint
  /** Caps of an hour and of a day; absent: none. */
  readonly rules?: Pick<Rules, 'hourMsat' | 'dayMsat' | 'ports' | 'programs' | 'alertPercent'>
  /** What former processes spent on the latest days. */
  readonly spent?: readonly Spent[]
  /** Milliseconds since 1970. */
  readonly wallMs?: number
  /** So much of a cap is spent that a person wants to know. */
  readonly alert?: (budget: Budget) => void
}

/** Whose caps a payment counts under, besides those of all: its port, and its program in a daemon. */
export interface Purpose {
  readonly port: number
  readonly program?: string
}

/** Stands for every peer without a known key. */
const ANONYMOUS = ''
/** Of a budget that stops nothing by itself. More than there is of bitcoin, msat. */
export const NO_CAP_MSAT: bigint = 10n ** 20n

interface PeerEntry {
  readonly budget: Budget
  /** Under it and under the caps of ports and programs, by those; made where there are such caps. */
  readonly joint: Map<string, Budget>
  users: number
}

/**
 * The money of a process: one budget for all of it, under that one for the day and one for the hour, and under these
 * one for each peer, in which those of its connections stand (spec §12.2). Where a policy caps ports and programs,
 * theirs stand beside the peer's. `peer`, everywhere: a public key in hexadecimal, or '' for an anonymous one.
 */
export class Ledger {
  readonly #peerCapMsat: bigint
  readonly #process: Budget
  readonly #peers: Map<string, PeerEntry> = new Map()
  /** Peers that nothing is paid to now, but was; the one whose last payment is the longest ago is forgotten. */
  readonly #former: BoundedMap<string, PeerEntry> = new BoundedMap(MAX_PEER_BUDGETS)
  readonly #hours: Periods
  readonly #days: Periods
  readonly #day: Budget | undefined
  readonly #hour: Budget | undefined
  readonly #ports: ReadonlyMap<string, Budget>
  readonly #programs: ReadonlyMap<string, Budget>

  constructor({ peerCapMsat, processCapMsat, rules, spent = [], wallMs = 0, alert }: LedgerOptions) {
    const percent = rules?.alertPercent
    const watch = percent === undefined || alert === undefined ? {} : { alert: { percent, tell: alert } }
    const named = (cap: CapName['cap'], of = ''): BudgetOptions => ({ name: { cap, of }, ...watch })
    this.#peerCapMsat = peerCapMsat
    this.#process = new Budget(processCapMsat, undefined, named('process'))
    this.#hours = new Periods(HOUR_MS, wallMs)
    this.#days = new Periods(DAY_MS, wallMs)
    const { dayMsat, hourMsat } = rules ?? {}
    this.#day = dayMsat === undefined ? undefined : this.#days.add(dayMsat, named('day'), this.#process)
    const aroundHour = this.#day ?? this.#process
    this.#hour = hourMsat === undefined ? undefined : this.#hours.add(hourMsat, named('hour'), aroundHour)
    const each = (caps: ReadonlyMap<string, bigint> | undefined, cap: 'port' | 'program'): Map<string, Budget> =>
      new Map([...(caps ?? [])].map(([of, capMsat]) => [of, this.#days.add(capMsat, named(cap, of))]))
    this.#ports = each(rules?.ports, 'port')
    this.#programs = each(rules?.programs, 'program')
    // A clock that was set back frees nothing: what was spent on a day that it calls a later one counts today.
    const today = dayText(wallMs)
    for (const { day, msat, ...purpose } of spent) {
      if (day < today) continue
      this.#day?.remember(msat)
      for (const budget of this.#capsOf(purpose)) budget.remember(msat)
    }
    this.#capAnonymous(processCapMsat)
  }

  process(): BudgetView {
    return this.#process.view()
  }

  /** What the cap of the day governs; undefined: there is none. */
  day(): BudgetView | undefined {
    return this.#day?.view()
  }

  /** What the caps of a time govern: of the day and the hour, those of ports and those of programs. */
  caps(): readonly (CapName & BudgetView)[] {
    const budgets = [this.#day, this.#hour, ...this.#ports.values(), ...this.#programs.values()]
    return budgets.flatMap((budget) => (budget?.name === undefined ? [] : [{ ...budget.name, ...budget.view() }]))
  }

  /** What the cap of the hour governs, and when the next one begins, ms since 1970; undefined: there is none. */
  hour(): (BudgetView & { readonly endsMs: number }) | undefined {
    return this.#hour === undefined ? undefined : { ...this.#hour.view(), endsMs: this.#hours.nextMs }
  }

  /** Whether something begins anew with the hour or the day. */
  get hasPeriods(): boolean {
    return !this.#hours.isEmpty || !this.#days.isEmpty
  }

  /** When that is, ms since 1970. */
  get nextPeriodMs(): number {
    return this.#hours.isEmpty ? this.#days.nextMs : this.#hours.nextMs
  }

  /** The time has moved: where an hour or a day begins, its caps do. What is reserved stays so, and counts for it. */
  passTo(wallMs: number): void {
    this.#days.passTo(wallMs)
    this.#hours.passTo(wallMs)
  }

  /** A connection to this peer begins: what it pays is in this budget. It calls `leave` at its end. */
  join(peer: string, purpose?: Purpose): Budget {
    this.#entry(peer).users++
    return this.#budget(peer, purpose)
  }

  leave(peer: string): void {
    this.#entry(peer).users--
    this.forgetIfUnused(peer)
  }

  /** Sets money aside for a payment of no connection; what stands against it, where there is none for it. */
  tryReserve({ peer, amountMsat, feeMsat, port = 0, program }: Omit<Reservation, 'hash'>): CapObstacle | undefined {
    const budget = this.#budget(peer, purposeOf(port, program))
    const obstacle = budget.obstacle(amountMsat + feeMsat)
    if (obstacle === undefined) budget.reserve(amountMsat, feeMsat)
    else this.forgetIfUnused(peer)
    return obstacle
  }

  /** What a former process left without outcome counts until it is decided, whatever the caps of this one say. */
  adopt({ peer, amountMsat, feeMsat, port = 0, program }: Reservation): void {
    this.#budget(peer, purposeOf(port, program)).adopt(amountMsat, feeMsat)
  }

  /** What became of a payment of a former process, or of no connection. */
  decide(reservation: Reservation, outcome: DecidedOutcome): void {
    const { peer, amountMsat, feeMsat, port = 0, program } = reservation
    const budget = this.#budget(peer, purposeOf(port, program))
    if (outcome.status === 'failed') budget.release(amountMsat, feeMsat)
    else budget.spend(amountMsat, feeMsat, outcome.feeMsat)
    this.forgetIfUnused(peer)
  }

  /** It also caps all anonymous peers, which have no key to be told apart by. */
  setProcessCap(capMsat: bigint): void {
    this.#process.setCap(capMsat)
    this.#capAnonymous(capMsat)
  }

  setPeerCap(peer: string, capMsat: bigint): void {
    this.#entry(peer).budget.setCap(capMsat)
    this.forgetIfUnused(peer)
  }

  /** More may pass under a cap that stood against something; one of an hour or a day is raised for that alone. */
  raise(budget: Budget, byMsat: bigint): void {
    const capMsat = budget.view().capMsat + byMsat
    if (budget === this.#process) this.setProcessCap(capMsat)
    else budget.setCap(capMsat)
  }

  /** A budget that says nothing is not kept, and of one that says what was spent not for ever: peers come and go. */
  forgetIfUnused(peer: string): void {
    const entry = this.#peers.get(peer)
    if (entry === undefined || entry.users > 0) return
    const { capMsat, reservedMsat } = entry.budget.view()
    if (capMsat !== this.#peerCapMsat || reservedMsat > 0n) return
    if (entry.budget.isUnused) this.#peers.delete(peer)
    else if (peer !== ANONYMOUS) {
      this.#peers.delete(peer)
      this.#former.renew(peer, entry)
    }
  }

  #capAnonymous(capMsat: bigint): void {
    this.setPeerCap(ANONYMOUS, capMsat)
  }

  #entry(peer: string): PeerEntry {
    let entry = this.#peers.get(peer) ?? this.#former.get(peer)
    if (this.#former.delete(peer) && entry !== undefined) this.#peers.set(peer, entry)
    if (entry === undefined) {
      const name: CapName = { cap: 'peer', of: peer }
      const budget = new Budget(this.#peerCapMsat, this.#hour ?? this.#day ?? this.#process, { name })
      entry = { budget, joint: new Map(), users: 0 }
      this.#peers.set(peer, entry)
    }
    return entry
  }

  /** Under all caps that a payment counts under. */
  #budget(peer: string, purpose: Purpose | undefined): Budget {
    const { budget, joint } = this.#entry(peer)
    const caps = purpose === undefined ? [] : this.#capsOf(purpose)
    if (caps.length === 0) return budget
    const key = caps.map(({ name }) => `${name?.cap ?? ''} ${name?.of ?? ''}`).join('\n')
    let under = joint.get(key)
    if (under === undefined) {
      under = new Budget(NO_CAP_MSAT, [...caps, budget])
      joint.set(key, under)
    }
    return under
  }

  /** The caps of a port and of a program, where the policy has such. */
  #capsOf({ port, program }: Purpose): Budget[] {
    const ofPort = this.#ports.get(String(port)) ?? this.#ports.get(OTHERS_OF_POLICY)
    const ofProgram =
      program === undefined ? undefined : (this.#programs.get(program) ?? this.#programs.get(OTHERS_OF_POLICY))
    return [ofPort, ofProgram].filter((budget) => budget !== undefined)
  }
}

/** Caps that begin anew with each period. A clock that was set back frees nothing. */
class Periods {
  readonly #lengthMs: number
  /** With their caps as the policy has them. */
  readonly #caps: Map<Budget, bigint> = new Map()
  #nextMs: number

  constructor(lengthMs: number, wallMs: number) {
    this.#lengthMs = lengthMs
    this.#nextMs = nextPeriodMs(wallMs, lengthMs)
  }

  /** When the next one begins, ms since 1970. */
  get nextMs(): number {
    return this.#nextMs
  }

  get isEmpty(): boolean {
    return this.#caps.size === 0
  }

  add(capMsat: bigint, options: BudgetOptions, wider?: Budget): Budget {
    const budget = new Budget(capMsat, wider, options)
    this.#caps.set(budget, capMsat)
    return budget
  }

  passTo(wallMs: number): void {
    if (wallMs < this.#nextMs) return
    this.#nextMs = nextPeriodMs(wallMs, this.#lengthMs)
    for (const [budget, capMsat] of this.#caps) budget.begin(capMsat)
  }
}

function purposeOf(port: number, program: string | undefined): Purpose {
  return program === undefined ? { port } : { port, program }
}

/** How much of a cap is spent, in words. */
export function capInWords(budget: Budget): string {
  const { capMsat, spentMsat } = budget.view()
  const { cap = 'peer', of = '' } = budget.name ?? {}
  const what = of === '' ? `the ${cap}` : `${cap} ${of}`
  return `${spentMsat} msat are spent of the ${capMsat} that the cap of ${what} allows`
}
