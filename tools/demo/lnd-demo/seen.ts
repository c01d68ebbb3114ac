/** What a node and the program on it received or wrote down, piece by piece, ready to be searched. */
import type { Backend, BackendEvent, BackendStart } from '../../../src/index.ts'
import type { RecordedMessage } from '../../regtest/grpc-recorder.ts'
import { type LogEntry, logEntries, searchable } from './lnd-log.ts'

export const SOURCES = {
  grpc: 'gRPC, program and node',
  handed: 'backend calls and events',
  packets: 'packets, opened',
  read: 'read by the program',
  log: "the node's log",
  kept: 'invoices, payments, state',
} as const

export type Source = keyof typeof SOURCES

/** One piece. */
export interface Seen {
  readonly source: Source
  /** Like `/lnrpc.Lightning/QueryRoutes, received`, `findRoutes, asked`, `TRC HSWC`. */
  readonly where: string
  /** What is searched. */
  readonly bytes: Uint8Array
  /** The same with names of fields, where it has any. */
  readonly value?: () => unknown
  readonly entry?: LogEntry
}

export function seenMessages(source: 'grpc' | 'kept', recorded: readonly RecordedMessage[]): Seen[] {
  return recorded.map(({ method, direction, bytes, message }) => {
    return { source, where: `${method}, ${direction}`, bytes, value: () => message }
  })
}

export function seenInLog(log: string): Seen[] {
  return logEntries(log).map((entry) => {
    return { source: 'log', where: `${entry.level} ${entry.subsystem}`, bytes: searchable(entry), entry }
  })
}

export function seenValue(source: Source, where: string, value: unknown): Seen {
  const text = written(value)
  return { source, where, bytes: Buffer.from(text), value: () => JSON.parse(text) as unknown }
}

/** The same backend, with every call, answer and event kept; `listen` hears the events as well. */
export function recordingBackend(backend: Backend, seen: Seen[], listen: (event: BackendEvent) => void): Backend {
  const add = (where: string, value: unknown): void => {
    seen.push(seenValue('handed', where, value))
  }
  const listening = (options: BackendStart): BackendStart => {
    const sink = (event: BackendEvent): void => {
      add(`event ${event.type}`, event)
      listen(event)
      options.sink(event)
    }
    return { ...options, sink }
  }
  return new Proxy(backend, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...given: readonly unknown[]): unknown => {
        if (name === 'start') return target.start(listening(given[0] as BackendStart))
        add(`${String(name)}, asked`, given)
        const answer = (member as (...all: readonly unknown[]) => unknown).call(target, ...given)
        if (answer instanceof Promise) {
          answer.then(
            (value: unknown) => add(`${String(name)}, answered`, value),
            (error: unknown) => add(`${String(name)}, answered`, String(error)),
          )
        }
        return answer
      }
    },
  })
}

/** JSON with bytes as hex and amounts as text. */
function written(value: unknown): string {
  return JSON.stringify([value], function write(this: Readonly<Record<string, unknown>>, name, part: unknown) {
    // A Buffer has made itself a list of numbers before it comes here.
    const raw = this[name]
    if (raw instanceof Uint8Array) return Buffer.from(raw).toString('hex')
    return typeof part === 'bigint' ? String(part) : part
  })
}
