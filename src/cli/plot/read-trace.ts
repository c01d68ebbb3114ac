import { createReadStream } from 'node:fs'
import { MAX_RECORD_CHARACTERS } from './limits.ts'

/** An event as it stands in a file: nothing in it was checked but that there are a time and a name. */
export interface FileEvent {
  readonly time: number
  readonly name: string
  readonly group: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What is known of a file when it was read to its end. */
export interface ReadEnd {
  /** Its last record is not whole: the process that wrote it was killed. */
  readonly isCut: boolean
  /** Records that could not be read, and were left out. */
  readonly unreadable: number
}

/** A file that is no trace, or a page that cannot be written: what a person reads. */
export class PlotError extends Error {
  readonly code = 'ERR_CLI_TRACE'
}

const SEPARATOR = '\u001E'

/**
 * Reads a trace (spec/qlog.md §2.1) piece by piece, and tells each event as it comes.
 *
 * @throws PlotError for a file that is none; and what the file system throws
 */
export async function readTrace(file: string, told: (event: FileEvent) => void): Promise<ReadEnd> {
  let rest = ''
  const seen = { header: false, unreadable: 0 }
  const take = (record: string): void => {
    const value = parsed(record)
    if (!seen.header) {
      checkHeader(value, file)
      seen.header = true
      return
    }
    const event = eventOf(value)
    if (event === undefined) seen.unreadable++
    else told(event)
  }
  for await (const chunk of chunksOf(file)) {
    rest += chunk
    if (!seen.header && !rest.startsWith(SEPARATOR)) throw noTrace(file, 'it does not begin with a record')
    const records = rest.split(SEPARATOR)
    rest = SEPARATOR + (records.pop() ?? '')
    if (rest.length > MAX_RECORD_CHARACTERS) throw noTrace(file, 'it has a record that is too long to be one')
    for (const record of records.slice(1)) take(record)
  }
  if (rest === '') throw noTrace(file, 'it is empty')
  const last = rest.slice(1)
  const isCut = !last.endsWith('\n')
  if (!isCut) take(last)
  if (!seen.header) throw noTrace(file, 'it ends within its first record')
  return { isCut, unreadable: seen.unreadable }
}

async function* chunksOf(file: string): AsyncGenerator<string> {
  try {
    for await (const chunk of createReadStream(file, { encoding: 'utf8' })) yield String(chunk)
  } catch (error) {
    throw new PlotError(`cannot read ${file}: ${(error as Error).message}`, { cause: error })
  }
}

function noTrace(file: string, why: string): PlotError {
  return new PlotError(
    `${file} is no trace of keysock's: ${why}. The option --trace of keysock send and others makes one`,
  )
}

function parsed(record: string): unknown {
  try {
    return JSON.parse(record)
  } catch {
    return undefined
  }
}

function checkHeader(value: unknown, file: string): void {
  const header = asObject(value)
  if (header['file_schema'] !== 'urn:ietf:params:qlog:file:sequential')
    throw noTrace(file, 'its first record is not the header of a qlog file in its sequential form')
  const { event_schemas: schemas } = asObject(header['trace'])
  if (Array.isArray(schemas) && schemas.includes('urn:keysock:qlog:events:1')) return
  throw noTrace(file, 'it is one of another protocol')
}

function eventOf(value: unknown): FileEvent | undefined {
  const { time, name, group_id: group = '', data } = asObject(value)
  if (typeof time !== 'number' || typeof name !== 'string' || typeof group !== 'string') return undefined
  if (!Number.isFinite(time) || time < 0) return undefined
  return { time, name, group, data: asObject(data) }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}
