import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { installed, missing } from '../../tools/programs/installed.ts'
import { freePort, LocalServer } from '../../tools/programs/local-server.ts'
import { until } from '../../tools/regtest/until.ts'
import { pattern } from '../cli/command-line.ts'
import { localClient } from '../cli/tunnel-stage.ts'
import { ServiceStage } from './programs-stage.ts'

const run = promisify(execFile)
const noPostgres = missing('initdb', 'postgres', 'psql')
const noRedis = missing('redis-server')

let stage: ServiceStage

beforeEach(() => {
  stage = new ServiceStage()
})
afterEach(async () => {
  await stage.close()
})

describe.skipIf(noPostgres !== undefined)(
  `PostgreSQL${noPostgres === undefined ? '' : ` (skipped: ${noPostgres})`}`,
  () => {
    async function cluster(): Promise<number> {
      const server = new LocalServer('postgres')
      stage.later(() => server.close('SIGINT'))
      const port = await freePort()
      await server.run('initdb', ['-D', server.path('data'), '-U', 'alice', '-A', 'trust', '--no-sync'])
      const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'].flatMap((set) => [
        '-c',
        set,
      ])
      await server.start('postgres', ['-D', server.path('data'), '-p', String(port), ...settings], port)
      return port
    }

    function words(port: number): readonly string[] {
      return [
        '-X',
        '-q',
        '-A',
        '-t',
        '-v',
        'ON_ERROR_STOP=1',
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-U',
        'alice',
        'postgres',
      ]
    }

    it('psql creates, inserts, selects and copies, in both directions', async () => {
      const port = await stage.tunnelTo(await cluster())
      const psql = async (...commands: readonly string[]): Promise<string> => {
        const all = [...words(port), ...commands.flatMap((command) => ['-c', command])]
        return (await run(installed('psql'), all, { maxBuffer: 2 ** 26 })).stdout
      }
      await psql('create table items (id int primary key, name text)')
      const rows = Array.from({ length: 1_000 }, (_, i) => `(${i}, '${pattern(20, i).toString('hex')}')`)
      await psql(`insert into items values ${rows.join(', ')}`)
      expect(await psql('select count(*), sum(id) from items')).toBe('1000|499500\n')
      const out = stage.line.path('items.csv')
      await psql(`\\copy (select * from items order by id) to '${out}' csv`)
      expect(String(stage.line.read('items.csv')).trim().split('\n')).toEqual(
        Array.from({ length: 1_000 }, (_, i) => `${i},${pattern(20, i).toString('hex')}`),
      )
      await psql('create table again (like items)', `\\copy again from '${out}' csv`)
      expect(await psql('select count(*) from items natural join again')).toBe('1000\n')
    })

    it('Ctrl-C in psql cancels what runs there, over a connection of its own', async () => {
      const at = await cluster()
      const port = await stage.tunnelTo(at)
      const psql = spawn(installed('psql'), ['-X', '-q', '-A', '-t', ...words(port).slice(6)], { stdio: 'pipe' })
      stage.later(() => void psql.kill('SIGKILL'))
      const ended = once(psql, 'exit')
      let said = ''
      psql.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
      psql.stdout.on('data', (chunk: Buffer) => (said += String(chunk)))
      psql.stdin.write('select pg_sleep(3600);\n')
      const running = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
      const sleeping = async (): Promise<string> =>
        (await run(installed('psql'), [...words(at), '-c', running])).stdout.trim()
      await until('the query runs', async () => (await sleeping()) === '1' || undefined)
      psql.kill('SIGINT')
      await until('it is cancelled', () => said.includes('canceling statement due to user request') || undefined)
      // psql's own code for a script that was broken off.
      expect(await ended).toEqual([3, null])
      await until('nothing runs there any more', async () => (await sleeping()) === '0' || undefined)
    })
  },
)

describe.skipIf(noRedis !== undefined)(`Redis${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  async function redis(): Promise<number> {
    const server = new LocalServer('redis')
    stage.later(() => server.close())
    const port = await freePort()
    const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', server.folder]
    await server.start('redis-server', words, port)
    return port
  }

  it('answers 1,000 commands in one go, in order', async () => {
    const client = localClient(await stage.tunnelTo(await redis()))
    const answers: string[] = []
    const done = new Promise<void>((resolve) => {
      createInterface({ input: client }).on('line', (answer) => {
        if (answers.push(answer) === 1_001) resolve()
      })
    })
    client.write(`${Array.from({ length: 1_000 }, () => 'INCR counter\r\n').join('')}PING\r\n`)
    await done
    expect(answers).toEqual([...Array.from({ length: 1_000 }, (_, i) => `:${i + 1}`), '+PONG'])
    client.end()
  })

  it('brings what one publishes to another who subscribed', async () => {
    const port = await stage.tunnelTo(await redis())
    const [reader, writer] = [localClient(port), localClient(port)]
    const lines = createInterface({ input: reader })[Symbol.asyncIterator]()
    const next = async (count: number): Promise<unknown[]> => {
      const got: unknown[] = []
      while (got.length < count) got.push((await lines.next()).value)
      return got
    }
    reader.write('SUBSCRIBE news\r\n')
    expect(await next(6)).toEqual(['*3', '$9', 'subscribe', '$4', 'news', ':1'])
    writer.write('PUBLISH news hello\r\n')
    expect(await next(7)).toEqual(['*3', '$7', 'message', '$4', 'news', '$5', 'hello'])
    for (const client of [reader, writer]) client.end()
  })

  it.skipIf(missing('redis-cli') !== undefined)('is used by redis-cli', async () => {
    const port = await stage.tunnelTo(await redis())
    const cli = async (...words: readonly string[]): Promise<string> =>
      (await run(installed('redis-cli'), ['-p', String(port), ...words])).stdout.trim()
    expect(await cli('SET', 'name', 'keysock')).toBe('OK')
    expect(await cli('GET', 'name')).toBe('keysock')
  })
})
