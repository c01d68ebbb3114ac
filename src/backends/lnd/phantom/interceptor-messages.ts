import type { Verdict } from '../../../medium/verdict.ts'
import type { BackendEvent } from '../../backend.ts'
import type { PhantomKey } from './blinded-paths.ts'
import type { NodePhantomKey } from './node-phantom.ts'

/** What opens payments: of a path, or to the node's own phantom. */
export type InterceptorKey = PhantomKey | NodePhantomKey

/** What an interceptor is told to do. Plain data, so that it can live in another thread. */
export type InterceptorCommand =
  /** Open the stream, or try again now. */
  | { readonly type: 'open' }
  | { readonly type: 'add'; readonly keys: readonly InterceptorKey[] }
  | { readonly type: 'remove'; readonly chanIds: readonly string[] }
  | { readonly type: 'answer'; readonly offerId: string; readonly verdict: Verdict }
  /** Keep it for MAX_HOLD_MS from now on; again, it changes nothing. */
  | { readonly type: 'hold'; readonly offerId: string }
  | { readonly type: 'height'; readonly height: number }
  | { readonly type: 'stop' }

/**
 * 'taken': another program has it. 'denied': the macaroon does not permit it. 'down': lnd is away, or the stream is
 * being opened.
 */
export type InterceptorState = 'open' | 'taken' | 'denied' | 'down'

/** What an interceptor reports. */
export type InterceptorReport =
  | Omit<Extract<BackendEvent, { readonly type: 'offer' }>, 'deadlineMs'>
  | { readonly type: 'offer-gone'; readonly offerId: string }
  /** A SETTLE was written, for what came over this channel. */
  | {
      readonly type: 'settled'
      readonly hash: Uint8Array
      readonly amountMsat: bigint
      /** As in 'offer-confirmed'. */
      readonly excessMsat?: bigint
      readonly chanId: string
    }
  | { readonly type: 'state'; readonly state: InterceptorState; readonly detail: string }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }
  | { readonly type: 'beat' }

/** What came beyond the amount; nothing where that is 0. */
export type Excess = Pick<Extract<InterceptorReport, { readonly type: 'settled' }>, 'excessMsat'>
