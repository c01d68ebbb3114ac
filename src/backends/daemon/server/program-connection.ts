import type { Duplex } from 'node:stream'
import { toHex } from '../../../floor/bytes.ts'
import { BackendError } from '../../backend.ts'
import { MessageError } from '../protocol/codecs.ts'
import { GREETING_MS, MAX_CALLS_PER_PROGRAM, VERSIONS } from '../protocol/limits.ts'
import { Lines } from '../protocol/lines.ts'
import {
  type AttachRequest,
  type AttachResult,
  type CallMessage,
  type CallName,
  type Calls,
  isCall,
  readCall,
  type SentError,
  UNCOUNTED,
  writeError,
  writeEvent,
  writeResult,
} from '../protocol/messages.ts'
import type { DaemonServer } from './daemon-server.ts'
import { ProgramSession } from './program-session.ts'

/** Calls that only an attached program may make. */
export type ServedCall = Exclude<CallName, 'hello' | 'status' | 'attach' | 'detach'>

/** What the daemon does for the calls of attached programs. */
export type CallHandlers = {
  readonly [Name in ServedCall]: (
    session: ProgramSession,
    argument: Calls[Name]['argument'],
  ) => Promise<Calls[Name]['result']>
}

/** One connection to the daemon, of a program or of somebody who asks for its status (spec/daemon.md §4). */
export class ProgramConnection {
  readonly #server: DaemonServer
  readonly #id: number
  readonly #lines: Lines
  #isGreeted = false
  #session: ProgramSession | undefined
  /** Calls under way that count towards MAX_CALLS_PER_PROGRAM. */
  #calls = 0
  /** While no program is attached over it. It goes with the connection, which it would keep in memory. */
  #cancelHangUp: (() => void) | undefined

  /** @param id of the session that a program may attach with; 0 for the daemon's own endpoint */
  constructor(server: DaemonServer, id: number, stream: Duplex) {
    this.#server = server
    this.#id = id
    this.#lines = new Lines(stream, {
      message: (json) => this.#handle(readCall(json)),
      closed: (why) => {
        this.#cancelHangUp?.()
        server.closed(this, why)
      },
    })
    this.#hangUpSoon('it did not attach')
  }

  /** The program that has attached over it, which may have gone. */
  get session(): ProgramSession | undefined {
    return this.#session
  }

  hangUp(why: string): void {
    this.#lines.close(why)
  }

  #handle(sent: CallMessage): void {
    const { id, call } = sent
    if (!isCall(call))
      return this.#fail(id, { code: 'unsupported', message: 'this daemon does not know that call; it may be older' })
    switch (call) {
      case 'hello':
        return this.#greet(id, sent.argument as Calls['hello']['argument'])
      case 'status':
        if (!this.#isGreeted || this.#session?.isGone === true) throw outOfTurn()
        return this.#reply(id, call, this.#server.status())
      case 'attach':
        return this.#attach(id, sent.argument as AttachRequest)
      case 'detach':
        void this.#server.leave(this.#attached()).then(() => {
          this.#reply(id, call, undefined)
          // It is of no more use, and takes a place.
          this.#hangUpSoon('it did not hang up')
        })
        return
      case 'findRoutes':
      case 'pay':
      case 'track':
      case 'makePaths':
      case 'closePaths':
      case 'answer':
      case 'hold':
      case 'routeHints':
      case 'sharedSecret':
      case 'claimPort':
      case 'releasePort':
        return this.#serve(id, call, sent.argument as Calls[typeof call]['argument'])
    }
  }

  /** spec/daemon.md §8: no connection takes a place for long over which no program is attached. */
  #hangUpSoon(why: string): void {
    if (!this.#lines.isOpen) return
    const { clock } = this.#server
    this.#cancelHangUp = clock.schedule(clock.now() + GREETING_MS, () => this.hangUp(why))
  }

  #greet(id: number, { versions }: Calls['hello']['argument']): void {
    if (this.#isGreeted) throw outOfTurn()
    const version = VERSIONS.findLast((spoken) => versions.includes(spoken))
    if (version === undefined) {
      this.#fail(id, { code: 'unsupported', message: `this daemon speaks version ${VERSIONS.join(', ')}` })
      return this.#lines.close('no version in common', 'what was sent')
    }
    this.#isGreeted = true
    this.#reply(id, 'hello', { version })
  }

  #attach(id: number, request: AttachRequest): void {
    if (!this.#isGreeted || this.#session !== undefined) throw outOfTurn()
    const session = new ProgramSession({
      id: this.#id,
      processId: toHex(request.session),
      program: request.program ?? '',
      phantomLane: request.phantomLane ?? false,
      keysends: request.keysends ?? false,
      now: this.#server.clock.now(),
      send: (event) => this.#lines.send(writeEvent(event)),
    })
    let result: AttachResult
    try {
      result = this.#server.attach(session, request)
    } catch (error) {
      return this.#fail(id, asSentError(error))
    }
    this.#session = session
    this.#cancelHangUp?.()
    this.#reply(id, 'attach', result)
    this.#server.begin(session, request)
  }

  /** Calls run side by side; each is answered when it is done. */
  #serve<Name extends ServedCall>(id: number, call: Name, argument: Calls[Name]['argument']): void {
    const session = this.#attached()
    const counts = UNCOUNTED.has(call) ? 0 : 1
    if (this.#calls + counts > MAX_CALLS_PER_PROGRAM)
      return this.#fail(id, {
        code: 'bad-request',
        message: `${MAX_CALLS_PER_PROGRAM} calls are under way; wait for some`,
      })
    if (counts > 0 && !this.#server.callBegins())
      return this.#fail(id, { code: 'unsupported', message: 'the node has too many calls of programs to answer' })
    this.#calls += counts
    this.#call(call, session, argument)
      .finally(() => {
        this.#calls -= counts
        if (counts > 0) this.#server.callEnded()
      })
      .then((result) => this.#reply(id, call, result))
      // Also where a result cannot be written as a message: that fails this one call, not the daemon.
      .catch((error: unknown) => this.#fail(id, asSentError(error)))
  }

  /** Rejects also where the handler throws. */
  async #call<Name extends ServedCall>(
    call: Name,
    session: ProgramSession,
    argument: Calls[Name]['argument'],
  ): Promise<Calls[Name]['result']> {
    return await this.#server.calls[call](session, argument)
  }

  /** @throws MessageError where no program is attached */
  #attached(): ProgramSession {
    if (this.#session === undefined || this.#session.isGone) throw outOfTurn()
    return this.#session
  }

  #reply<Name extends CallName>(id: number, call: Name, result: Calls[Name]['result']): void {
    this.#lines.send(writeResult(id, call, result))
  }

  #fail(id: number, error: SentError): void {
    this.#lines.send(writeError(id, error))
  }
}

function asSentError(error: unknown): SentError {
  if (error instanceof BackendError) return { code: error.code, message: error.message }
  return { code: 'unsupported', message: error instanceof Error ? error.message : String(error) }
}

function outOfTurn(): MessageError {
  return new MessageError('a call out of turn')
}
