import type { PaymentFailure } from '../../medium/payment.ts'
/**
 * Whose matter a failure is.
 * - 'away': our node is gone; everything waits.
 * - 'local': our channel takes no more; it is halved.
 * - 'gone': the route is of no use any more, however it is tried; ask for others.
 * - 'route': it failed on the way; the route is penalised, the window is not.
 * - 'nobody': the last hop has spoken, or the caller erred: the connection's matter (spec §8.10).
 */
export type Blame = 'away' | 'local' | 'gone' | 'route' | 'nobody'

export function blame(failure: PaymentFailure): Blame {
  switch (failure.reason) {
    case 'node-away':
      return 'away'
    case 'no-balance':
    case 'no-slot':
      return 'local'
    // What was made for this route does not fit it: the same again would be turned down at once, without end.
    case 'invalid':
    case 'route-gone':
    case 'no-route':
    case 'policy':
    case 'expiry':
      return 'gone'
    case 'duplicate-hash':
    case 'refused':
    case 'rejected-by-node':
      return 'nobody'
    case 'temporary-channel-failure':
    case 'unknown-next-peer':
    case 'blinded':
    case 'timeout':
      if (failure.place === 'local') return 'local'
      return failure.place === 'destination' ? 'nobody' : 'route'
  }
}
