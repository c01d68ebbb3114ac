/** A small file of JSON in the folder of KEYSOCK_HOME, which several processes read and change at once. */
import { readFileSync, statSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pause } from '../../floor/clock.ts'
import { keysockHome } from '../../floor/home.ts'
import { takeLock } from '../../floor/socket-lock.ts'
import { syncFolder } from '../../floor/sync-folder.ts'
import { KeysockError } from '../../index.ts'
import { messageOf } from '../transfer/errors.ts'
import { LOCK_AGAIN_MS, LOCK_TRIES, MAX_HOME_FILE_BYTES } from './limits.ts'

interface HomeFileOptions<Content> {
  readonly environment: NodeJS.ProcessEnv
  /** Its name in the folder. */
  readonly name: string
  /** The code of errors about it. */
  readonly code: string
  /** The content of what stands in the file; undefined: it is not what keysock writes. */
  readonly parse: (value: unknown) => Content | undefined
  /** Where there is no file yet. */
  readonly empty: Content
}

/** Reads at any time see a whole file; changes are made one after the other, and reach the disk before they count. */
export class HomeFile<Content> {
  readonly path: string
  readonly #options: HomeFileOptions<Content>

  constructor(options: HomeFileOptions<Content>) {
    this.#options = options
    this.path = join(keysockHome(options.environment), options.name)
  }

  /** @throws KeysockError with the code of the file where it cannot be read, or is another one */
  read(): Content {
    const text = this.#text()
    if (text === undefined) return this.#options.empty
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw this.#unreadable(messageOf(error), error)
    }
    const content = this.#options.parse(value)
    if (content === undefined) throw this.#unreadable('it is not what keysock writes')
    return content
  }

  /**
   * Puts what `change` makes of the content in its place, while no other process can.
   *
   * @throws what `change` throws; KeysockError where the file cannot be read or written: it is as before then
   */
  async update(change: (content: Content) => Content): Promise<Content> {
    const release = await this.#lock()
    try {
      const content = change(this.read())
      await this.#write(`${JSON.stringify(content, null, 2)}\n`)
      return content
    } finally {
      await release()
    }
  }

  #text(): string | undefined {
    try {
      if (statSync(this.path).size > MAX_HOME_FILE_BYTES)
        throw this.#unreadable(`it is larger than ${MAX_HOME_FILE_BYTES} bytes`)
      return readFileSync(this.path, 'utf8')
    } catch (error) {
      if (error instanceof KeysockError) throw error
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw this.#unreadable(messageOf(error), error)
    }
  }

  async #lock(): Promise<() => Promise<void>> {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const attempt = await this.#attempt('lock', () => takeLock(`${this.path}.lock`, () => String(process.pid)))
      if (!attempt.isTaken) return () => attempt.lock.release()
      await pause(LOCK_AGAIN_MS)
    }
    throw this.#error(`${this.path} is being changed by other processes all the time; try again`)
  }

  async #write(text: string): Promise<void> {
    const next = `${this.path}.next`
    await this.#attempt('write', async () => {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
      const file = await open(next, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(next, this.path)
      await syncFolder(dirname(this.path))
    })
  }

  async #attempt<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action()
    } catch (error) {
      throw this.#error(`cannot ${what} ${this.path}: ${messageOf(error)}`, error)
    }
  }

  #unreadable(why: string, cause?: unknown): KeysockError {
    return this.#error(`cannot read ${this.path}: ${why}; mend it, or move it away to start anew`, cause)
  }

  #error(message: string, cause?: unknown): KeysockError {
    return new KeysockError(this.#options.code, message, { cause })
  }
}
