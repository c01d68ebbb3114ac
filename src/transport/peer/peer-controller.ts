import type { PaymentFailure, PaymentOutcome } from '../../medium/payment.ts'
import { type Route, routeFeeMsat } from '../../medium/route.ts'
import { paymentName, type Tracer } from '../../medium/trace.ts'
import type { SendObstacle, Want } from '../connection/interface.ts'
import { PeerAttempts, type PeerAttempt } from './peer-attempts.ts'
import { backOffMs } from '../../floor/back-off.ts'
import { blame } from './blame.ts'
import { FirstChannels, type FirstChannel } from './channels.ts'
import { HedgeBudget, HedgeDelay, isCopy } from './hedge.ts'
import type { PeerGrant, PeerOptions, PeerStats } from './interface.ts'
import { Latency } from './latency.ts'
import {
  ANONYMOUS_THIRD_MS,
  BACKOFF_JITTER,
  LOCAL_REFUSALS_MANY,
  MAX_PROBES,
  ROUND_TRIP_UNKNOWN_MS,
  ROUTE_DEAD_STREAK,
  ROUTE_START,
  SLOT_RETRY_MS,
  STUCK_AFTER_MS,
  WINDOW_CONTROL_EXTRA,
  WINDOW_COPIES_DIVISOR,
  MIN_WINDOW,
  WINDOW_START,
  WINDOW_GROWTH_ANONYMOUS,
  WINDOW_START_ANONYMOUS,
  LOCAL_BACKOFF,
  IN_FLIGHT_GAIN,
  MAX_HEDGE_MS,
  MAX_SLOWING,
  HEDGE_QUEUE,
} from './limits.ts'
import { RelayChannels, type RelayChannel, type RelayPlace } from './relay-channels.ts'
import { type Luck, Renewal, type RouteNeed, type RouteWish } from './renewal.ts'
import { RouteGrowth } from './route-growth.ts'
import { type Discarded, RouteTable, type RouteState } from './routes.ts'
import { RoundRobin } from './round-robin.ts'
import { WindowControl } from './window.ts'

type PeerWant = Pick<Want, 'reason' | 'avoid'> & Partial<Pick<Want, 'isAlone'>>

export type { PeerGrant, PeerOptions, PeerStats } from './interface.ts'

/** Where an attempt goes: a route, a slot of our own channel, and its places on those behind it. */
interface Place {
  readonly state: RouteState
  readonly channel: FirstChannel
  readonly relays: readonly RelayChannel[]
}

/**
 * What all connections to one peer share: routes, the window of attempts in flight, the hedge budget,
 * and whose turn it is. Pure: time comes in as `now`, nothing goes out but answers.
 *
 * Order of use: `enqueue` a connection that wants to send. Then, after every input: poll `request(now)`
 * and look for the routes it names; take `nextTurn()`, `grant` for it, and either `cancel` the ticket or
 * `sent` and later `resolve` it; when a connection wants more, `enqueue` it again; when no grant was
 * given, enqueue it and wait. Call `wake` at `deadline()`, then begin anew.
 */
export class PeerController implements Luck {
  readonly #options: PeerOptions
  /** Undefined while nobody waits and no round is under way: an idle connection may have a controller of its own. */
  #rows: RoundRobin | undefined
  readonly #routes: RouteTable = new RouteTable()
  readonly #attempts: PeerAttempts = new PeerAttempts()
  readonly #latency: Latency = new Latency()
  readonly #delay: HedgeDelay = new HedgeDelay()
  readonly #budget: HedgeBudget = new HedgeBudget()
  readonly #channels: FirstChannels
  readonly #relays: RelayChannels = new RelayChannels()
  readonly #window: WindowControl
  readonly #renewal: Renewal
  readonly #growth: RouteGrowth = new RouteGrowth()
  #now = -Infinity
  #delivered = 0
  #failed = 0
  #weighAt = 0
  /** A grant was refused since the last wake: somebody waits for a deadline. */
  #refused = false
  /** The last wish for a grant was turned down: it is the network that limits, not what there is to send. */
  #heldBack = false
  #obstacle: SendObstacle = 'routes'
  #retrySlotsAt: number | undefined
  /** How much other peers of the process queue over the same channel. */
  #others = 1
  /** How many were in flight with what settled lately; undefined before the first. */
  #inFlightMean: number | undefined
  #awayUntil = -Infinity
  #awayTimes = 0
  readonly #tracer: Tracer | undefined
  readonly #discarded: Discarded | undefined
  /** As the trace has told it. */
  #traced = ''

