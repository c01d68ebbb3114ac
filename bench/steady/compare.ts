import type { Measured } from './measure.ts'

/** How much larger a number may be than the committed one: all of them are better when smaller. */
export const MAX_WORSE = 0.05

/** A number beside the committed one. */
export interface Row {
  readonly name: string
  readonly committed: number | undefined
  readonly now: number | undefined
  /** Now over committed. */
  readonly ratio: number | undefined
  readonly isWorse: boolean
}

/** A number that only one side has is worse: somebody has to look. */
export function compare(now: Measured, committed: Measured): readonly Row[] {
  const names = [...new Set([...Object.keys(committed), ...Object.keys(now)])]
  return names.map((name) => {
    const [before, after] = [committed[name], now[name]]
    if (before === undefined || after === undefined)
      return { name, committed: before, now: after, ratio: undefined, isWorse: true }
    const ratio = before === 0 ? (after === 0 ? 1 : Infinity) : after / before
    return { name, committed: before, now: after, ratio, isWorse: ratio > 1 + MAX_WORSE }
  })
}

function shown(value: number | undefined): string {
  return (value === undefined ? 'none' : String(Number(value.toPrecision(6)))).padStart(12)
}

export function tableOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows
    .map(({ name, committed, now, ratio, isWorse }) => {
      const beside = ratio === undefined ? '' : ratio.toFixed(3).padStart(8)
      return `${name.padEnd(width)} ${shown(committed)} ${shown(now)} ${beside}${isWorse ? '  WORSE' : ''}`
    })
    .join('\n')
}
