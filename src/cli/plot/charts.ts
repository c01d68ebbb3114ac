import type { TopLevelSpec } from 'vega-lite'
import { type Bin, type Bins, quantile } from './bins.ts'
import { DRAWN_ROUTES } from './limits.ts'
import type { Summary } from './summary.ts'

/** A picture of a page. */
export interface Chart {
  /** Of its file: letters and hyphens. */
  readonly name: string
  readonly title: string
  /** What it shows, for who cannot see it. */
  readonly caption: string
  readonly spec: TopLevelSpec
}

interface Point {
  readonly x: number
  readonly y: number
  readonly name: string
}

/** Okabe and Ito's colours, which colour-blind eyes tell apart. */
const BLUE = '#0072b2'
const VERMILION = '#d55e00'
const GREEN = '#009e73'
const PINK = '#cc79a7'

const WIDTH = 500
const HEIGHT = 190
const ROUTE_LENGTH = 34

type Of = (bin: Bin) => number | undefined

/** What bins tell, as the points of lines. */
class Series {
  readonly #bins: Bins

  constructor(bins: Bins) {
    this.#bins = bins
  }

  /** What a bin lasts. */
  get seconds(): number {
    return this.#bins.widthMs / 1_000
  }

  /** A point for each bin; where nothing is told, it is as at the end of the one before. */
  level(name: string, of: Of, atEnd: Of = of): readonly Point[] {
    let last = 0
    return this.#bins.all.map((bin, index) => {
      const y = of(bin) ?? last
      last = atEnd(bin) ?? last
      return { x: index * this.seconds, y, name }
    })
  }

  /** The same, from the first that is told on. */
  known(name: string, of: Of): readonly Point[] {
    const first = this.#bins.all.findIndex((bin) => of(bin) !== undefined)
    return first === -1 ? [] : this.level(name, of).slice(first)
  }

  /** A point for each bin that tells something. */
  some(name: string, of: Of): readonly Point[] {
    return this.#bins.all.flatMap((bin, index) => {
      const y = of(bin)
      return y === undefined ? [] : [{ x: index * this.seconds, y, name }]
    })
  }
}

export function charts(summary: Summary): readonly Chart[] {
  const { bins, endMs } = summary
  const series = new Series(bins)
  const { seconds } = series
  const over = { time: timeAxis(Math.max(endMs / 1_000, seconds)), seconds }
  const rate = (bytes: number): number => bytes / seconds / 1_000
  return [
    {
      name: 'goodput',
      title: 'Goodput',
      caption: "Bytes of the streams that came to the other side's node, and to this side, in kB a second",
      spec: lines(over, 'kB/s', { sent: BLUE, received: VERMILION }, [
        ...series.level('sent', ({ sent }) => rate(sent)),
        ...series.level('received', ({ received }) => rate(received)),
      ]),
    },
    {
      name: 'in-flight',
      title: 'Payments in flight',
      caption: 'Payments without an outcome, and how many the windows allow',
      spec: lines(over, 'payments', { 'in flight': BLUE, window: VERMILION }, [
        ...series.level(
          'in flight',
          ({ inFlight }) => inFlight,
          ({ inFlightAtEnd }) => inFlightAtEnd,
        ),
        ...series.known('window', ({ window }) => window),
      ]),
    },
    {
      name: 'round-trips',
      title: 'Round trips',
      caption: 'How long payments took until they were settled: half of them, and 95 of 100',
      spec: lines(over, 'ms', { 'half of them': BLUE, '95 of 100': VERMILION }, [
        ...series.some('half of them', ({ times }) => quantile(times, 0.5)),
        ...series.some('95 of 100', ({ times }) => quantile(times, 0.95)),
      ]),
    },
    {
      name: 'trouble',
      title: 'Failures, hangs and copies',
      caption: `Payments that failed, that hung, and packets that were sent twice, in each ${bins.widthMs} ms`,
      spec: bars(over, [
        ...series.some('failed', ({ failed }) => failed),
        ...series.some('hung', ({ hung }) => hung),
        ...series.some('copies', ({ copies }) => copies),
      ]),
    },
    {
      name: 'routes',
      title: 'Routes',
      caption: `What went over each route, by its channels; the ${DRAWN_ROUTES} with the most payments`,
      spec: routeBars(summary),
    },
    { ...MONEY, spec: lines(over, 'sat', MONEY_COLOURS, moneyPoints(series), 'step-after') },
  ]
}

