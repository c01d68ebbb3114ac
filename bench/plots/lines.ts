import type { TopLevelSpec } from 'vega-lite'

/** A line of a plot; the same name has the same colour in all panels. */
export interface Line {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
  readonly dashed?: boolean
  readonly dots?: boolean
}

/** Panels one below the other, with axes of their own and one legend. */
export interface LinePlot {
  readonly title: string
  readonly subtitle: string
  readonly x: { readonly title: string; readonly log?: readonly number[] }
  readonly y: { readonly title: string }
  readonly panels: readonly { readonly title: string; readonly lines: readonly Line[] }[]
}

/** Okabe and Ito's colours, which colour-blind eyes tell apart, by the order in which names first appear. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7']
const WIDTH = 680
const HEIGHT = 210
/** Without a browser the width of a text is only guessed, and the picture is made wide enough for the guess. */
const SUBTITLE_CHARACTERS = 74
const TEXT = { labelFontSize: 12, titleFontSize: 13 } as const

export function linePlot({ title, subtitle, x, y, panels }: LinePlot): TopLevelSpec {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))]
  const color = {
    field: 'name',
    type: 'nominal',
    scale: { domain: names, range: COLOURS.slice(0, names.length) },
    legend: {
      title: null,
      orient: 'top',
      labelFontSize: 13,
      symbolStrokeWidth: 3,
      symbolType: 'stroke',
      labelLimit: WIDTH,
    },
  } as const
  const scale = x.log === undefined ? { nice: false } : { type: 'log' as const, base: 2, nice: false }
  const axis = x.log === undefined ? { format: 'd', tickMinStep: 1 } : { values: [...x.log] }
  const layers = ({ lines }: LinePlot['panels'][number]) =>
    lines.map(({ name, points, dashed = false, dots = false }) => ({
      data: { values: points.map((point) => ({ ...point, name })) },
      mark: {
        type: 'line' as const,
        strokeWidth: 2,
        ...(dashed && { strokeDash: [6, 4] }),
        ...(dots && { point: { size: 45, filled: true } }),
      },
      encoding: {
        x: { field: 'x', type: 'quantitative' as const, title: x.title, scale, axis },
        y: { field: 'y', type: 'quantitative' as const, title: y.title, scale: { zero: true } },
        color,
      },
    }))
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    title: {
      text: title,
      subtitle: wrapped(subtitle),
      anchor: 'start',
      fontSize: 17,
      subtitleFontSize: 12,
      subtitlePadding: 4,
      offset: 12,
    },
    vconcat: panels.map((panel) => ({
      title: { text: panel.title, anchor: 'start' as const, fontSize: 13 },
      width: WIDTH,
      height: HEIGHT,
      layer: layers(panel),
    })),
    config: {
      axis: { ...TEXT, gridColor: '#e5e5e5', domainColor: '#888' },
      view: { stroke: null },
      font: 'sans-serif',
    },
  }
}

function wrapped(text: string): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trimStart()
    if (longer.length > SUBTITLE_CHARACTERS) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines
}
