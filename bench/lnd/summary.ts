import { median } from '../sim/statistics.ts'
import type { Round } from './round.ts'
import { CONNECT_PAYMENTS, MIN_RATIO, MIN_TIMES_ONE_BY_ONE, MAX_LATENCY, MAX_RATIO } from './settings.ts'

/** One thing that is asked for, and whether it is so. */
export interface Threshold {
  readonly name: string
  /** The median of the rounds. */
  readonly value: number
  readonly rounds: readonly number[]
  readonly least?: number
  readonly most?: number
  readonly verdict: 'good' | 'bad'
}

/** Everything that one run of the bench measured. */
export interface Results {
  readonly bench: 'lnd'
  readonly node: string
  readonly lnd: string
  readonly cores: number
  readonly memoryGigabytes: number
  readonly bytes: number
  readonly thresholds: readonly Threshold[]
  readonly rounds: readonly Round[]
  readonly realSeconds: number
  /** What is not as asked for, in words. */
  readonly failures: readonly string[]
}

/** Medians of the rounds' own ratios: what drifts from round to round is in none of them. */
export function thresholdsOf(rounds: readonly Round[]): Threshold[] {
  const payments = rounds
    .flatMap(({ connects }) => connects)
    .map((connect) => Math.max(connect.payments, connect.lndPayments))
  return [
    threshold(
      '(a) goodput there over the flood',
      rounds.map(({ there }) => there.ratio),
      { least: MIN_RATIO, most: MAX_RATIO },
    ),
    threshold(
      '(b) goodput back over the flood',
      rounds.map(({ back }) => back.ratio),
      { least: MIN_RATIO, most: MAX_RATIO },
    ),
    threshold(
      '(c) goodput there over one at a time',
      rounds.map(({ times }) => times),
      { least: MIN_TIMES_ONE_BY_ONE },
    ),
    threshold(
      '(d) small write over a bare payment',
      rounds.map(({ latency }) => latency.ratio),
      { most: MAX_LATENCY },
    ),
    threshold('(e) payments until the first answered byte', [Math.min(...payments), Math.max(...payments)], {
      least: CONNECT_PAYMENTS,
      most: CONNECT_PAYMENTS,
    }),
  ]
}

function threshold(
  name: string,
  rounds: readonly number[],
  bounds: { readonly least?: number; readonly most?: number },
): Threshold {
  const value = median(rounds)
  const isGood = value >= (bounds.least ?? -Infinity) && value <= (bounds.most ?? Infinity)
  return { name, value, rounds, ...bounds, verdict: isGood ? 'good' : 'bad' }
}

export function failuresOf(thresholds: readonly Threshold[]): string[] {
  return thresholds
    .filter(({ verdict }) => verdict === 'bad')
    .map(({ name, value, most, least }) => {
      const broken = most === MAX_RATIO && value > most ? ': the baseline is broken' : ''
      return `${name}: ${value.toFixed(2)}, not ${boundsText({ ...(least !== undefined && { least }), ...(most !== undefined && { most }) })}${broken}`
    })
}

/** In words: what a value may be. */
export function boundsText({ least, most }: Pick<Threshold, 'least' | 'most'>): string {
  if (least === most) return String(least)
  if (least === undefined) return `at most ${most}`
  return most === undefined ? `at least ${least}` : `${least} to ${most}`
}
