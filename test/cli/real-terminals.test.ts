import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { told, until } from '../../tools/regtest/until.ts'
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
  #run = 0

  constructor(columns: number) {
    this.columns = columns
    this.#name = `keysock-stage-${process.pid}-${columns}`
    this.#server = createServer((socket) => {
      this.#stage = socket
      createInterface({ input: socket }).on('line', (line) => {
        // One that was ended from outside says nothing that counts.
        if (socket === this.#stage) this.#reports.push(JSON.parse(line) as Report)
      })
      socket.on('error', () => undefined)
    })
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#tmux('new-session', '-d', '-x', String(this.columns), '-y', '40', this.#loop)
    await this.#report('ready')
  }

  /** Another stage, whatever the one before is doing. */
  async reopen(): Promise<void> {
    this.#stage?.destroy()
    this.#stage = undefined
    this.#reports.length = 0
    this.#tmux('respawn-pane', '-k', this.#loop)
    await this.#report('ready')
  }

  /** A command that ends at once ends its process: the next one has another. The shell outlives Ctrl-C. */
  get #loop(): string {
    const { port } = this.#server.address() as AddressInfo
    return `trap : INT; while :; do CONTROL=${port} '${process.execPath}' '${STAGE}'; done`
  }

  #tmux(...words: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync('tmux', ['-L', this.#name, '-f', '/dev/null', ...words], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`tmux ${words.join(' ')}: ${stderr}`)
    return stdout
  }

  /** What is there; the screen is in the error otherwise. */
  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    return await until(what, look, WAIT).catch((error: unknown) => {
      throw new Error(`${told(error)}; the terminal shows:\n${this.screen.trimEnd()}`, { cause: error })
    })
  }

  /** Until a report of that type comes of the command typed last, which it takes. */
  async #report<Type extends Report['type']>(type: Type): Promise<Extract<Report, { type: Type }>> {
    return await this.#until(`the stage says ${type}`, () => {
      const index = this.#reports.findIndex(
        (report) => report.type === type && (!('run' in report) || report.run === this.#run),
      )
      const [report] = index === -1 ? [] : this.#reports.splice(index, 1)
      return report as Extract<Report, { type: Type }> | undefined
    })
  }

  /** Types a command, and returns once the terminal shows nothing but its doing. */
  async type(order: Omit<Order, 'run' | 'titles'>): Promise<void> {
    const run = ++this.#run
    this.#stage?.write(`${JSON.stringify({ ...order, run, titles: this.#titles } satisfies Order)}\n`)
    const { begun, ended } = this.#titles
    await this.#hasTitle([begun, ended], `${order.name} begins`)
  }

  get #titles(): Order['titles'] {
    return { begun: `run ${this.#run} begun`, ended: `run ${this.#run} ended` }
  }

  async #hasTitle(titles: readonly string[], what: string): Promise<void> {
    await this.#until(what, () => {
      const title = this.#tmux('display-message', '-p', '#{pane_title}').trim()
      return titles.includes(title) ? true : undefined
    })
  }

  /** Until what waits for Ctrl-C does. */
  async held(): Promise<void> {
    await this.#report('held')
  }

  /** Until the command is over and the terminal has all that it wrote. */
  async ended(): Promise<{ readonly code: number; readonly isAtOnce: boolean }> {
    const { code, isAtOnce } = await this.#report('ended')
    await this.#hasTitle([this.#titles.ended], 'the terminal has what the command wrote')
    return { code, isAtOnce }
  }

  /** Until another stage is ready, where that command ended its process. */
  async ready(): Promise<void> {
    await this.#report('ready')
  }

  interrupt(): void {
    this.#tmux('send-keys', 'C-c')
  }

  get screen(): string {
    // Rows that the terminal broke are one.
    return this.#tmux('capture-pane', '-p', '-J')
  }

  async shows(what: RegExp): Promise<void> {
    await this.#until(`the terminal shows ${String(what)}`, () => (what.test(this.screen) ? true : undefined))
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

/** It bounds a hang: on a busy machine a process starts within a tenth of it. */
const WAIT = { deadlineMs: 25_000, everyMs: 20 }
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
      await terminal.open()
    })
    afterEach(async ({ task }) => {
      // What failed may run still: it is none of the next one's concern.
      if (task.result?.state === 'fail') await terminal.reopen()
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
        await terminal.type({ name, words })
        const { code } = await terminal.ended()
        expect({ code, screen: code === 0 ? '' : terminal.screen }).toEqual({ code: 0, screen: '' })
        leavesOrder()
      }
      if (runs === undefined) return
      const { code: end = 130, words: long = words, shows } = runs
      const endsByCtrlC = async (): Promise<void> => {
        terminal.interrupt()
        expect(await terminal.ended()).toEqual({ code: end, isAtOnce: false })
        leavesOrder()
        if (name === 'connect') await terminal.ready()
      }
      // While it works.
      await terminal.type({ name, words: long })
      await terminal.shows(shows)
      await endsByCtrlC()
      if (WITHOUT_ENDPOINT.has(name)) return
      // At its start.
      await terminal.type({ name, words: long, hold: 'opening' })
      await terminal.held()
      await endsByCtrlC()
      // While it ends: the second one is the last. Each takes a process, and the width is no matter there.
      if (columns !== 80) return
      await terminal.type({ name, words: long, hold: 'closing' })
      await terminal.shows(shows)
      terminal.interrupt()
      await terminal.held()
      terminal.interrupt()
      expect(await terminal.ended()).toEqual({ code: 130, isAtOnce: true })
      leavesOrder()
      await terminal.ready()
    })
  },
)
