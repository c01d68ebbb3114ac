import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CommandReference, OptionReference } from '../../src/cli/reference/command-tree.ts'
import { ROOT } from '../house/sources.ts'
import { everyCommand, Stage, type Trial, TRIALS } from './every-command.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

const COMMANDS = everyCommand()
const CASES: readonly (readonly [string, Trial])[] = Object.entries(TRIALS)
const RUNNING = CASES.flatMap(([name, trial]) => (trial.runs === undefined ? [] : [[name, trial, trial.runs] as const]))
const WITH_JSON = CASES.filter(([, { isRaw }]) => isRaw !== true)

/** What docs/configuration.md says of --json. */
const DOCUMENTED: ReadonlySet<string> = documentedEvents()

function documentedEvents(): ReadonlySet<string> {
  const text = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8')
  const [, section = ''] = /## Output as JSON\n(.*?)\n## /s.exec(text) ?? []
  const cells = section.split('\n').flatMap((row) => /^\| (`[^|]*) \|/.exec(row)?.[1] ?? [])
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name)))
}

let stage: Stage

beforeAll(() => {
  stage = new Stage()
})
afterEach(async () => {
  await stage.quiet()
})
afterAll(async () => {
  await stage.close()
})

it('every command is in the table', () => {
  expect(Object.keys(TRIALS).toSorted()).toEqual([...COMMANDS.keys()].toSorted())
})

describe('without a terminal', () => {
  it.each(CASES)('%s writes no control characters', async (_, trial) => {
    await stage.prepare(trial)
    const running = stage.run(trial.words)
    const { runs } = trial
    if (runs?.isEndless === true && runs.words === undefined) {
      await Promise.race([running.err.changes(), running.out.changes()])
      running.signal()
    }
    await running.code
    expect(running.out.text + running.err.text).not.toMatch(/[^\P{Cc}\n]/u)
  })

  it.each(RUNNING)('%s ends by SIGINT and by SIGTERM', async (_, trial, runs) => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      await stage.prepare(trial)
      const { event: works, words = trial.words } = runs
      const running = stage.run(works === undefined ? words : [...words, '--json'])
      if (works === undefined) await running.err.changes()
      else await running.event(({ event }) => event === works)
      running.signal(signal)
      expect(await running.code).toBe(runs.code ?? code)
      await stage.quiet()
    }
  })

  it.each(CASES)('%s takes no harm where its reader goes after the first line', async (_, trial) => {
    await stage.prepare(trial)
    const out = new RecordedTerminal()
    const running = stage.run(trial.words, { out })
    const { runs } = trial
    const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    const first = out.changes().then(() => out.destroy(gone))
    if (runs?.isEndless === true && runs.words === undefined) {
      await Promise.race([first, running.err.changes()])
      running.signal()
      expect(await running.code).toBe(runs.code ?? 130)
    } else expect(await running.code).toBe(trial.readerlessCode ?? 0)
  })
})

describe('with --json', () => {
  it.each(WITH_JSON)('%s prints objects with events that the documentation names', async (_, trial) => {
    const codes: (number | undefined)[] = []
    for (const json of [[], ['--json']]) {
      await stage.prepare(trial)
      const running = stage.run([...trial.words, ...json])
      const { runs } = trial
      if (runs?.isEndless === true && runs.words === undefined) {
        await Promise.race([running.err.changes(), running.out.changes()])
        running.signal()
      }
      codes.push(await running.code)
      await stage.quiet()
      if (json.length === 0) continue
      if (trial.hasRemarks !== true) expect(running.err.text).toBe('')
      const events = running.events()
      expect(events.length).toBeGreaterThan(0)
      for (const { event } of events) expect(DOCUMENTED).toContain(event)
    }
    expect(codes[1]).toBe(codes[0])
  })

  it.each(WITH_JSON)('%s reports an error as an object', async (name, { full, failing: words = full }) => {
    const open = (): Promise<never> => Promise.reject(new Error('there is no node'))
    const environment = { KEYSOCK_HOME: '/dev/null', LNCLI_RPCSERVER: 'localhost:10011' }
    const findings = [{ name: 'connection', verdict: 'bad', message: 'no lnd' }] as const
    const plain = stage.run(words, { open, environment, findings })
    const json = stage.run([...words, '--json'], { open, environment, findings })
    expect(await json.code).toBe(await plain.code)
    expect(await json.code).toBe(1)
    expect(json.err.text).toBe('')
    expect(json.events().map(({ event }) => event)).toContain(name === 'doctor' ? 'finding' : 'error')
    for (const { event } of json.events()) expect(DOCUMENTED).toContain(event)
    expect(plain.out.text + plain.err.text).not.toMatch(/^\s+at /m)
  })
})

/** Values of which any text is one. */
const FREE: ReadonlySet<string> = new Set(
  ['dir', 'file', 'path', 'page', 'name', 'host:port', 'hex', 'text'].map((name) => `<${name}>`),
)

/** Each wrong command line, and what is wrong. */
function wrongLines(command: CommandReference, { full }: Trial): readonly (readonly [string, readonly string[]])[] {
  const own = command.words.slice(1)
  const given = full.slice(own.length)
  const bad = (option: OptionReference): readonly string[] => [...full, `${option.long}=?!`]
  const takesAny = command.arguments.some(({ isVariadic }) => isVariadic)
  return [
    ['an unknown option', [...full, '--bogus']],
    ...(takesAny ? [] : [['too many arguments', [...full, 'more']] as const]),
    ...(command.arguments.some(({ isRequired }) => isRequired) ? [['no arguments', own] as const] : []),
    ...command.options
      .filter(({ value }) => value !== undefined && !FREE.has(value))
      .map((option) => [`a bad value of ${option.long}`, bad(option)] as const),
    ...command.arguments
      .filter(({ name }) => !FREE.has(`<${name}>`))
      .map(
        (argument) =>
          [
            `a bad ${argument.name}`,
            [...own, ...given.with(argument.isVariadic ? given.length - 1 : command.arguments.indexOf(argument), '?!')],
          ] as const,
      ),
  ]
}

describe('wrong use', () => {
  const lines = CASES.flatMap(([name, trial]) => {
    const command = COMMANDS.get(name)
    return command === undefined ? [] : [[name, wrongLines(command, trial)] as const]
  })

  it.each(lines)('of %s says what to do, and nothing begins', async (name, wrong) => {
    let opened = 0
    const open = (request: Parameters<typeof openEndpointOn>[1]): ReturnType<typeof openEndpointOn> => {
      opened += 1
      return openEndpointOn(stage.line.sim.backend('alice'), request)
    }
    const said = await Promise.all(
      wrong.map(async ([what, words]) => {
        const running = stage.run(words, { open })
        const json = stage.run([...words, '--json'], { open })
        const codes = [await running.code, await json.code]
        return {
          what,
          codes,
          text: running.err.text,
          out: running.out.text,
          events: json.out.lines,
          err: json.err.text,
        }
      }),
    )
    expect(said).toEqual(
      wrong.map(([what]) => ({
        what,
        codes: [2, 2],
        // What is wrong; how it is typed.
        text: expect.stringMatching(
          new RegExp(`^error: .+\\n\\(keysock ${name} .*; keysock ${name} --help explains it\\)\\n$`),
        ),
        out: '',
        events: [
          expect.stringMatching(/^\{"event":"error","code":"ERR_CLI_USAGE","message":".+","usage":"keysock .+"\}$/),
        ],
        err: '',
      })),
    )
    expect(opened).toBe(0)
  })

  it('of a command that has others below it names these', async () => {
    const running = stage.run(['name', 'fly'])
    expect(await running.code).toBe(2)
    expect(running.err.text).toContain('add, list, remove, show')
    const bare = stage.run(['name'])
    expect(await bare.code).toBe(2)
    expect(bare.err.text).toContain('Usage: keysock name')
  })
})

describe.each([80, 120])('help in a terminal of %i columns', (columns) => {
  it.each(['', ...COMMANDS.keys()])('of keysock %s fits', async (name) => {
    const running = stage.run([...name.split(' ').filter((word) => word !== ''), '--help'], {
      out: new RecordedTerminal({ columns }),
    })
    expect(await running.code).toBe(0)
    expect(running.out.lines.filter(({ length }) => length > columns)).toEqual([])
  })
})
