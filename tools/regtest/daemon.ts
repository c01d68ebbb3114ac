import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Nest } from './nest.ts'

/** lnd closes its databases on SIGINT: about a second on an idle machine. One that is killed meanwhile did not stop. */
const STOP_MS = 120_000
const TAIL_LINES = 15

export interface DaemonSettings {
  readonly nest: Nest
  /** For messages, and for the file that holds what it prints. */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
}

/** A program that runs until it is stopped. What it prints goes to a file in the nest. */
export class Daemon {
  readonly #settings: DaemonSettings
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #ending: string | undefined

  constructor(settings: DaemonSettings) {
    this.#settings = settings
    const output = openSync(this.outputFile, 'a')
    // In a process group of its own: a Ctrl-C at the terminal is ours to handle.
    this.#child = spawn(settings.program, settings.args, { stdio: ['ignore', output, output], detached: true })
    closeSync(output)
    const { pid } = this.#child
    if (pid !== undefined) settings.nest.add(pid)
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#ending ??= how
        if (pid !== undefined) settings.nest.remove(pid)
        resolve()
      }
      this.#child.once('exit', (code, signal) => end(signal ?? `status ${code}`))
      this.#child.once('error', (error) => end(error.message))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get outputFile(): string {
    return join(this.#settings.nest.folder, `${this.#settings.name}.out`)
  }

  get isRunning(): boolean {
    return this.#ending === undefined
  }

  /** How it ended, with the end of what it printed; undefined while it runs. */
  ending(): string | undefined {
    if (this.#ending === undefined) return undefined
    const tail = readFileSync(this.outputFile, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
    return `${this.#settings.name} ended (${this.#ending})\n${tail}`
  }

  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Sends a signal and waits for the end; a process that does not end in time is killed. */
  async end(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (!this.isRunning) return
    this.#child.kill(signal)
    const giveUp = new AbortController()
    const late = sleep(STOP_MS, 'late', { signal: giveUp.signal, ref: false }).catch(() => 'cancelled')
    if ((await Promise.race([this.#ended, late])) === 'late') this.#child.kill('SIGKILL')
    giveUp.abort()
    await this.#ended
  }
}
