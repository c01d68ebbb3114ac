/** A file of JSON lines that only grows, and is on disk when a write resolves. */
import { type FileHandle, mkdir, open, readFile, rename, stat, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MAX_JOURNAL_BYTES } from './limits.ts'

/** The first line: what the file is, and the version of its lines. */
const HEADLINE = JSON.stringify({ journal: 'keysock gateway', version: 1 })
const OWNER_ONLY = 0o600

/**
 * Lines that are asked for while others are being written go to disk with one fsync. A last line that a crash tore is
 * dropped: nobody was told that it is there. Whoever has it sees that no other process writes it.
 */
export class Journal {
  readonly #file: string
  #handle: FileHandle
  #batch: { readonly lines: string[]; readonly written: Promise<void> } | undefined
  #last: Promise<void> = Promise.resolve()
  #lines: number
  readonly #failed = Promise.withResolvers<Error>()
  #failure: Error | undefined

  private constructor(file: string, handle: FileHandle, lines: number) {
    this.#file = file
    this.#handle = handle
    this.#lines = lines
  }

  /** @throws Error where the file is none of ours, or is damaged before its end */
  static async open(file: string): Promise<{ readonly journal: Journal; readonly lines: readonly unknown[] }> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const lines = await readLines(file)
    const handle = await open(file, 'a', OWNER_ONLY)
    const journal = new Journal(file, handle, lines?.length ?? 0)
    if (lines === undefined) await journal.rewrite(() => [])
    return { journal, lines: lines ?? [] }
  }

  /** Why nothing can be written any more; undefined while it can. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves when a write failed: what the file holds is unknown then, and nothing more may be promised. */
  get failed(): Promise<Error> {
    return this.#failed.promise
  }

  /** Lines in the file, but the first. */
  get length(): number {
    return this.#lines
  }

  /** Resolves when the line is on disk. After a failure nothing more is written, and every write rejects. */
  append(line: object): Promise<void> {
    this.#batch ??= this.#newBatch()
    this.#batch.lines.push(`${JSON.stringify(line)}\n`)
    return this.#batch.written
  }

  /**
   * Puts a file with these lines in place of the old one, by one rename. `lines` is asked when it is written, and has
   * in it what every `append` until then said.
   */
  rewrite(lines: () => readonly object[]): Promise<void> {
    const done = this.#last.then(() => {
      const all = lines()
      this.#batch?.lines.splice(0)
      return this.#rewrite(all)
    })
    this.#follow(done)
    return done
  }

  /** Resolves when what was asked for until now is on disk, or has failed. */
  async written(): Promise<void> {
    await this.#last.catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.written()
    await this.#handle.close()
  }

  #newBatch(): { readonly lines: string[]; readonly written: Promise<void> } {
    const lines: string[] = []
    const written = this.#last.then(async () => {
      this.#batch = undefined
      await this.#handle.appendFile(lines.join(''))
      await this.#handle.datasync()
      this.#lines += lines.length
    })
    this.#follow(written)
    return { lines, written }
  }

  #follow(write: Promise<void>): void {
    this.#last = write
    write.catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
      this.#failed.resolve(this.#failure)
    })
  }

  async #rewrite(lines: readonly object[]): Promise<void> {
    const next = await open(`${this.#file}.next`, 'w', OWNER_ONLY)
    await next.writeFile([HEADLINE, ...lines.map((line) => JSON.stringify(line)), ''].join('\n'))
    await next.sync()
    await next.close()
    await rename(`${this.#file}.next`, this.#file)
    const folder = await open(dirname(this.#file), 'r')
    await folder.sync()
    await folder.close()
    await this.#handle.close()
    this.#handle = await open(this.#file, 'a', OWNER_ONLY)
    this.#lines = lines.length
  }
}

/** Undefined where there is no file yet. */
async function readLines(file: string): Promise<unknown[] | undefined> {
  const size = await sizeOf(file)
  if (size === undefined || size === 0) return undefined
  if (size > MAX_JOURNAL_BYTES) throw new Error(`${file} is larger than ${MAX_JOURNAL_BYTES} bytes`)
  const bytes = await readFile(file)
  const whole = bytes.lastIndexOf(0x0a) + 1
  const [headline, ...texts] = bytes.toString('utf8', 0, whole).split('\n').slice(0, -1)
  if (headline !== HEADLINE) throw new Error(`${file} is no journal of a gateway: its first line is another`)
  // What a crash left of a line must not become the beginning of the next one.
  if (whole < bytes.length) await truncate(file, whole)
  return texts.map((text, i) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw new Error(`line ${i + 2} of ${file} is damaged`)
    }
  })
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
