import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { installed } from './installed.ts'

const PROMPT = 'ready> '
const BASH = `exec env TERM=dumb HISTFILE= "PS1=${PROMPT}" bash --norc --noprofile -i`
/**
 * The other side's terminal is made by script(1): an sshd without privileges gives one only where the system mounts
 * terminals with their group, which many containers do not.
 */
const SHELL = `exec script -qefc '${BASH}' /dev/null`

/** Somebody at a terminal of bash, by ssh: types, and waits for what the other side echoes. */
export class ShellSession {
  readonly #ssh: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #ended: Promise<unknown[]>
  #output = ''
  #errors = ''

  private constructor(config: string, host: string, environment: NodeJS.ProcessEnv) {
    this.#ssh = spawn(installed('ssh'), ['-F', config, '-T', host, SHELL], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#ssh, 'exit')
    this.#ssh.stdin.on('error', () => undefined)
    this.#ssh.stdout.on('data', (chunk: Buffer) => (this.#output += String(chunk)))
    this.#ssh.stderr.on('data', (chunk: Buffer) => (this.#errors += String(chunk)))
  }

  /** Logs in. Resolves at the first prompt. @throws Error with what ssh says */
  static async open(config: string, host: string, environment: NodeJS.ProcessEnv = {}): Promise<ShellSession> {
    const session = new ShellSession(config, host, environment)
    await session.#shows('the prompt', (output) => output.endsWith(PROMPT))
    return session
  }

  /** Presses a key, which the other side echoes at the end of the line. Resolves with the milliseconds until then. */
  async press(key: string): Promise<number> {
    const before = this.#output.length
    const startMs = performance.now()
    this.#ssh.stdin.write(key)
    await this.#shows(`the echo of ${key}`, (output) => output.slice(before) === key)
    return performance.now() - startMs
  }

  /** Enter: what the command on the line prints, and the milliseconds until the next prompt. */
  async enter(): Promise<{ readonly printed: string; readonly ms: number }> {
    const before = this.#output.length
    const startMs = performance.now()
    this.#ssh.stdin.write('\r')
    await this.#shows('the next prompt', (output) => output.length > before && output.endsWith(PROMPT))
    const printed = this.#output.slice(before, -PROMPT.length).replaceAll('\r', '').trim()
    return { printed, ms: performance.now() - startMs }
  }

  /** Leaves the shell with this exit code. Resolves with that of ssh. */
  async leave(code: number): Promise<unknown> {
    this.#ssh.stdin.write(`exit ${code}\r`)
    const [exitCode, signal] = await this.#ended
    return exitCode ?? signal
  }

  /** Ends ssh at once. */
  kill(): void {
    this.#ssh.kill('SIGKILL')
  }

  async #shows(what: string, fits: (output: string) => boolean): Promise<void> {
    const hopeless = (): string | undefined =>
      this.#ssh.exitCode === null ? undefined : `ssh ended with ${this.#ssh.exitCode}: ${this.#errors}${this.#output}`
    for (;;) {
      if (fits(this.#output)) return
      const reason = hopeless()
      if (reason !== undefined) throw new Error(`${what}: ${reason}`)
      await Promise.race([once(this.#ssh.stdout, 'data'), this.#ended])
    }
  }
}
