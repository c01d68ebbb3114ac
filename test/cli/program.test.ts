import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resumeCommand } from '../../src/cli/commands/command-run.ts'
import {
  durationArgument,
  satArgument,
  sendTargetArgument,
  sizeArgument,
  targetArgument,
} from '../../src/cli/options.ts'
import type { Finding } from '../../src/lnd.ts'
import { ROOT } from '../house/sources.ts'
import { CommandLine } from './command-line.ts'
import { RecordedTerminal } from './recorded-terminal.ts'

/** An environment whose address book is empty. */
const NOWHERE = { KEYSOCK_HOME: '/nowhere' }
const KEY = `02${'ab'.repeat(32)}`

describe('a command line', () => {
  let commandLine: CommandLine

  beforeEach(() => {
    commandLine = new CommandLine()
  })
  afterEach(() => {
    commandLine.close()
  })

  it.each([
    [[]],
    [['fly']],
    [['quote', '--help']],
    [['quote', 'a', KEY]],
    [['send']],
    [['send', 'a']],
    [['send', 'a', 'bob']],
    [['send', 'a', KEY, '--wait', 'soon']],
    [['receive', '--port', '0']],
    [['receive', 'folder']],
    [['receive', '--replies', 'maybe']],
    [['daemon', '--mode', '9']],
    [['daemon', 'status', '--bogus']],
    [['daemon', 'status', 'now']],
    [['name']],
    [['name', 'add', 'shop']],
  ])('that is wrong ends with 2 and says where help is: %j', async (words) => {
    const running = commandLine.run('alice', words)
    expect(await running.code).toBe(2)
    expect(running.out.text).toBe('')
    expect(running.err.text).toMatch(/--help/)
  })

  it.each([
    [['fly', '--json'], expect.stringMatching(/^there is no command 'fly'; there are send, receive, doctor, /)],
    [['send', '--json'], "missing required argument 'file'"],
    [['receive', '--port', '0', '--json'], expect.stringContaining('A port is a whole number')],
  ])('that is wrong says so as an object with --json: %j', async (words, message) => {
    const running = commandLine.run('alice', words)
    expect(await running.code).toBe(2)
    const usage = expect.stringMatching(/^keysock /)
    expect(running.events()).toEqual([{ event: 'error', code: 'ERR_CLI_USAGE', message, usage }])
    expect(running.err.text).toBe('')
  })

  it('that asks for help does not fail where its reader goes', async () => {
    const out = new RecordedTerminal()
    const running = commandLine.run('alice', ['--help'], { out })
    out.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect(await running.code).toBe(0)
  })

  it('that is wrong ends as it would where nobody reads its error', async () => {
    const running = commandLine.run('alice', ['fly'])
    running.err.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect(await running.code).toBe(2)
  })

  it.each([[['--version']], [['-V']]])('that asks for the version gets it: %j', async (words) => {
    const running = commandLine.run('alice', words)
    expect(await running.code).toBe(0)
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string }
    expect(running.out.text).toBe(`${version}\n`)
  })

  it.each([[['--help']], [['send', '--help']], [['receive', '--help']], [['doctor', '--help']]])(
    'that asks for help gets examples: %j',
    async (words) => {
      const running = commandLine.run('alice', words)
      expect(await running.code).toBe(0)
      expect(running.out.text).toContain('Examples:')
      expect(Math.max(...running.out.lines.map(({ length }) => length))).toBeLessThanOrEqual(100)
    },
  )

  it.each([[['--help']], [['send', '--help']], [['receive', '--help']], [['daemon', '--help']]])(
    'that asks for help on a terminal gets no line that is longer than it: %j',
    async (words) => {
      const running = commandLine.run('alice', words, { out: new RecordedTerminal({ columns: 60 }) })
      expect(await running.code).toBe(0)
      expect(Math.max(...running.out.lines.map(({ length }) => length))).toBeLessThanOrEqual(60)
    },
  )

  it.each([
    [['send', '/nowhere/a', KEY], 'cannot read /nowhere/a: there is no such file (ERR_CLI_FILE)'],
    [['send', '/', KEY, '--name', 'x'], '--name is for a file; a folder keeps its own name'],
    [['send', '/', KEY, '--name', '.x'], 'no receiver takes the name ".x": it begins with "."'],
  ])('that cannot be done ends with 1 and says why: %j', async (words, text) => {
    const running = commandLine.run('alice', words)
    expect(await running.code).toBe(1)
    expect(running.err.text).toContain(text)
  })

  it('names the node as lncli does', async () => {
    const words = [
      'receive',
      '--lnddir',
      '/l',
      '--network',
      'signet',
      '--rpcserver',
      'h:1',
      '--tlscertpath',
      '/c',
      '--macaroonpath',
      '/m',
    ]
    const { code, requests } = commandLine.ask(words)
    expect(await code).toBe(1)
    expect(requests[0]?.flags).toMatchObject({
      lnddir: '/l',
      network: 'signet',
      rpcserver: 'h:1',
      tlscertpath: '/c',
      macaroonpath: '/m',
    })
  })

  describe('keysock doctor', () => {
    const good: Finding = { name: 'connection', verdict: 'good', message: 'lnd answers' }
    const poor: Finding = { name: 'keysend', verdict: 'poor', message: 'add accept-keysend=true' }
    const bad: Finding = { name: 'permissions', verdict: 'bad', message: 'SendToRouteV2 is not permitted' }

    it('prints what it found, and ends with 0 where it works', async () => {
      const running = commandLine.run('alice', ['doctor'], { findings: [good, poor] })
      expect(await running.code).toBe(0)
      expect(running.out.lines).toEqual([
        'good  connection    lnd answers',
        'poor  keysend       add accept-keysend=true',
      ])
    })

    it('ends with 1 where something is bad, and prints the line for a macaroon', async () => {
      const environment = { LNCLI_LNDDIR: '/l' }
      const running = commandLine.run('alice', ['doctor'], { findings: [good, bad], environment })
      expect(await running.code).toBe(1)
      expect(running.out.text).toContain(
        'lncli bakemacaroon --save_to /l/data/chain/bitcoin/mainnet/keysock.macaroon uri:/lnrpc.Lightning/GetInfo',
      )
    })

    it('names the node in the line for a macaroon as it was named', async () => {
      const words = ['doctor', '--network', 'signet', '--lnddir', '/my lnd', '--rpcserver', 'h']
      const running = commandLine.run('alice', words, { findings: [bad] })
      expect(await running.code).toBe(1)
      expect(running.out.text).toContain(
        "lncli '--lnddir=/my lnd' --network=signet --rpcserver=h bakemacaroon --save_to '/my lnd/data/chain/bitcoin/signet/keysock.macaroon' uri:",
      )
    })

    it('takes its own daemon for nobody else', async () => {
      const held: Finding = { name: 'interceptor', verdict: 'poor', message: 'another program holds it' }
      const running = commandLine.run('alice', ['doctor'], { findings: [held], hasDaemon: true })
      expect(await running.code).toBe(0)
      expect(running.out.text).toMatch(/^good {2}interceptor {3}the keysock daemon/)
    })

    it('prints objects with --json', async () => {
      const running = commandLine.run('alice', ['doctor', '--json'], { findings: [good, bad] })
      await running.code
      expect(running.events()).toEqual([
        { event: 'finding', ...good },
        { event: 'finding', ...bad },
        { event: 'hint', message: expect.any(String), command: expect.stringContaining('lncli bakemacaroon') },
      ])
    })
  })
})

