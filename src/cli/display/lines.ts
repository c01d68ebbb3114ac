/** Lines of text: how wide they are, broken at words, and written to a stream. */
import type { Writable } from 'node:stream'
import type { Sentence } from './sentences.ts'

/** A stream of the process: a terminal tells its size. */
export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }

/**
 * A line in as many as it needs of so many columns, broken at words; what follows stands below where its text begins.
 */
export function wrap(line: string, columns: number): readonly string[] {
  if (widthOf(line) <= columns) return [line]
  const start = startOf(line, columns)
  const lines: string[] = []
  let text = line.slice(0, start)
  let isEmpty = true
  for (const word of line.slice(start).split(' ')) {
    const longer = isEmpty ? text + word : `${text} ${word}`
    // A word that is longer than a line stays whole: the terminal breaks it, and a person can still copy it.
    if (isEmpty || widthOf(longer) <= columns) text = longer
    else {
      lines.push(text)
      text = ' '.repeat(start) + word
    }
    isEmpty = false
  }
  return [...lines, text]
}

/** The column at which broken lines go on: after the indentation, and after a first column where that leaves room. */
function startOf(line: string, columns: number): number {
  const column = /^.*\S {2,}(?=\S)/.exec(line)?.[0].length ?? columns
  return column <= columns / 2 ? column : (/^ */.exec(line)?.[0].length ?? 0)
}

/** Writes lines to a stream. Its reader may go away (a closed pipe): nothing is written then, and nothing fails. */
export class LineWriter {
  readonly stream: Terminal
  #isGone = false

  constructor(stream: Terminal) {
    this.stream = stream
    stream.on('error', () => {
      this.#isGone = true
    })
  }

  /** For a person: on a terminal broken at words, unless it is to be copied. `text` is without colours. */
  sentence({ text, isToCopy = false }: Sentence, colour: (line: string) => string = (line) => line): void {
    const { isTTY, columns } = this.stream
    const isBroken = !isToCopy && isTTY === true && columns !== undefined && columns > 0
    const lines = isBroken ? wrap(text, columns) : [text]
    for (const [index, line] of lines.entries()) this.line(index === 0 ? colour(line) : line)
  }

  line(text: string): void {
    if (!this.#isGone && !this.stream.destroyed) this.stream.write(`${text}\n`)
  }
}

/** Columns that text takes in a terminal: East Asian wide characters take two, combining ones none. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

function characterWidth(character: string): number {
  if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) return 0
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
    character,
  )
    ? 2
    : 1
}

/** With fewer columns than this only the beginning is kept, not both ends. */
const MIN_CUT_COLUMNS = 6

/** The text in at most so many columns, with a ~ for what is left out in the middle. */
export function fitText(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  const characters = Array.from(text)
  const tail = columns < MIN_CUT_COLUMNS ? [] : characters.slice(-Math.floor((columns - 1) / 3))
  const head: string[] = []
  let width = widthOf(tail.join('')) + 1
  if (width > columns) return '~'.repeat(columns)
  for (const character of characters) {
    width += characterWidth(character)
    if (width > columns) break
    head.push(character)
  }
  return `${head.join('')}~${tail.join('')}`
}
