import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import {
  anchors,
  brokenLinks,
  firstCells,
  missingCommands,
  missingPaths,
  programsOf,
  readPage,
  readPages,
} from './pages.ts'
import { isNode, readSources, ROOT, walk, type Source } from './sources.ts'
import { citationViolations, PAGES, specClauses } from './tidy.ts'

const pages = readPages()
const sources = readSources('src')

describe.each(pages)('the page $path', (page) => {
  it('leads nowhere that is not there', () => {
    expect(brokenLinks(page)).toEqual([])
  })

  it('names no file and no folder that is not there', () => {
    expect(missingPaths(page)).toEqual([])
  })

  it('names no command that ./dev does not have', () => {
    const help = execFileSync(join(ROOT, 'dev'), ['help'], { encoding: 'utf8' })
    const commands = [...help.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, command = '']) => command)
    expect(missingCommands(page, commands)).toEqual([])
  })

  it.each(PAGES)('cites only clauses that $file has, as "$word §"', (cited) => {
    expect(citationViolations([page], specClauses(readPage(cited.file).text), cited)).toEqual([])
  })
})

describe('the programs of the pages', () => {
  it('compile against the types of the package', () => {
    expect(compiled(pages)).toBe('')
  })

  it('are caught where they do not', () => {
    const text = "```ts\nimport { connect } from 'keysock'\nconst socket: number = await connect('02', 'seven')\n```\n"
    expect(compiled([{ path: 'docs/wrong.md', text }])).toMatch(/docs-wrong-1\.mts.*\n?.*'string' is not assignable/)
  })
})