describe('words of a command line', () => {
  it('are amounts, sizes and durations', () => {
    expect(['0', '500', '1.5', '0.001'].map(satArgument)).toEqual([0n, 500_000n, 1_500n, 1n])
    expect(['500', '20k', '1.5M', '2G', '1Gi', '3kb'].map(sizeArgument)).toEqual([
      500,
      20_000,
      1_500_000,
      2e9,
      2 ** 30,
      3_000,
    ])
    expect(['30', '30s', '10m', '2h', '1d', '0.5h'].map(durationArgument)).toEqual([
      30_000, 30_000, 600_000, 7_200_000, 86_400_000, 1_800_000,
    ])
  })

  it.each([
    [satArgument, ['', '-1', '1e3', '1.0001', '1,000', 'all']],
    [sizeArgument, ['', '-1', '1X', 'k', '1 000']],
    [durationArgument, ['', '-1s', '1w', 'm']],
    [targetArgument(NOWHERE), ['', KEY.slice(1), `${KEY}:0`, `${KEY}:65536`, `${KEY}:`, `${KEY}@1.2.3.4:9735`]],
  ] as const)('that are none are refused: %o %j', (read, texts) => {
    for (const text of texts) expect(() => read(text)).toThrow(/is a|is no|Leave out/)
  })

  it('name a node by its key, or by an address with hints, and a port', () => {
    const read = targetArgument(NOWHERE)
    expect(sendTargetArgument(NOWHERE)(KEY)).toEqual({ address: KEY, port: 18_004 })
    expect(read(KEY)).toEqual({ address: KEY, port: undefined })
    expect(read(`${KEY}:7`)).toEqual({ address: KEY, port: 7 })
    const hint = `${KEY}@03${'cd'.repeat(32)}/800000x1x0/1000/1/80/1000`
    expect(read(`${hint}:7`)).toEqual({ address: hint, port: 7 })
  })
})

describe('the command that goes on', () => {
  it('is what was typed, for a shell', () => {
    expect(resumeCommand(['send', "it's mine.jpg", KEY], {})).toBe(`keysock send 'it'\\''s mine.jpg' ${KEY}`)
    expect(resumeCommand(['send', 'a', KEY], { KEYSOCK_PROGRAM: './dev keysock' })).toBe(`./dev keysock send a ${KEY}`)
  })

  it('has a higher cap where the cap ended it', () => {
    for (const words of [
      ['a', '--max-cost', '5', KEY],
      ['a', '--max-cost=5', KEY],
      ['a', KEY],
    ]) {
      expect(resumeCommand(words, {}, { maxCostSat: 700 })).toBe(`keysock a ${KEY} --max-cost 700`)
    }
  })

  it('has its cap before what is behind --', () => {
    expect(resumeCommand(['send', '--max-cost', '5', '--', '--max-cost', KEY], {}, { maxCostSat: 700 })).toBe(
      `keysock send --max-cost 700 -- --max-cost ${KEY}`,
    )
  })
})
