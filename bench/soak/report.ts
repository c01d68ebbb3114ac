/** What soaks found, as a page with pictures; each part is written by its own run and keeps the other's. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { linePlot } from '../plots/lines.ts'
import { svgOf } from '../plots/render.ts'
import { type Section, sectionsAsMarkdown } from '../report/sections.ts'
import type { LndSample, LndSoaked, NodeName } from './lnd.ts'
import { growthOf, type HeapFit, heapFit, type Sample } from './sample.ts'
import { HOUR_MS, MINUTE_MS, type Soaked } from './simulated.ts'

const RESULTS = new URL('../results/', import.meta.url)
const JSON_FILE = new URL('soak.json', RESULTS)
/** The heap may grow by so much from the first hour's end to the last, as a share. */
export const MAX_GROWTH = 0.05
/** A fit of four numbers to fewer says nothing. */
const LEAST_SAMPLES = 30
/** Of a real run, the first part warms up: code is compiled, and tables fill. */
const LND_WARM_SHARE: number = 1 / 3

interface Results {
  readonly simulated?: Soaked
  readonly lnd?: LndSoaked
}

function read(): Results {
  return existsSync(JSON_FILE) ? (JSON.parse(readFileSync(JSON_FILE, 'utf8')) as Results) : {}
}

/** How much the heap grew after the first hour, beyond what is remembered on purpose. */
export function simulatedFit({ samples }: Soaked): HeapFit {
  return heapFit(samples, { fromMs: HOUR_MS })
}

/** The same of one program on a real node, after the first third. */
export function lndFit({ minutes, samples }: LndSoaked, name: NodeName): HeapFit {
  const own = samples.filter(({ of }) => of === name)
  return heapFit(own, { fromMs: minutes * MINUTE_MS * LND_WARM_SHARE })
}

/** The growth that nothing explains, as a share of the base. */
export function growthShare({ baseBytes, grownBytes }: HeapFit): number {
  return grownBytes / baseBytes
}

function fitText(fit: HeapFit, samples: number): string {
  if (samples < LEAST_SAMPLES)
    return `With ${samples} samples it is too short to tell what the heap grows by of itself.`
  const { baseBytes, connectionBytes, entryBytes, grownBytes } = fit
  return [
    `By least squares the heap is ${megabytes(baseBytes)} MB, ${(entryBytes / 1e3).toFixed(2)} kB for each entry of a table and`,
    `${(connectionBytes / 1e3).toFixed(1)} kB for each open connection; beyond these it grew by ${megabytes(grownBytes)} MB,`,
    `${percent(growthShare(fit))} (asked: ${percent(MAX_GROWTH)} at most).`,
  ].join(' ')
}

const MB = 1e6
const megabytes = (bytes: number): string => (bytes / MB).toFixed(1)
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

const LOOKED_AT: readonly (readonly [string, keyof Sample, (value: number) => string])[] = [
  ['heap, MB', 'heapBytes', megabytes],
  ['buffers, MB', 'bufferBytes', megabytes],
  ['handles of the process', 'handles', String],
  ['connections', 'connections', String],
  ['timers', 'deadlines', String],
  ['reply paths', 'replyPaths', String],
  ['entries of all tables', 'tableEntries', String],
  ['folders on disk, MB', 'storeBytes', megabytes],
]

/** Least, middle and most of a number after the warm-up, and how much it grew from there on. */
function rowsOf(samples: readonly Sample[], fromMs: number): readonly (readonly string[])[] {
  const warm = samples.filter(({ atMs }) => atMs >= fromMs)
  return LOOKED_AT.map(([title, name, text]) => {
    const sorted = warm.map((sample) => sample[name]).toSorted((a, b) => a - b)
    const [least, middle, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)]
    const growth = percent(growthOf(samples, (sample) => sample[name], { fromMs }))
    return [title, ...[least, middle, most].map((value) => text(value ?? 0)), growth]
  })
}

function leftText(left: readonly string[]): string {
  return left.length === 0 ? 'Nothing was left over.' : `Left over: ${left.join('; ')}.`
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([what]) => what !== 'bytes')
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ')
}

function simulatedSection(soaked: Soaked): Section {
  const { counts, hours, kept, left, payments, samples, seed } = soaked
  const keptText = Object.entries(kept)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
  return {
    title: `${hours} simulated hours`,
    text: [
      `\`./dev soak --hours ${hours} --seed ${seed} --write\`: four programs with stores in folders, ${payments} payments;`,
      'from the end of the first hour on, after a collection of garbage. The growth is that of the straight line',
      'through all samples. Tables of what ended fill for two days (spec §14).',
      '',
      fitText(simulatedFit(soaked), samples.filter(({ atMs }) => atMs >= HOUR_MS).length),
      '',
      `What happened: ${countsText(counts)}.`,
      '',
      `A day after the end: ${leftText(left)} Remembered on purpose: ${keptText === '' ? 'nothing' : keptText}.`,
    ],
    head: ['', 'least', 'middle', 'most', 'growth'],
    rows: rowsOf(samples, HOUR_MS),
  }
}

