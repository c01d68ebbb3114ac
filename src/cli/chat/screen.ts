/** What a chat shows, and where a person types. */
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline'
import type { Readable } from 'node:stream'
import { type Terminal, widthOf } from '../display/lines.ts'
import { HISTORY_LINES } from './limits.ts'

/** How what a person types reaches the chat. */
export interface Typed {
  line(text: string): void
  /** Ctrl-D, or the end of the input. */
  end(): void
  /** Ctrl-C, where the terminal hands it on as a key. */
  interrupt(): void
}

export interface Screen {
  /** A line for a person; one that is typed meanwhile stays whole, below it. */
  show(text: string): void
  /** What stands before what is typed. */
  prompt(text: string): void
  /** From now on lines are read. */
  begin(): void
  /** Leaves the terminal as it was. Idempotent. */
  close(): void
}

const UNTOLD_COLUMNS = 80
const INDENT = '  '
const COMMANDS = ['/away', '/back', '/cost', '/help', '/pay', '/quit', '/who']

/** In a terminal: one row, or some, in which a person types, and all else above it. */
export class TerminalScreen implements Screen {
  readonly #output: Terminal
  readonly #lines: Interface
  #isClosed = false

  constructor({ input, output }: { readonly input: Readable; readonly output: Terminal }, typed: Typed) {
    this.#output = output
    this.#lines = createInterface({
      input,
      output,
      terminal: true,
      historySize: HISTORY_LINES,
      completer: (line: string) => [COMMANDS.filter((command) => command.startsWith(line)), line],
    })
    this.#lines.on('line', (text) => {
      typed.line(text)
      if (!this.#isClosed) this.#lines.prompt()
    })
    this.#lines.on('SIGINT', () => typed.interrupt())
    this.#lines.on('close', () => {
      if (!this.#isClosed) typed.end()
    })
  }

  begin(): void {
    // Somebody may have begun to type.
    this.#lines.prompt(true)
  }

  prompt(text: string): void {
    if (this.#lines.getPrompt() === text || this.#isClosed) return
    const { rows } = this.#lines.getCursorPos()
    this.#above(rows, '')
    this.#lines.setPrompt(text)
    this.#lines.prompt(true)
  }

  show(text: string): void {
    if (this.#isClosed) return void this.#output.write(`${this.#wrapped(text)}\n`)
    const { rows } = this.#lines.getCursorPos()
    this.#above(rows, `${this.#wrapped(text)}\n`)
    // What is typed is drawn anew, so many rows above the cursor.
    this.#lines.prompt(true)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { rows } = this.#lines.getCursorPos()
    this.#above(rows, '', false)
    this.#lines.close()
  }

  /** Text in the place of what is typed; the cursor is so many rows below it then. */
  #above(rows: number, text: string, isDrawnAgain = true): void {
    moveCursor(this.#output, 0, -rows)
    cursorTo(this.#output, 0)
    clearScreenDown(this.#output)
    this.#output.write(text + (isDrawnAgain ? '\n'.repeat(rows) : ''))
  }

  #wrapped(text: string): string {
    const { columns = 0 } = this.#output
    return broken(text, columns > 0 ? columns : UNTOLD_COLUMNS).join('\n')
  }
}

/** Lines of a pipe or a file, in and out. */
export class PlainScreen implements Screen {
  readonly #show: (text: string) => void
  readonly #input: Readable
  readonly #typed: Typed
  #lines: Interface | undefined

  constructor({ input, show }: { readonly input: Readable; readonly show: (text: string) => void }, typed: Typed) {
    this.#input = input
    this.#show = show
    this.#typed = typed
  }

  begin(): void {
    if (this.#lines !== undefined) return
    this.#lines = createInterface({ input: this.#input, terminal: false })
    this.#lines.on('line', (text) => this.#typed.line(text))
    this.#lines.on('close', () => this.#typed.end())
  }

  prompt(): void {
    // Nobody sees it.
  }

  show(text: string): void {
    this.#show(text)
  }

  close(): void {
    this.#lines?.removeAllListeners('close')
    this.#lines?.close()
    this.#input.pause()
  }
}

/**
 * A line in rows of so many columns: at spaces where there are some, and within a word that is longer than a row, since
 * a terminal would go on at the left edge, where only the program's own lines begin (spec/chat.md §3.1).
 */
export function broken(line: string, columns: number): readonly string[] {
  const rows: string[] = []
  let rest = Array.from(line)
  for (;;) {
    const indent = rows.length === 0 ? '' : INDENT
    const fits = countThatFit(rest, Math.max(1, columns - indent.length))
    if (fits >= rest.length) return [...rows, indent + rest.join('')]
    const space = rest.lastIndexOf(' ', fits)
    const end = space > 0 ? space : fits
    rows.push(indent + rest.slice(0, end).join(''))
    rest = rest.slice(space > 0 ? end + 1 : end)
  }
}

function countThatFit(characters: readonly string[], columns: number): number {
  let width = 0
  for (const [index, character] of characters.entries()) {
    width += widthOf(character)
    if (width > columns) return Math.max(1, index)
  }
  return characters.length
}
