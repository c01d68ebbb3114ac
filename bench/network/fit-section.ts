import type { Section } from '../report/sections.ts'
import type { Statistic } from './graph-statistics.ts'

/** A graph's statistics beside those of what is drawn like it. */
export function fitSection(graph: readonly Statistic[], drawn: readonly Statistic[]): Section {
  return {
    title: 'How well mainnetLike fits',
    text: ['Of directions that are in use, where nothing else is said.'],
    head: ['property', 'snapshot', 'drawn'],
    rows: graph.map((statistic, i) => [statistic.name, figures(statistic), figures(drawn[i] as Statistic)]),
  }
}

/** Each statistic by its name, as the table has it. */
export function fitRows(statistics: readonly Statistic[]): (readonly [name: string, figures: string])[] {
  return statistics.map((statistic) => [statistic.name, figures(statistic)])
}

function figures({ values, unit }: Statistic): string {
  const one = (value: number): string => {
    if (unit === 'share') return `${(value * 100).toFixed(1)} %`
    return Number.isInteger(value) ? String(value) : value.toFixed(2)
  }
  return values.map(one).join(', ')
}
