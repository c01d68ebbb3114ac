import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { until } from '../../tools/regtest/until.ts'

/** A program of `fixtures` in a process of its own, which a test talks to by lines. It ends with its test. */
export class FixtureProgram {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #isOver = false

  /** @param file the URL of its source */
  constructor(file: string, args: readonly string[], nodeArgs: readonly string[] = []) {
    this.#child = spawn(process.execPath, [...nodeArgs, fileURLToPath(file), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#lines.push(line))
    this.#child.once('exit', () => {
      this.#isOver = true
    })
    onTestFinished(() => this.kill())
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What it printed so far. */
  get lines(): readonly string[] {
    return this.#lines
  }

  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** The first line that begins so, without its beginning. */
  async answer(beginning: string): Promise<string> {
    const line = await until(
      `the program says ${beginning}`,
      () => this.#lines.find((each) => each.startsWith(beginning)),
      { hopeless: () => (this.#isOver ? 'it has ended' : undefined) },
    )
    return line.slice(beginning.length).trim()
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await until('the program has ended', () => this.#isOver || undefined)
  }
}
