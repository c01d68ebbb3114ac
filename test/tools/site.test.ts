import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GUIDE_GROUPS } from '../../tools/site/guides.ts'
import { deadLinks } from '../../tools/site/links.ts'
import { stagePages } from '../../tools/site/staging.ts'
import { ROOT } from '../house/sources.ts'

describe('the site of the pages', () => {
  it('has every page of docs, and all that they lead to', () => {
    const staged = folderOf({})
    const { pages } = stagePages({ root: ROOT, staged })
    expect(pages).toEqual(expect.arrayContaining(['docs/using.md', 'spec/protocol.md', 'ARCHITECTURE.md']))
    expect(pages).toContain('src/backends/backend.ts.md')
  })

  it('names each guide in one group', () => {
    const named = GUIDE_GROUPS.flatMap(({ pages }) => pages)
    expect(new Set(named).size).toBe(named.length)
  })

  it('shows a file that a page leads to, and puts a page that no group names at the end', () => {
    const root = folderOf({
      'README.md': '# A project\n',
      'docs/other.md': '# Another `page`\n\n[code](../src/a.ts#L1), [here](#another-page)\n',
      'src/a.ts': 'export const a = 1\n',
    })
    const staged = folderOf({})
    expect(stagePages({ root, staged }).pages).toEqual(['docs/other.md', 'src/a.ts.md'])
    const page = readFileSync(join(staged, 'docs/other.md'), 'utf8')
    expect(page).toContain('title: "Another page"\ngroup: "Operation"')
    expect(page).toContain('[code](../src/a.ts.md#L1), [here](#another-page)')
    expect(readFileSync(join(staged, 'src/a.ts.md'), 'utf8')).toContain('```ts\nexport const a = 1\n```')
  })

  it('is not made where a page leads to what is not there', () => {
    const root = folderOf({ 'README.md': '[gone](gone.md)\n', 'docs/a.md': '# A\n' })
    expect(() => stagePages({ root, staged: folderOf({}) })).toThrow('README.md leads to gone.md')
  })
})

describe('the check of the site', () => {
  it('finds files and headings that are not there, and what would be loaded from the web', () => {
    const site = folderOf({
      'index.html': '<h1 id="top">A</h1><a href="b/b.html#here">b</a><a href="#nowhere">c</a><a href="gone.html">d</a>',
      'b/b.html':
        '<h1 id="here">B</h1><a href="../index.html#top">a</a><script src="https://cdn.invalid/x.js"></script>',
      'c.html': '<a href="https://example.org">elsewhere</a><a href="../secret.html">out</a>',
    })
    expect(deadLinks(site).toSorted()).toEqual([
      'b/b.html: https://cdn.invalid/x.js: is loaded from elsewhere',
      'c.html: ../secret.html: leads out of the site',
      'index.html: #nowhere: has no such heading',
      'index.html: gone.html: is not there',
    ])
  })
})

/** A folder with these files, until the test is over. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-site-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