/** What the compiler says of the TypeScript of these pages, each block a module of its own. */
function compiled(of: readonly Source[]): string {
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'pages-'))
  try {
    const files = of.flatMap((page) =>
      programsOf(page, 'ts').map((program, index) => {
        const name = `${page.path.replace(/\.md$/, '').replaceAll('/', '-')}-${index + 1}.mts`
        writeFileSync(join(folder, name), program)
        return name
      }),
    )
    writeFileSync(join(folder, 'given.d.mts'), GIVEN)
    const config = { extends: join(ROOT, 'tsconfig.json'), files: [...files, 'given.d.mts'], include: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What a fragment may use that a page has explained before. */
const GIVEN = `import type { Endpoint, Socket } from 'keysock'
declare global {
  const endpoint: Endpoint
  const socket: Socket
  const address: string
}
`

describe('the map of the architecture', () => {
  const map = readPage('ARCHITECTURE.md')

  it('names classes and types that there are', () => {
    const declared = new Set(
      sources.flatMap(({ text }) => [...text.matchAll(/\b(?:class|interface|type) (\w+)/g)].map(([, name]) => name)),
    )
    const quoted = [...map.text.matchAll(/`([A-Z]\w*)`/g)].map(([, name = '']) => name)
    const participants = [...map.text.matchAll(/^ {2}participant (?:\w+ as )?(.+)$/gm)].flatMap(([, name = '']) =>
      name.split(', '),
    )
    const names = [...quoted, ...participants].filter((name) => /^[A-Z]\w*[a-z][A-Z]\w*$/.test(name))
    expect(names.length).toBeGreaterThan(5)
    expect(names.filter((name) => !declared.has(name))).toEqual([])
  })

  it('has diagrams without a semicolon, which ends a line of theirs', () => {
    expect(programsOf(map, 'mermaid').filter((diagram) => diagram.includes(';'))).toEqual([])
  })
})

describe('the page of errors', () => {
  const page = readPage('docs/errors.md')

  it.each([
    ['Codes as in net', 'SystemCode', page],
    ["Codes of keysock's own", 'OwnCode', page],
    ['Codes of backends', 'BackendErrorCode', page],
    ['When it is used wrongly', 'SimulationErrorCode', readPage('docs/simulated-network.md')],
  ])('has under "%s" the codes of %s', (heading, type, of) => {
    expect(firstCells(of, heading).toSorted()).toEqual(literalsOf(type).toSorted())
  })

  it('has every code of the command line', () => {
    const own = literals(/'((?:ERR_CLI_|ERR_UNKNOWN)\w*)'/g)
    const codes = [...own, ...transferCodes().map((name) => `ERR_TRANSFER_${name}`)]
    expect(firstCells(page, 'Codes of the command line').toSorted()).toEqual(codes.toSorted())
  })

  it('has every exit code of the command line', () => {
    const exit = sources.map(({ text }) => /export const EXIT = \{([\s\S]*?)\n\}/.exec(text)?.[1]).find(Boolean) ?? ''
    const codes = [...exit.matchAll(/: (\d+),/g)].map(([, code]) => code)
    expect(firstCells(readPage('docs/configuration.md'), 'Exit codes')).toEqual(codes)
  })

  it('has every code of a warning, and none that there is not', () => {
    const codes = [...literals(/\bwarn\(\s*'([\w-]+)'/g), ...literals(/type: 'warning',\s*code: '([\w-]+)'/g)].filter(
      (code) => !code.startsWith('ERR_CLI_'),
    )
    const documented = firstCells(page, 'Codes of warnings')
    expect(documented).toEqual(expect.arrayContaining(codes))
    const said = (code: string): boolean =>
      // One is put together from a state.
      [code, code.replace(/^interceptor-/, '')].some((word) => sources.some(({ text }) => text.includes(`'${word}'`)))
    expect(documented.filter((code) => !said(code))).toEqual([])
  })

  it('leaves out no code that stands in the sources', () => {
    const cells = [...page.text.matchAll(/^\| `([\w-]+)`/gm)].map(([, code]) => code)
    expect(cells).toEqual(expect.arrayContaining(literals(/'(ERR_[A-Z_]*[A-Z])'/g)))
  })
})

describe('the page of the interface', () => {
  const page = readPage('docs/using.md')

  it.each(['EndpointOptions', 'ConnectionOptions', 'ConnectOptions', 'ServerOptions', 'SocketStats', 'Quote'])(
    'names every field of %s',
    (type) => {
      const names = fieldsOf(type)
      expect(names.length).toBeGreaterThan(2)
      expect(names.filter((name) => !new RegExp(`[\`.]${name}\\b`).test(page.text))).toEqual([])
    },
  )
})

describe('the tables on the page of the interface', () => {
  const { text } = readPage('docs/using.md')

  it.each([
    ['maxCost', 'DEFAULT_MAX_COST_MSAT'],
    ['caps.peer', 'DEFAULT_PEER_CAP_MSAT'],
    ['caps.process', 'DEFAULT_PROCESS_CAP_MSAT'],
    ['maxFee', 'DEFAULT_MAX_FEE_MSAT'],
    ['idleTimeout', 'DEFAULT_IDLE_TIMEOUT_MS'],
    ['connectTimeout', 'DEFAULT_CONNECT_TIMEOUT_MS'],
  ])('have as the default of %s what %s is', (option, constant) => {
    const [value = ''] = literals(new RegExp(`\\b${constant}(?:: \\w+)? = ([\\d_]+)`, 'g'))
    const row = text.split('\n').find((line) => line.startsWith(`| \`${option}\` |`)) ?? ''
    expect(row.split('|')[3]?.trim()).toBe(Number(value.replaceAll('_', '')).toLocaleString('en'))
  })

  it.each([
    ['keysock', () => import('../../src/index.ts')],
    ['keysock/lnd', () => import('../../src/lnd.ts')],
    ['keysock/daemon', () => import('../../src/daemon.ts')],
    ['keysock/sim', () => import('../../src/sim.ts')],
  ])('name every value that %s exports', async (name, load) => {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? ''
    const exported = Object.keys(await load())
    expect(exported.filter((value) => !new RegExp(`\`${value}\\b`).test(row))).toEqual([])
  })
})

describe('the events on the page of the interface', () => {
  it('are all that sockets, servers and endpoints emit', () => {
    const { text } = readPage('docs/using.md')
    const facing = sources.filter(({ path }) => path.startsWith('src/transport/sockets/'))
    const emitted = facing.flatMap(({ text: code }) =>
      [...code.matchAll(/\.emit\(\s*'(\w+)'/g)].map(([, event = '']) => event),
    )
    expect(emitted.length).toBeGreaterThan(10)
    expect(emitted.filter((event) => !text.includes(`'${event}'`))).toEqual([])
  })
})

describe('the page of events', () => {
  const page = readPage('docs/events.md')

  it.each([
    ['Of a socket', 'SocketEvents'],
    ['Of a server', 'ServerEvents'],
    ['Of an endpoint', 'EndpointEvents'],
  ])('has under "%s" the events of %s, and no others', (heading, type) => {
    const named = firstCells(page, heading).flatMap((cell) => cell.split(', '))
    expect(named.toSorted()).toEqual(fieldsOf(type).toSorted())
  })

  it('has under "Of a backend" the events of a backend', () => {
    const [contract] = sources.filter(({ path }) => path === 'src/backends/backend.ts')
    const union = /export type BackendEvent =([\s\S]*?)\nexport /.exec(contract?.text ?? '')?.[1] ?? ''
    const types = [...union.matchAll(/readonly type: ([^\n;]+)/g)].flatMap(([, of = '']) => of.match(/[\w-]+/g) ?? [])
    const named = firstCells(page, 'Of a backend').flatMap((cell) => cell.split(', '))
    expect(named.toSorted()).toEqual(types.toSorted())
  })
})

describe('the page of configuration', () => {
  const { text } = readPage('docs/configuration.md')

  it('has every variable that the sources read', () => {
    // Who starts the command sets this one: how its own name is written.
    const read = literals(/(?:env|environment)\[?\.?'?((?:KEYSOCK|LNCLI|LND)_[A-Z_0-9]+)/g)
    const named = [...read, ...literals(/'((?:LNCLI|LND)_[A-Z_0-9]+)'/g)].filter((name) => name !== 'KEYSOCK_PROGRAM')
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !text.includes(name))).toEqual([])
  })

  it('has every option of the command line', () => {
    const command = sources.filter(({ path }) => path.startsWith('src/cli/'))
    const options = command.flatMap(({ text: code }) =>
      [...code.matchAll(/(?:\.option|new Option)\(\s*'(?:-\w, )?(--[a-z-]+)/g)].map(([, option = '']) => option),
    )
    expect(options.length).toBeGreaterThan(10)
    expect(options.filter((option) => !text.includes(`\`${option}\``))).toEqual([])
  })
})

describe('the numbers of the README', () => {
  const { text } = readPage('README.md')
  const rows = text.split('\n').filter((line) => line.startsWith('|'))

  it('stand in the results of the benches as they are', () => {
    const missing = rows.flatMap((row) => {
      const result = /\((bench\/results\/\w+\.md)\)/.exec(row)?.[1]
      if (result === undefined) return []
      const measured = row.split('|')[2] ?? ''
      const known = new Set(readPage(result).text.match(/\d+(?:\.\d+)?/g))
      const numbers: string[] = measured.match(/\d+(?:\.\d+)?/g) ?? []
      expect(numbers).not.toEqual([])
      return numbers.filter((number) => !known.has(number)).map((number) => `${number} is not in ${result}`)
    })
    expect(missing).toEqual([])
  })

  it('are those that the demo prints', async () => {
    const demo = join(ROOT, 'tools/demo/demo.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [demo, '--json'])
    const done = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>
    const of = (name: string, unit: number, digits: number): string => ((done[name] ?? 0) / unit).toFixed(digits)
    const row = rows.find((each) => each.includes('`./dev demo`')) ?? ''
    expect(row).toContain(`a file of ${(done['bytes'] ?? 0).toLocaleString('en')} bytes`)
    expect(row).toContain(
      `${of('simulatedSeconds', 1, 1)} s simulated, ${of('bytesPerSecond', 1_000, 1)} kB/s, ${of('paidMsat', 1_000, 0)} sat: ${of('msatPerKilobyte', 1_000, 1)} sat per 1000 bytes`,
    )
  })
})

describe('the package', () => {
  it('holds the pages that its README leads to, as far as users need them', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['docs', 'spec/simulator.md', 'CHANGELOG.md']))
  })
})

describe('the check of pages', () => {
  it('finds links and anchors that are not there', () => {
    const text = '# A title, `code` and §4\n[a](docs/using.md) [b](nowhere.md) [c](SECURITY.md#nowhere)\n'
    expect(anchors(text)).toEqual(['a-title-code-and-4'])
    expect(brokenLinks({ path: 'page.md', text })).toEqual([
      'page.md:2: nowhere.md: there is no nowhere.md',
      'page.md:2: SECURITY.md#nowhere: SECURITY.md has no such heading',
    ])
  })

  it('finds paths and commands that are not there', () => {
    const text =
      '`src/index.ts`, `src/nowhere.ts`, examples/NAME.ts, [a](../src/b.ts)\n./dev test test/house, ./dev fly'
    expect(missingPaths({ path: 'a.md', text })).toEqual(['a.md:1: there is no src/nowhere.ts'])
    expect(missingCommands({ path: 'a.md', text }, ['test'])).toEqual(['a.md:2: ./dev has no command fly'])
  })
})

/** What matches a pattern's group anywhere in src, once each. */
function literals(pattern: RegExp): string[] {
  const found = sources.flatMap(({ text }) => [...text.matchAll(pattern)].map(([, code = '']) => code))
  return [...new Set(found)]
}

/** The texts of a union type, wherever it is declared. */
function literalsOf(type: string): string[] {
  for (const source of sources) {
    if (!source.text.includes(`type ${type}`)) continue
    for (const { node } of walk(source)) {
      if (node.type !== 'TSTypeAliasDeclaration' || !isNode(node['id']) || node['id']['name'] !== type) continue
      const union = isNode(node['typeAnnotation']) ? node['typeAnnotation'] : undefined
      const members = Array.isArray(union?.['types']) ? union['types'] : []
      return members.flatMap((member) => {
        const literal: unknown = isNode(member) ? member['literal'] : undefined
        return isNode(literal) ? [String(literal['value'])] : []
      })
    }
  }
  throw new Error(`src has no type ${type}`)
}

/** The names of the own fields of an interface that users see. */
function fieldsOf(type: string): string[] {
  for (const source of sources) {
    if (!/^src\/transport\/(?:options|sockets)\//.test(source.path) || !source.text.includes(`interface ${type} `))
      continue
    for (const { node } of walk(source)) {
      if (node.type !== 'TSInterfaceDeclaration' || !isNode(node['id']) || node['id']['name'] !== type) continue
      const body = isNode(node['body']) && Array.isArray(node['body']['body']) ? node['body']['body'] : []
      return body.flatMap((member) => (isNode(member) && isNode(member['key']) ? [String(member['key']['name'])] : []))
    }
  }
  throw new Error(`src has no interface ${type}`)
}

/** The names of the codes in file-transfer §6. */
function transferCodes(): string[] {
  const { text } = readPage('spec/file-transfer.md')
  const section = text.slice(text.indexOf('\n## 6.'))
  return [...section.matchAll(/^\| \d+ \| ([A-Z_]+)/gm)].map(([, name = '']) => name)
}
