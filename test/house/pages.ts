/** The pages for people: what they name, and what stands in their tables. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { lineAt, ROOT, type Source } from './sources.ts'

/** Every page that this project has for people, but the specification. */
export function readPages(): Source[] {
  const docs = readdirSync(`${ROOT}/docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
  const examples = readdirSync(`${ROOT}/examples`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('/README.md'))
    .map((name) => `examples/${name}`)
  const top = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']
  return [...top, ...docs.toSorted(), ...examples.toSorted()].map(readPage)
}

export function readPage(path: string): Source {
  return { path, text: readFileSync(posix.join(ROOT, path), 'utf8') }
}

/** Links to files that are not there, and to headings that their pages do not have. Links to the web are left out. */
export function brokenLinks({ path, text }: Source): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
    const target = match[1] ?? ''
    if (/^[a-z]+:/.test(target)) return []
    const [file = '', anchor] = target.split('#')
    const linked = file === '' ? path : posix.join(posix.dirname(path), file)
    const where = `${path}:${lineAt(text, match.index)}: ${target}`
    if (!existsSync(posix.join(ROOT, linked))) return [`${where}: there is no ${linked}`]
    if (anchor === undefined) return []
    const found = file === '' ? text : readPage(linked).text
    return anchors(found).includes(anchor) ? [] : [`${where}: ${linked} has no such heading`]
  })
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchors(markdown: string): string[] {
  const headings = [...withoutBlocks(markdown).matchAll(/^#+\s+(.+)$/gm)].map(([, title = '']) => title)
  return headings.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}

const FOLDERS = ['.ci', 'bench', 'docs', 'examples', 'spec', 'src', 'test', 'tools']
/** In capitals: something that the reader puts in its place. */
const PLACEHOLDER = /(?:^|[/.])[A-Z]{2,}/

/** Paths of this project that a page names and that are not there: in code, in diagrams and in prose. */
export function missingPaths({ path, text }: Source): string[] {
  const named = new RegExp(
    `(?<![\\w./~-])(?:${FOLDERS.map((name) => name.replace('.', '\\.')).join('|')})/[\\w./@-]*[\\w/]`,
    'g',
  )
  return [...text.matchAll(named)].flatMap(({ 0: name, index }) => {
    if (PLACEHOLDER.test(name.replace(/README\.md$/, '')) || existsSync(posix.join(ROOT, name))) return []
    return [`${path}:${lineAt(text, index)}: there is no ${name}`]
  })
}

/** `./dev NAME` where ./dev has no such command. */
export function missingCommands({ path, text }: Source, commands: readonly string[]): string[] {
  return [...text.matchAll(/\.\/dev ([a-z][\w-]*)/g)].flatMap(({ 1: command = '', index }) =>
    commands.includes(command) ? [] : [`${path}:${lineAt(text, index)}: ./dev has no command ${command}`],
  )
}

/** The programs of a page, in order. */
export function programsOf({ text }: Source, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)]
    .filter(([, written]) => written === language)
    .map(([, , program = '']) => program)
}

/** The first cells, without their back-quotes, of the tables under a heading. */
export function firstCells({ path, text }: Source, heading: string): string[] {
  const start = new RegExp(`^#+ ${heading}\\n`, 'm').exec(text)
  if (start === null) throw new Error(`${path} has no heading "${heading}"`)
  const rest = text.slice(start.index + start[0].length)
  const section = rest.slice(0, /^#+ /m.exec(rest)?.index ?? rest.length)
  const rows = section.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) => (row.split('|')[1] ?? '').trim().replaceAll('`', ''))
}

function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '')
}
