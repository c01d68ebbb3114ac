import type { Quote } from '../index.ts'

/** Share of a quote that failures, copies and a worse route may add: a cap that is offered should be enough. */
const MARGIN_PERCENT = 125n
/** A cap that is offered is a round number. */
const ROUND_SAT = 100

export function satOf(msat: bigint): number {
  return Number(msat) / 1_000
}

/** A cap, in sat, that is enough for what was quoted. */
export function capFor({ costMsat }: Pick<Quote, 'costMsat'>): number {
  const sat = Number((costMsat * MARGIN_PERCENT) / 100n) / 1_000
  return Math.max(ROUND_SAT, Math.ceil(sat / ROUND_SAT) * ROUND_SAT)
}

/** What real nodes reach over two or three hops, bytes a second: what --dry-run assumes. */
const RATES = { most: 130_000, least: 20_000 } as const
/** Before the first byte: a route, a first answer. */
const START_SECONDS = { least: 1, most: 5 } as const

/** How long so many bytes take, seconds. */
export function timeFor(bytes: number): { readonly from: number; readonly to: number } {
  return { from: START_SECONDS.least + bytes / RATES.most, to: START_SECONDS.most + bytes / RATES.least }
}
