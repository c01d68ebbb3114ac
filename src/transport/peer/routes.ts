import { backOffMs } from '../../floor/back-off.ts'
import { withLast } from '../../floor/light.ts'
import type { PaymentFailure } from '../../medium/payment.ts'
import { packetCostMsat, type Route, routeFeeMsat } from '../../medium/route.ts'
import { RouteTimes } from './hedge.ts'
import {
  PENALTY_HALF_LIFE_MS,
  MAX_KNOWN_ROUTES,
  MAX_ROUTE_CLTV,
  ROUTE_DEAD_STREAK,
  ROUTE_GAIN,
  MIN_ROUTE_WEIGHT,
  ROUTE_WEIGHT_POWER,
  ROUTE_SUSPENSION,
} from './limits.ts'

/** A pinned route and what happened on it. */
export interface RouteState {
  route: Route
  /** Our own channel: a window of its own, shared by all routes that begin with it. */
  readonly firstChannel: string
  /** Attempts in the window, granted ones included. */
  inFlight: number
  /** Part of the attempts that this route should have, against 1 for the best. */
  weight: number
  /** Smoothed; undefined before the first delivery. */
  latencyMs: number | undefined
  /** Smoothed share of attempts that fail on the way, 0..1. */
  failing: number
  touchedAt: number
  /** Failures since the last success. */
  streak: number
  suspendedUntil: number
  suspensions: number
  deliveries: number
  readonly times: RouteTimes
  /** The hedge delay of its last attempt, ms. */
  hedgeAfterMs: number
}

/** Hears of a route that is not taken any more. */
export type Discarded = (route: Route, why: 'too-many' | 'too-expensive') => void

export interface Merged {
  /** How many of the routes are within the bounds. */
  readonly taken: number
  /** Cost of the cheapest that was left out for its cost. */
  readonly tooExpensiveMsat: bigint | undefined
}

/** An attempt on a route that failed. */
export interface RouteFailure {
  readonly failure: PaymentFailure
  /** ms */
  readonly sentAt: number
}

/** The routes to one peer, ranked by what happens on them. */
export class RouteTable {
  #routes: RouteState[] = []

  get all(): readonly RouteState[] {
    return this.#routes
  }

  get size(): number {
    return this.#routes.length
  }

