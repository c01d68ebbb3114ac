/** Copies of the pages as TypeDoc takes them: with a title and a group each, and links that stay in the site. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join, posix } from 'node:path'
import { GUIDE_GROUPS, OTHER_GROUPS } from './guides.ts'

/** Where the files of one build come from and go to. */
export interface StagingFolders {
  /** The project. */
  readonly root: string
  /** Where the copies stand, as their originals do in the project. */
  readonly staged: string
}

/** Files as they stand in the project, but for the names of pages that show a program or a folder. */
export interface Staged {
  /** Pages in the order of the table of contents; the first page, the README, is not among them. */
  readonly pages: readonly string[]
  /** Titles of groups in order. */
  readonly groups: readonly string[]
}

/** The page at the front of the site. */
export const FRONT = 'README.md'
const SOURCE_GROUP = 'Files that pages name'
/** Written as they are; what else a page leads to is a file of the project, and is shown as text. */
const LINK = /(?<=\]\()([^)\s]+)(?=\))/g
const PICTURE = /\.(?:png|svg|webp)$/
/** How the highlighter calls the language of a file. What it does not know is plain text. */
const LANGUAGES: Readonly<Record<string, string>> = {
  '.ts': 'ts',
  '.json': 'json',
  '.rs': 'rust',
  '.service': 'ini',
  '.html': 'html',
  '.css': 'css',
}

/**
 * Writes every page that the front page and the guides lead to, directly or over others.
 * @throws Error where a link leads to what is not there
 */
export function stagePages(folders: StagingFolders): Staged {
  const { root } = folders
  const guides = orderedGuides(root)
  const waiting = [FRONT, ...guides.keys()]
  const seen = new Set(waiting)
  const groupOf = new Map<string, string>()
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const group = guides.get(path) ?? groupOfOther(path)
    groupOf.set(path, group)
    const { text, linked } = isPage(path) ? readGuide(folders, path) : showFile(root, path)
    for (const next of linked) {
      if (seen.has(next)) continue
      seen.add(next)
      waiting.push(next)
    }
    write(folders.staged, path, { text, group, isFront: path === FRONT })
  }
  const groups = [...GUIDE_GROUPS, ...OTHER_GROUPS].map(({ title }) => title)
  const pages = [...seen].filter((path) => path !== FRONT).map(stagedName)
  return { pages, groups: [...groups, SOURCE_GROUP] }
}

/** What the file of a page is called among the copies, seen from the project's folder. */
function stagedName(path: string): string {
  return isPage(path) ? path : `${path.replace(/\/$/, '')}.md`
}

function orderedGuides(root: string): Map<string, string> {
  const order = new Map(GUIDE_GROUPS.flatMap(({ title, pages }) => pages.map((page) => [page, title] as const)))
  const last = GUIDE_GROUPS.at(-1)?.title ?? ''
  const there = readdirSync(join(root, 'docs')).filter(isPage)
  for (const name of there.toSorted()) if (!order.has(`docs/${name}`)) order.set(`docs/${name}`, last)
  return new Map([...order].filter(([page]) => existsSync(join(root, page))))
}

function groupOfOther(path: string): string {
  if (!isPage(path)) return SOURCE_GROUP
  return OTHER_GROUPS.find((group) => group.path.test(path))?.title ?? SOURCE_GROUP
}

interface Content {
  readonly text: string
  /** Files and folders that it leads to, as they stand in the project. */
  readonly linked: readonly string[]
}

function readGuide({ root, staged }: StagingFolders, path: string): Content {
  const linked: string[] = []
  const blocks = readFileSync(join(root, path), 'utf8').split(/^(```[\s\S]*?^```)/m)
  const text = blocks.map((part) => (part.startsWith('```') ? part : part.replaceAll(LINK, follow))).join('')
  return { text, linked }

  function follow(target: string): string {
    if (/^[a-z]+:|^#/.test(target)) return target
    const [file = '', anchor] = target.split('#')
    const leads = posix.join(posix.dirname(path), decodeURI(file))
    const at = join(root, leads)
    if (!existsSync(at)) throw new Error(`${path} leads to ${leads}, which is not there`)
    if (PICTURE.test(leads)) {
      mkdirSync(dirname(join(staged, leads)), { recursive: true })
      copyFileSync(at, join(staged, leads))
      return target
    }
    const whole = statSync(at).isDirectory() ? (leads.endsWith('/') ? leads : `${leads}/`) : leads
    linked.push(whole)
    const relative = posix.relative(posix.dirname(path), stagedName(whole))
    return anchor === undefined ? relative : `${relative}#${anchor}`
  }
}

/** A page that shows a file, or what is in a folder. */
function showFile(root: string, path: string): Content {
  if (path.endsWith('/')) {
    const entries = readdirSync(join(root, path), { withFileTypes: true })
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).toSorted()
    return { text: `# ${path}\n\n${names.map((name) => `- \`${name}\``).join('\n')}\n`, linked: [] }
  }
  const code = readFileSync(join(root, path), 'utf8')
  const fence = '`'.repeat(Math.max(3, ...[...code.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)))
  const language = LANGUAGES[extname(path)] ?? 'text'
  return { text: `# ${path}\n\n${fence}${language}\n${code.trimEnd()}\n${fence}\n`, linked: [] }
}

interface PageHead {
  readonly text: string
  readonly group: string
  readonly isFront: boolean
}

function write(staged: string, path: string, { text, group, isFront }: PageHead): void {
  const at = join(staged, stagedName(path))
  mkdirSync(dirname(at), { recursive: true })
  const title = /^# (.+)$/m.exec(text)?.[1]?.replaceAll('`', '') ?? path
  const head = `---\ntitle: ${JSON.stringify(title)}\ngroup: ${JSON.stringify(group)}\n---\n\n`
  // The front page has its title from TypeDoc, the others from their first heading.
  writeFileSync(at, isFront ? text.replace(/^# .+\n/, '') : head + text)
}

function isPage(path: string): boolean {
  return path.endsWith('.md')
}
