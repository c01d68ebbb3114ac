import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, ROOT, type Source } from './sources.ts'
import { citationViolations, EDGE_FILES, FILE_TRANSFER, PAGES, specClauses, tidyViolations } from './tidy.ts'

describe('the sources', () => {
  it('keep the rules of the house', () => {
    expect(tidyViolations(readSources('src'))).toEqual([])
  })

  it.each(PAGES)('cite only clauses that $file has, as "$word §"', (page) => {
    const clauses = specClauses(readFileSync(join(ROOT, page.file), 'utf8'))
    expect(citationViolations(citing(), clauses, page)).toEqual([])
  })

  it('have the same edges for the linter as for this test', () => {
    const config = readFileSync(join(ROOT, '.oxlintrc.json'), 'utf8').replaceAll(/^\s*\/\/.*$/gm, '')
    const { overrides } = JSON.parse(config) as { overrides: { files: string[]; rules: Record<string, unknown> }[] }
    const excepted = overrides.filter(({ rules }) => rules['eslint/no-restricted-globals'] === 'off')
    expect(excepted.map(({ files }) => files)).toEqual([EDGE_FILES])
  })
})

/** Whatever may cite a page, but the tests of this check. */
function citing(): Source[] {
  const code = ['src', 'test', 'examples', 'bench', 'tools'].flatMap((folder) => readSources(folder))
  const pages = [
    'README.md',
    ...readdirSync(join(ROOT, 'spec'), { recursive: true, encoding: 'utf8' }).map((name) => `spec/${name}`),
  ]
  const texts = pages
    .filter((path) => path.endsWith('.md'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
  return [...code, ...texts].filter(({ path }) => !path.startsWith('test/house/'))
}

describe('the check of the house rules', () => {
  const check = (text: string, path = 'src/wire/frames.ts'): string[] => tidyViolations([{ path, text }])

  it('catches a file of more than 800 lines', () => {
    expect(check('\n'.repeat(799) + 'export {}\n')).toEqual([])
    expect(check('\n'.repeat(800) + 'export {}\n')).toEqual([
      'src/wire/frames.ts: a file has one idea: 801 lines; 800 at most',
    ])
  })

  it.each([
    'src/utils.ts',
    'src/wire/byte-helpers.ts',
    'src/common/bytes.ts',
    'src/misc.ts',
    'src/transport/socketManager.ts',
  ])('catches the name %s', (path) => {
    expect(check('', path)).toEqual([expect.stringContaining('says nothing; name the idea')])
  })

  it('lets a name stand that only contains such a word', () => {
    expect(check('', 'src/wire/commonmark-miscount.ts')).toEqual([])
  })

  it.each([
    ['Date.now()', 'Date'],
    ['new Date()', 'Date'],
    ['const { now } = Date', 'Date'],
    ['performance.now()', 'performance.now'],
    ['Math.random()', 'Math.random'],
    ['Math["random"]()', 'Math.random'],
    ['process.hrtime.bigint()', 'process.hrtime'],
    ['setTimeout(() => {}, 1)', 'setTimeout'],
    ['const later = setInterval', 'setInterval'],
    ['globalThis.setImmediate(f)', 'setImmediate'],
    ['crypto.getRandomValues(a)', 'crypto.getRandomValues'],
    [`import * as timers from 'node:timers'`, 'node:timers'],
    [`import { randomBytes } from 'node:crypto'`, 'node:crypto'],
    [`import { createHash, randomBytes } from 'node:crypto'`, 'node:crypto'],
    [`import * as crypto from 'node:crypto'`, 'node:crypto'],
    [`import 'node:crypto'`, 'node:crypto'],
  ])('catches %s', (text, name) => {
    expect(check(`\n${text}`)).toEqual([`src/wire/frames.ts:2: time and chance come in as arguments: uses ${name}`])
  })

  it.each([
    'socket.setTimeout(5)',
    'class Socket { setTimeout(ms: number) {} }',
    'interface Timers { setTimeout(ms: number): void }',
    'export type When = Date',
    '// Date.now() and setTimeout() live in clock.ts',
    'const a = "Math.random()"',
    'Math.max(1, 2)',
    'const seal = (crypto: Cipher) => crypto.seal()',
    `import { createHash } from 'node:crypto'`,
  ])('lets stand: %s', (text) => {
    expect(check(text)).toEqual([])
  })

  it.each(EDGE_FILES)('lets %s have a clock and chance', (path) => {
    expect(check('export const now = (): number => Date.now() + Math.random()', path)).toEqual([])
  })

  it('catches a citation of a page that is not in the tree', () => {
    expect(check('\n// design §4 names it')).toEqual([
      'src/wire/frames.ts:2: what is cited is in the tree: cites design §4',
    ])
  })

  it.each(['TODO', 'FIXME'])('catches %s', (word) => {
    expect(check(`// ${word}: later`)).toEqual([`src/wire/frames.ts:1: nothing is left for later in the code: ${word}`])
  })
})

describe('the check of citations', () => {
  const clauses = specClauses(
    ['# 4 Packets', '## §4.3 Numbers', 'Text about §9.9.', '**§5.1** A rule.', '- **§5.2.1 Named.** A rule.'].join(
      '\n',
    ),
  )

  it('knows a clause by its heading or by the start of its paragraph', () => {
    expect([...clauses]).toEqual(['4', '4.3', '5.1', '5.2.1'])
  })

  it('lets a citation of a clause stand', () => {
    expect(citationViolations([{ path: 'a.ts', text: '// spec §4.3, §5.1 and §5.2.1. Then.' }], clauses)).toEqual([])
  })

  it('tells the pages apart', () => {
    const sources = [{ path: 'a.ts', text: '// file-transfer §9.9, spec §4.3' }]
    expect(citationViolations(sources, clauses)).toEqual([])
    expect(citationViolations(sources, clauses, FILE_TRANSFER)).toEqual([
      'a.ts:1: cites §9.9, which spec/file-transfer.md does not have',
    ])
  })

  it('knows a page by its file, in code and in Markdown', () => {
    const page = { word: 'spec/lnd.md', file: 'spec/lnd.md' }
    const sources = [
      { path: 'a.ts', text: '// spec/lnd.md §4.3, §9.8' },
      {
        path: 'a.md',
        text: 'in [`spec/lnd.md`](spec/lnd.md) §9.9, `spec/lnd.md §4`; not spec/lnd-md §9, my/spec/lnd.md §9',
      },
    ]
    expect(citationViolations(sources, clauses)).toEqual([])
    expect(citationViolations(sources, clauses, page)).toEqual([
      'a.ts:1: cites §9.8, which spec/lnd.md does not have',
      'a.md:1: cites §9.9, which spec/lnd.md does not have',
    ])
  })

  it('catches a citation of a clause that does not exist', () => {
    expect(citationViolations([{ path: 'a.ts', text: '\n// (spec §4.3, §9.9)\n// spec §5.' }], clauses)).toEqual([
      'a.ts:2: cites §9.9, which spec/protocol.md does not have',
      'a.ts:3: cites §5, which spec/protocol.md does not have',
    ])
  })
})
