/** How a connection changes its state (spec §6.1) and ends (spec §13). */
import { Control } from './controls.ts'
import type { Core } from './core.ts'
import type { ConnectionFailure } from './interface.ts'
import { LINGER_MOST_MS, LINGER_MS, RESET_MS } from './limits.ts'

/** After anything that may complete a direction. */
export function advance(core: Core, now: number): void {
  if (core.isLive && core.finDelivered && core.out.buffered === 0 && !core.finishedReported) {
    core.finishedReported = true
    core.emit({ type: 'finished' })
  }
  if (core.state === 'open' && core.finSent && core.finalOffset !== undefined) core.state = 'closing'
  const received = core.finalOffset !== undefined && core.in.contiguous === core.finalOffset
  if (core.state === 'closing' && core.finDelivered && core.out.buffered === 0 && received) linger(core, now)
  reportEnd(core)
}

/** The application is told of the end of the stream, and of the connection, once it has read everything. */
function reportEnd(core: Core): void {
  giveWindowBack(core)
  const readAll = core.finalOffset !== undefined && core.in.readOffset === core.finalOffset
  if (readAll && !core.endReported && core.failure === undefined && !core.endedReported) {
    core.endReported = true
    core.emit({ type: 'end' })
  }
  const over = core.state === 'lingering' || core.state === 'closed'
  if (over && !core.endedReported && (readAll || core.readingStopped)) {
    core.endedReported = true
    core.emit({ type: 'ended', error: undefined })
  }
  if (core.state === 'closed' && core.endedReported && !core.closedReported) {
    core.closedReported = true
    core.emit({ type: 'closed' })
  }
}

/** spec §7.5: what cannot come any more needs no window. */
function giveWindowBack(core: Core): void {
  const takes = core.isLive && !core.readingStopped
  if (takes && core.finalOffset === undefined) return
  const toCome = takes ? (core.finalOffset ?? 0) - core.in.contiguous : 0
  core.window.keep(core.in.readable + toCome)
}

/** spec §13.4: everything is done, late packets are still answered. */
function linger(core: Core, now: number): void {
  core.state = 'lingering'
  core.lingerUntil = now + LINGER_MS
  core.lingerEnd = now + LINGER_MOST_MS
  // spec §13.4: paths that are on their way still have to arrive.
  quiet(core, Control.PATHS)
  // What the peer waits for goes at once: nobody would ask for it later.
  if (core.ack.hasNews) core.ack.hurry(now)
}

// Nothing is sent, repeated or waited for any more. Attempts without outcome stay in the account.
function quiet(core: Core, kept = 0): void {
  core.controls.drop(~kept)
  core.overdue.clear()
  core.attempts.clear()
  core.out.clear()
  core.messages.clear()
  core.hedges = []
  core.stuck = []
  core.probeAt = undefined
  core.signWaitSince = undefined
  core.blockedAt = undefined
  core.coalesceAt = undefined
  core.acceptAt = undefined
}

/** Ends it for good. `failure` undefined: as it was, or cleanly. */
export function close(core: Core, failure: ConnectionFailure | undefined): void {
  if (core.state === 'closed') return
  core.state = 'closed'
  quiet(core)
  core.ack.stop()
  const pathIds = core.ownPaths.close()
  if (pathIds.length > 0) core.ask({ type: 'close-paths', pathIds })
  if (failure !== undefined) reportFailure(core, failure)
  reportEnd(core)
}

function reportFailure(core: Core, failure: ConnectionFailure): void {
  core.failure ??= failure
  core.in.clear()
  giveWindowBack(core)
  if (core.endedReported) return
  core.endedReported = true
  core.emit({ type: 'ended', error: failure })
}

/** What to send as the last word, and what the application is told. */
export interface ResetOptions {
  readonly code: number
  readonly reason: string
  readonly failure: ConnectionFailure
}

/** Resets (spec §13.3): the application is told at once, the RESET goes out for a minute at most. */
export function reset(core: Core, now: number, options: ResetOptions): void {
  if (core.state === 'resetting' || core.state === 'closed') return
  if (core.state === 'lingering') {
    // spec §13.4: both directions are complete, there is nothing to reset.
    close(core, undefined)
    return
  }
  const { opening } = core
  // Nothing was ever sent: nobody knows of this connection.
  const unknown = core.state === 'opening' && (opening === undefined || opening.copies === 0)
  core.resetCode = options.code
  core.resetReason = options.reason
  if (unknown || core.target() === undefined) {
    close(core, options.failure)
    return
  }
  core.state = 'resetting'
  core.resetUntil = now + RESET_MS
  quiet(core)
  core.ack.stop()
  core.controls.want(Control.RESET)
  reportFailure(core, options.failure)
}

/** The RESET or REFUSE on its way has served. */
export function resetDone(core: Core): void {
  if (core.state === 'resetting') close(core, undefined)
}
