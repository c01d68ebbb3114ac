import { Writable } from 'node:stream'
import { type Clock, processClock, wallTime } from '../../floor/clock.ts'
import type { TraceEvents, TraceName, Tracer } from '../../medium/trace.ts'
import { invalidOption, kindOf } from '../errors.ts'
import { MAX_TRACE_CHANNELS, TRACE_TIME_DECIMALS } from './limits.ts'
import { headerText, traceRecord, type TraceRecord } from './qlog.ts'
import {
  ListenerOutput,
  openTraceFile,
  SteadyFileOutput,
  StreamOutput,
  type TraceFailed,
  type TraceOutput,
} from './trace-output.ts'

/** Where a trace goes: a file by its name, a stream, or a function that hears each record. */
export type TraceTarget = string | Writable | ((record: TraceRecord) => void)

export interface TraceOptions {
  readonly to: TraceTarget
  /** Names neither peers nor channels: channels are c1, c2 ... in the order in which they come. Default false. */
  readonly anonymous?: boolean
}

const ROUNDING = 10 ** TRACE_TIME_DECIMALS

/** Writes what an endpoint does down as qlog (spec/qlog.md). */
export class QlogTracer implements Tracer {
  readonly #output: TraceOutput
  readonly #clock: Clock
  readonly #begunMs: number
  readonly #channels: Map<string, string> | undefined
  #events = 0
  #dropped = 0
  /** Of these, those that the trace has not told of. */
  #untold = 0

  constructor(output: TraceOutput, clock: Clock, isAnonymous: boolean) {
    this.#output = output
    this.#clock = clock
    this.#begunMs = clock.now()
    this.#channels = isAnonymous ? new Map() : undefined
  }

  /** @throws KeysockError ERR_KEYSOCK_TRACE, ERR_KEYSOCK_INVALID_OPTION */
  static async open(trace: TraceTarget | TraceOptions, clock: Clock, failed: TraceFailed): Promise<QlogTracer> {
    const { to, anonymous = false } = checkTrace(trace)
    return new QlogTracer(await outputTo(to, clock, failed), clock, anonymous)
  }

  /** Events that no disk was fast enough for. */
  get dropped(): number {
    return this.#dropped
  }

  emit<Name extends TraceName>(name: Name, data: TraceEvents[Name]): void {
    this.#emit(name, undefined, data)
  }

  within(group: string): Tracer {
    return { emit: (name, data) => this.#emit(name, group, data), within: (inner) => this.within(inner) }
  }

  /** Says that the trace is whole, and lets go of where it goes. */
  async end(): Promise<void> {
    this.#tellDropped()
    this.#write('trace_ended', undefined, { events: this.#events, dropped_in_all: this.#dropped })
    await this.#output.end()
  }

  #emit<Name extends TraceName>(name: Name, group: string | undefined, data: TraceEvents[Name]): void {
    if (!this.#output.hasRoom) {
      this.#dropped++
      this.#untold++
      return
    }
    this.#tellDropped()
    this.#write(name, group, this.#channels === undefined ? data : this.#anonymous(this.#channels, data))
  }

  // spec/qlog.md §2.6: whoever reads the trace knows what is missing, and where.
  #tellDropped(): void {
    if (this.#untold === 0) return
    this.#write('events_dropped', undefined, { count: this.#untold, dropped_in_all: this.#dropped })
    this.#untold = 0
  }

  #write<Name extends TraceName>(name: Name, group: string | undefined, data: TraceEvents[Name]): void {
    this.#events++
    const time = Math.round((this.#clock.now() - this.#begunMs) * ROUNDING) / ROUNDING
    this.#output.write(traceRecord(time, name, group, data))
  }

  // spec/qlog.md §2.5
  #anonymous<Data extends object>(names: Map<string, string>, data: Data): Data {
    const { peer: _, ...rest }: Data & { readonly peer?: unknown } = data
    const { route, channel } = rest as { readonly route?: readonly string[]; readonly channel?: string }
    return {
      ...rest,
      ...(route !== undefined && { route: route.map((each) => nameOf(names, each)) }),
      ...(channel !== undefined && { channel: nameOf(names, channel) }),
    } as unknown as Data
  }
}

function nameOf(names: Map<string, string>, channel: string): string {
  const known = names.get(channel)
  if (known !== undefined) return known
  if (names.size >= MAX_TRACE_CHANNELS) return 'other'
  const name = `c${names.size + 1}`
  names.set(channel, name)
  return name
}

async function outputTo(to: TraceTarget, clock: Clock, failed: TraceFailed): Promise<TraceOutput> {
  const header = headerText(wallTime(clock))
  if (typeof to === 'function') return new ListenerOutput(to, failed)
  if (typeof to === 'string' && clock !== processClock) return new SteadyFileOutput(to, header, failed)
  if (typeof to === 'string') return new StreamOutput(await openTraceFile(to), true, header, failed)
  return new StreamOutput(to, false, header, failed)
}

function checkTrace(trace: TraceTarget | TraceOptions): TraceOptions {
  const options = typeof trace === 'object' && !(trace instanceof Writable) ? trace : { to: trace }
  const to = options.to as unknown
  const isTarget = (typeof to === 'string' && to !== '') || typeof to === 'function' || to instanceof Writable
  if (isTarget) return options
  const what = "trace must be a file's name, a Writable, a function, or { to, anonymous } with one of these as `to`"
  throw invalidOption(`${what}; got ${kindOf(to)}`)
}
