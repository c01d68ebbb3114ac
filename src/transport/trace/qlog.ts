/** A trace as text: qlog in its JSON-SEQ form (spec/qlog.md §2). */
import { timeText } from '../../floor/clock.ts'
import type { TraceEvents, TraceName } from '../../medium/trace.ts'

/** RFC 7464 §2.2: stands before each record. */
const RECORD_SEPARATOR = '\u001E'

/** Of the event schema in spec/qlog.md. */
const EVENT_SCHEMA = 'urn:keysock:qlog:events:1'

/** What the names of events begin with. */
const NAMESPACE = 'keysock'

/** An event of a trace: when, of what, and its data (spec/qlog.md §3). Times in ms, amounts in msat. */
export type TraceRecord = { readonly [Name in TraceName]: RecordOf<Name> }[TraceName]

interface RecordOf<Name extends TraceName> {
  /** ms since the trace began, by the endpoint's clock. */
  readonly time: number
  readonly name: `${typeof NAMESPACE}:${Name}`
  /** A connection's id, or `way` and a number; undefined for what belongs to neither. */
  readonly group_id: string | undefined
  readonly data: TraceEvents[Name]
}

export function traceRecord<Name extends TraceName>(
  time: number,
  name: Name,
  group: string | undefined,
  data: TraceEvents[Name],
): TraceRecord {
  return { time, name: `${NAMESPACE}:${name}`, group_id: group, data } as TraceRecord
}

/** The first record of a file (spec/qlog.md §2.2). `wallMs`: when the trace begins, ms since 1970. */
export function headerText(wallMs: number): string {
  return recordText({
    file_schema: 'urn:ietf:params:qlog:file:sequential',
    serialization_format: 'application/qlog+json-seq',
    title: 'keysock',
    trace: {
      vantage_point: { name: 'keysock endpoint', type: 'unknown' },
      event_schemas: [EVENT_SCHEMA],
      common_fields: {
        time_format: 'relative_to_epoch',
        reference_time: { clock_type: 'monotonic', epoch: 'unknown', wall_clock_time: timeText(wallMs) },
      },
    },
  })
}

/** One record, with its separator and line end. Integers that JSON's numbers do not hold are strings. */
export function recordText(record: object): string {
  return `${RECORD_SEPARATOR}${JSON.stringify(record, jsonValue)}\n`
}

function jsonValue(_: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)
}