  constructor(options: PeerOptions) {
    this.#options = options
    const { tracer } = options
    this.#tracer = tracer
    if (tracer !== undefined)
      this.#discarded = ({ channels }, why) => tracer.emit('route_discarded', { route: channels, why })
    this.#channels = new FirstChannels(options.slots, options.anonymous)
    this.#window = options.anonymous
      ? new WindowControl(WINDOW_START_ANONYMOUS, this.#latency, WINDOW_GROWTH_ANONYMOUS)
      : new WindowControl(WINDOW_START, this.#latency)
    this.#renewal = new Renewal(this)
  }

  // -- routes --

  /** Routes to look for now. Once; then an answer is due: `provideRoutes` or `routesFailed`. */
  request(now: number): RouteWish | undefined {
    this.#tick(now)
    const poor = this.#routes.all
      .filter((state) => state.failing > 0.5)
      .flatMap((state) => state.route.channels.slice(1))
    const wish = this.#renewal.take(now, this.#need(now), [...new Set(poor)], this.#growth.wanted)
    if (wish !== undefined) this.#growth.asked()
    return wish
  }

  /** Whether there is no route, or none that does well. */
  lacksRoutes(now: number): boolean {
    this.#tick(now)
    const need = this.#need(now)
    return need === 'none-left' || need === 'poor'
  }

  /**
   * The answer to `request`, best route first. Routes beyond the bounds are left out (spec §9.6). Returns what a packet
   * costs on the cheapest that was left out for its cost, where none was taken; msat.
   */
  provideRoutes(now: number, routes: readonly Route[]): bigint | undefined {
    this.#tick(now)
    const before = new Set(this.#routes.all)
    const { taken, tooExpensiveMsat } = this.#routes.merge(now, routes, this.#options.maxFeeMsat, this.#discarded)
    const found = this.#routes.all.filter((state) => !before.has(state))
    const fresh = found.length
    if (this.#tracer !== undefined) for (const { route } of found) this.#traceFound(this.#tracer, route)
    this.#growth.found(fresh)
    if (taken === 0) {
      this.#tracer?.emit('routes_not_found', { lane: this.#options.lane })
      this.#renewal.failed(now)
      return tooExpensiveMsat
    }
    this.#renewal.found(now)
    for (const { route, firstChannel } of this.#routes.all) this.#channels.know(firstChannel, route.firstChannelSlots)
    this.#channels.keep(new Set(this.#routes.all.map((state) => state.firstChannel)))
    this.#relays.keep(new Set(this.#routes.all.flatMap((state) => state.route.channels)))
    this.#window.limitTo(this.#channels.room())
    if (this.#delivered > 0 && before.size === 0) this.#latency.forget()
    if (this.#delivered > 0 && fresh > 0) this.#window.restart()
    return undefined
  }

  /** No answer to `request`: it will be made again later. */
  routesFailed(now: number): void {
    this.#tick(now)
    this.#tracer?.emit('routes_not_found', { lane: this.#options.lane })
    this.#growth.failed()
    this.#renewal.failed(now)
  }

  /**
   * The routes lead nowhere any more, and others can be looked for at once: the peer gave other paths (spec §8.10,
   * §9.2). What is under way goes on.
   */
  forgetRoutes(now: number): void {
    this.#tick(now)
    for (const state of this.#routes.all) {
      this.#tracer?.emit('route_discarded', { route: state.route.channels, why: 'replaced' })
      this.#routes.drop(state)
    }
    this.#renewal.changed()
    this.#growth.restart()
  }

  // -- turns --

  get #turns(): RoundRobin {
    return (this.#rows ??= new RoundRobin())
  }

  /** `isAlone`: nothing of it is under way, as in `Want`. */
  enqueue(token: object, isAlone = false): void {
    this.#turns.enqueue(token, isAlone)
  }

  nextTurn(): object | undefined {
    const token = this.#rows?.next()
    this.#dropIdleRows()
    return token
  }

  /** Those of `nextTurn`, in its order, that were granted nothing: they come first again. */
  giveBack(tokens: readonly object[]): void {
    if (tokens.length > 0) this.#turns.giveBack(tokens)
  }

  /** So many of those that wait, others with each call. */
  someWaiting(count: number): readonly object[] {
    return this.#rows?.some(count) ?? []
  }

  /** One of those was granted something before its turn. */
  took(token: object): void {
    this.#turns.take(token)
    this.#dropIdleRows()
  }

  /** How many stand in the row. */
  get waiting(): number {
    return this.#rows?.size ?? 0
  }

  /** The connection has ended, or wants nothing any more. */
  forget(token: object): void {
    this.#rows?.forget(token)
    this.#dropIdleRows()
  }

  #dropIdleRows(): void {
    if (this.#rows?.isIdle === true) this.#rows = undefined
  }

  // -- attempts --

  /** Permission for one attempt: its place is taken until `cancel` or `resolve`. Undefined: not now. */
  grant(now: number, want: PeerWant): PeerGrant | undefined {
    this.#tick(now)
    const { reason } = want
    const place = this.#place(now, want)
    if (place === undefined) {
      this.#refused = true
      if (!isCopy(reason)) this.#heldBack = true
      return undefined
    }
    const { state, channel, relays } = place
    const hedgeAfterMs = this.#hedgeAfter(state)
    const costMsat = costOf(state.route)
    const beyond = this.#isFull
    const places = this.#relays.enter(now, relays)
    const made = { route: state, channel, relays: places, reason, costMsat, beyond, hedgeAfterMs }
    const ticket = this.#attempts.add(made, now, this.#delivered)
    this.#routes.entered(state, hedgeAfterMs)
    this.#budget.take(reason, costMsat)
    this.#heldBack = false
    this.#renewal.used(now)
    this.#observe(now)
    return { ticket, lane: this.#options.lane, route: state.route, hedgeAfterMs, pace: state }
  }

  /** What stood against the last grant that was refused. */
  get obstacle(): SendObstacle {
    return this.#obstacle
  }

  /** The grant was not used. */
  cancel(ticket: number): void {
    const attempt = this.#attempts.get(ticket)
    if (attempt.sent) throw new Error(`ticket ${ticket} was sent: it can only be resolved`)
    this.#budget.giveBack(attempt.reason, attempt.costMsat)
    this.#release(this.#now, attempt)
  }

  /** `hash`: of its payment, in hexadecimal. */
  sent(now: number, ticket: number, hash = ''): void {
    this.#tick(now)
    const attempt = this.#attempts.get(ticket)
    if (attempt.sent) throw new Error(`ticket ${ticket} was sent already`)
    this.#attempts.sent(attempt, now, hash)
  }

  /** What became of it. After 'unknown' the ticket stays open, outside the window, for a later outcome. */
  resolve(now: number, ticket: number, outcome: PaymentOutcome): void {
    this.#tick(now)
    const attempt = this.#attempts.get(ticket)
    if (!attempt.sent) throw new Error(`ticket ${ticket} was not sent: cancel it`)
    if (outcome.status === 'unknown') {
      this.#hang(attempt, 'lost-sight')
      this.#observe(now)
      return
    }
    const full = this.#attempts.inWindow >= 0.9 * this.#size
    this.#release(now, attempt)
    if (outcome.status === 'failed') this.#fail(now, attempt, outcome)
    else this.#deliver(now, attempt, full)
    this.#sweep(now)
    if (now >= this.#weighAt) {
      this.#routes.weigh(now)
      this.#weighAt = now + (this.#latency.medianMs ?? ROUND_TRIP_UNKNOWN_MS)
      this.#options.slots.report(this, this.#window.queue)
      this.#others = this.#options.slots.queue(this, attempt.channel.key)
    }
    if (this.#tracer !== undefined) this.#traceWindow(this.#tracer)
  }

  // -- time --

  /** When to call `wake`: an attempt leaves the window, a back-off is over, routes are to be asked for. */
  deadline(): number | undefined {
    let next = this.#attempts.nextOverdue(this.#delay.overdueMs, this.#delivered)
    const at = (time: number | undefined): void => {
      if (time !== undefined && time > this.#now) next = Math.min(next ?? time, time)
    }
    at(this.#renewal.due(this.#need(this.#now)))
    if (this.#refused || this.waiting > 0) {
      at(this.#awayUntil)
      at(this.#retrySlotsAt)
      at(this.#nextDoubling())
      at(this.#routes.nextSuspensionEnd(this.#now))
      at(this.#relays.nextEnd(this.#now))
      for (const channel of this.#channels.all) at(channel.haltedUntil)
    }
    return next
  }

  wake(now: number): void {
    this.#tick(now)
    this.#refused = false
    if (this.#retrySlotsAt !== undefined && this.#retrySlotsAt <= now) this.#retrySlotsAt = undefined
  }

  stats(): PeerStats {
    const usable = this.#routes.usable(this.#now).length
    return {
      inFlight: this.#attempts.inWindow,
      hung: this.#attempts.hung,
      stuck: this.#attempts.stuck(this.#now),
      window: this.#size,
      phase: this.#window.phase,
      smoothedMs: this.#delay.smoothedMs,
      medianMs: this.#latency.medianMs,
      baseMs: this.#latency.baseMs,
      hedgeAfterMs: this.#hedgeAfter(this.#routes.all[0]),
      hedges: this.#budget.copies,
      hedgesLeft: this.#budget.left,
      hangShare: this.#budget.hangShare,
      delivered: this.#delivered,
      failed: this.#failed,
      routes: this.#routes.size,
      suspendedRoutes: this.#routes.size - usable,
      waiting: this.waiting,
    }
  }

  // -- inside --

  get #size(): number {
    return Math.max(MIN_WINDOW, this.#window.size - this.#channels.hungTooMany())
  }

  get #isFull(): boolean {
    return this.#attempts.inWindow >= this.#size
  }

  #tick(now: number): void {
    if (now < this.#now) throw new Error(`time went back from ${this.#now} to ${now}`)
    this.#now = now
    this.#sweep(now)
  }

  /** Between 0 and 1. */
  chance(): number {
    const [high = 0, low = 0] = this.#options.random(2)
    return (high * 256 + low) / 65_536
  }

  #need(now: number): RouteNeed {
    if (this.#routes.size === 0) return 'none-left'
    if (this.#routes.isPoor(now)) return 'poor'
    return this.#growth.wantsMore ? 'more' : 'content'
  }

  /** How many of this kind may stand beyond a full window. */
  #mostBeyond({ reason, isAlone }: PeerWant): number {
    // What hangs or is slow fills the window: its copies don't wait behind it, and control packets not behind those.
    const copies = Math.max(WINDOW_CONTROL_EXTRA - 1, Math.floor(this.#size / WINDOW_COPIES_DIVISOR))
    if (isCopy(reason)) return copies
    return reason === 'control' || isAlone === true ? copies + 1 : 0
  }

  /** A route and a slot of its first channel, which is taken; undefined where a bound says no. */
  #place(now: number, want: PeerWant): Place | undefined {
    this.#obstacle = 'routes'
    if (now < this.#awayUntil) return undefined
    this.#obstacle = 'window'
    if (this.#options.anonymous && this.#owesEnough(now)) return undefined
    const { reason } = want
    // Counted by themselves: a window that shrinks is full of what fitted into it before.
    this.#obstacle = 'window'
    if (this.#isFull && this.#attempts.beyond >= this.#mostBeyond(want)) return undefined
    const ranked = this.#ranked(now, want)
    this.#obstacle = ranked.length === 0 ? 'routes' : 'slots'
    const isOnly = ranked.length === 1
    let lacksSlots = false
    for (const state of ranked) {
      if (isCopy(reason) && !this.#budget.allows(reason, costOf(state.route))) continue
      if (!isOnly && state.deliveries < state.inFlight - ROUTE_START && state.weight < 1) continue
      lacksSlots = true
      const channel = this.#channels.know(state.firstChannel, state.route.firstChannelSlots)
      if (!this.#channels.open(now, channel)) continue
      const relays = this.#relays.of(state.route.channels)
      if (!this.#relays.open(now, relays)) continue
      if (this.#channels.take(now, this, channel)) return { state, channel, relays }
      if (this.#retrySlotsAt === undefined || this.#retrySlotsAt <= now) this.#retrySlotsAt = now + SLOT_RETRY_MS
    }
    if (lacksSlots) this.#growth.slotsTaken()
    return undefined
  }

  /**
   * Usable routes, the one to take first: none that was tried in vain where another has worked, then the fewest
   * channels to avoid, then the emptiest for its weight.
   */
  #ranked(now: number, want: PeerWant): readonly RouteState[] {
    const usable = this.#routes
      .usable(now)
      .filter((state) => state.streak < ROUTE_DEAD_STREAK || state.inFlight < MAX_PROBES)
    if (usable.length < 2 && want.avoid.length === 0) return usable
    const avoid = new Set(want.avoid)
    const shared = (state: RouteState): number => state.route.channels.filter((channel) => avoid.has(channel)).length
    const works = usable.some(({ deliveries }) => deliveries > 0)
    const ranked = usable
      .map((state) => {
        const vain = vainTries(state)
        const isLast = works && vain > 0 ? 1 : 0
        return { state, isLast, shared: shared(state), vain, load: (state.inFlight + 1) / state.weight }
      })
      .toSorted((a, b) => a.isLast - b.isLast || a.shared - b.shared || a.vain - b.vain || a.load - b.load)
    const least = Math.min(...ranked.map((each) => each.shared))
    if (least > 0 && isCopy(want.reason)) this.#renewal.wishAround(want.avoid)
    return ranked.map((entry) => entry.state)
  }

  /** spec §9.7: two unresolved to begin with, two more per settlement, and one more at each doubling of the wait. */
  #owesEnough(now: number): boolean {
    const over = this.#attempts.unresolved - WINDOW_START_ANONYMOUS - WINDOW_GROWTH_ANONYMOUS * this.#delivered
    return over >= 0 && over >= doublings(now - (this.#attempts.oldestSince ?? now))
  }

  /** When one more will be allowed. */
  #nextDoubling(): number | undefined {
    const since = this.#attempts.oldestSince
    if (!this.#options.anonymous || since === undefined) return undefined
    return since + ANONYMOUS_THIRD_MS * 2 ** doublings(this.#now - since)
  }

  #release(now: number, attempt: PeerAttempt): void {
    this.#attempts.delete(attempt)
    if (!attempt.hung) {
      this.#routes.left(attempt.route)
      this.#relays.left(attempt.relays)
    }
    this.#channels.give(now, this, attempt.channel, attempt.hung)
    this.#observe(now)
  }

  #deliver(now: number, attempt: PeerAttempt, full: boolean): void {
    const age = now - attempt.since
    this.#delivered += 1
    this.#awayTimes = 0
    this.#renewal.worked()
    this.#delay.settled(attempt.route, age)
    this.#inFlightMean ??= attempt.inFlight
    this.#inFlightMean += (attempt.inFlight - this.#inFlightMean) * IN_FLIGHT_GAIN
    this.#decided(attempt, age)
    if (age < STUCK_AFTER_MS) {
      this.#latency.add(now, age, this.#others)
      this.#routes.succeeded(now, attempt.route, age)
    }
    this.#channels.resolved(attempt.channel)
    this.#passed(now, attempt, attempt.relays.length)
    this.#channels.delivered(now, attempt.channel, this.#latency.medianMs)
    const heldBack = this.#heldBack || full
    this.#window.delivered(now, { full, heldBack })
    this.#growth.delivered(now, heldBack, this.#latency.medianMs)
  }

  #fail(now: number, attempt: PeerAttempt, failure: PaymentFailure): void {
    this.#failed += 1
    this.#decided(attempt, now - attempt.since)
    switch (blame(failure)) {
      case 'away':
        // All that was under way comes back at once: that is one absence, not many.
        if (now < this.#awayUntil) return
        this.#awayUntil = now + this.#wait(this.#awayTimes)
        this.#awayTimes++
        return
      case 'gone':
        this.#tracer?.emit('route_discarded', { route: attempt.route.route.channels, why: 'gone' })
        this.#routes.drop(attempt.route)
        return
      case 'nobody':
        this.#channels.resolved(attempt.channel)
        this.#passed(now, attempt, attempt.relays.length)
        return
      case 'local':
        this.#channels.refused(now, attempt.channel, this.#latency.medianMs, 1 + BACKOFF_JITTER * this.chance())
        if (attempt.channel.refusals >= LOCAL_REFUSALS_MANY) this.#renewal.wishAround([attempt.channel.key])
        return
      case 'route':
        this.#channels.resolved(attempt.channel)
        this.#window.failed()
        this.#failOnWay(now, attempt, failure)
    }
  }

  #failOnWay(now: number, attempt: PeerAttempt, failure: PaymentFailure): void {
    const refusing = this.#refusing(attempt, failure)
    // What hung was refused by another channel than the one of now.
    const counts = refusing !== undefined && !attempt.hung
    if (counts) this.#passed(now, attempt, attempt.relays.indexOf(refusing))
    if (counts && this.#relays.refused(now, refusing)) return
    const { suspendedUntil } = attempt.route
    this.#routes.failed(now, attempt.route, { failure, sentAt: attempt.since })
    if (attempt.route.suspendedUntil > suspendedUntil) this.#traceSuspended(now, attempt.route)
    if (counts && attempt.route.suspendedUntil > now) this.#relays.forget(now, refusing)
  }

  /** The channel that may have had no slot: the one that is named, else the last, for all that is hidden. */
  #refusing({ relays }: PeerAttempt, { reason, channel }: PaymentFailure): RelayPlace | undefined {
    if (reason !== 'temporary-channel-failure' && reason !== 'blinded') return undefined
    return relays.find((place) => place.channel.key === channel) ?? relays.at(-1)
  }

  /** The first of the channels behind our own took the attempt. */
  #passed(now: number, attempt: PeerAttempt, count: number): void {
    if (attempt.hung) return
    for (const relay of attempt.relays.slice(0, count)) this.#relays.passed(now, relay)
  }

  #wait(times: number): number {
    return backOffMs(LOCAL_BACKOFF, times) * (1 + BACKOFF_JITTER * this.chance())
  }

  /** spec §8.5 */
  #hedgeAfter(state: RouteState | undefined): number {
    const usualMs = this.#delay.after(state, state?.route.channels.length ?? 1, this.#budget.hangShare)
    return Math.min(usualMs * this.#slowing, MAX_HEDGE_MS)
  }

  // spec §8.5: what queues takes the longer, the more is in flight; what has settled was sent with less.
  get #slowing(): number {
    if (this.#inFlightMean === undefined || this.#window.queue < HEDGE_QUEUE) return 1
    return Math.max(1, Math.min(this.#attempts.inWindow / this.#inFlightMean, MAX_SLOWING))
  }

  /** spec §8.5: the budget grows with what hangs. */
  #decided(attempt: PeerAttempt, ageMs: number): void {
    const { overdueMs } = this.#delay
    if (this.#budget.ripen(this.#now, overdueMs)) {
      this.#budget.hung(this.#attempts.moreHung(this.#now, overdueMs, this.#delivered))
    }
    if (!attempt.seemsHung) this.#budget.decided(attempt.since)
    else if (ageMs < STUCK_AFTER_MS) this.#budget.cameBack()
  }

  #sweep(now: number): void {
    for (;;) {
      const attempt = this.#attempts.overdue(now, this.#delay.overdueMs, this.#delivered)
      if (attempt === undefined) return
      this.#hang(attempt, 'late')
      this.#observe(now)
    }
  }

  #hang(attempt: PeerAttempt, why: 'late' | 'lost-sight'): void {
    if (attempt.hung) return
    this.#tracer?.emit('payment_hung', { payment: paymentName(attempt.hash), why, age_ms: this.#now - attempt.since })
    if (!attempt.seemsHung) this.#budget.hung(1)
    this.#attempts.hang(attempt)
    this.#routes.left(attempt.route)
    this.#relays.left(attempt.relays)
    this.#channels.hang(attempt.channel)
  }

  #observe(now: number): void {
    this.#window.observe(now, this.#attempts.inWindow)
  }

  // ---- For who traces ----------------------------------------------------------------------------------

  #traceFound(tracer: Tracer, route: Route): void {
    tracer.emit('route_found', {
      route: route.channels,
      lane: this.#options.lane,
      min_amount_msat: route.minAmountMsat,
      cost_msat: costOf(route),
      record_bytes: route.recordBytes,
      known_routes: this.#routes.size,
    })
  }

  #traceSuspended(now: number, { route, suspendedUntil }: RouteState): void {
    const why = 'suspended'
    this.#tracer?.emit('route_discarded', { route: route.channels, why, for_ms: suspendedUntil - now })
  }

  /** When the window, its phase or what hangs is not as it was told: how full it is alone is no news. */
  #traceWindow(tracer: Tracer): void {
    const { window, inFlight, hung, phase, medianMs, hedgeAfterMs } = this.stats()
    const seen = `${Math.round(window)} ${phase} ${hung}`
    if (seen === this.#traced) return
    this.#traced = seen
    tracer.emit('window_updated', {
      window,
      in_flight: inFlight,
      hung,
      phase,
      ...(medianMs !== undefined && { median_ms: medianMs }),
      hedge_after_ms: hedgeAfterMs,
    })
  }
}

/** spec §8.10: of routes that never delivered, the one with the fewest failures in a row goes first. */
function vainTries({ deliveries, streak }: RouteState): number {
  return deliveries === 0 ? streak : 0
}

/** The least that a packet over this route costs, msat. */
function costOf(route: Route): bigint {
  return route.minAmountMsat + routeFeeMsat(route, route.minAmountMsat)
}

/** 1 from 10 s on, 2 from 20 s on, 3 from 40 s on ... (spec §9.7) */
function doublings(waitedMs: number): number {
  return waitedMs < ANONYMOUS_THIRD_MS ? 0 : 1 + Math.floor(Math.log2(waitedMs / ANONYMOUS_THIRD_MS))
}
