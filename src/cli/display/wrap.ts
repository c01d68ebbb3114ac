import { widthOf } from './words.ts'

/** A line in as many as it needs of so many columns, broken at words; what follows stands below where its text begins. */
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

/** Behind the indentation, and behind a first column where that leaves room. */
function startOf(line: string, columns: number): number {
  const column = /^.*\S {2,}(?=\S)/.exec(line)?.[0].length ?? columns
  return column <= columns / 2 ? column : (/^ */.exec(line)?.[0].length ?? 0)
}
