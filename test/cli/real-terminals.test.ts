import { spawnSync } from 'node:child_process'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../tools/regtest/until.ts'
import { everyCommand, TRIALS } from './every-command.ts'
import type { Order, Report } from './terminal-stage.ts'

const STAGE = join(import.meta.dirname, 'terminal-stage.ts')
const hasTmux = spawnSync('tmux', ['-V']).status === 0

/** A terminal in which one command runs after the other. */
class StageTerminal {
  readonly columns: number
  readonly #name: string
  readonly #server: Server
  readonly #reports: Report[] = []
  #stage: Socket | undefined

  constructor(columns: number) {
    this.columns = columns
    this.#name = `keysock-stage-${process.pid}-${columns}`
    this.#server = createServer((socket) => {
      this.#stage = socket
      createInterface({ input: socket }).on('line', (line) => this.#reports.push(JSON.parse(line) as Report))
    })
    this.#server.listen(0, '127.0.0.1', () => {
      const { port } = this.#server.address() as AddressInfo
      // A command that ends at once ends its process: the next one has another. The shell outlives Ctrl-C.
      const loop = `trap : INT; while :; do CONTROL=${port} '${process.execPath}' '${STAGE}'; done`
      this.#tmux('new-session', '-d', '-x', String(columns), '-y', '40', loop)
    })
  }

  #tmux(...words: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync('tmux', ['-L', this.#name, '-f', '/dev/null', ...words], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${stderr}`)
    return stdout
  }

  /** Until a report of that type comes, which it takes. */
  async report<Type extends Report['type']>(type: Type): Promise<Extract<Report, { type: Type }>> {
    return await until(
      `the stage says ${type}`,
      () => {
        const index = this.#reports.findIndex((report) => report.type === type)
        if (index === -1) return undefined
        const [report] = this.#reports.splice(index, 1)
        return report as Extract<Report, { type: Type }>
      },
      WAIT,
    )
  }

  order(order: Order): void {
    this.#reports.length = 0
    this.#stage?.write(`${JSON.stringify(order)}\n`)
  }

  interrupt(): void {
    this.#tmux('send-keys', 'C-c')
  }

  get screen(): string {
    // Rows that the terminal broke are one.
    return this.#tmux('capture-pane', '-p', '-J')
  }

  async shows(what: RegExp): Promise<void> {
    await until(`the terminal shows ${String(what)}`, () => (what.test(this.screen) ? true : undefined), WAIT)
  }

  /** What a program may leave behind in another state than it found. */
  get modes(): object {
    const [cursor, wrap, alternate, tty = ''] = this.#tmux(
      'display-message',
      '-p',
      '#{cursor_flag} #{wrap_flag} #{alternate_on} #{pane_tty}',
    )
      .trim()
      .split(' ')
    const line = spawnSync('stty', ['-F', tty, '-a'], { encoding: 'utf8' }).stdout
    const has = (name: string): boolean => new RegExp(`(^|\\s)${name}(;|\\s|$)`).test(line)
    return { cursor, wrap, alternate, echo: has('echo'), lines: has('icanon'), signals: has('isig') }
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#name, 'kill-server'])
    this.#server.close()
    this.#stage?.destroy()
  }
}

const WAIT = { deadlineMs: 60_000, everyMs: 20 }
const IN_ORDER = { cursor: '1', wrap: '1', alternate: '0', echo: true, lines: true, signals: true }
/** To be copied, as all with an address: they stay whole, and the terminal breaks them. */
const IS_TO_COPY = /^ *keysock |\S{50,}/
/** They have no endpoint whose closing could be interrupted. */
const WITHOUT_ENDPOINT: ReadonlySet<string> = new Set(['status', 'daemon'])

it('every command is in the table', () => {
  expect(Object.keys(TRIALS).toSorted()).toEqual([...everyCommand().keys()].toSorted())
})

describe.skipIf(!hasTmux).each([80, 120])(
  `in a real terminal of %i columns${hasTmux ? '' : ' (skipped: tmux is not installed)'}`,
  (columns) => {
    let terminal: StageTerminal

    beforeAll(async () => {
      terminal = new StageTerminal(columns)
      await terminal.report('ready')
    })
    afterAll(() => {
      terminal.close()
    })

    /** Nothing torn, too wide or said twice, and the terminal as it was. */
    const leavesOrder = (): void => {
      const rows = terminal.screen.split('\n').filter((row) => row.trim() !== '')
      expect(terminal.modes).toEqual(IN_ORDER)
      expect(rows.filter((row) => row.length > columns && !IS_TO_COPY.test(row))).toEqual([])
      expect(rows.filter((row) => /\[\??\d+(;\d+)*[A-Za-z]|\uFFFD/.test(row))).toEqual([])
      expect(rows.filter((row, index) => index > 0 && row === rows[index - 1])).toEqual([])
    }

    it.each(Object.entries(TRIALS))('%s', async (name, { words, runs }) => {
      if (name === 'connect') words = runs?.words ?? words
      const isEndless = runs?.isEndless === true && (runs.words === undefined || name === 'connect')
      if (!isEndless) {
        terminal.order({ name, words })
        const { code } = await terminal.report('ended')
        expect({ code, screen: code === 0 ? '' : terminal.screen }).toEqual({ code: 0, screen: '' })
        leavesOrder()
      }
      if (runs === undefined) return
      const { code: end = 130, words: long = words, shows } = runs
      const interrupted = async (): Promise<void> => {
        terminal.interrupt()
        const { code, isAtOnce } = await terminal.report('ended')
        expect({ code, isAtOnce }).toEqual({ code: end, isAtOnce: false })
        leavesOrder()
        if (name === 'connect') await terminal.report('ready')
      }
      // While it works.
      terminal.order({ name, words: long })
      await terminal.shows(shows)
      await interrupted()
      if (WITHOUT_ENDPOINT.has(name)) return
      // At its start.
      terminal.order({ name, words: long, hold: 'opening' })
      await terminal.report('held')
      await interrupted()
      if (columns !== 80) return
      // While it ends: the second one is the last.
      terminal.order({ name, words: long, hold: 'closing' })
      await terminal.shows(shows)
      terminal.interrupt()
      await terminal.report('held')
      terminal.interrupt()
      expect(await terminal.report('ended')).toMatchObject({ code: 130, isAtOnce: true })
      await terminal.report('ready')
      leavesOrder()
    })
  },
)