  /**
   * Takes routes that the backend found, of those over which a packet costs `maxMsat` at most (spec §9.6). One that
   * goes over the same channels as a known one takes its place, with its history.
   */
  merge(now: number, routes: readonly Route[], maxMsat: bigint, discarded?: Discarded): Merged {
    let taken = 0
    let tooExpensiveMsat: bigint | undefined
    for (const route of routes) {
      // spec §9.6
      if (route.channels.length === 0 || route.cltvDelta > MAX_ROUTE_CLTV) continue
      // spec §9.6: one channel's most is below another's least.
      if (route.maxAmountMsat < route.minAmountMsat) continue
      const costMsat = packetCostMsat(route)
      if (costMsat > maxMsat) {
        discarded?.(route, 'too-expensive')
        if (tooExpensiveMsat === undefined || costMsat < tooExpensiveMsat) tooExpensiveMsat = costMsat
        continue
      }
      taken += 1
      const key = route.channels.join(' ')
      const known = this.#routes.find((state) => state.route.id === route.id || state.route.channels.join(' ') === key)
      if (known === undefined) this.#routes = withLast(this.#routes, this.#fresh(now, route))
      else known.route = route
    }
    while (this.#routes.length > MAX_KNOWN_ROUTES) this.#dropWorst(now, discarded)
    return { taken, tooExpensiveMsat }
  }

  /** An attempt on this route is in the window. */
  entered(state: RouteState, hedgeAfterMs: number): void {
    state.hedgeAfterMs = hedgeAfterMs
    state.inFlight += 1
  }

  /** It is decided, or hangs. */
  left(state: RouteState): void {
    state.inFlight -= 1
  }

  drop(state: RouteState): void {
    this.#routes = this.#routes.filter((other) => other !== state)
    const best = Math.max(...this.#routes.map((other) => other.weight))
    for (const other of this.#routes) other.weight = Math.max(other.weight / best, MIN_ROUTE_WEIGHT)
  }

  usable(now: number): readonly RouteState[] {
    return this.#routes.filter((state) => state.suspendedUntil <= now)
  }

  succeeded(now: number, state: RouteState, latencyMs: number): void {
    state.deliveries += 1
    state.streak = 0
    state.suspensions = 0
    state.suspendedUntil = 0
    this.#forgive(now, state)
    state.failing -= state.failing * ROUTE_GAIN
    state.latencyMs =
      state.latencyMs === undefined ? latencyMs : state.latencyMs + (latencyMs - state.latencyMs) * ROUTE_GAIN
  }

  /** A failure beyond our own node. A channel that is named in it counts, by half, against every route over it. */
  failed(now: number, state: RouteState, { failure, sentAt }: RouteFailure): void {
    this.#blame(now, state, 1)
    state.streak += 1
    // spec §8.10: what was under way when it was suspended does not count again.
    if (state.streak >= ROUTE_DEAD_STREAK && sentAt >= state.suspendedUntil) {
      const span = backOffMs(ROUTE_SUSPENSION, state.suspensions)
      state.suspendedUntil = now + span
      state.suspensions++
    }
    const { channel } = failure
    if (channel === undefined) return
    for (const other of this.#routes) {
      if (other !== state && other.route.channels.includes(channel)) this.#blame(now, other, 0.5)
    }
  }

  /** When a suspended route may be tried again. */
  nextSuspensionEnd(now: number): number | undefined {
    let next: number | undefined
    for (const state of this.#routes) {
      if (state.suspendedUntil > now) next = Math.min(next ?? state.suspendedUntil, state.suspendedUntil)
    }
    return next
  }

  /** Moves each route's part by how it does against the others: at rest, all routes in use take equally long. */
  weigh(now: number): void {
    if (this.#routes.length < 2) return
    const cheapest = this.#routes.map((state) => price(state.route)).reduce((a, b) => (a < b ? a : b))
    let weights = 0
    let speed = 0
    for (const state of this.#routes) {
      const cost = this.#cost(now, state, cheapest)
      if (cost === undefined) continue
      weights += state.weight
      speed += state.weight / cost
    }
    if (speed === 0) return
    const usual = weights / speed
    let best = 0
    for (const state of this.#routes) {
      const cost = this.#cost(now, state, cheapest)
      if (cost !== undefined) state.weight *= Math.min(2, Math.max(0.5, (usual / cost) ** ROUTE_WEIGHT_POWER))
      best = Math.max(best, state.weight)
    }
    for (const state of this.#routes) state.weight = Math.max(state.weight / best, MIN_ROUTE_WEIGHT)
  }

  /** Whether more than half fails on each usable route, or none is usable. */
  isPoor(now: number): boolean {
    const usable = this.usable(now)
    return usable.every((state) => state.failing > 0.5)
  }

  /**
   * Expected ms to deliver one packet, dearer routes as much slower as they cost more. Undefined where nothing is
   * known.
   */
  #cost(now: number, state: RouteState, cheapest: bigint): number | undefined {
    if (state.latencyMs === undefined) return undefined
    this.#forgive(now, state)
    const works = Math.max(1 - state.failing, 0.01)
    return (state.latencyMs / works) * (Number(price(state.route)) / Number(cheapest))
  }

  #blame(now: number, state: RouteState, share: number): void {
    this.#forgive(now, state)
    state.failing += (1 - state.failing) * ROUTE_GAIN * share
  }

  #forgive(now: number, state: RouteState): void {
    state.failing *= 2 ** (-(now - state.touchedAt) / PENALTY_HALF_LIFE_MS)
    state.touchedAt = now
  }

  #fresh(now: number, route: Route): RouteState {
    const firstChannel = route.channels[0]
    if (firstChannel === undefined) throw new Error('a route without channels')
    return {
      route,
      firstChannel,
      inFlight: 0,
      // The backend gives the best first; the others are tried in passing until the first one queues.
      weight: this.#routes.length === 0 ? 1 : MIN_ROUTE_WEIGHT,
      latencyMs: undefined,
      failing: 0,
      touchedAt: now,
      streak: 0,
      suspendedUntil: 0,
      suspensions: 0,
      deliveries: 0,
      times: new RouteTimes(),
      hedgeAfterMs: 0,
    }
  }

  #dropWorst(now: number, discarded?: Discarded): void {
    let worst = this.#routes[0]
    for (const state of this.#routes) {
      if (worst === undefined || rank(now, state) < rank(now, worst)) worst = state
    }
    if (worst === undefined) return
    this.drop(worst)
    discarded?.(worst.route, 'too-many')
  }
}

function price(route: Route): bigint {
  const total = route.minAmountMsat + routeFeeMsat(route, route.minAmountMsat)
  return total > 0n ? total : 1n
}

/** Suspended ones go first, then those of the least weight, then the older. */
function rank(now: number, state: RouteState): number {
  return state.suspendedUntil > now ? state.weight - 2 : state.weight
}
