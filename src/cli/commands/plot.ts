import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Command } from 'commander'
import type { Dependencies } from '../dependencies.ts'
import { EXIT, EXIT_HELP, type ExitCode } from '../ending.ts'
import { charts, type Chart } from '../plot/charts.ts'
import { pageOf, remarks, summaryRows } from '../plot/page.ts'
import { PlotError, readTrace } from '../plot/read-trace.ts'
import { loadRenderer } from '../plot/render.ts'
import { Summary } from '../plot/summary.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'

interface PlotFlags {
  readonly output?: string
  readonly svg?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  keysock send photo.jpg 02ab...cd --trace photo.sqlog
  keysock plot photo.sqlog                      makes photo.sqlog.html
  keysock plot photo.sqlog -o page.html --svg pictures

The page is one file without scripts. It is drawn by vega and vega-lite: npm install vega vega-lite.

${EXIT_HELP}`

export function plotCommand(
  dependencies: Pick<Dependencies, 'stdout' | 'stderr'>,
  ended: (code: ExitCode) => void,
): Command {
  const command = new Command('plot')
    .summary('make a page of a trace')
    .description('Make one page of a trace that --trace wrote: goodput, payments, routes and money over time.')
    .argument('<file>', 'a trace')
    .option('-o, --output <page>', 'the page (default: FILE.html)')
    .option('--svg <dir>', 'the pictures as files, too')
    .option('--json', 'one JSON object: the summary')
  command.addHelpText('after', EXAMPLES)
  command.action(async (file: string, flags: PlotFlags) => {
    ended(await plot(dependencies, file, flags))
  })
  return command
}

async function plot(
  { stdout, stderr }: Pick<Dependencies, 'stdout' | 'stderr'>,
  file: string,
  { output = `${file}.html`, svg, json = false }: PlotFlags,
): Promise<ExitCode> {
  try {
    const summary = new Summary()
    const end = await readTrace(file, (event) => summary.add(event))
    const drawn = await drawnCharts(summary)
    const rows = summaryRows(summary)
    const notes = remarks(summary, end)
    await write(output, pageOf(basename(file), { rows, notes, charts: drawn }))
    if (svg !== undefined) for (const each of drawn) await write(join(svg, `${each.name}.svg`), `${each.svg}\n`, svg)
    const text = [...notes, ...rows.map(([what, said]) => `${what.padEnd(21)}${said}`), `page: ${output}`]
    stdout.write(json ? `${JSON.stringify(plotted(summary, end.isCut, output))}\n` : `${text.join('\n')}\n`)
    return EXIT.done
  } catch (error) {
    const event = { event: 'error', code: codeOf(error), message: messageOf(error) }
    if (json) stdout.write(`${JSON.stringify(event)}\n`)
    else stderr.write(`${event.message} (${event.code})\n`)
    return EXIT.failed
  }
}

/** @throws PlotError */
async function write(file: string, text: string, folder?: string): Promise<void> {
  try {
    if (folder !== undefined) await mkdir(folder, { recursive: true })
    await writeFile(file, text)
  } catch (error) {
    throw new PlotError(`cannot write ${file}: ${messageOf(error)}`, { cause: error })
  }
}

async function drawnCharts(summary: Summary): Promise<readonly (Chart & { readonly svg: string })[]> {
  const render = await loadRenderer()
  return await Promise.all(charts(summary).map(async (chart) => ({ ...chart, svg: await render(chart.spec) })))
}

function plotted(summary: Summary, isCut: boolean, page: string): object {
  const { events, endMs, connections, sentBytes, receivedBytes, started, settled, failed, hung, copies } = summary
  return {
    event: 'plot',
    page,
    isCut,
    events,
    seconds: endMs / 1_000,
    connections,
    bytesSent: sentBytes,
    bytesReceived: receivedBytes,
    payments: started,
    settled,
    failed,
    hung,
    copies,
    sat: summary.spentMsat / 1_000,
    feesSat: summary.feesMsat / 1_000,
    receivedSat: summary.receivedMsat / 1_000,
  }
}
