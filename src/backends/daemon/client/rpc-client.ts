import type { Duplex } from 'node:stream'
import { BackendError } from '../../backend.ts'
import { MessageError } from '../protocol/codecs.ts'
import { MAX_CALLS_PER_PROGRAM, VERSIONS } from '../protocol/limits.ts'
import { Lines } from '../protocol/lines.ts'
import {
  type CallName,
  type Calls,
  calls,
  readDaemonMessage,
  type SentError,
  type SentEvent,
  UNCOUNTED,
  writeCall,
} from '../protocol/messages.ts'

export interface RpcClientHandler {
  event(event: SentEvent): void
  closed(why: string): void
}

interface Pending {
  readonly call: CallName
  readonly resolve: (result: never) => void
  readonly reject: (error: BackendError) => void
}

/** A program's end of one connection to a daemon: it makes calls and receives answers and events. */
export class RpcClient {
  readonly #stream: Duplex
  readonly #handler: RpcClientHandler
  readonly #lines: Lines
  readonly #pending = new Map<number, Pending>()
  /** Calls under way that count towards MAX_CALLS_PER_PROGRAM. */
  #counted = 0
  /** Calls under way that keep the process running: all but payments. */
  #underWay = 0
  #made = 0

  constructor(stream: Duplex, handler: RpcClientHandler) {
    this.#stream = stream
    this.#handler = handler
    this.#lines = new Lines(stream, {
      message: (json) => this.#receive(json),
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
    if (!this.isOpen) throw daemonAway('the connection is closed')
    if (!UNCOUNTED.has(call) && this.#counted >= MAX_CALLS_PER_PROGRAM)
      throw new BackendError('bad-request', `${MAX_CALLS_PER_PROGRAM} calls are under way; wait for some`)
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

  #receive(json: unknown): void {
    const message = readDaemonMessage(json)
    if ('event' in message) return this.#handler.event(message.event)
    const pending = this.#pending.get(message.id)
    if (pending === undefined) throw new MessageError('an answer to no call')
    // A result that cannot be read ends the connection, and with it this call.
    const result = 'error' in message ? undefined : calls[pending.call].result.read(message.result, pending.call)
    this.#pending.delete(message.id)
    this.#count(pending.call, -1)
    if ('error' in message) pending.reject(errorOf(message.error))
    else pending.resolve(result as never)
  }

  #closed(why: string): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(daemonAway(why))
    this.#handler.closed(why)
  }

  /** Only calls that are waited for keep the process running; endpoints keep it by their clock. */
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

/** An error that the daemon answers with. The daemon is there, so what is out of reach is the node. */
function errorOf({ code, message }: SentError): BackendError {
  return new BackendError(code, message, code === 'offline' ? { away: 'node' } : {})
}

/** @param why in words */
export function daemonAway(why?: string): BackendError {
  const what = why === undefined ? 'the daemon is away' : `the daemon is away (${why})`
  return new BackendError('offline', what, { advice: "wait for 'online'", away: 'daemon' })
}
