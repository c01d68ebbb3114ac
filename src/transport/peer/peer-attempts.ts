import { LightMap } from '../../floor/light.ts'
import type { WantReason } from '../connection/interface.ts'
import type { FirstChannel } from './channels.ts'
import { OVERTAKEN_FACTOR, MIN_OVERTAKEN, STUCK_AFTER_MS } from './limits.ts'
import type { RelayPlace } from './relay-channels.ts'
import type { RouteState } from './routes.ts'

/** One grant, from `grant` to its last outcome. */
export interface PeerAttempt {
  readonly ticket: number
  readonly route: RouteState
  readonly channel: FirstChannel
  /** The channels behind it, as the route was when it was granted. */
  readonly relays: readonly RelayPlace[]
  readonly reason: WantReason
  /** The least that it costs, amount and fee. */
  readonly costMsat: bigint
  /** It was granted beyond a window that was full. */
  readonly beyond: boolean
  readonly hedgeAfterMs: number
  /** The grant's time at first, then the sending's. */
  since: number
  sent: boolean
  /** Of its payment, in hexadecimal; '' until it is sent. */
  hash: string
  /** How many were in flight with it, itself included. */
  readonly inFlight: number
  /** Deliveries to this peer after which as many have overtaken it as were in flight with it. */
  readonly passedAt: number
  /** Deliveries to this peer after which this attempt counts as overtaken. */
  readonly overtakenAt: number
  /** It was counted as hanging: late, and passed. */
  seemsHung: boolean
  hung: boolean
}

/** Attempts by ticket: those in the window, in order of their grants, and those that hang. */
export class PeerAttempts {
  readonly #inWindow: LightMap<number, PeerAttempt> = new LightMap()
  readonly #hung: LightMap<number, PeerAttempt> = new LightMap()
  #nextTicket = 1
  #beyond = 0

  get inWindow(): number {
    return this.#inWindow.size
  }

  /** Those of `inWindow` that were granted beyond it. */
  get beyond(): number {
    return this.#beyond
  }

  get hung(): number {
    return this.#hung.size
  }

  get unresolved(): number {
    return this.#inWindow.size + this.#hung.size
  }

  /** Since when the oldest has been without outcome, hanging ones included. */
  get oldestSince(): number | undefined {
    let oldest = this.#oldest()?.since
    for (const { since } of this.#hung.values()) oldest = Math.min(oldest ?? since, since)
    return oldest
  }

  add(
    from: Pick<PeerAttempt, 'route' | 'channel' | 'relays' | 'reason' | 'costMsat' | 'beyond' | 'hedgeAfterMs'>,
    now: number,
    delivered: number,
  ): number {
    const ticket = this.#nextTicket
    this.#nextTicket += 1
    const passedAt = delivered + Math.max(MIN_OVERTAKEN, this.#inWindow.size)
    const overtakenAt = delivered + Math.max(MIN_OVERTAKEN, OVERTAKEN_FACTOR * this.#inWindow.size)
    if (from.beyond) this.#beyond += 1
    this.#inWindow.set(ticket, {
      ...from,
      ticket,
      since: now,
      sent: false,
      hash: '',
      inFlight: this.#inWindow.size + 1,
      passedAt,
      overtakenAt,
      seemsHung: false,
      hung: false,
    })
    return ticket
  }

  get(ticket: number): PeerAttempt {
    const attempt = this.#inWindow.get(ticket) ?? this.#hung.get(ticket)
    if (attempt === undefined)
      throw new Error(`ticket ${ticket} is not open: every ticket is resolved or cancelled once`)
    return attempt
  }

  sent(attempt: PeerAttempt, now: number, hash: string): void {
    attempt.sent = true
    attempt.hash = hash
    attempt.since = now
  }

  delete(attempt: PeerAttempt): void {
    this.#leave(attempt)
    this.#hung.delete(attempt.ticket)
  }

  /** It leaves the window: too late, or lost sight of. */
  hang(attempt: PeerAttempt): void {
    this.#leave(attempt)
    this.#hung.set(attempt.ticket, attempt)
    attempt.hung = true
    attempt.seemsHung = true
  }

  /** How many more seem to hang than at the last call: late, while as many as were in flight with them came later. */
  moreHung(now: number, overdueMs: number, delivered: number): number {
    let count = 0
    for (const attempt of this.#inWindow.values()) {
      if (now - attempt.since < overdueMs) break
      if (attempt.seemsHung || delivered < attempt.passedAt) continue
      attempt.seemsHung = true
      count += 1
    }
    return count
  }

  /** The oldest in the window, if it is overdue and overtaken, or stuck. */
  overdue(now: number, overdueMs: number, delivered: number): PeerAttempt | undefined {
    const oldest = this.#oldest()
    if (oldest === undefined || now < dueAt(oldest, overdueMs, delivered)) return undefined
    return oldest
  }

  /** When `overdue` will say something, as things stand. */
  nextOverdue(overdueMs: number, delivered: number): number | undefined {
    const oldest = this.#oldest()
    return oldest === undefined ? undefined : dueAt(oldest, overdueMs, delivered)
  }

  /** Those that have been without outcome for 60 s. */
  stuck(now: number): number {
    let count = 0
    for (const attempt of this.#hung.values()) if (now - attempt.since >= STUCK_AFTER_MS) count += 1
    return count
  }

  #leave(attempt: PeerAttempt): void {
    if (this.#inWindow.delete(attempt.ticket) && attempt.beyond) this.#beyond -= 1
  }

  #oldest(): PeerAttempt | undefined {
    for (const attempt of this.#inWindow.values()) return attempt
    return undefined
  }
}

// Late alone is no proof: when a node pauses, everything is late, and sending more would make it worse.
function dueAt(attempt: PeerAttempt, overdueMs: number, delivered: number): number {
  return attempt.since + (delivered >= attempt.overtakenAt ? overdueMs : STUCK_AFTER_MS)
}
