/** The page of all results, made of the files that the benches wrote. */

/** One file of results: its name, and what it answers. */
export interface ResultFile {
  /** Of `results/NAME.md`. */
  readonly name: string
  readonly question: string
}

/** In the order of the page. */
export const RESULT_FILES: readonly ResultFile[] = [
  { name: 'lnd', question: 'How fast is it on real nodes, beside bare payments?' },
  { name: 'nodes', question: 'Which lane is faster, and what do settings of lnd gain?' },
  { name: 'many', question: 'Do a thousand connections share the way evenly?' },
  { name: 'footprint', question: 'What is left in the databases of nodes?' },
  { name: 'foreign', question: 'What do payments of others wait for?' },
  { name: 'big-graph', question: 'What does a large graph cost a program?' },
  { name: 'ssh-lnd', question: 'How does ssh feel over real nodes?' },
  { name: 'sim', question: 'How fast is it on the simulated network, and how much memory does it take?' },
  { name: 'packets', question: 'How many packets a second can two machines have?' },
  { name: 'crypto', question: 'What does the cryptography of a packet cost?' },
  { name: 'memory', question: 'What does an idle connection hold, and what is left of closed ones?' },
  { name: 'hang', question: 'What do payments that hang, and channels with few slots, do to it?' },
  { name: 'network', question: 'Who reaches whom on the public network?' },
  { name: 'scale', question: 'How do time and memory of the simulator grow?' },
  { name: 'messages', question: 'How many messages a second?' },
  { name: 'tunnels', question: 'What does a tunnel take of the rate?' },
  { name: 'proxy', question: 'What does the proxy take of it?' },
  { name: 'programs', question: 'What do other programs cost over a tunnel?' },
  { name: 'tariff', question: 'What does a price take of the rate?' },
  { name: 'attacks', question: 'What does an attack cost, and whom?' },
  { name: 'soak', question: 'What does it hold after hours?' },
  { name: 'node-runs', question: 'How often do the tests on real nodes pass on a busy machine?' },
  { name: 'swarm', question: 'How long did random networks find nothing?' },
]

/** `text`: of `results/NAME.md`. The page's section about it: the question, how it was measured, its first table. */
function sectionOf({ name, question }: ResultFile, text: string): string {
  const lines = text.split('\n')
  const intro = paragraphAfter(lines, 1)
  const start = lines.findIndex((line) => line.startsWith('|'))
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'))
  const table = start < 0 ? [] : lines.slice(start, length < 0 ? undefined : start + length)
  // What stands right above the table says what is in it.
  const above = start < 0 ? [] : paragraphBefore(lines, start)
  const said = above.join('\n') === intro.join('\n') ? [] : above
  const images = lines.filter((line) => line.startsWith('![')).map((line) => line.replaceAll('](', '](results/'))
  const parts = [intro, said, table, images.flatMap((image) => ['', image])].filter((part) => part.length > 0)
  const body = parts.map((part) => part.join('\n').trim()).join('\n\n')
  const more = `All of it: [results/${name}.md](results/${name}.md).`
  return `## ${question}\n\n${relink(body)}\n\n${more}\n`
}

/** Links of a file in results/ seen from its parent. */
function relink(text: string): string {
  return text.replaceAll(/\]\((?!https?:|results\/|#)([^)]+)\)/g, (_, path: string) => `](results/${path})`)
}

function paragraphAfter(lines: readonly string[], from: number): readonly string[] {
  const start = lines.findIndex((line, index) => index >= from && line !== '')
  if (start < 0 || /^[|#!]/.test(lines[start] ?? '')) return []
  const end = lines.findIndex((line, index) => index > start && (line === '' || line.startsWith('|')))
  return lines.slice(start, end < 0 ? undefined : end)
}

function paragraphBefore(lines: readonly string[], table: number): readonly string[] {
  const above = lines.slice(0, table)
  const end = above.findLastIndex((line) => line !== '') + 1
  const start = above.slice(0, end).findLastIndex((line) => line === '' || line.startsWith('#')) + 1
  return above.slice(start, end)
}

/** The whole page. `read`: gives the text of `results/NAME.md`; undefined: it was never written. */
export function resultsPage(read: (name: string) => string | undefined): string {
  const found = RESULT_FILES.flatMap((file) => {
    const text = read(file.name)
    return text === undefined ? [] : [{ file, text }]
  })
  const contents = found.map(({ file: { question } }) => `- [${question}](#${anchorOf(question)})`)
  return [
    '# Results',
    '',
    'What the benches measured, each by the command that its section names, which makes its numbers again. `./dev bench',
    'results --write` makes this page of their files. Numbers of real nodes and of the processor are of one machine with',
    '2 cores, and only their ratios within a run mean something elsewhere; what is in the time of the simulator is the',
    'same on every machine.',
    '',
    ...contents,
    '',
    ...found.map(({ file, text }) => sectionOf(file, text)),
  ]
    .join('\n')
    .replace(/\n*$/, '\n')
}

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-')
}
