import type { Duplex } from 'node:stream'
import { BackendError } from '../backend.ts'
import { MAX_CALLS, VERSIONS } from './bounds.ts'
import { type CallName, type Calls, calls, readTold, UNCOUNTED, writeCall } from './calls.ts'
import { MessageError } from './fields.ts'
import { Lines } from './lines.ts'
import type { SentError, SentEvent } from './values.ts'

export interface CallingNeeds {
  event(event: SentEvent): void
  closed(why: string): void
}

interface Pending {
  readonly call: CallName
  readonly resolve: (result: never) => void
  readonly reject: (error: BackendError) => void
}

/** A program's end of one connection to a daemon: calls and their answers. */
export class Calling {
  readonly #stream: Duplex
  readonly #needs: CallingNeeds
  readonly #lines: Lines
  readonly #pending = new Map<number, Pending>()
  /** Of those that MAX_CALLS counts. */
  #counted = 0
  /** Calls that are waited for: all but payments. */
  #underWay = 0
  #made = 0

  constructor(stream: Duplex, needs: CallingNeeds) {
    this.#stream = stream
    this.#needs = needs
    this.#lines = new Lines(stream, {
      message: (json) => this.#take(json),
      closed: (why) => this.#closed(why),
    })
  }

  get isOpen(): boolean {
    return this.#lines.isOpen
  }

  /** Agrees on a version. @throws BackendError 'unsupported', 'offline' */
  async greet(): Promise<void> {
    const { version } = await this.call('hello', { versions: VERSIONS })
    if (!VERSIONS.includes(version)) throw new BackendError('unsupported', `the daemon speaks version ${version}`)
  }

  /** @throws BackendError as the daemon's, or 'offline' where the connection ends before the answer */
  async call<Name extends CallName>(call: Name, argument: Calls[Name]['argument']): Promise<Calls[Name]['result']> {
    if (!this.isOpen) throw away('the connection is closed')
    if (!UNCOUNTED.has(call) && this.#counted >= MAX_CALLS)
      throw new BackendError('bad-request', `${MAX_CALLS} calls are under way; wait for some`)
    const id = ++this.#made
    const json = written(id, call, argument)
    const answer = new Promise<Calls[Name]['result']>((resolve, reject) => {
      this.#pending.set(id, { call, resolve, reject })
    })
    this.#count(call, 1)
    this.#lines.send(json)
    return await answer
  }

  close(why: string): void {
    this.#lines.close(why)
  }

  #take(json: unknown): void {
    const told = readTold(json)
    if ('event' in told) return this.#needs.event(told.event)
    const pending = this.#pending.get(told.id)
    if (pending === undefined) throw new MessageError('an answer to no call')
    // What cannot be read ends the connection, and with it this call.
    const result = 'error' in told ? undefined : calls[pending.call].result.read(told.result, pending.call)
    this.#pending.delete(told.id)
    this.#count(pending.call, -1)
    if ('error' in told) pending.reject(toldError(told.error))
    else pending.resolve(result as never)
  }

  #closed(why: string): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(away(why))
    this.#needs.closed(why)
  }

  /** Only what is waited for keeps the process; endpoints hold it by their clock. */
  #count(call: CallName, change: 1 | -1): void {
    if (!UNCOUNTED.has(call)) this.#counted += change
    if (call !== 'pay') this.#underWay += change
    const socket = this.#stream as Duplex & { ref?: () => void; unref?: () => void }
    if (this.#underWay > 0) socket.ref?.()
    else socket.unref?.()
  }
}

/** @throws BackendError 'bad-request' for what the daemon would not read */
function written<Name extends CallName>(id: number, call: Name, argument: Calls[Name]['argument']): unknown {
  try {
    return writeCall(id, call, argument)
  } catch (error) {
    if (error instanceof MessageError) throw new BackendError('bad-request', error.message, { cause: error })
    throw error
  }
}

/** The daemon itself is there: what it cannot reach is the node. */
function toldError({ code, message }: SentError): BackendError {
  return new BackendError(code, message, code === 'offline' ? { away: 'node' } : {})
}

function away(why: string): BackendError {
  return new BackendError('offline', `the daemon is away (${why})`, { advice: "wait for 'online'", away: 'daemon' })
}
