import { styleText } from 'node:util'
import type { CliEvent } from './events.ts'

const VERDICTS = { good: 'green', poor: 'yellow', bad: 'red' } as const

/** Colours a verdict where the terminal wants colours (NO_COLOR, FORCE_COLOR and the stream decide). */
export function coloured(event: CliEvent, line: string, stream: NodeJS.WritableStream): string {
  if (event.event !== 'finding') return line
  const { verdict } = event
  return styleText(VERDICTS[verdict], verdict, { stream, validateStream: true }) + line.slice(verdict.length)
}
