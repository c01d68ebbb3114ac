import type { CliEvent } from '../events.ts'
import { JsonDisplay } from './json-display.ts'
import { LineWriter, type Terminal } from './lines.ts'
import { PlainDisplay } from './plain-display.ts'
import { TerminalDisplay } from './terminal-display.ts'
import type { Now } from './throttle.ts'

/** Shows events: on a terminal, as lines, or as JSON. */
export interface Display {
  emit(event: CliEvent): void
  /** Leaves the terminal as it was. */
  close(): void
}

export interface DisplayOptions {
  readonly stdout: Terminal
  readonly stderr: Terminal
  readonly environment: NodeJS.ProcessEnv
  readonly time: Now
  readonly json: boolean
  readonly quiet: boolean
  /** Standard output carries a file: results go to standard error. */
  readonly isOutputTaken?: boolean
}

/** A line that moves on a terminal; lines every few seconds in a log; objects with --json. */
export function createDisplay(options: DisplayOptions): Display {
  const { stdout, stderr, environment, time, quiet, isOutputTaken = false } = options
  const results = new LineWriter(isOutputTaken ? stderr : stdout)
  if (options.json) return new JsonDisplay(results, { time, quiet })
  const remarks = new LineWriter(stderr)
  const moves = stderr.isTTY === true && environment['TERM'] !== 'dumb' && !isSet(environment['CI'])
  if (moves && !quiet) return new TerminalDisplay({ results, remarks, stderr, time })
  return new PlainDisplay({ results, remarks, time, quiet })
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0'
}