function lndSections(soaked: LndSoaked): readonly Section[] {
  const { counts, grown, left, minutes, samples } = soaked
  const perMegabyte = (value: number): string => String(Math.round(value / soaked.megabytes))
  const stays = samples.filter(({ of }) => of === 'carol')
  const warm = stays.filter(({ atMs }) => atMs >= minutes * MINUTE_MS * LND_WARM_SHARE).length
  return [
    {
      title: `${minutes} minutes on three lnds`,
      text: [
        `\`./dev soak --lnd --minutes ${minutes} --write\`: alice - bob - carol, a program on each; those of alice and`,
        'bob are killed or closed again and again, and every lnd is. These are the numbers of carol’s program, which',
        `stays, after the first third. ${soaked.megabytes.toFixed(1)} MB were read.`,
        '',
        fitText(lndFit(soaked, 'carol'), warm),
        '',
        `What happened: ${countsText(counts)}.`,
        '',
        leftText(left),
      ],
      head: ['', 'least', 'middle', 'most', 'growth'],
      rows: rowsOf(stays, minutes * MINUTE_MS * LND_WARM_SHARE),
    },
    {
      title: 'What it left in the lnds, per MB that was read',
      text: [
        'After a compaction, as [footprint.md](footprint.md) has it for bulk transfers: here most payments are those of',
        'small talks, which carry little, and every connection has its opening. Alice’s program prunes.',
      ],
      head: ['', 'payments', 'invoices', 'kB'],
      rows: (['alice', 'bob', 'carol'] as const).map((name) => [
        name,
        perMegabyte(grown[name].payments),
        perMegabyte(grown[name].invoices),
        perMegabyte(grown[name].databaseBytes / 1e3),
      ]),
    },
  ]
}

async function pictureOf(
  samples: readonly Sample[],
  { title, subtitle, unitMs, unit }: { title: string; subtitle: string; unitMs: number; unit: string },
): Promise<string> {
  const points = (of: (sample: Sample) => number) =>
    samples.map((sample) => ({ x: sample.atMs / unitMs, y: of(sample) }))
  return await svgOf(
    linePlot({
      title,
      subtitle,
      x: { title: unit },
      y: { title: '' },
      panels: [
        {
          title: 'MB, after a collection',
          lines: [
            { name: 'heap', points: points(({ heapBytes }) => heapBytes / MB) },
            { name: 'buffers', points: points(({ bufferBytes }) => bufferBytes / MB) },
            { name: 'folders on disk', points: points(({ storeBytes }) => storeBytes / MB) },
          ],
        },
        {
          title: 'entries of all tables',
          lines: [{ name: 'tables', points: points(({ tableEntries }) => tableEntries) }],
        },
      ],
    }),
  )
}

/** A line of the file for each sample. */
function asJson(results: Results): string {
  const lines: string[] = []
  const text = JSON.stringify(
    results,
    (key, value: unknown) => {
      if (key !== 'samples') return value
      lines.push((value as (Sample | LndSample)[]).map((sample) => `    ${JSON.stringify(sample)}`).join(',\n'))
      return `@samples ${lines.length - 1}`
    },
    2,
  )
  return `${text.replaceAll(/"@samples (\d+)"/g, (_, index: string) => `[\n${lines[Number(index)]}\n  ]`)}\n`
}

/** Puts one part in the place of what a former run wrote, and writes the page anew. */
export async function writeSoak(part: Results): Promise<void> {
  const results = { ...read(), ...part }
  writeFileSync(JSON_FILE, asJson(results))
  const parts = ['# Soak']
  const { lnd, simulated } = results
  if (simulated !== undefined) {
    parts.push(sectionsAsMarkdown([simulatedSection(simulated)]))
    const what = { title: 'Memory of a soak in simulated time', unit: 'simulated hours', unitMs: HOUR_MS }
    const subtitle = `four programs, ${simulated.payments} payments, with crashes, restarts and faults`
    writeFileSync(new URL('soak-simulated.svg', RESULTS), await pictureOf(simulated.samples, { ...what, subtitle }))
    parts.push('![Heap, buffers and folders over the simulated hours](soak-simulated.svg)')
  }
  if (lnd !== undefined) {
    parts.push(sectionsAsMarkdown(lndSections(lnd)))
    const what = { title: 'Memory of a program on a real node', unit: 'minutes', unitMs: MINUTE_MS }
    const stays = lnd.samples.filter(({ of }) => of === 'carol')
    const subtitle = 'the program at carol, which stays, while the others and the lnds are killed and started again'
    writeFileSync(new URL('soak-lnd.svg', RESULTS), await pictureOf(stays, { ...what, subtitle }))
    parts.push('![Heap, buffers and folder over the minutes](soak-lnd.svg)')
  }
  writeFileSync(new URL('soak.md', RESULTS), `${parts.join('\n\n')}\n`)
}
