import { type Line, linePlot } from '../plots/lines.ts'
import { svgOf } from '../plots/render.ts'
import { median } from '../sim/statistics.ts'
import type { Pair } from './round.ts'
import { STEP_MS, SWEEP_IN_FLIGHT } from './settings.ts'
import type { Results } from './summary.ts'
import type { Step } from './tally.ts'

/** A picture that goes beside the report. */
export interface Plot {
  readonly file: string
  /** What it shows, for who cannot see it. */
  readonly title: string
  readonly svg: string
}

const KEYSOCK = 'keysock'
const FLOOD = 'flood of bare payments'
/** Arrivals come in bursts; a rate is taken over so much. */
const RATE_MS = 1_000

/** Of the round whose ratio is the median, in each direction. */
export async function plotsOf(results: Results): Promise<Plot[]> {
  const there = middle(results.rounds.map((round) => round.there))
  const back = middle(results.rounds.map((round) => round.back))
  const size = `${results.bytes / 1e6} MB each way`
  const where = 'alice - bob - carol on real lnd nodes, all on one machine'
  const titles = { there: 'alice to carol: keysends', back: 'carol to alice: over a blinded path, alice hidden' }
  const x = { title: 'seconds from the start' }
  return [
    {
      file: 'lnd-goodput.svg',
      title: 'Goodput over time of keysock and of a flood, in both directions',
      svg: await svgOf(
        linePlot({
          title: 'Goodput of keysock and of a flood of bare payments',
          subtitle: `${where}; ${size}, over the last second; the round of the median ratio`,
          x,
          y: { title: 'kB/s' },
          panels: [
            { title: titles.there, lines: goodput(there) },
            { title: titles.back, lines: goodput(back) },
          ],
        }),
      ),
    },
    {
      file: 'lnd-in-flight.svg',
      title: 'Payments in flight over time of keysock and of a flood, in both directions',
      svg: await svgOf(
        linePlot({
          title: 'Payments in flight',
          subtitle: `${where}; keysock finds its number, the flood has the best of ${SWEEP_IN_FLIGHT.join(', ')}`,
          x,
          y: { title: 'payments' },
          panels: [
            { title: titles.there, lines: inFlight(there) },
            { title: titles.back, lines: inFlight(back) },
          ],
        }),
      ),
    },
    {
      file: 'lnd-sweep.svg',
      title: 'Goodput of floods by payments in flight, and of keysock',
      svg: await svgOf(
        linePlot({
          title: 'What a number in flight brings',
          subtitle: `${where}; medians of ${results.rounds.length} rounds; keysock's goodput is that of ${size}`,
          x: { title: 'payments in flight (keysock chooses by itself)', log: SWEEP_IN_FLIGHT },
          y: { title: 'kB/s' },
          panels: [
            { title: titles.there, lines: sweep(results.rounds.map((round) => round.there)) },
            { title: titles.back, lines: sweep(results.rounds.map((round) => round.back)) },
          ],
        }),
      ),
    },
  ]
}

function middle(pairs: readonly Pair[]): Pair {
  const sorted = pairs.toSorted((a, b) => a.ratio - b.ratio)
  return sorted[Math.floor((sorted.length - 1) / 2)] as Pair
}

function goodput({ transfer, flood }: Pair): Line[] {
  return [
    { name: KEYSOCK, points: rates(transfer.series, transfer.startMs) },
    { name: FLOOD, points: rates(flood.series, flood.startMs), dashed: true },
  ]
}

/** kB/s over RATE_MS, every STEP_MS. */
function rates(series: readonly Step[], startMs: number): Line['points'] {
  const bytesAt = (atMs: number): number => series.findLast((step) => step.atMs <= atMs)?.bytes ?? 0
  const points: { x: number; y: number }[] = [{ x: 0, y: 0 }]
  const endMs = series.at(-1)?.atMs ?? startMs
  for (let atMs = startMs + STEP_MS; atMs <= endMs; atMs += STEP_MS) {
    const fromMs = Math.max(startMs, atMs - RATE_MS)
    const rate = (bytesAt(atMs) - bytesAt(fromMs)) / (atMs - fromMs)
    points.push({ x: (atMs - startMs) / 1_000, y: Math.round(rate * 10) / 10 })
  }
  return points
}

function inFlight({ transfer, flood }: Pair): Line[] {
  return [
    { name: KEYSOCK, points: transfer.sender.inFlight.map((y, i) => ({ x: (i * STEP_MS) / 1_000, y })) },
    { name: FLOOD, points: [0, flood.seconds].map((x) => ({ x, y: flood.inFlight })), dashed: true },
  ]
}

function sweep(pairs: readonly Pair[]): Line[] {
  const ours = kilo(median(pairs.map(({ transfer }) => transfer.bytesPerSecond)))
  const ends = [SWEEP_IN_FLIGHT[0], SWEEP_IN_FLIGHT.at(-1) as number]
  return [
    { name: KEYSOCK, points: ends.map((x) => ({ x, y: ours })) },
    {
      name: FLOOD,
      points: SWEEP_IN_FLIGHT.map((x, i) => ({
        x,
        y: kilo(median(pairs.map((pair) => pair.sweep[i]?.bytesPerSecond ?? Number.NaN))),
      })),
      dashed: true,
      dots: true,
    },
  ]
}

function kilo(bytes: number): number {
  return Math.round(bytes / 100) / 10
}
