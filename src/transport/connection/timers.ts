/** All that happens by the time alone (spec §10). One deadline goes out, not ten timers. */
import { Code } from '../../wire/errors.ts'
import type { Sent } from './attempts.ts'
import { Control } from './controls.ts'
import type { Core } from './core.ts'
import { advance, close, reset } from './lifecycle.ts'
import {
  BLOCKED_LEAST_MS,
  BLOCKED_MOST_MS,
  NO_SIGN_MS,
  NUDGE_MS,
  OWN_PATHS,
  PROBE_MOST_MS,
  PROBE_SLACK_MS,
  SILENCE_MOST_MS,
  TAIL_ATTEMPTS,
  TAIL_FEW,
  TAIL_LEAST_MS,
  TAIL_ROUND_TRIPS,
} from './limits.ts'
import { confirmationMs, isWaiting, onOverdue } from './recovery.ts'

/** Asks for fresh reply paths, once at a time. */
export function requestPaths(core: Core): void {
  if (core.pathsRequested) return
  core.pathsRequested = true
  core.pathsAgainAt = undefined
  core.ask({ type: 'paths', count: OWN_PATHS })
}

/** Whether something is owed to the peer or awaited from it: spec §10.1. */
export function owes(core: Core): boolean {
  switch (core.state) {
    case 'closed':
      return false
    case 'opening':
    case 'resetting':
    case 'lingering':
      return true
    case 'open':
    case 'closing':
      return core.out.buffered > 0 || (core.finWanted && !core.finDelivered) || core.controls.due !== 0
  }
}

function idleAt(core: Core): number | undefined {
  return core.isLive && core.idleTimeoutMs > 0 ? core.lastActivityAt + core.idleTimeoutMs : undefined
}

function keepAliveAt(core: Core): number | undefined {
  const { keepAliveMs } = core.settings
  if (keepAliveMs === undefined || (core.state !== 'open' && core.state !== 'closing')) return undefined
  return Math.max(core.lastActivityAt, core.keepAliveFrom) + keepAliveMs
}

// spec §9.4
function silenceAt(core: Core): number | undefined {
  if (core.ownPaths.newest === undefined || core.finalOffset !== undefined || !core.isLive) return undefined
  if (core.opening !== undefined && core.opening.copies === 0) return undefined
  return core.silenceFrom + core.silenceDelayMs
}

function signAt(core: Core): number | undefined {
  return core.signWaitSince === undefined || core.noSign ? undefined : core.signWaitSince + NO_SIGN_MS
}

// The next copy at the tail of a transfer (spec §8.5): nothing else waits to be sent, so what is late holds all up.
function tail(core: Core): { sent: Sent; at: number } | undefined {
  const { out, attempts, smoothedRoundTripMs } = core
  if (smoothedRoundTripMs === undefined || attempts.unresolved === 0 || attempts.unresolved > TAIL_ATTEMPTS)
    return undefined
  if (core.state === 'opening' || !core.isLive || core.noSign) return undefined
  if (out.unsent > 0 || out.hasAgain || (out.buffered === 0 && !core.controls.isOpen(Control.FIN))) return undefined
  const delayMs = Math.max(TAIL_LEAST_MS, Math.ceil(TAIL_ROUND_TRIPS * smoothedRoundTripMs))
  let late: Sent | undefined
  let again: Sent | undefined
  let fresh = 0
  for (const sent of attempts.flying()) {
    if (sent.watch === undefined || !sent.hedgeable || sent.hedges > 0 || sent.overdue) continue
    if (sent.ranges.length === 0 && (sent.controls & Control.FIN) === 0) continue
    if (!isWaiting(core, sent)) continue
    fresh++
    if (late === undefined && delayMs < sent.hedgeAfterMs) late = sent
    if (sent.again) again ??= sent
  }
  // The very end: what failed before goes twice at once, or chains of failures take a round trip each.
  if (again !== undefined && fresh <= TAIL_FEW) return { sent: again, at: again.sentAt }
  return late === undefined ? undefined : { sent: late, at: late.sentAt + delayMs }
}

function runTail(core: Core, now: number): void {
  for (let late = tail(core); late !== undefined && late.at <= now; late = tail(core)) {
    late.sent.overdue = true
    core.hedges.push({ origin: late.sent, rest: undefined })
  }
}

/** The next time at which `wake` has something to do; undefined: never. */
export function deadline(core: Core): number | undefined {
  if (core.state === 'closed') return undefined
  let least = Infinity
  const at = (time: number | undefined): void => {
    // What is past waits for a grant, not for the time.
    if (time !== undefined && time > core.lastNow && time < least) least = time
  }
  at(core.ack.dueAt)
  at(core.overdue.dueAt)
  at(core.refusedUntil)
  if (core.state === 'lingering') {
    at(core.lingerUntil)
    at(core.lingerEnd)
  } else if (core.state === 'resetting') {
    at(core.resetUntil)
  } else {
    if (core.state === 'opening') at(core.startedAt + core.settings.connectTimeoutMs)
    at(core.opening?.againAt)
    at(idleAt(core))
    at(keepAliveAt(core))
    at(core.coalesceAt)
    at(core.acceptAt)
    at(core.blockedAt)
    at(core.probeAt)
    at(signAt(core))
    at(silenceAt(core))
    at(core.pathsAgainAt)
    at(core.ownPaths.drainAt)
    if (core.hedges.length > 0 || core.stuck.length > 0) at(core.copiesWaitUntil)
    at(tail(core)?.at)
  }
  if (least < Infinity) return least
  return owes(core) ? core.lastNow + NUDGE_MS : undefined
}

