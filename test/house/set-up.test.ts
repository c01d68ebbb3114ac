/** `./dev` in a clone of its own, with a PATH on which only what a test puts there is found. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT } from './sources.ts'

const SYSTEM_TOOLS = [
  'bash',
  'cat',
  'cmp',
  'cp',
  'dirname',
  'env',
  'mkdir',
  'mktemp',
  'mv',
  'rm',
  'rmdir',
  'sleep',
  'uname',
]

let folder: string
let clone: string
let bin: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keysock-dev-'))
  clone = join(folder, 'clone')
  bin = join(folder, 'bin')
  for (const made of [clone, bin]) mkdirSync(made)
  copyFileSync(join(ROOT, 'dev'), join(clone, 'dev'))
  for (const tool of SYSTEM_TOOLS) symlinkSync(whole(tool), join(bin, tool))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function whole(tool: string): string {
  return spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
}

function program(name: string, script: string): void {
  const file = join(bin, name)
  writeFileSync(file, `#!${whole('bash')}\n${script}\n`)
  chmodSync(file, 0o755)
}

/** A Node that says it is another version. */
function nodeOf(version: string): void {
  const preload = join(folder, 'version.cjs')
  const versions = `{ ...process.versions, node: '${version}' }`
  writeFileSync(preload, `Object.defineProperty(process, 'versions', { value: ${versions} })\n`)
  program('node', `exec '${process.execPath}' --require '${preload}' "$@"`)
}

function dev(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(bin, 'bash'), [join(clone, 'dev'), ...args], {
    cwd: clone,
    env: { PATH: bin },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

describe('the Node that ./dev takes', () => {
  it.each(['22.18.0', '22.20.1', '23.6.0', '24.0.0', '25.1.0'])('may be %s', (version) => {
    nodeOf(version)
    expect(dev('node', '-p', '1 + 1')).toEqual({ status: 0, stdout: '2\n', stderr: '' })
  })

  it.each(['20.19.0', '22.17.1', '23.0.0', '23.5.0'])('may not be %s, which strips no types', (version) => {
    nodeOf(version)
    expect(dev('node', '-p', '1 + 1')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^dev: needs Node >= 22\.18 \(of 23: 23\.6\), or any npm to install one with/),
    })
  })
})

describe('a program that ./dev node runs', () => {
  const built = (): string => join(clone, 'dist', 'index.js')

  /** Dependencies that are installed, with a compiler that does this. */
  function compiler(script: string): void {
    nodeOf('24.0.0')
    mkdirSync(join(clone, 'node_modules', '.bin'), { recursive: true })
    for (const lock of ['package-lock.json', 'node_modules/.installed-lock.json'])
      writeFileSync(join(clone, lock), '{}')
    writeFileSync(join(clone, 'node_modules', '.bin', 'tsc'), `#!${whole('bash')}\n${script}\n`, { mode: 0o755 })
    // What writes the pages of the manual.
    mkdirSync(join(clone, 'tools', 'manual'), { recursive: true })
    writeFileSync(join(clone, 'tools', 'manual', 'main.ts'), '')
    writeFileSync(join(clone, 'program.mjs'), "import { text } from './dist/index.js'\nconsole.log(text)\n")
  }

  it('finds the package built, and builds it no second time', () => {
    compiler('mkdir -p dist; echo "export const text = 1" >dist/index.js')
    expect(dev('node', 'program.mjs')).toEqual({
      status: 0,
      stdout: '1\n',
      stderr: 'dev: building keysock into dist/\n',
    })
    writeFileSync(built(), 'export const text = 2')
    expect(dev('node', 'program.mjs')).toEqual({ status: 0, stdout: '2\n', stderr: '' })
  })

  it('is not run where the build fails, which leaves nothing half built', () => {
    compiler('mkdir -p dist; echo "export const text = 1" >dist/index.js; echo "no such type"; exit 2')
    expect(dev('node', 'program.mjs')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'dev: building keysock into dist/\nno such type\ndev: the build failed\n',
    })
    expect(existsSync(built())).toBe(false)
  })
})
