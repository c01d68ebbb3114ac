/** What tests of other people's programs share: services of bob, exposed, and what reaches them at alice. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { mkdir, writeFile } from 'node:fs/promises'
import type { AccountTotal } from '../../src/index.ts'
import { type Daemon, startDaemon } from '../../src/daemon.ts'
import { AddressBook } from '../../src/cli/home/address-book.ts'
import { installed } from '../../tools/programs/installed.ts'
import { KEYSOCK_COMMAND } from '../../tools/programs/keysock-command.ts'
import { CommandLine } from '../cli/command-line.ts'
import { closeLocal, end, expose, forward } from '../cli/tunnel-stage.ts'

const run = promisify(execFile)
/** The network is so much faster than the programs, which keep their own time. */
const SERVICE_SPEED = 20
/** Of a program's output. */
const MAX_OUTPUT_BYTES = 2 ** 26

/**
 * A daemon of alice's simulated node, to which the unmodified keysock command attaches from processes of its own: so
 * ssh starts the real one as its ProxyCommand.
 */
export class AliceWithDaemon {
  readonly environment: NodeJS.ProcessEnv
  readonly proxyCommand: string
  readonly #daemon: Daemon

  private constructor(daemon: Daemon, environment: NodeJS.ProcessEnv, words: string) {
    this.#daemon = daemon
    this.environment = environment
    this.proxyCommand = `${KEYSOCK_COMMAND} connect ${words} %h %p`
  }

  /** With 'shop' for bob in the address book. `words` go to `keysock connect`. */
  static async start(line: CommandLine, words = '--max-hour 100000'): Promise<AliceWithDaemon> {
    const socket = line.path('alice.sock')
    const environment = { KEYSOCK_HOME: line.path('home'), KEYSOCK_DAEMON: socket }
    const daemon = await startDaemon({ backend: line.sim.backend('alice'), socket, state: line.path('daemon') })
    await new AddressBook(environment).add({ name: 'shop', address: line.key('bob') }, { isReplaced: false })
    return new AliceWithDaemon(daemon, environment, words)
  }

  /** Runs a program to its end, with what it needs to find the daemon. @throws what it says */
  async run(program: string, words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<string> {
    const env = { ...process.env, ...this.environment, ...more }
    const { stdout } = await run(installed(program), words, { env, maxBuffer: MAX_OUTPUT_BYTES })
    return stdout
  }

  /** What the daemon's programs paid and were paid. */
  async total(): Promise<AccountTotal> {
    const [all] = await this.#daemon.account.totals({})
    if (all === undefined) throw new Error('nothing was paid')
    return all
  }

  async close(): Promise<void> {
    await this.#daemon.stop()
  }
}

/** A folder of this tree's history: real files, in so many commits. */
export async function makeRepository(
  folder: string,
  commits: number,
  pattern: (index: number) => string,
): Promise<void> {
  const git = (...words: readonly string[]): Promise<unknown> => run(installed('git'), ['-C', folder, ...words])
  await mkdir(folder)
  await git('init', '-q', '-b', 'main')
  for (let i = 0; i < commits; i++) {
    await mkdir(join(folder, `part-${i % 7}`), { recursive: true })
    await writeFile(join(folder, `part-${i % 7}`, `file-${i}.txt`), pattern(i))
    await git('add', '.')
    const author = ['-c', 'user.name=alice', '-c', 'user.email=alice@localhost']
    await git(...author, 'commit', '-q', '-m', `Add file ${i}`)
  }
}

/** A simulated network on which alice reaches services of bob's, and what a test has to let go of at its end. */
export class ServiceStage {
  readonly line: CommandLine = new CommandLine(undefined, SERVICE_SPEED)
  readonly #closers: (() => unknown)[] = []

  /** Runs at the end of the test, the last one first, and before the network ends. */
  later(close: () => unknown): void {
    this.#closers.push(close)
  }

  /** Exposes a local port at bob, and gives the one at alice that leads there. At the end nothing may have broken. */
  async tunnelTo(service: number): Promise<number> {
    const exposed = await expose(this.line, [String(service)])
    const { running, port } = await forward(this.line, [`${this.line.key('bob')}:${service}`, '--max-hour', '100000'])
    this.later(() => end(running, exposed))
    return port
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close()
    closeLocal()
    this.line.close()
  }
}
