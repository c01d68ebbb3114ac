import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { promisify } from 'node:util'
import { type Command, CommanderError } from 'commander'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Dependencies } from '../../src/cli/dependencies.ts'
import { AddressBook } from '../../src/cli/home/address-book.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { processClock } from '../../src/floor/clock.ts'
import { processEntropy } from '../../src/floor/entropy.ts'
import { readPolicy } from '../../src/index.ts'
import { blocksOf, commandsOf, wordsOf, type Block } from './blocks.ts'
import { readPage, readPages } from './pages.ts'
import { ROOT } from './sources.ts'

const pages = [...readPages(), readPage('spec/lnd.md'), readPage('spec/simulator.md')]
const blocks = pages.flatMap(blocksOf)
const of = (...languages: readonly string[]): Block[] =>
  blocks.filter(({ language, notRun }) => languages.includes(language) && notRun === undefined)

/** Each has a reason in its page; a new one belongs into a test instead. */
const MOST_NOT_RUN = 6
const isSuite = ({ text }: Block): boolean => text.includes("'keysock/backend-contract'")

/** Where the names are that pages give to addresses. */
let home = ''
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keysock-home-'))
  const added = of('sh').flatMap(({ text }) =>
    [...text.matchAll(/keysock name add (\S+)/g)].map(([, name = '']) => name),
  )
  const book = new AddressBook({ KEYSOCK_HOME: home })
  for (const name of new Set(['shop', ...added])) await book.add({ name, address: A_KEY }, { isReplaced: true })
})
afterAll(() => rmSync(home, { recursive: true }))

describe('a program of a page', () => {
  const programs = of('ts').filter((block) => !isSuite(block))

  it.each(programs)('runs on the simulated network: $place', async (block) => {
    const folder = folderOf({ 'program.mts': block.text, 'policy.json': '{ "daySat": 5000 }' })
    const runner = join(ROOT, 'test/house/page-programs/run.ts')
    const words = [runner, join(folder, 'program.mts'), ...(block.endlessAfter ? [String(block.endlessAfter)] : [])]
    const env = { ...process.env, KEYSOCK_HOME: folder }
    const run = promisify(execFile)(process.execPath, words, { cwd: folder, env })
    await expect(run).resolves.toMatchObject({ stderr: '' })
  })
})

describe('a suite of a page', () => {
  it.each(of('ts').filter(isSuite))('passes: $place', async (block) => {
    const folder = folderOf({ 'contract.test.ts': block.text, 'vitest.config.ts': SUITE_CONFIG })
    const run = promisify(execFile)(join(ROOT, 'node_modules/.bin/vitest'), ['run', '--root', folder], { cwd: ROOT })
    const { stdout } = await run
    expect(stdout).toMatch(/Tests .*\d+ passed/)
    expect(stdout).not.toContain('failed')
  })
})

const SUITE_CONFIG = `export default {
  resolve: {
    alias: [
      { find: /^keysock\\/backend-contract$/, replacement: '${ROOT}src/backends/contract/index.ts' },
      { find: /^keysock\\/sim$/, replacement: '${ROOT}src/sim.ts' },
      { find: /^vitest$/, replacement: '${ROOT}node_modules/vitest/dist/index.js' },
    ],
  },
}
`

describe('a command of a page', () => {
  const typed = of('text', '').map((block) => ({ ...block, text: commandLinesOf(block) }))
  const lines = [...of('sh'), ...typed].flatMap((block) =>
    commandsOf(block).map((words) => ({ place: block.place, words })),
  )

  it.each(lines)('has options and arguments that there are: $place: $words', ({ words }) => {
    expect(faultOf(words)).toBeUndefined()
  })

  it.each([
    [['keysock', 'send', '--fast', 'a', 'b'], "unknown option '--fast'"],
    [['./dev', 'keysock', 'send'], "missing required argument 'file'"],
    [['keysock', 'fly'], "there is no command 'fly'"],
    [['./dev', 'fly'], 'no such command'],
    [['frobnicate', 'a'], 'nobody knows frobnicate'],
  ])('is found where %j is wrong', (words, fault) => {
    expect(faultOf(words)).toContain(fault)
  })
})

describe('a file of a page', () => {
  it.each(of('json'))('is what reads it takes: $place', async (block) => {
    const folder = folderOf({ 'policy.json': block.text })
    await expect(readPolicy(join(folder, 'policy.json'))).resolves.toBeDefined()
  })

  it.each(of('ini'))('sets variables that there are: $place', (block) => {
    const configuration = readPage('docs/configuration.md').text
    for (const line of block.text.trimEnd().split('\n')) {
      const [, name = '', value = ''] = /^([A-Z_]+)=(.*)$/.exec(line) ?? []
      if (name === 'KEYSOCK_ARGUMENTS') expect(faultOf(['keysock', ...wordsOf(value)])).toBeUndefined()
      else expect(configuration).toContain(name.replace(/^(LNCLI|LND)_.*/, '$1_'))
    }
  })
})

