import type * as Vega from 'vega'
import type * as VegaLite from 'vega-lite'

/** Draws a picture as SVG. */
export type Renderer = (spec: VegaLite.TopLevelSpec) => Promise<string>

/** Half a pixel is enough for lines: a third of the size. */
const DECIMALS = 1

/** Node's code for a package that is not there, by import or require. */
const NOT_FOUND = /MODULE_NOT_FOUND$/

/** Vega is not installed. */
class NoVegaError extends Error {
  readonly code = 'ERR_CLI_VEGA'
}

/** Loads what draws: large, and for this command alone, so it is not installed with keysock. @throws NoVegaError */
export async function loadRenderer(load: () => Promise<Libraries> = loadLibraries): Promise<Renderer> {
  const { vega, vegaLite } = await loaded(load)
  return async (spec) => {
    const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' })
    const svg = await view.toSVG()
    view.finalize()
    return svg.replaceAll(/<[^>]+>/g, rounded)
  }
}

/** The numbers within a tag: those of texts stay. */
function rounded(tag: string): string {
  return tag.replaceAll(/\d+\.\d{2,}/g, (number) => String(Number(Number(number).toFixed(DECIMALS))))
}

interface Libraries {
  readonly vega: typeof Vega
  readonly vegaLite: typeof VegaLite
}

async function loadLibraries(): Promise<Libraries> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
  return { vega, vegaLite }
}

async function loaded(load: () => Promise<Libraries>): Promise<Libraries> {
  try {
    return await load()
  } catch (error) {
    if (!NOT_FOUND.test(String((error as { readonly code?: unknown }).code))) throw error
    throw new NoVegaError(
      'the pictures are drawn by vega and vega-lite, which are not installed: npm install vega vega-lite beside keysock, or npm install -g vega vega-lite where keysock is installed for all',
      { cause: error },
    )
  }
}
