/** What a transfer that does not go forward waits for: by its connection's counts. */
import type { Socket } from '../../index.ts'
import type { WaitsFor } from '../events.ts'

/** A connection that is open and does not go forward. */
export interface QuietConnection {
  readonly stats: Pick<
    Socket['stats'],
    'bytesWritten' | 'bytesAcknowledged' | 'bytesUnsent' | 'failedAttempts' | 'hungAttempts' | 'unresolvedAttempts'
  >
  readonly isNodeAway: boolean
  /** A cap stands against the next packet. */
  readonly isPaused: boolean
  /** All that was written is acknowledged. */
  readonly isAllAcknowledged: boolean
  /** `failedAttempts` when it last went forward. */
  readonly failedBefore: number
}

export function waitsFor(connection: QuietConnection): WaitsFor {
  const { stats, isNodeAway, isPaused, isAllAcknowledged, failedBefore } = connection
  const { bytesWritten, bytesAcknowledged, bytesUnsent, failedAttempts, hungAttempts, unresolvedAttempts } = stats
  if (isNodeAway) return 'node'
  if (isAllAcknowledged) return 'input'
  // What hangs reserves money: a cap is then reached for want of outcomes.
  if (unresolvedAttempts > 0 && hungAttempts === unresolvedAttempts) return 'hung'
  if (isPaused) return 'money'
  if (unresolvedAttempts > 0) return 'payments'
  // Nothing is under way: the other side is silent, or there is no route that carries anything.
  const isSent = bytesWritten - bytesUnsent > bytesAcknowledged
  return isSent && failedAttempts <= failedBefore ? 'receiver' : 'way'
}
