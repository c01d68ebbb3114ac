import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEndpointOn } from '../../src/cli/endpoint.ts'
import type { CliEvent } from '../../src/cli/events.ts'
import { BackendError, type Endpoint, KeysockError } from '../../src/index.ts'
import { CommandLine, pattern } from './command-line.ts'

let commandLine: CommandLine

beforeEach(() => {
  commandLine = new CommandLine()
})
afterEach(() => {
  commandLine.close()
})

const is =
  (name: CliEvent['event']) =>
  ({ event }: CliEvent): boolean =>
    event === name
const isAgain = (event: CliEvent): boolean => event.event === 'warning' && event.message.includes('trying again in')

describe('keysock receive --keep', () => {
  it('waits for a node that is not there yet', async () => {
    let tries = 0
    const receive = commandLine.run('bob', ['receive', '--keep', '--out', commandLine.path('in'), '--json'], {
      open: (request) => {
        if (++tries <= 2) return Promise.reject(new BackendError('offline', 'lnd does not answer'))
        return openEndpointOn(commandLine.sim.backend('bob'), request)
      },
    })
    await receive.event(is('listening'))
    expect(tries).toBe(3)
    expect(receive.events().filter(isAgain)).toHaveLength(2)
    receive.signal('SIGTERM')
    expect(await receive.code).toBe(143)
  })

  it('goes on with another endpoint where one fails', async () => {
    const path = commandLine.write('a.bin', pattern(5_000))
    const endpoints: Endpoint[] = []
    const receive = commandLine.run('bob', ['receive', '--keep', '--out', commandLine.path('in'), '--json'], {
      open: async (request) => {
        const endpoint = await openEndpointOn(commandLine.sim.backend('bob'), request)
        endpoints.push(endpoint)
        return endpoint
      },
    })
    await receive.event(is('listening'))
    endpoints[0]?.emit('error', new KeysockError('ERR_KEYSOCK_STORE', 'the disk of its journal is full'))
    await receive.event(isAgain)
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(0)
    expect(endpoints).toHaveLength(2)
    await receive.event(is('done'))
    receive.signal()
    expect(await receive.code).toBe(130)
  })

  it('ends where waiting mends nothing', async () => {
    const receive = commandLine.run('bob', ['receive', '--keep', '--out', commandLine.path('in'), '--json'], {
      open: () => Promise.reject(new TypeError('no policy')),
    })
    expect(await receive.code).toBe(1)
  })

  it('has a line for each file that comes, and tells of none twice', async () => {
    const path = commandLine.write('a.bin', pattern(50_000))
    const receive = await commandLine.receive(['--keep'])
    for (let i = 0; i < 2; i++) {
      const send = commandLine.run('alice', ['send', path, commandLine.key('bob')])
      expect(await send.code).toBe(0)
    }
    receive.signal()
    await receive.code
    expect(receive.events().map(({ event }) => event)).toEqual(['listening', 'done', 'stopped'])
  })

  it('deletes parts with which nobody went on', async () => {
    const folder = commandLine.path('in')
    mkdirSync(folder)
    const old = `${folder}/old.bin.0123456789abcdef-01234567.keysock-part`
    const oldFolder = `${folder}/photos.0123456789abcdef-01234567.keysock-part`
    mkdirSync(oldFolder)
    writeFileSync(`${oldFolder}/whole.jpg`, 'whole')
    for (const path of [old, `${folder}/new.bin.0123456789abcdef-01234567.keysock-part`]) writeFileSync(path, 'part')
    for (const path of [old, oldFolder]) utimesSync(path, 1_000_000, 1_000_000)
    const receive = await commandLine.receive(['--keep', '--keep-parts', '2d'])
    expect(readdirSync(folder)).toEqual(['new.bin.0123456789abcdef-01234567.keysock-part'])
    expect(receive.events()[0]).toMatchObject({ event: 'warning', code: 'ERR_CLI_OLD_PARTS' })
    receive.signal()
    await receive.code
  })

  it('refuses what would make its folder too full', async () => {
    mkdirSync(commandLine.path('in'))
    commandLine.write('in/there', pattern(50_000))
    const path = commandLine.write('a.bin', pattern(60_000))
    const receive = await commandLine.receive(['--keep', '--max-total', '100k'])
    const send = commandLine.run('alice', ['send', path, commandLine.key('bob'), '--json'])
    expect(await send.code).toBe(1)
    expect(send.events().at(-1)).toMatchObject({ event: 'error', code: 'ERR_TRANSFER_NO_SPACE' })
    receive.signal()
    await receive.code
  })

  it.each([
    [['--keep', '--once'], '--keep never ends by itself; leave out --once and --count'],
    [['--keep', '-'], '--keep is for a folder; standard output takes one stream'],
    [['--max-total', '5G', '-'], '--max-total is for a folder; standard output takes one stream'],
  ])('does not go with %j', async (words, message) => {
    const receive = commandLine.run('bob', ['receive', ...words, '--json'])
    expect(await receive.code).toBe(2)
    const [line = ''] = [...receive.out.lines, ...receive.err.lines]
    expect(JSON.parse(line)).toMatchObject({ code: 'ERR_CLI_USAGE', message })
  })
})
