import { Writable } from 'node:stream'

/** What a command wrote, as a terminal, a pipe or a file took it. */
export class RecordedTerminal extends Writable {
  readonly isTTY: boolean
  readonly columns: number
  readonly rows: number
  readonly #chunks: Buffer[] = []
  readonly #waiting: (() => void)[] = []

  constructor({ columns, rows = 24 }: { readonly columns?: number | undefined; readonly rows?: number } = {}) {
    super()
    this.isTTY = columns !== undefined
    this.columns = columns ?? 80
    this.rows = rows
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text(): string {
    return this.bytes.toString()
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  /** Resolves when a text was written. */
  async shows(text: string): Promise<void> {
    while (!this.text.includes(text)) await this.changes()
  }

  /** Resolves at the next write. */
  changes(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, callback: () => void): void {
    this.#chunks.push(Buffer.from(chunk))
    for (const resolve of this.#waiting.splice(0)) resolve()
    callback()
  }
}
