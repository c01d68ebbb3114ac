import type { AccountView, ConnectionStats, SendObstacle } from '../connection/interface.ts'

/** What a connection did so far. Amounts in msat are exact; those in sat are for people. */
export interface SocketStats extends ConnectionStats {
  /** Of `unresolvedAttempts`, those that take longer than nearly all of their kind. */
  readonly hungAttempts: number
  /**
   * What stands against the next packet, where something waits: money (a cap, or what the caller has to pay for), or as
   * `SendObstacle`; undefined where nothing waits, or this side does not know.
   */
  readonly limitedBy: 'money' | SendObstacle | undefined
  /** Bytes that were written and never sent. */
  readonly bytesUnsent: number
  /** Amounts and fees of what was paid for certain. */
  readonly paidMsat: bigint
  readonly feesMsat: bigint
  /** Payments without outcome: they may still be paid. */
  readonly reservedMsat: bigint
  readonly receivedMsat: bigint
  readonly pendingIncomeMsat: bigint
  readonly capMsat: bigint
  readonly satPaid: number
  readonly satReceived: number
  /** Paid for each 1,000 bytes that were acknowledged; undefined before the first byte. */
  readonly satPerKilobyte: number | undefined
}

interface SocketView {
  readonly stats: ConnectionStats
  readonly account: AccountView
  readonly hungAttempts: number
  readonly isPaused: boolean
  readonly obstacle: SendObstacle | undefined
  readonly unsentBytes: number
}

export function socketStats({
  stats,
  account,
  hungAttempts,
  isPaused,
  obstacle,
  unsentBytes,
}: SocketView): SocketStats {
  const satPaid = Number(account.spentMsat) / 1_000
  return {
    ...stats,
    hungAttempts,
    limitedBy: isPaused || stats.awaitsMoney ? 'money' : obstacle,
    bytesUnsent: unsentBytes,
    paidMsat: account.spentMsat,
    feesMsat: account.feesMsat,
    reservedMsat: account.reservedMsat,
    receivedMsat: account.receivedMsat,
    pendingIncomeMsat: account.pendingIncomeMsat,
    capMsat: account.capMsat,
    satPaid,
    satReceived: Number(account.receivedMsat) / 1_000,
    satPerKilobyte: stats.bytesAcknowledged === 0 ? undefined : (satPaid * 1_000) / stats.bytesAcknowledged,
  }
}

/** Of a socket that waits for its endpoint. */
export const NOTHING_DONE: SocketStats = socketStats({
  stats: {
    bytesWritten: 0,
    bytesAcknowledged: 0,
    bytesRead: 0,
    bytesReceived: 0,
    packetsReceived: 0,
    packetsDropped: 0,
    attempts: 0,
    failedAttempts: 0,
    refusedAttempts: 0,
    hedgedAttempts: 0,
    unresolvedAttempts: 0,
    awaitsMoney: false,
    roundTripMs: undefined,
    hops: undefined,
  },
  account: { capMsat: 0n, spentMsat: 0n, feesMsat: 0n, reservedMsat: 0n, receivedMsat: 0n, pendingIncomeMsat: 0n },
  hungAttempts: 0,
  isPaused: false,
  obstacle: undefined,
  unsentBytes: 0,
})
