/** What does not go with a folder: told line by line, and counted. */
import { EXIT, type ExitCode } from '../ending.ts'
import { MAX_LEFT_OUT_TOLD } from '../transfer/limits.ts'
import type { LeftOut } from '../transfer/set-source.ts'
import type { CommandRun } from './command-run.ts'

const CODE = 'ERR_CLI_LEFT_OUT'

export class LeftOutReport {
  readonly #run: CommandRun
  #count = 0
  #missed = 0

  constructor(run: CommandRun) {
    this.#run = run
  }

  add({ path, why, isMissed }: LeftOut): void {
    this.#count++
    if (isMissed) this.#missed++
    if (this.#count <= MAX_LEFT_OUT_TOLD) this.#run.warn(CODE, `${path} is left out: ${why}`)
  }

  /** All was added. */
  close(): void {
    const more = this.#count - MAX_LEFT_OUT_TOLD
    if (more > 0) this.#run.warn(CODE, `${more} more ${more === 1 ? 'is' : 'are'} left out`)
  }

  /** After all that could go went: whether that was all files. Links and special files are meant to be left out. */
  get exitCode(): ExitCode {
    if (this.#missed === 0) return EXIT.done
    const files = this.#missed === 1 ? 'a file or folder was' : `${this.#missed} files and folders were`
    this.#run.display.emit({ event: 'error', code: CODE, message: `${files} left out that should have gone` })
    return EXIT.failed
  }
}