function isDue(time: number | undefined, now: number): boolean {
  return time !== undefined && time <= now
}

/** Does what is due at `now`. Every input does it first, so that no time is missed. */
export function runTimers(core: Core, now: number): void {
  if (now < core.lastNow) throw new Error('the time went back')
  core.lastNow = now
  if (core.state === 'closed') return
  if (endsNow(core, now)) return
  onOverdue(core, now)
  if (!core.isLive) return
  if (isDue(core.opening?.againAt, now) && core.opening !== undefined) {
    core.opening.againAt = undefined
    core.opening.againDelayMs *= 2
    core.opening.due = true
  }
  if (isDue(core.acceptAt, now)) {
    core.acceptAt = undefined
    core.controls.ensure(Control.ACCEPT)
  }
  if (isDue(keepAliveAt(core), now)) {
    core.keepAliveFrom = now
    core.controls.ensure(Control.KEEPALIVE)
  }
  runBlocked(core, now)
  runProbe(core, now)
  runPaths(core, now)
}

// The ends that time brings (spec §6.1). True when one came.
function endsNow(core: Core, now: number): boolean {
  if (core.state === 'lingering') {
    if (now < core.lingerUntil && now < core.lingerEnd) return false
    close(core, undefined)
    return true
  }
  if (core.state === 'resetting') {
    if (now < core.resetUntil) return false
    close(core, undefined)
    return true
  }
  if (core.state === 'opening' && now >= core.startedAt + core.settings.connectTimeoutMs) {
    close(core, connectFailure(core))
    return true
  }
  if (!isDue(idleAt(core), now)) return false
  // spec §10.3
  const failure = { code: 'ETIMEDOUT', message: `nothing was heard for ${core.idleTimeoutMs} ms (idle timeout)` }
  core.resetOnce = true
  reset(core, now, { code: Code.IDLE, reason: '', failure })
  return true
}

function connectFailure(core: Core): { code: string; message: string } {
  const after = `within ${core.settings.connectTimeoutMs} ms`
  if (core.paused)
    return { code: 'ERR_KEYSOCK_COST', message: `the cost cap let no packet pass ${after}; raise maxCost` }
  if (core.opening?.copies === 0) return { code: 'EHOSTUNREACH', message: `no route to the peer was found ${after}` }
  return { code: 'ETIMEDOUT', message: `the peer did not answer ${after}` }
}

/** spec §7.6: notes that the peer's limit stands in the way, and says so again. */
function runBlocked(core: Core, now: number): void {
  const blocked =
    (core.state === 'open' || core.state === 'closing') && core.out.unsent > 0 && core.out.sentEnd >= core.sendLimit
  if (!blocked) {
    core.blockedAt = undefined
    core.controls.drop(Control.BLOCKED)
    return
  }
  if (core.blockedAt === undefined) core.blockedDelayMs = BLOCKED_LEAST_MS
  else if (core.blockedAt > now) return
  else core.blockedDelayMs = Math.min(2 * core.blockedDelayMs, BLOCKED_MOST_MS)
  core.blockedAt = now + core.blockedDelayMs
  core.controls.want(Control.BLOCKED)
}

// spec §8.8, §8.13
function runProbe(core: Core, now: number): void {
  if (isDue(signAt(core), now)) {
    core.noSign = true
    core.controls.want(Control.PING)
    core.probeDelayMs = NO_SIGN_MS
    core.probeAt = now + NO_SIGN_MS
    return
  }
  if (!isDue(core.probeAt, now)) return
  const since = core.attempts.unconfirmedSince
  if (since === undefined && !core.noSign) {
    core.probeAt = undefined
    return
  }
  const waitMs = confirmationMs(core)
  const first = (since ?? now) + waitMs
  if (!core.noSign && core.probeDelayMs === 0 && first > now) {
    core.probeAt = first
    return
  }
  core.controls.want(Control.PING)
  const again = waitMs === PROBE_SLACK_MS ? PROBE_SLACK_MS : NO_SIGN_MS
  core.probeDelayMs = core.probeDelayMs === 0 ? again : Math.min(2 * core.probeDelayMs, PROBE_MOST_MS)
  core.probeAt = now + core.probeDelayMs
}

function runPaths(core: Core, now: number): void {
  if (isDue(silenceAt(core), now)) {
    core.silenceFrom = now
    core.silenceDelayMs = Math.min(2 * core.silenceDelayMs, SILENCE_MOST_MS)
    core.pingWithPaths = true
    requestPaths(core)
  }
  if (isDue(core.pathsAgainAt, now)) requestPaths(core)
  if (isDue(core.ownPaths.drainAt, now)) drainPaths(core, now)
}

/** spec §9.3 */
export function drainPaths(core: Core, now: number): void {
  const pathIds = core.ownPaths.drain(now, core.height)
  if (pathIds.length > 0) core.ask({ type: 'close-paths', pathIds })
}

/** After every input: what follows from it. */
export function settleInput(core: Core, now: number): void {
  if (core.state !== 'closed') {
    runBlocked(core, now)
    runTail(core, now)
  }
  advance(core, now)
}
