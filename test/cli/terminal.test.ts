import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../tools/regtest/until.ts'

const PROGRAM = join(import.meta.dirname, 'terminal-program.ts')
const hasTmux = spawnSync('tmux', ['-V']).status === 0

/** Servers of tmux so far: each terminal has one of its own, which nobody else's sessions see. */
const servers: string[] = []

function tmux(...words: readonly string[]): string {
  const server = servers.at(-1) ?? 'none'
  const { stdout, stderr, status } = spawnSync('tmux', ['-L', server, '-f', '/dev/null', ...words], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** A command of alice's in a real terminal. */
class RealTerminal {
  constructor(
    words: readonly string[],
    { columns, peer = [] }: { readonly columns: number; readonly peer?: readonly string[] },
  ) {
    const command = [`PEER='${JSON.stringify(peer)}'`, `'${process.execPath}'`, `'${PROGRAM}'`, ...words].join(' ')
    servers.push(`keysock-test-${process.pid}-${servers.length}`)
    // The shell behind it keeps what the command wrote on the screen.
    tmux('new-session', '-d', '-x', String(columns), '-y', '24', `${command}; read -r line`)
  }

  /** What can be seen. */
  get screen(): string {
    return tmux('capture-pane', '-p')
  }

  types(...keys: readonly string[]): void {
    tmux('send-keys', ...keys)
  }

  async shows(what: RegExp | string): Promise<string> {
    return await until(`the terminal shows ${String(what)}`, () => {
      const { screen } = this
      return (typeof what === 'string' ? screen.includes(what) : what.test(screen)) ? screen : undefined
    })
  }
}

/** Rows that are wider than the terminal would show as rows of their own: none begins in the middle of a word. */
const rowsOf = (screen: string): readonly string[] => screen.split('\n').filter((row) => row !== '')

describe.skipIf(!hasTmux)(`in a real terminal${hasTmux ? '' : ' (skipped: tmux is not installed)'}`, () => {
  afterEach(() => {
    for (const server of servers) spawnSync('tmux', ['-L', server, 'kill-server'])
  })

  describe.each([80, 120])('of %i columns', (columns) => {
    it('a chat leaves what is typed whole while lines come, and the terminal in order at Ctrl-C', async () => {
      const peer = ['chat', '--listen', '--name', 'bob']
      const terminal = new RealTerminal(['chat', 'BOB', '--name', 'alice'], { columns, peer })
      await terminal.shows('* bob is there')
      terminal.types('-l', 'first')
      terminal.types('Enter')
      const half = 'a line with 漢字 that is typed meanwhile and takes more than one row of any terminal, '.repeat(2)
      terminal.types('-l', half)
      const screen = await terminal.shows('bob: you said: first')
      const typed = (text: string): string => text.replaceAll(/\n\s*/g, '')
      await until('what is typed stands below', () => {
        const [, below = ''] = typed(terminal.screen).split('bob: you said: first')
        return below.replaceAll(' ', '').endsWith(half.replaceAll(' ', '')) ? below : undefined
      })
      // Once, and with one prompt.
      expect(screen.split('a line with').length).toBeLessThanOrEqual(3)
      terminal.types('C-u')
      terminal.types('-l', '/pay 20 thanks')
      terminal.types('Enter')
      await terminal.shows('* you gave 20 sat: thanks')
      terminal.types('-l', 'unfinished')
      terminal.types('C-c')
      const end = await terminal.shows('exit code 130')
      expect(end).not.toContain('unfinished')
      expect(end).toMatch(/\* [\d.]+ s, 1 said, 1 heard; [\d.]+ sat spent/)
    })

    it('a chat ends at Ctrl-D', async () => {
      const terminal = new RealTerminal(['chat', 'BOB'], { columns, peer: ['chat', '--listen', '--name', 'bob'] })
      await terminal.shows('* bob is there')
      terminal.types('C-d')
      await terminal.shows('exit code 0')
    })

    it('ping prints a row for each answer, and its statistics at Ctrl-C', async () => {
      const terminal = new RealTerminal(['ping', 'BOB', '-i', '5s'], {
        columns,
        peer: ['messages', '--follow', '--phantom-lane'],
      })
      await terminal.shows('seq=2')
      terminal.types('C-c')
      const end = await terminal.shows('exit code 130')
      expect(end).toMatch(/0% loss/)
      expect(rowsOf(end).filter((row) => row.includes('1366 bytes from')).length).toBeGreaterThanOrEqual(2)
    })
  })
})
