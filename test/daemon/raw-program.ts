import type { Duplex } from 'node:stream'

export interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
  readonly event?: { readonly type: string } & Readonly<Record<string, unknown>>
}

/** A program that speaks the daemon's protocol by hand, well or badly. */
export class RawProgram {
  readonly received: Answer[] = []
  isClosed = false
  readonly #stream: Duplex
  #text = ''
  #made = 0
  readonly #waiting: (() => void)[] = []

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#receive(chunk.toString()))
    stream.on('error', () => undefined)
    for (const end of ['end', 'close']) {
      stream.once(end, () => {
        this.isClosed = true
        this.#wake()
      })
    }
  }

  write(text: string | Uint8Array): void {
    this.#stream.write(text)
  }

  pause(): void {
    this.#stream.pause()
  }

  /** Hangs up. */
  end(): void {
    this.#stream.destroy()
  }

  /** Sends a call and gives its answer; undefined where the connection ends instead. */
  async call(call: string, argument: unknown = null): Promise<Answer | undefined> {
    const id = ++this.#made
    this.write(`${JSON.stringify({ id, call, with: argument })}\n`)
    return await this.until(() => this.received.find((answer) => answer.id === id))
  }

  async attach(session = 1, more: object = {}): Promise<Answer | undefined> {
    await this.call('hello', { versions: [4] })
    return await this.call('attach', {
      session: Buffer.alloc(16, session).toString('base64'),
      isBack: false,
      ports: [],
      initiators: [],
      responders: [],
      ...more,
    })
  }

  /** What `look` finds, as soon as it does; undefined where the connection ends before. */
  async until<T>(look: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      const found = look()
      if (found !== undefined || this.isClosed) return found
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
  }

  async closed(): Promise<boolean> {
    await this.until(() => (this.isClosed ? true : undefined))
    return this.isClosed
  }

  #receive(text: string): void {
    const lines = (this.#text + text).split('\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) this.received.push(JSON.parse(line) as Answer)
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
