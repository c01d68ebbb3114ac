import { type Line, linePlot } from '../plots/lines.ts'
import { svgOf } from '../plots/render.ts'
import type { PairRun } from './pair-run.ts'
import { DEGREES } from './settings.ts'
import type { Results } from './summary.ts'
import type { TransferRun } from './transfer-run.ts'

/** A picture that goes beside the report. */
export interface Plot {
  readonly file: string
  /** What it shows, for who cannot see it. */
  readonly title: string
  readonly svg: string
}

/** Points of a line: a hundred are as smooth as a picture can show. */
const POINTS = 100
/** What is slower stands at the left edge of a picture. */
const LEAST_KILOBYTES = 1
const SHARE = { title: '% of the pairs' }

export async function plotsOf(results: Results): Promise<Plot[]> {
  const { pairs, setting, transferRuns } = results
  const network = setting.hasGraph ? 'the public graph' : `mainnetLike, ${setting.nodes} nodes`
  const subtitle = `${network}; ${pairs.length} random pairs, 'slow', 5 % failing, 0.5 % hanging`
  const answered = pairs.filter(({ error }) => error === undefined)
  const byDegree = (of: (pair: PairRun) => number | undefined, list: readonly PairRun[]): Line[] =>
    DEGREES.map(({ name, least, most }) => {
      const those = list.filter(({ channels: [own] }) => own >= least && own <= most)
      return { name: `${name} channels`, points: distribution(those, of, list === pairs ? those.length : undefined) }
    }).filter(({ points }) => points.length > 0)
  return [
    {
      file: 'network-answers.svg',
      title: 'Share of the pairs that had their answer after so many seconds, by channels of the caller',
      svg: await svgOf(
        linePlot({
          title: 'Time until the first answer',
          subtitle,
          x: { title: 'seconds' },
          y: SHARE,
          panels: [
            { title: '', lines: byDegree(({ ms, error }) => (error === undefined ? ms / 1_000 : undefined), pairs) },
          ],
        }),
      ),
    },
    {
      file: 'network-candidates.svg',
      title: 'Share of the callers with at most so many candidates, by their channels',
      svg: await svgOf(
        linePlot({
          title: 'Who could stand behind a reply path',
          subtitle,
          x: { title: 'candidates at most', log: [1, 4, 16, 64, 256, 1_024] },
          y: SHARE,
          panels: [{ title: '', lines: byDegree(({ candidates }) => candidates, answered) }],
        }),
      ),
    },
    {
      file: 'network-cost.svg',
      title: 'Share of the pairs whose packets cost at most so much, beside the least by policy',
      svg: await svgOf(
        linePlot({
          title: 'What a packet costs',
          subtitle,
          x: { title: 'msat at most, amount and fee', log: [1, 10, 100, 1_000, 10_000] },
          y: SHARE,
          panels: [
            { title: 'there', lines: beside(answered, 'packetMsat', 'cheapestMsat') },
            { title: 'back', lines: beside(answered, 'replyMsat', 'cheapestBackMsat') },
          ],
        }),
      ),
    },
    ...(transferRuns.length === 0 ? [] : [await transferPlot(transferRuns, network)]),
  ]
}

async function transferPlot(runs: readonly TransferRun[], network: string): Promise<Plot> {
  const kilobytes = (bytesPerSecond: number): number => Math.max(LEAST_KILOBYTES, bytesPerSecond / 1_000)
  return {
    file: 'network-transfers.svg',
    title: 'Share of the transfers of 1 MB with at most so many kB/s, beside the best flood of bare payments',
    svg: await svgOf(
      linePlot({
        title: 'Goodput of 1 MB',
        subtitle: `${network}; ${runs.length} random pairs, 'slow', 5 % failing, 0.5 % hanging`,
        x: { title: 'kB/s at most', log: [LEAST_KILOBYTES, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128] },
        y: { title: '% of the transfers' },
        panels: [
          {
            title: '',
            lines: [
              { name: 'keysock', points: distribution(runs, (run) => kilobytes(run.bytesPerSecond)) },
              {
                name: 'best flood',
                points: distribution(runs, (run) => kilobytes(run.floodBytesPerSecond)),
                dashed: true,
              },
            ],
          },
        ],
      }),
    ),
  }
}

function beside(
  pairs: readonly PairRun[],
  paid: 'packetMsat' | 'replyMsat',
  least: 'cheapestMsat' | 'cheapestBackMsat',
): Line[] {
  return [
    { name: 'keysock', points: distribution(pairs, (pair) => pair[paid]) },
    { name: 'least by policy', points: distribution(pairs, (pair) => pair[least]), dashed: true },
  ]
}

/** Of `total` pairs, by default of those that have a value: the share that is at most so high. */
function distribution<Run>(
  pairs: readonly Run[],
  of: (pair: Run) => number | undefined,
  total?: number,
): Line['points'] {
  const values = pairs.map(of).filter((value) => value !== undefined)
  const sorted = values.toSorted((a, b) => a - b)
  const count = total ?? sorted.length
  const step = Math.max(1, Math.floor(sorted.length / POINTS))
  return sorted.flatMap((x, i) =>
    i % step === 0 || i === sorted.length - 1 ? [{ x, y: Math.round(((i + 1) / count) * 1_000) / 10 }] : [],
  )
}
