/** When there is something to send, and why: what `want` tells the peer object. */
import { Control } from './controls.ts'
import type { CopyJob, Core } from './core.ts'
import type { Want, WantReason } from './interface.ts'
import { EARLY_PACKETS, HEDGE_AGAIN_MS, INITIAL_LIMIT } from './limits.ts'
import { isWaiting } from './recovery.ts'

/** Vain questions for a copy in a row before data goes first for a while: enough for a driver that asks twice. */
const VAIN_QUESTIONS = 3

/** Controls that are due now, of those that may go in the state that the connection is in. */
export function dueControls(core: Core): number {
  const { due } = core.controls
  switch (core.state) {
    case 'opening':
      return due & Control.PATHS
    case 'open':
    case 'closing':
      // spec §8.8: without a sign of the peer, only what asks for one.
      return core.noSign ? due & (Control.PING | Control.PATHS) : due & ~Control.FIN
    case 'resetting':
      return due & (Control.RESET | Control.REFUSE)
    case 'lingering':
      // spec §13.4
      return due & Control.PATHS
    case 'closed':
      return 0
  }
}

/** New stream bytes that the peer's limit and its credit let pass. */
export function sendable(core: Core): number {
  if (core.seller !== undefined && !core.seller.allowsStream()) return 0
  if (!mayOvertake(core)) return 0
  // spec §7.2
  const limit = core.state === 'opening' ? Math.min(core.sendLimit, INITIAL_LIMIT) : core.sendLimit
  return Math.max(0, Math.min(core.out.written, limit) - core.out.sentEnd)
}

/** spec §6.6: an EARLY packet that overtakes its OPEN on the phantom lane is refused. */
function earlyMayGo(core: Core): boolean {
  return core.state !== 'opening' || core.nodeTarget?.lane !== 'phantom' || core.opening?.arrived === true
}

// spec §6.6, §14: a responder keeps a bounded number of packets that overtake their OPEN; the others would be paid for
// and lost. Once the OPEN has settled, what is sent comes after it.
function mayOvertake(core: Core): boolean {
  const { opening } = core
  if (core.state !== 'opening' || opening === undefined || opening.againAt !== undefined) return true
  if (core.nodeTarget?.lane === 'phantom') return opening.arrived
  return core.attemptCount - opening.copies - core.failedCount < EARLY_PACKETS
}

/** Whether there is stream data, or the FIN, that should go now. */
export function hasData(core: Core, now: number): boolean {
  if (core.noSign || !core.isLive || !earlyMayGo(core)) return false
  // spec §12.5
  if (core.seller !== undefined && !core.seller.allowsStream()) {
    return finDue(core) && core.out.unsent === 0 && !core.out.hasAgain && mayControl(core)
  }
  if (core.out.hasAgain) return true
  const fresh = sendable(core)
  if (fresh === 0) return finDue(core) && core.out.unsent === 0
  // spec §10.5
  return core.settings.noDelay || fresh >= core.capacity || core.finWanted || (core.coalesceAt ?? now) <= now
}

export function finDue(core: Core): boolean {
  return (core.controls.due & Control.FIN) !== 0
}

// spec §12.5: an initiator that has not heard of the price cannot pay it.
function mayControl(core: Core): boolean {
  return core.seller === undefined || core.seller.allowsControl() || core.controls.isOpen(Control.PRICE)
}

/** A CREDIT has to go (spec §12.5), and the cap did not stand against it. */
export function creditDue(core: Core): boolean {
  return core.buyer !== undefined && core.buyer.dueMsat > 0n && !core.creditPaused
}

function hasControl(core: Core, now: number): boolean {
  if (core.state === 'lingering')
    return dueControls(core) !== 0 || (core.ack.dueAt !== undefined && core.ack.dueAt <= now)
  if (core.state === 'opening') return core.opening?.due === true || (dueControls(core) !== 0 && earlyMayGo(core))
  if (dueControls(core) !== 0) return mayControl(core)
  if (!core.isLive || core.noSign) return false
  if (!mayControl(core)) return false
  if (core.ack.dueAt !== undefined && core.ack.dueAt <= now) return true
  return core.messages.hasDue || creditDue(core)
}

/** The next copy that still makes sense, and is allowed now. */
export function nextCopy(core: Core, now: number, jobs: CopyJob[]): CopyJob | undefined {
  while (jobs[0] !== undefined && !isWaiting(core, jobs[0].origin)) jobs.shift()
  if (!core.isLive || core.noSign || core.copiesWaitUntil > now) return undefined
  if (core.seller === undefined || core.seller.allowsStream()) return jobs[0]
  // spec §12.5: what asks for credit, above all, must not wait for it.
  if (!mayControl(core)) return undefined
  return jobs.find((job) => job.origin.ranges.length === 0 && isWaiting(core, job.origin))
}

function reasonNow(core: Core, now: number): WantReason | undefined {
  if (hasControl(core, now)) return 'control'
  if (nextCopy(core, now, core.stuck) !== undefined) return 'stuck'
  if (nextCopy(core, now, core.hedges) !== undefined) return 'hedge'
  return hasData(core, now) ? 'data' : undefined
}

// An OPEN needs a way to be answered; all else needs keys.
function canSend(core: Core): boolean {
  if (core.state !== 'opening') return core.main !== undefined
  return core.opening?.directKey !== undefined || core.ownPaths.newest !== undefined
}

export function want(core: Core, now: number): Want | undefined {
  if (core.state === 'closed' || core.paused || now < core.refusedUntil || !canSend(core)) return undefined
  const target = core.target()
  if (target === undefined) return undefined
  let reason = reasonNow(core, now)
  if (reason === 'stuck' || reason === 'hedge') {
    // The peer object grants copies sparingly; data must not wait behind them.
    core.copyAsked++
    if (core.copyAsked > VAIN_QUESTIONS) {
      core.copyAsked = 0
      core.copiesWaitUntil = now + HEDGE_AGAIN_MS
      reason = reasonNow(core, now)
    }
  }
  core.wanted = reason
  if (reason === undefined) return undefined
  return { reason, target, avoid: avoided(core, reason) }
}

function avoided(core: Core, reason: WantReason): readonly string[] {
  if (reason === 'stuck') return core.stuck[0]?.origin.channels ?? []
  if (reason === 'hedge') return core.hedges[0]?.origin.channels ?? []
  return core.avoid
}
