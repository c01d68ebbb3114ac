import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CliEvent } from '../../src/cli/events.ts'
import { toHostName } from '../../src/index.ts'
import { missing } from '../../tools/programs/installed.ts'
import { ShellSession } from '../../tools/programs/shell-session.ts'
import { Sshd } from '../../tools/programs/sshd.ts'
import { until } from '../../tools/regtest/until.ts'
import { CommandLine, pattern } from '../cli/command-line.ts'
import { end, expose } from '../cli/tunnel-stage.ts'
import type { Running } from '../cli/command-line.ts'
import { AliceWithDaemon, makeRepository } from './programs-stage.ts'

const reason = missing('ssh', 'ssh-keygen', 'sshd', 'script')
const noRsync = missing('rsync')
const noGit = missing('git')
/** Each ssh starts a keysock command, which takes seconds on a busy machine. */
const SLOW_MS = 120_000

describe.skipIf(reason !== undefined)(
  `ssh and what goes over it${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let line: CommandLine
    let sshd: Sshd
    let alice: AliceWithDaemon
    let exposed: Running
    let config: string
    let folder: string

    beforeAll(async () => {
      line = new CommandLine(undefined, 1)
      sshd = await Sshd.start()
      folder = sshd.folder
      exposed = await expose(line, [`22=${sshd.port}`])
      alice = await AliceWithDaemon.start(line)
      config = sshd.clientConfig('client_config', { proxyCommand: alice.proxyCommand })
    }, SLOW_MS)

    afterAll(async () => {
      await end(exposed)
      await alice.close()
      await sshd.close()
      line.close()
    }, SLOW_MS)

    /** Connections that are over at bob. */
    function ends(): readonly CliEvent[] {
      return exposed.events().filter((event) => event.event === 'connection' && event.state !== 'open')
    }

    it(
      'runs a command there, by a name of the address book, and passes its exit code on',
      async () => {
        expect(await alice.run('ssh', ['-F', config, 'shop', 'echo', 'hello'])).toBe('hello\n')
        await expect(alice.run('ssh', ['-F', config, 'shop', 'exit 7'])).rejects.toMatchObject({ code: 7 })
      },
      SLOW_MS,
    )

    it(
      'leaves no connection behind at the other side, though ssh hangs up on its ProxyCommand',
      async () => {
        const before = ends().length
        await alice.run('ssh', ['-F', config, 'shop', 'true'])
        await until('the connection is over there', () => ends().length > before || undefined)
        expect(ends().at(-1)).toMatchObject({ state: 'ended' })
      },
      SLOW_MS,
    )

    it(
      'takes KEY.keysock as the host',
      async () => {
        expect(await alice.run('ssh', ['-F', config, toHostName(line.key('bob')), 'echo', 'hello'])).toBe('hello\n')
      },
      SLOW_MS,
    )

    it(
      'echoes what is typed at a terminal, key by key',
      async () => {
        const session = await ShellSession.open(config, 'shop', alice.environment)
        for (const key of 'echo 5') await session.press(key)
        expect(await session.enter()).toMatchObject({ printed: '5' })
        expect(await session.leave(3)).toBe(3)
      },
      SLOW_MS,
    )

    it(
      'brings files there and back by scp',
      async () => {
        const data = pattern(150_000)
        const file = line.write('there.bin', data)
        await alice.run('scp', ['-q', '-F', config, file, `shop:${join(folder, 'there.bin')}`])
        expect(readFileSync(join(folder, 'there.bin')).equals(data)).toBe(true)
        await alice.run('scp', ['-q', '-F', config, `shop:${join(folder, 'there.bin')}`, line.path('back.bin')])
        expect(line.read('back.bin').equals(data)).toBe(true)
      },
      SLOW_MS,
    )

    it.skipIf(noRsync !== undefined)(
      `brings a folder by rsync, and then only what changed${skipped(noRsync)}`,
      async () => {
        mkdirSync(line.path('tree'))
        for (let i = 0; i < 40; i++) writeFileSync(line.path('tree', `file-${i}`), pattern(3_000, i))
        const sync = (): Promise<string> =>
          alice.run('rsync', ['-a', '--stats', '-e', `ssh -F ${config}`, line.path('tree'), `shop:${folder}/`])
        await sync()
        expect(readdirSync(join(folder, 'tree'))).toHaveLength(40)
        writeFileSync(line.path('tree', 'file-3'), 'changed')
        expect(await sync()).toMatch(/Number of regular files transferred: 1$/m)
        expect(readFileSync(join(folder, 'tree', 'file-3'), 'utf8')).toBe('changed')
      },
      SLOW_MS,
    )

    it.skipIf(noGit !== undefined)(
      `pushes, clones and pulls by git${skipped(noGit)}`,
      async () => {
        const source = line.path('source')
        await makeRepository(source, 100, (i) => pattern(1_500, i).toString('base64'))
        const remote = `ssh://shop${join(folder, 'project.git')}`
        const git = (...words: readonly string[]): Promise<string> =>
          alice.run('git', words, { GIT_SSH_COMMAND: `ssh -F ${config}` })
        await alice.run('ssh', [
          '-F',
          config,
          'shop',
          'git',
          'init',
          '-q',
          '--bare',
          '-b',
          'main',
          join(folder, 'project.git'),
        ])
        await git('-C', source, 'push', '-q', remote, 'main')
        await git('clone', '-q', remote, line.path('clone'))
        const history = await git('-C', source, 'log', '--format=%H')
        expect(history.trim().split('\n')).toHaveLength(100)
        expect(await git('-C', line.path('clone'), 'log', '--format=%H')).toBe(history)
        expect(await git('-C', line.path('clone'), 'count-objects', '-v')).toMatch(/^in-pack: [3-9]\d\d$/m)
        expect(await git('-C', line.path('clone'), 'fsck', '--full')).toBe('')
      },
      SLOW_MS,
    )
  },
)

function skipped(why: string | undefined): string {
  return why === undefined ? '' : ` (skipped: ${why})`
}
