import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { programsOf, readPage } from './pages.ts'
import { ROOT } from './sources.ts'

const execute = promisify(execFile)
/** npm may have to fetch what it has not kept, on a machine that does other things as well. */
const INSTALL_MS = 300_000
/** More would be something that users do not need: it had 1.8 MB with its sources, and has 0.9 without. */
const MOST_PACKED_BYTES = 1_300_000

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

let folder = ''
let packed: Packed

/** A project of a user: an empty folder, into which the packed package was installed. */
const project = (): string => join(folder, 'project')
const run = (program: string, ...words: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
  execute(program, words, { cwd: project(), env: { ...process.env, NODE_PATH: '' } })

/** Prints which files of gRPC are loaded. */
const TELL_GRPC = `
  import { registerHooks } from 'node:module'
  registerHooks({
    load: (url, context, next) => {
      if (/grpc|lightning/.test(url.replace(/.*node_modules/, ''))) console.log(url)
      return next(url, context)
    },
  })
`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-package-'))
  const clone = join(folder, 'clone')
  const built = execute(
    join(ROOT, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', '--outDir', join(clone, 'dist')],
    {
      cwd: ROOT,
    },
  )
  for (const name of [
    ...manifest.files.map((file) => file.replace(/\/\*.*$/, '')),
    'package.json',
    'README.md',
    'LICENSE',
  ]) {
    if (name === 'dist') continue
    mkdirSync(dirname(join(clone, name)), { recursive: true })
    cpSync(join(ROOT, name), join(clone, name), { recursive: true })
  }
  await built
  const { stdout } = await execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: clone,
  })
  const [only] = Object.values(JSON.parse(stdout) as Record<string, Packed>)
  if (only === undefined) throw new Error('npm has packed nothing')
  packed = only
  mkdirSync(project())
  writeFileSync(join(project(), 'package.json'), '{ "name": "project", "private": true, "type": "module" }')
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund']
  await execute('npm', ['install', ...quiet, join(folder, packed.filename)], { cwd: project() })
}, INSTALL_MS)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the package', () => {
  it('has what users need and nothing else', () => {
    const kinds = new Set(packed.files.map(({ path }) => (path.includes('/') ? `${path.split('/')[0]}/` : path)))
    expect([...kinds].toSorted()).toEqual(
      ['ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md'].concat([
        'dist/',
        'docs/',
        'examples/',
        'package.json',
        'spec/',
      ]),
    )
    const strange = packed.files.filter(({ path }) =>
      /\.map$|\.test\.|\.pem$|^(?!dist\/).*(?:^|\/)(?:test|tools|bench)\//.test(path),
    )
    expect(strange).toEqual([])
    expect(packed.size).toBeLessThan(MOST_PACKED_BYTES)
  })

  it('holds every file that it exports', () => {
    const paths = new Set(packed.files.map(({ path }) => `./${path}`))
    const targets = Object.values(manifest.exports).flatMap((to) => (typeof to === 'string' ? [to] : Object.values(to)))
    expect([...targets, manifest.bin.keysock].filter((target) => !paths.has(target))).toEqual([])
  })

  it("runs the README's first program", async () => {
    writeFileSync(join(project(), 'first.mts'), programsOf(readPage('README.md'), 'ts')[0] ?? '')
    const { stdout, stderr } = await run(process.execPath, 'first.mts')
    expect({ stdout, stderr }).toEqual({ stdout: 'hello over Lightning\n', stderr: '' })
  })

  it('has the command', async () => {
    const { stdout } = await run('npx', '--no-install', 'keysock', '--help')
    expect(stdout).toContain('Usage: keysock')
    expect((await run('npx', '--no-install', 'keysock', '--version')).stdout.trim()).toBe(manifest.version)
  })

  it('loads no gRPC with the simulator, but for lnd', async () => {
    const loads = async (...names: readonly string[]): Promise<string> => {
      const imports = names.map((name) => `await import('${name}')`).join('\n')
      writeFileSync(join(project(), 'loads.mts'), `${TELL_GRPC}\n${imports}\n`)
      return (await run(process.execPath, 'loads.mts')).stdout
    }
    expect(await loads('keysock', 'keysock/sim')).toBe('')
    expect(await loads('keysock/lnd')).toContain('@grpc/grpc-js')
  })

  it('brings nothing of the tools by which it is made', () => {
    const names = new Set(readdirSync(join(project(), 'node_modules')))
    expect(['typescript', 'typedoc', 'vitest', 'playwright-core'].filter((name) => names.has(name))).toEqual([])
    expect(existsSync(join(project(), 'node_modules/keysock/src'))).toBe(false)
    expect(readFileSync(join(project(), 'node_modules/keysock/LICENSE'), 'utf8')).toContain('MIT')
  })

  it('is published in the open, with where it was made', () => {
    expect(manifest.publishConfig).toEqual({ access: 'public', provenance: true })
  })
})
