import { describe, expect, it } from 'vitest'
import { isNode, lineAt, readSources, walk, type Source, type Visit } from './sources.ts'

/** What package.json's least Node (22.18) cannot run as it stands. Test files are rewritten by vitest. */
function tooNew({ node }: Visit): string | undefined {
  if (node.type === 'VariableDeclaration' && String(node['kind']).endsWith('using')) return 'a using declaration'
  if (node.type !== 'MemberExpression' || !isNode(node['object']) || !isNode(node['property'])) return undefined
  return node['object'].type === 'MetaProperty' && node['property']['name'] === 'main' ? 'import.meta.main' : undefined
}

function violations(sources: readonly Source[]): string[] {
  return sources.flatMap((source) =>
    [...walk(source)].flatMap((visit) => {
      const what = tooNew(visit)
      return what === undefined ? [] : [`${source.path}:${lineAt(source.text, visit.node.start)}: ${what}`]
    }),
  )
}

describe('what Node runs without a build', () => {
  it('runs on the least Node that package.json names', () => {
    const sources = ['src', 'examples', 'bench', 'tools', 'test'].flatMap((folder) => readSources(folder))
    const run = sources.filter(({ path }) => !path.endsWith('.test.ts'))
    expect(run.length).toBeGreaterThan(100)
    expect(violations(run)).toEqual([])
  })

  it.each([
    ['await using a = b()', 'a using declaration'],
    ['using a = b()', 'a using declaration'],
    ['if (import.meta.main) run()', 'import.meta.main'],
  ])('may not hold: %s', (text, what) => {
    expect(violations([{ path: 'a.ts', text: `\n${text}` }])).toEqual([`a.ts:2: ${what}`])
  })

  it.each(['const using = 1', 'import.meta.filename', 'module.main'])('may hold: %s', (text) => {
    expect(violations([{ path: 'a.ts', text }])).toEqual([])
  })
})
