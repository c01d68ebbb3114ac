import { bytesInWords, durationInWords, satInWords, wholeNumber } from '../words.ts'
import { quantile } from './bins.ts'
import type { ReadEnd } from './read-trace.ts'
import type { Summary } from './summary.ts'

/** A picture that is drawn. */
export interface DrawnChart {
  readonly title: string
  readonly caption: string
  readonly svg: string
}

/** What a person wants to know first, as pairs of words. */
export function summaryRows(summary: Summary): readonly (readonly [string, string])[] {
  const seconds = summary.endMs / 1_000
  const { started, settled, failed, hung, unresolved, copies, lost } = summary
  const rate = (bytes: number): string => (seconds === 0 ? '' : `, ${bytesInWords(bytes / seconds)}/s`)
  const share = (count: number): string =>
    started === 0 || count === 0 ? '' : ` (${((count / started) * 100).toFixed(1)} %)`
  const half = quantile(summary.times, 0.5)
  const most = quantile(summary.times, 0.95)
  const bytes = summary.sentBytes + summary.receivedBytes
  const each = bytes === 0 ? '' : `, ${satInWords(summary.spentMsat / bytes)} for 1,000 bytes`
  return [
    ['time', durationInWords(seconds)],
    ['connections', wholeNumber(summary.connections)],
    ['sent', `${bytesInWords(summary.sentBytes)}${rate(summary.sentBytes)}`],
    ['received', `${bytesInWords(summary.receivedBytes)}${rate(summary.receivedBytes)}`],
    [
      'payments',
      `${wholeNumber(started)}: ${wholeNumber(settled)} went through, ${wholeNumber(failed)} failed${share(failed)}`,
    ],
    ['hung', `${wholeNumber(hung)}${share(hung)}; ${wholeNumber(unresolved)} without an outcome at the end`],
    ['sent again', `${wholeNumber(copies)} copies, ${wholeNumber(lost)} packets lost`],
    [
      'round trip',
      half === undefined ? 'none' : `${wholeNumber(half)} ms; 95 of 100 within ${wholeNumber(most ?? half)} ms`,
    ],
    ['spent', `${msatInWords(summary.spentMsat)}, ${msatInWords(summary.feesMsat)} of it fees${each}`],
    ['reserved at the end', msatInWords(summary.reservedMsat)],
    ['came in', msatInWords(summary.receivedMsat)],
    ['routes', wholeNumber(summary.routes.length)],
  ]
}

function msatInWords(msat: number): string {
  return satInWords(msat / 1_000)
}

/** What to know of the file itself. */
export function remarks({ dropped, isEnded, events }: Summary, { isCut, unreadable }: ReadEnd): readonly string[] {
  return [
    ...(isCut
      ? ['The file ends within a record: the program that wrote it was killed. This is what it had written.']
      : []),
    ...(!isCut && !isEnded ? ['The trace has no end: the program still runs, or was killed.'] : []),
    ...(dropped > 0 ? [`${wholeNumber(dropped)} events are missing: the disk was too slow for them.`] : []),
    ...(unreadable > 0 ? [`${wholeNumber(unreadable)} records could not be read, and are left out.`] : []),
    ...(events === 0 ? ['Nothing has happened in it.'] : []),
  ]
}

const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 1rem; color: #222; background: #fff; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0; }
.remark { background: #fff3d6; border-left: 4px solid #d55e00; padding: .4rem .7rem; margin: .4rem 0; }
table { border-collapse: collapse; margin: .5rem 0 1.2rem; }
th, td { text-align: left; vertical-align: top; padding: .15rem .9rem .15rem 0; border-bottom: 1px solid #eee; }
th { font-weight: normal; color: #666; white-space: nowrap; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { color: #666; font-size: .85rem; }
svg { width: 100%; height: auto; display: block; }
@media (max-width: 480px) { body { padding: .6rem; } th, td { padding-right: .5rem; } }
`

/** The whole page: no script, and nothing that is loaded. */
export function pageOf(
  name: string,
  {
    rows,
    notes,
    charts,
  }: {
    readonly rows: readonly (readonly [string, string])[]
    readonly notes: readonly string[]
    readonly charts: readonly DrawnChart[]
  },
): string {
  const table = rows.map(([what, said]) => `<tr><th scope="row">${escaped(what)}</th><td>${escaped(said)}</td></tr>`)
  const figures = charts.map(
    ({ title, caption, svg }) =>
      `<figure>\n<h2>${escaped(title)}</h2>\n<figcaption>${escaped(caption)}</figcaption>\n${svg}\n</figure>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}: a trace of keysock</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(name)}</h1>
${notes.map((note) => `<p class="remark">${escaped(note)}</p>`).join('\n')}
<table>
${table.join('\n')}
</table>
<main>
${figures.join('\n')}
</main>
</body>
</html>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
