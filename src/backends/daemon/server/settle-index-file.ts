import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Clock } from '../../../floor/clock.ts'
import { BackendError } from '../../backend.ts'
import { SETTLE_INDEX_EVERY_MS } from '../protocol/limits.ts'

/**
 * Keeps in a file how far the node's invoices were handed on, which is where the next daemon goes on. What a crash
 * leaves out arrives twice, which receivers bear.
 */
export class SettleIndexFile {
  readonly #file: string
  readonly #clock: Clock
  readonly #failed: (error: Error) => void
  #index: bigint | undefined
  #written: bigint | undefined
  #writing: Promise<void> = Promise.resolve()
  #cancel: (() => void) | undefined

  constructor(options: { readonly file: string; readonly clock: Clock; readonly failed: (error: Error) => void }) {
    this.#file = options.file
    this.#clock = options.clock
    this.#failed = options.failed
  }

  /**
   * @param file another than its own where a former version left it elsewhere
   * @throws BackendError 'bad-request' where the file holds something else
   */
  async read(file: string = this.#file): Promise<bigint | undefined> {
    let content: string
    try {
      content = (await readFile(file, 'utf8')).trim()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new BackendError('bad-request', `cannot read ${file}: ${(error as Error).message}`, { cause: error })
    }
    if (!/^[0-9]{1,19}$/.test(content))
      throw new BackendError('bad-request', `${file} holds no settle index; remove it to begin at the present`)
    return BigInt(content)
  }

  /** Is written within SETTLE_INDEX_EVERY_MS. */
  set(index: bigint): void {
    this.#index = index
    this.#cancel ??= this.#clock.schedule(this.#clock.now() + SETTLE_INDEX_EVERY_MS, () => {
      this.#cancel = undefined
      this.#writing = this.#writing.then(() => this.#write())
    })
  }

  async close(): Promise<void> {
    this.#cancel?.()
    await this.#writing
    await this.#write()
  }

  async #write(): Promise<void> {
    const index = this.#index
    if (index === undefined || index === this.#written) return
    try {
      // Flushed to the disk before it gets its name: an empty file would keep the next daemon from starting.
      await writeFile(`${this.#file}.next`, `${index}\n`, { mode: 0o600, flush: true })
      await rename(`${this.#file}.next`, this.#file)
      this.#written = index
    } catch (error) {
      this.#failed(error as Error)
    }
  }
}
