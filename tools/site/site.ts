/** `./dev docs`: the guides and the API reference as a site that needs no server, in the folder site/. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Application,
  Converter,
  type DeclarationReflection,
  LogLevel,
  ReflectionKind,
  type TypeDocOptions,
} from 'typedoc'
import { deadLinks } from './links.ts'
import { FRONT, stagePages } from './staging.ts'

const ROOT = join(import.meta.dirname, '../..')
const ENTRIES: Readonly<Record<string, string>> = {
  keysock: 'src/index.ts',
  'keysock/lnd': 'src/lnd.ts',
  'keysock/daemon': 'src/daemon.ts',
  'keysock/sim': 'src/sim.ts',
  'keysock/backend-contract': 'src/backends/contract/index.ts',
}

/** What is wrong with the site that was made, line by line; nothing where all is well. */
export async function buildSite(out: string): Promise<readonly string[]> {
  const staged = mkdtempSync(join(tmpdir(), 'keysock-site-'))
  try {
    const { pages, groups } = stagePages({ root: ROOT, staged })
    const app = await Application.bootstrap(options({ staged, pages, groups, out }))
    nameModules(app)
    const project = await app.convert()
    if (project === undefined) return ['TypeDoc cannot read the sources']
    app.validate(project)
    await app.generateOutputs(project)
    if (app.logger.hasErrors() || app.logger.hasWarnings()) return ['TypeDoc has warned: see above']
    return deadLinks(out)
  } finally {
    rmSync(staged, { recursive: true, force: true })
  }
}

interface SiteParts {
  readonly staged: string
  readonly pages: readonly string[]
  readonly groups: readonly string[]
  readonly out: string
}

function options({ staged, pages, groups, out }: SiteParts): TypeDocOptions {
  return {
    name: 'keysock',
    basePath: staged,
    readme: join(staged, FRONT),
    projectDocuments: pages.map((page) => join(staged, page)),
    entryPoints: Object.values(ENTRIES).map((file) => join(ROOT, file)),
    tsconfig: join(ROOT, 'tsconfig.json'),
    out,
    cleanOutputDir: true,
    customCss: join(import.meta.dirname, 'site.css'),
    // Guides stand in the order in which they are read.
    sort: ['documents-first', 'source-order'],
    groupOrder: [...groups, 'Modules', '*'],
    navigation: { includeGroups: true },
    highlightLanguages: ['ts', 'sh', 'json', 'ini', 'mermaid', 'html', 'css', 'rust', 'text'],
    ignoredHighlightLanguages: ['abnf'],
    // Nobody knows yet where the project's sources can be read.
    disableSources: true,
    excludeExternals: true, // what sockets have of Node's own stands in Node's own pages
    excludeInternal: true,
    excludePrivate: true,
    searchInDocuments: true,
    githubPages: false,
    logLevel: LogLevel.Warn,
    validation: { invalidLink: true, notExported: false, notDocumented: false },
  }
}

/** Modules are called as they are imported. */
function nameModules(app: Application): void {
  const names = new Map(Object.entries(ENTRIES).map(([name, file]) => [join(ROOT, file), name]))
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection: DeclarationReflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return
    const file = context.project.getSymbolIdFromReflection(reflection)?.fileName
    reflection.name = (file === undefined ? undefined : names.get(file)) ?? reflection.name
  })
}

if (process.argv[1] === import.meta.filename) {
  const out = process.argv[2] ?? join(ROOT, 'site')
  const faults = await buildSite(out)
  for (const fault of faults) console.error(`docs: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
  else console.log(`the site is in ${out}: open ${join(out, 'index.html')}`)
}