const MONEY = {
  name: 'money',
  title: 'Money',
  caption: 'What the endpoint has spent, the fees in it, what is reserved, and what came in, in sat',
} as const
const MONEY_COLOURS = { spent: BLUE, fees: PINK, reserved: VERMILION, received: GREEN } as const

function moneyPoints(series: Series): readonly Point[] {
  return [
    ...series.level('spent', ({ spentMsat }) => inSat(spentMsat)),
    ...series.level('fees', ({ feesMsat }) => inSat(feesMsat)),
    ...series.level('reserved', ({ reservedMsat }) => inSat(reservedMsat)),
    ...series.level('received', ({ receivedMsat }) => inSat(receivedMsat)),
  ]
}

function inSat(msat: number | undefined): number | undefined {
  return msat === undefined ? undefined : msat / 1_000
}

const BASE = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 8,
  width: WIDTH,
  height: HEIGHT,
  config: {
    axis: {
      labelFontSize: 14,
      titleFontSize: 14,
      titleFontWeight: 'normal',
      gridColor: '#e5e5e5',
      domainColor: '#888',
    },
    legend: { labelFontSize: 14, title: null, orient: 'top', symbolStrokeWidth: 3, labelLimit: WIDTH },
    view: { stroke: null },
    font: 'sans-serif',
  },
} as const

/** All pictures have the same one. */
function timeAxis(endSeconds: number): object {
  return { field: 'x', type: 'quantitative', title: 'seconds', scale: { domain: [0, endSeconds], nice: false } }
}

interface Over {
  readonly time: object
  /** What a bin lasts. */
  readonly seconds: number
}

function colour(colours: Readonly<Record<string, string>>): object {
  return { field: 'name', type: 'nominal', scale: { domain: Object.keys(colours), range: Object.values(colours) } }
}

function lines(
  { time }: Over,
  unit: string,
  colours: Readonly<Record<string, string>>,
  values: readonly Point[],
  interpolate: 'linear' | 'step-after' = 'linear',
): TopLevelSpec {
  return {
    ...BASE,
    data: { values: [...values] },
    mark: { type: 'line', strokeWidth: 2, interpolate },
    encoding: {
      x: time,
      y: { field: 'y', type: 'quantitative', title: unit, scale: { zero: true } },
      color: colour(colours),
    },
  }
}

const TROUBLE = { failed: VERMILION, hung: PINK, copies: BLUE }

function bars({ time, seconds }: Over, points: readonly Point[]): TopLevelSpec {
  const values = points.filter(({ y }) => y > 0).map((point) => ({ ...point, x2: point.x + seconds }))
  return {
    ...BASE,
    data: { values },
    mark: { type: 'bar' },
    encoding: {
      x: { ...time, bin: { binned: true } },
      x2: { field: 'x2' },
      y: { field: 'y', type: 'quantitative', title: 'number', stack: 'zero', axis: { tickMinStep: 1 } },
      color: colour(TROUBLE),
    },
  }
}

const FATES = { settled: GREEN, failed: VERMILION, hung: PINK }

function routeBars({ routes }: Summary): TopLevelSpec {
  const drawn = routes.slice(0, DRAWN_ROUTES)
  const values = drawn.flatMap((route, order) =>
    (['settled', 'failed', 'hung'] as const).map((fate) => ({
      // Two names may begin alike: their places tell them apart.
      route: `${order + 1}  ${shortened(route.name)}`,
      order,
      name: fate,
      count: route[fate],
    })),
  )
  return {
    ...BASE,
    height: { step: 28 },
    width: WIDTH - 200,
    data: { values },
    mark: { type: 'bar' },
    encoding: {
      y: {
        field: 'route',
        type: 'nominal',
        title: null,
        sort: { field: 'order' },
        axis: { labelFontSize: 12, labelLimit: 260 },
      },
      x: { field: 'count', type: 'quantitative', title: 'payments', axis: { tickMinStep: 1 } },
      color: colour(FATES),
    },
  }
}

function shortened(name: string): string {
  return name.length <= ROUTE_LENGTH ? name : `${name.slice(0, ROUTE_LENGTH - 1)}…`
}
