import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allCommands } from '../../src/cli/reference/command-tree.ts'
import { readCommands } from '../../tools/manual/read-manual.ts'
import { CommandLine, pattern, type Running } from './command-line.ts'

const page = readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text.trim().split('\n'))
const commands = allCommands(readCommands())

/** The words behind the program's name, as a shell takes them. */
function wordsOf(line: string): readonly string[] {
  expect(line).toMatch(/^keysock /)
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1)
}

/** They wait for somebody, at bob. */
const isServing = ([first, ...rest]: readonly string[]): boolean =>
  first === 'receive' || rest.includes('--listen') || rest.includes('--follow')
/** They need a node of lnd, or its daemon, or another program: they run in tests of their own. */
const NEED_MORE = ['doctor', 'daemon', 'account', 'status', 'expose', 'forward', 'connect', 'proxy']

describe('docs/commands.md', () => {
  it('has every command', () => {
    const named = new Set(blocks.flat().map((line) => wordsOf(line)[0]))
    const all = commands.filter(({ words }) => words.length === 2).map(({ words: [, name] }) => name)
    expect(all.filter((name) => !named.has(name))).toEqual([])
  })

  it.each(blocks.flat())('names options that there are: %s', (line) => {
    const [name = '', below = '', ...words] = wordsOf(line)
    const command =
      commands.find((each) => each.words.join(' ') === `keysock ${name} ${below}`) ??
      commands.find((each) => each.words.join(' ') === `keysock ${name}`)
    const options = new Set(command?.options.flatMap(({ short = '', long }) => [short, long]))
    expect([below, ...words].filter((word) => word.startsWith('-') && !options.has(word))).toEqual([])
  })
})

describe.each(blocks.map((lines) => ({ lines, title: lines[0] ?? '' })))('the block of $title', ({ lines }) => {
  let line: CommandLine
  let environment: NodeJS.ProcessEnv
  const serving: Running[] = []

  beforeEach(async () => {
    line = new CommandLine()
    environment = { KEYSOCK_HOME: line.path('home') }
    line.write('photo.jpg', pattern(3_000))
    const added = line.run('alice', ['name', 'add', 'shop', line.key('bob')], { environment })
    expect(await added.code).toBe(0)
  })
  afterEach(async () => {
    for (const running of serving.splice(0)) {
      running.signal()
      await running.code
    }
    line.close()
  })

  it('does what it says', async () => {
    // Whoever pings a port pings what listens there.
    if (lines.some((each) => each.includes('ping'))) serving.push(await line.receive())
    for (const words of lines.map((each) => wordsOf(each))) {
      if (NEED_MORE.includes(words[0] ?? '')) continue
      const there = words.map((word) =>
        word.replace(/^downloads$/, line.path('downloads')).replace(/^photo\.(jpg|sqlog)$/, (name) => line.path(name)),
      )
      if (!isServing(words)) {
        expect({ words, code: await line.run('alice', there, { environment }).code }).toEqual({ words, code: 0 })
        continue
      }
      for (const before of serving.splice(0)) {
        before.signal()
        await before.code
      }
      const running = line.run('bob', [...there, '--json'], { environment })
      await running.event(({ event }) => event.endsWith('listening') || event === 'mailbox')
      serving.push(running)
    }
  })
})
