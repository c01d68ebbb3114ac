import { execFile } from 'node:child_process'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { lndPermissions, lndPrunePermissions } from '../../src/lnd.ts'

const root = new URL('../../', import.meta.url)

test('the README leads nowhere that is not there, and has no blank left', async () => {
  const readme = await readFile(new URL('README.md', root), 'utf8')
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
  expect(links.length).toBeGreaterThan(5)
  for (const link of links) await expect(access(new URL(link, root))).resolves.toBeUndefined()
  expect(readme).not.toContain('NUMBERS')
})

test.each(['docs/own-node.md', 'spec/lnd.md'])('%s asks for the permissions of lnd, and no others', async (page) => {
  const text = await readFile(new URL(page, root), 'utf8')
  const line = /lncli bakemacaroon[\s\S]*?```/.exec(text)?.[0] ?? ''
  expect([...line.matchAll(/uri:\S+/g)].map(([uri]) => uri).toSorted()).toEqual(lndPermissions.toSorted())
})

test.each(['docs/own-node.md', 'spec/lnd.md'])('%s names what pruning needs besides', async (page) => {
  const text = await readFile(new URL(page, root), 'utf8')
  const rest = text.replace(/lncli bakemacaroon[\s\S]*?```/, '')
  const named = new Set([...rest.matchAll(/uri:[\w./]+/g)].map(([uri]) => uri))
  expect([...named]).toEqual([...lndPrunePermissions])
})

test("the README's first program works as it stands", async () => {
  const readme = await readFile(new URL('README.md', root), 'utf8')
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  expect(program).toContain("from 'keysock'")
  const folder = await mkdtemp(join(tmpdir(), 'keysock-readme-'))
  try {
    const file = join(folder, 'program.mts')
    const imported = (name: string): string => `'${new URL(`src/${name}.ts`, root).href}'`
    await writeFile(file, program.replace("'keysock/sim'", imported('sim')).replace("'keysock'", imported('index')))
    const { stdout } = await promisify(execFile)(process.execPath, [file])
    expect(stdout).toBe('hello over Lightning\n')
  } finally {
    await rm(folder, { recursive: true })
  }
})
