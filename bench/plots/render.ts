import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** Half a pixel is enough for lines: a third of the file's size. */
const DECIMALS = 1

/** The picture of a specification, drawn without a browser. */
export async function svgOf(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  return `${svg.replaceAll(/\d+\.\d{2,}/g, (number) => String(Number(Number(number).toFixed(DECIMALS))))}\n`
}
