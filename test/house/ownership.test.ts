import { describe, expect, it } from 'vitest'
import { doubleConstants, foreignWrites, MAX_COLUMNS, textMatches, wideComments } from './ownership.ts'
import { readSources } from './sources.ts'

describe('the sources', () => {
  const src = readSources('src')

  it('write a field only in the file that declares it', () => {
    expect(foreignWrites(src)).toEqual([])
  })

  it('define each constant once', () => {
    expect(doubleConstants(src)).toEqual([])
  })

  it('decide nothing by the words of a message', () => {
    expect(textMatches(src)).toEqual([])
  })

  it('keep their comments within the width of a page', () => {
    const all = ['src', 'test', 'examples', 'bench', 'tools'].flatMap((folder) => readSources(folder))
    expect(wideComments(all)).toEqual([])
  })
})

describe('the check of who writes a field', () => {
  const OWNER = 'src/owner.ts'
  const owner = (text: string): { path: string; text: string } => ({ path: OWNER, text })
  const DECLARED = 'export class Owner { state = 0; readonly id = 1; #secret = 2 }'
  const check = (text: string, declared = DECLARED): string[] =>
    foreignWrites([owner(declared), { path: 'src/other.ts', text }])

  it.each([
    'owner.state = 1',
    'owner.state += 1',
    'owner.state++',
    'delete owner.state',
    "owner['state'] = 1",
    'owner.state! = 1',
    'this.#owner.state = 1',
    '[owner.state] = [1]',
    '({ a: owner.state } = values)',
    '[owner.state = 5] = []',
    '({ ...owner.state } = values)',
    'for (owner.state of states) {}',
    '(owner as Owner).state = 1',
  ])('catches %s', (write) => {
    const text = write.includes('#') ? `class Other { #owner; run() { ${write} } }` : write
    expect(check(`\n${text}`)).toEqual(['src/other.ts:2: writes state, a field of src/owner.ts'])
  })

  it('names every file that declares such a field', () => {
    const sources = [
      owner(DECLARED),
      { path: 'src/also.ts', text: 'export interface Also { state: string }' },
      { path: 'src/other.ts', text: 'owner.state = 1' },
    ]
    expect(foreignWrites(sources)).toEqual(['src/other.ts:1: writes state, a field of src/also.ts, src/owner.ts'])
  })

  it.each([
    'const { state } = owner',
    'owner.setState(1)',
    'owner[state] = 1',
    'owner.elsewhere = 1',
    'class Other { state2 = 1; run() { this.state = 1 } }',
    'class Other { #state = 1; run() { this.#state = 1 } }',
    'class Other { readonly #counts = { state: 0 }; run() { this.#counts.state++ } }',
    'const counts = { state: 0 }; counts.state++',
    'interface Mine { state: number }; mine.state = 1',
    'const owner: Owner = { state: 1 }',
  ])('lets stand: %s', (text) => {
    expect(check(text)).toEqual([])
  })

  it('lets its own file write a field', () => {
    expect(foreignWrites([owner(`${DECLARED}\nowner.state = 1`)])).toEqual([])
  })

  it('leaves what cannot be written from outside to the compiler', () => {
    expect(check('owner.id = 1; owner.secret = 1')).toEqual([])
  })

  it('takes a private field for no field of the file that others may write', () => {
    expect(check('class Other { #state = 1; run(owner) { owner.state = 1 } }')).toHaveLength(1)
  })

  it('takes the cut of an array for no write', () => {
    expect(check('list.length = 0', 'export class Buffer { length = 0 }')).toEqual([])
  })
})

describe('the check of constants', () => {
  const check = (...texts: readonly string[]): string[] =>
    doubleConstants(texts.map((text, i) => ({ path: `src/${i}.ts`, text })))

  it('catches a name that two files define', () => {
    expect(check('const MAX_HOPS = 20', 'export const MAX_HOPS = 64')).toEqual([
      'MAX_HOPS is defined in src/0.ts, src/1.ts',
    ])
  })

  it('catches it inside a function, too', () => {
    expect(check('const HOUR_MS = 1', 'function f() { const HOUR_MS = 1 }')).toHaveLength(1)
  })

  it.each([
    ['an import', "import { MAX_HOPS } from './0.ts'"],
    ['another name', 'const MAX_SEARCHED_HOPS = 20'],
    ['a variable', 'let MAX_HOPS = 20'],
    ['a field', 'const limits = { MAX_HOPS: 20 }'],
    ['a comment', '// const MAX_HOPS = 20'],
  ])('lets %s stand', (_name, text) => {
    expect(check('export const MAX_HOPS = 20', text)).toEqual([])
  })

  it('lets a word alone stand, which often means a thing of its file', () => {
    expect(check('const TICK = 0', 'const TICK = 1')).toEqual([])
  })
})

describe('the check of text matching', () => {
  const check = (text: string): string[] => textMatches([{ path: 'src/a.ts', text }])

  it.each([
    "if (error.message === 'invalid tag') stop()",
    "if ('invalid tag' !== error.message) stop()",
    'if (error.message === `invalid tag`) stop()',
    "error.message.includes('away')",
    "event.detail.startsWith('the daemon')",
    "const cut = detail.split('; wait')[0]",
    'error.message.match(/away/)',
    '/away/.test(error.message)',
    '/away/.exec(description)',
    "message.replace('x', '')",
    "error?.message.includes('away')",
    "switch (error.message) { case 'away': stop() }",
  ])('catches %s', (text) => {
    expect(check(`\n${text}`)).toEqual(['src/a.ts:2: reads the words of a message'])
  })

  it.each([
    "if (error.code === 'offline') stop()",
    "if (error.message === '') stop()",
    'if (error.message === other.message) stop()',
    'console.error(error.message)',
    "name.includes('away')",
    '/away/.test(name)',
    'const text = `${error.message}: try again`',
    'message.length > 100',
  ])('lets stand: %s', (text) => {
    expect(check(text)).toEqual([])
  })
})

describe('the check of comments', () => {
  const check = (text: string): string[] => wideComments([{ path: 'src/a.ts', text }])
  const wide = 'x'.repeat(MAX_COLUMNS)

  it.each([
    ['a line', `// ${wide}`],
    ['a block', `/** ${wide} */`],
    ['an indented one', `      // ${wide.slice(8)}`],
  ])('catches %s that is too wide', (_name, text) => {
    expect(check(`\n${text}`)).toEqual([`src/a.ts:2: ${text.length} columns`])
  })

  it('catches a line within a block', () => {
    expect(check(`/**\n * ${wide}\n */`)).toEqual([`src/a.ts:2: ${wide.length + 3} columns`])
  })

  it('catches one behind code', () => {
    const text = `const a = 1 // ${wide}`
    expect(check(text)).toEqual([`src/a.ts:1: ${text.length} columns`])
  })

  it.each([
    ['a comment that just fits', `// ${'x'.repeat(MAX_COLUMNS - 3)}`],
    ['a string', `const a = '${wide}'`],
    ['a string with slashes', `const a = 'https://${wide}'`],
    ['a template', `const a = \`\n// ${wide}\n\``],
  ])('lets %s stand', (_name, text) => {
    expect(check(text)).toEqual([])
  })
})
