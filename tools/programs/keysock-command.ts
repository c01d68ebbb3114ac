import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CliEvent } from '../../src/cli/events.ts'
import { until } from '../regtest/until.ts'

const PROGRAM = fileURLToPath(new URL('../../src/cli/keysock.ts', import.meta.url))

/** The words that start the keysock command of this tree, for a shell: as in ProxyCommand. */
export const KEYSOCK_COMMAND: string = `'${process.execPath}' --disable-warning=DEP0123 '${PROGRAM}'`

/** A keysock command in a process of its own, with --json: as a user starts it, beside other programs. */
export class KeysockCommand {
  readonly #process: ChildProcess
  readonly #events: Readonly<Record<string, unknown>>[] = []
  readonly #ended: Promise<unknown[]>

  constructor(words: readonly string[], environment: NodeJS.ProcessEnv) {
    this.#process = spawn(process.execPath, ['--disable-warning=DEP0123', PROGRAM, ...words, '--json'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#ended = once(this.#process, 'exit')
    const output = this.#process.stdout
    if (output === null) throw new Error('it has no output')
    createInterface({ input: output }).on('line', (line) =>
      this.#events.push(JSON.parse(line) as Readonly<Record<string, unknown>>),
    )
  }

  /** Resolves when it has printed an event of this name. @throws Error where it ends instead */
  async prints(name: CliEvent['event'] | 'ready'): Promise<void> {
    await until(`keysock prints ${name}`, () => this.#events.some(({ event }) => event === name) || undefined, {
      hopeless: () => (this.#process.exitCode === null ? undefined : JSON.stringify(this.#events.at(-1))),
    })
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#ended
    return code ?? signal
  }

  /** Ends it as Ctrl-C does, and gives its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<unknown> {
    this.#process.kill(signal)
    return await this.ended()
  }
}
