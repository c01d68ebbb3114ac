/** The code blocks of the pages, and what is to be done with each. */
import { lineAt, type Source } from './sources.ts'

/** A block between fences, without the spaces by which it is indented in a list. */
export interface Block {
  /** Page and line, for people. */
  readonly place: string
  /** As the page says, '' where it says none. */
  readonly language: string
  readonly text: string
  /** Why it cannot run, where the comment before it says so: `<!-- not run: REASON -->`. */
  readonly notRun?: string
  /** After so many lines of output it has shown what it does: `<!-- endless: LINES -->`. */
  readonly endlessAfter?: number
}

const FENCED = /(?:^ *<!-- (not run|endless): (.+) -->\n\n?)?^( *)```(\w*)\n([\s\S]*?)^\3```$/gm

/** The blocks of a page in order. */
export function blocksOf({ path, text }: Source): Block[] {
  return [...text.matchAll(FENCED)].map((match) => {
    const [whole, mark, said = '', indent = '', language = '', body = ''] = match
    const fence = match.index + whole.indexOf('```')
    return {
      place: `${path}:${lineAt(text, fence)}`,
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      ...(mark === 'not run' && { notRun: said }),
      ...(mark === 'endless' && { endlessAfter: Number(said) }),
    }
  })
}

/** The command lines of a block of shell, without comments, each as its words. */
export function commandsOf({ text }: Block): string[][] {
  const lines = text.replaceAll(/\\\n\s*/g, ' ').split('\n')
  return lines
    .map((line) => line.replace(/(?:^|\s)#\s.*$/, '').replace(/^\((.*)\)\s*$/, '$1'))
    .flatMap((line) => line.split(/ \| | && |; /))
    .map((command) => wordsOf(command.replace(/ > \S+/, '')))
    .filter((words) => words.length > 0)
}

/** Words as a shell would make them of a simple command: quotes and comments, nothing else. */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [, single, double, plain] of line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) {
    if (plain?.startsWith('#') === true) break
    words.push(single ?? double ?? plain ?? '')
  }
  return words
}