describe('the units', () => {
  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

  it.skipIf(!hasSystemd).each([
    ['keysock.service', 'keysock.service'],
    ['keysock@.service', 'keysock@files.service'],
  ])('are what systemd takes: %s', (name, instance) => {
    const { text } = readPage(`docs/systemd/${name}`)
    // Where the tests run, keysock is not installed.
    const here = (unit: string): string => unit.replace('/usr/local/bin/keysock', process.execPath)
    const daemon = readPage('docs/systemd/keysock.service').text
    const folder = folderOf({ 'keysock.service': here(daemon), [instance]: here(text) })
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(folder, instance)], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it.each(['keysock.service', 'keysock@.service'])('start a command that there is: %s', (name) => {
    const line = /^ExecStart=\S+ (.*)$/m.exec(readPage(`docs/systemd/${name}`).text)?.[1] ?? ''
    const words = wordsOf(line.replace('$KEYSOCK_ARGUMENTS', 'receive'))
    expect(faultOf(['keysock', ...words])).toBeUndefined()
  })
})

describe('the blocks of the pages', () => {
  it('are of kinds that a test runs or parses', () => {
    const known = ['ts', 'sh', 'json', 'ini', 'mermaid', 'text', '']
    expect(blocks.filter(({ language, notRun }) => notRun === undefined && !known.includes(language))).toEqual([])
  })

  it(`are run but for ${MOST_NOT_RUN} at most, each with its reason`, () => {
    const left = blocks.filter(({ notRun }) => notRun !== undefined)
    expect(left.length).toBeLessThanOrEqual(MOST_NOT_RUN)
    for (const { notRun } of left) expect(notRun?.length).toBeGreaterThan(20)
  })
})

/** The commands among what is printed. */
function commandLinesOf({ text }: Block): string {
  const lines = text.split('\n').map((line) => line.replace(/^\$ /, ''))
  return lines.filter((line) => /^(?:\.\/dev|keysock|npx keysock) /.test(line)).join('\n')
}

/** Programs beside our own that pages tell people to type. */
const OTHERS = new Set(
  'apt-get bash cat cd chromium curl dig echo export ffmpeg git go install journalctl jq lncli man mkdir node npm npx printf psql python3 redis-cli rm ssh scp rsync source systemctl tar umask useradd .'.split(
    ' ',
  ),
)

/** What a reader puts a node's key in the place of. */
const PLACEHOLDER = /^(?:02ab\.{2,3}cd|ADDRESS|(?:KEY|NAME)\.keysock|KEY|PUBKEY)(?=[:+]|$)/
/** secp256k1's own point: a key of nobody. */
const A_KEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'

/** What is wrong with a command line; undefined where it would start. */
function faultOf(words: readonly string[]): string | undefined {
  const [first = '', ...rest] = words.filter((word) => !/^[A-Z_]+=/.test(word))
  const own = rest.map((word) => word.replace(PLACEHOLDER, A_KEY))
  if (first === 'keysock') return faultOfKeysock(own)
  if (first === 'npx' && own[0] === 'keysock') return faultOfKeysock(own.slice(1))
  if (first !== './dev') return OTHERS.has(first) ? undefined : `nobody knows ${first}`
  if (own[0] === 'keysock') return faultOfKeysock(own.slice(1))
  const help = spawnSync(join(ROOT, 'dev'), ['help'], { encoding: 'utf8' }).stdout
  return new RegExp(`^ {2}${own[0] ?? ''}\\b`, 'm').test(help) ? undefined : `${own[0]}: no such command of ./dev`
}

/** What the command itself says against these words, before it does anything. */
function faultOfKeysock(words: readonly string[]): string | undefined {
  const program = buildProgram(inertDependencies(words), () => undefined)
  disarm(program)
  const [name = ''] = words
  if (!name.startsWith('-') && !program.commands.some((command) => command.name() === name)) {
    return `there is no command '${name}'`
  }
  try {
    program.parse([...words], { from: 'user' })
    return undefined
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? undefined : error.message
  }
}

/** Of a command that does nothing; it reads the address book of the pages. */
function inertDependencies(words: readonly string[]): Dependencies {
  const never = (): Promise<never> => Promise.reject(new Error('a command of a page was to be parsed, not to run'))
  const heard = new PassThrough()
  return {
    openEndpoint: never,
    checkLnd: never,
    knowsNode: never,
    hasDaemon: never,
    stdin: Readable.from([]),
    stdout: heard,
    stderr: heard,
    clock: processClock,
    entropy: processEntropy,
    signals: { on: () => () => undefined, exit: () => undefined },
    environment: { KEYSOCK_HOME: home },
    words,
  }
}

/** Has a command, and those below it, do nothing. */
function disarm(command: Command): void {
  if (command.commands.length === 0 || command.registeredArguments.length > 0 || command.name() === 'daemon')
    command.action(() => undefined)
  for (const below of command.commands) disarm(below)
}

/** A folder with these files, until the test is over. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'keysock-block-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}
