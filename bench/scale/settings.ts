import type { NetworkSetting } from '../network/settings.ts'

/** Who does what for how long. */
export interface Load {
  readonly seed: string
  readonly programs: number
  readonly connections: number
  /** Simulated. */
  readonly hours: number
  /** How many the mix is made for, over all of the time. */
  readonly payments: number
}

export interface ScaleSetting {
  readonly network: NetworkSetting
  readonly load: Load
}

export const HOUR_MS = 3_600_000
/** All connections are opened within the first minutes. */
export const OPENING_MS = 300_000
/** One that is lost is opened again after a while, as a program does. */
export const REOPEN_MS = 60_000
/** Of connections that say nothing: a sign of life is asked for after so much silence. */
export const KEEPALIVE_MS = 1_800_000
export const QUESTION_BYTES = 100
export const ANSWER_BYTES = 400
export const BULK_PIECE_BYTES = 32_768
/** Of all payments, those that move bytes. The others ask and answer. */
export const BULK_SHARE = 0.3
/** A question with its answer, their acknowledgements, and what is sent anew: seen with 5 % failing. */
export const PAYMENTS_A_CALL = 5
export const PAYMENTS_A_KILOBYTE = 1.1
/** What the whole load has to reach on one core. */
export const LEAST_TIMES_REAL_TIME = 20
