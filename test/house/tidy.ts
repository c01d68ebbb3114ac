import { isNode, lineAt, walk, type Source, type SyntaxNode, type Visit } from './sources.ts'

/** The only files that meet real time or real chance. .oxlintrc.json excepts the same ones. */
export const EDGE_FILES: readonly string[] = ['src/floor/clock.ts', 'src/floor/entropy.ts']

/** A rule of the house about one file of src: complaints, each with the line it is about (0 for the whole file). */
export interface Rule {
  readonly name: string
  readonly exempt?: readonly string[]
  readonly complaints: (source: Source) => Complaint[]
}

interface Complaint {
  readonly line: number
  readonly text: string
}

const MAX_LINES = 800
const EMPTY_NAMES = ['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager']
/** Globals that read the time or set a timer, and the properties of globals that do so or draw lots. */
const OUTSIDE_GLOBALS = ['Date', 'setTimeout', 'setInterval', 'setImmediate']
const OUTSIDE_PROPERTIES = [
  'Math.random',
  'performance.now',
  'process.hrtime',
  'crypto.getRandomValues',
  'crypto.randomUUID',
]
const GLOBAL_OBJECTS = ['globalThis', 'global']
const OUTSIDE_MODULES = ['node:timers', 'node:timers/promises', 'node:perf_hooks', 'node:crypto']
/** No chance in it: what the same bytes give is always the same. */
const PURE_IMPORTS = ['createHash', 'X509Certificate']

const RULES: readonly Rule[] = [
  {
    name: 'a file has one idea',
    complaints({ text }) {
      const lines = text.trimEnd().split('\n').length
      return lines > MAX_LINES ? [{ line: 0, text: `${lines} lines; ${MAX_LINES} at most` }] : []
    },
  },
  {
    name: 'a file is named after its idea',
    complaints({ path }) {
      const words = path.replace(/\.ts$/, '').split(/[/\-_.]|(?<=[a-z])(?=[A-Z])/)
      const empty = words.find((word) => EMPTY_NAMES.includes(word.toLowerCase()))
      return empty === undefined ? [] : [{ line: 0, text: `"${empty}" says nothing; name the idea` }]
    },
  },
  {
    name: 'time and chance come in as arguments',
    exempt: EDGE_FILES,
    complaints: (source) =>
      [...walk(source)].flatMap((visit) => {
        const name = outsideName(visit)
        return name === undefined ? [] : [{ line: lineAt(source.text, visit.node.start), text: `uses ${name}` }]
      }),
  },
  {
    name: 'what is cited is in the tree',
    complaints: ({ text }) =>
      matches(text, /\bdesign §[\w.]*\w/gi).map(({ line, match: [citation] }) => ({ line, text: `cites ${citation}` })),
  },
  {
    name: 'nothing is left for later in the code',
    complaints: ({ text }) =>
      matches(text, /\b(?:TODO|FIXME)\b/g).map(({ line, match: [word] }) => ({ line, text: word })),
  },
]

/** Everything that `rules` find in `sources`, as `file:line: rule: complaint`. */
export function tidyViolations(sources: readonly Source[], rules: readonly Rule[] = RULES): string[] {
  return sources.flatMap((source) =>
    rules
      .filter(({ exempt }) => !exempt?.includes(source.path))
      .flatMap(({ name, complaints }) =>
        complaints(source).map(({ line, text }) => `${source.path}${line > 0 ? `:${line}` : ''}: ${name}: ${text}`),
      ),
  )
}

/** The name of what a node takes from outside: a clock, a timer or a source of chance. */
function outsideName({ node, parent, role }: Visit): string | undefined {
  if (node.type === 'ImportDeclaration' && isNode(node.source)) {
    const module = String(node.source.value)
    return OUTSIDE_MODULES.includes(module) && !isPureImport(node) ? module : undefined
  }
  if (node.type === 'MemberExpression' && isNode(node.object) && isNode(node.property)) {
    const object = String(node.object.name)
    const property = String(node.computed === true ? node.property.value : node.property.name)
    if (GLOBAL_OBJECTS.includes(object) && OUTSIDE_GLOBALS.includes(property)) return property
    const whole = `${object}.${property}`
    return OUTSIDE_PROPERTIES.includes(whole) ? whole : undefined
  }
  if (node.type !== 'Identifier' || !OUTSIDE_GLOBALS.includes(String(node.name))) return undefined
  // A method or a field of that name (Socket.setTimeout) is somebody's own, and a type takes no time.
  const isMember = (role === 'property' || role === 'key') && parent?.computed !== true
  const isType = parent?.type === 'TSTypeReference' || parent?.type === 'TSQualifiedName'
  return isMember || isType ? undefined : String(node.name)
}

/** Whether an import names only what is no source of time or chance. */
function isPureImport({ specifiers }: SyntaxNode): boolean {
  if (!Array.isArray(specifiers) || specifiers.length === 0) return false
  return specifiers.every(
    (specifier) =>
      isNode(specifier) && isNode(specifier.imported) && PURE_IMPORTS.includes(String(specifier.imported.name)),
  )
}

/** The clauses that a specification has: headings and paragraphs that start with their number. */
export function specClauses(markdown: string): Set<string> {
  const start = /^(?:#+\s+|\s*(?:[-*]\s+)?\*\*(?=§))§?((?:\d+|[A-Z])(?:\.\d+)*)(?![\w.]*\w)/gm
  return new Set(matches(markdown, start).map(({ match }) => match[1] ?? ''))
}

/** A page whose clauses are cited, and what stands before the citation. */
export interface CitedPage {
  readonly word: string
  readonly file: string
}

const PROTOCOL: CitedPage = { word: 'spec', file: 'spec/protocol.md' }
export const FILE_TRANSFER: CitedPage = { word: 'file-transfer', file: 'spec/file-transfer.md' }
export const PAGES: readonly CitedPage[] = [
  PROTOCOL,
  FILE_TRANSFER,
  ...['protocol', 'file-transfer', 'daemon', 'lnd', 'simulator'].map((name) => {
    const file = `spec/${name}.md`
    return { word: file, file }
  }),
]

/** Citations of clauses (`spec §4.3`, `spec §4.3, §5`) that the page does not have. */
export function citationViolations(
  sources: readonly Source[],
  clauses: ReadonlySet<string>,
  { word, file }: CitedPage = PROTOCOL,
): string[] {
  // In Markdown the page may be a link.
  const page = `(?<![\\w./-])${word.replaceAll('.', '\\.')}[)\`]*`
  const citation = new RegExp(`${page} (§[\\w.]*\\w(?:(?:,| and| or|, and|, or|;)\\s§[\\w.]*\\w)*)`, 'gi')
  return sources.flatMap(({ path, text }) =>
    matches(text, citation).flatMap(({ line, match }) =>
      (match[1] ?? '')
        .split(/[^§\w.]+/)
        .filter((part) => /^§[\dA-Z]/.test(part) && !clauses.has(part.slice(1)))
        .map((part) => `${path}:${line}: cites ${part}, which ${file} does not have`),
    ),
  )
}

function matches(text: string, pattern: RegExp): { line: number; match: RegExpExecArray }[] {
  return [...text.matchAll(pattern)].map((match) => ({ line: lineAt(text, match.index), match }))
}
