import type { Duplex } from 'node:stream'
import { toHex } from '../../floor/bytes.ts'
import type { PaymentOutcome } from '../../medium/payment.ts'
import { BackendError } from '../backend.ts'
import { MAX_CALLS, VERSIONS } from './bounds.ts'
import {
  type Attach,
  type Attached,
  type CallName,
  type Calls,
  type DaemonStatus,
  isCall,
  readCall,
  type SentCall,
  UNCOUNTED,
  writeError,
  writeEvent,
  writeResult,
} from './calls.ts'
import { MessageError } from './fields.ts'
import { Lines } from './lines.ts'
import type { SharedRoute } from './payments.ts'
import type { Arrival, SentError, SentEvent, SentOffer } from './values.ts'

/** Calls that only an attached program may make. */
export type ServedCall = Exclude<CallName, 'hello' | 'status' | 'attach' | 'detach'>

export type Handlers = {
  readonly [Name in ServedCall]: (
    client: Attachment,
    argument: Calls[Name]['argument'],
  ) => Promise<Calls[Name]['result']>
}

/** What a connection needs of the daemon. */
export interface AttachmentOwner {
  readonly handlers: Handlers
  status(): DaemonStatus
  /** @throws BackendError where no more programs fit */
  attach(client: Attachment, attach: Attach): Attached
  /** The program has its answer: events may follow. */
  begin(client: Attachment, attach: Attach): void
  /** It is gone; idempotent. Resolves when what it had is let go of. */
  leave(client: Attachment): Promise<void>
  closed(client: Attachment, why: string): void
}

/** One connection of one program: what it may do, and what it has (spec/daemon.md §4). */
export class Attachment {
  readonly id: number
  /** Names the process, in hexadecimal; empty before it attached. */
  session = ''
  isGone = false
  attachedMs = 0
  goneMs: number = Infinity
  /** Takes packets at the node's phantom. */
  phantomLane = false
  /** Routes that it was given, the latest last. */
  readonly routes: Map<string, SharedRoute> = new Map()
  readonly paths: Set<string> = new Set()
  pathsToCome = 0
  readonly ports: Set<number> = new Set()
  readonly offers: Set<string> = new Set()
  payments = 0
  readonly #owner: AttachmentOwner
  readonly #lines: Lines
  #state: 'new' | 'greeted' | 'attached' | 'detached' = 'new'
  #calls = 0

  constructor(owner: AttachmentOwner, id: number, stream: Duplex) {
    this.#owner = owner
    this.id = id
    this.#lines = new Lines(stream, {
      message: (json) => this.#take(readCall(json)),
      closed: (why) => owner.closed(this, why),
    })
  }

  /** Tells one thing; nothing to a program that is not attached or has gone. */
  tell(event: SentEvent): void {
    if (this.#state === 'attached') this.#lines.send(writeEvent(event))
  }

  receive(arrival: Arrival): void {
    this.tell(arrival)
  }

  offered(offer: SentOffer): void {
    this.tell(offer)
  }

  confirmed(hash: Uint8Array, amountMsat: bigint): void {
    this.tell({ type: 'offer-confirmed', hash, amountMsat })
  }

  offerGone(offerId: string): void {
    this.tell({ type: 'offer-gone', offerId })
  }

  resolved(hash: Uint8Array, outcome: PaymentOutcome): void {
    this.tell({ type: 'payment-resolved', hash, outcome })
  }

  hangUp(why: string): void {
    this.#lines.close(why)
  }

  #take(sent: SentCall): void {
    const { id, call } = sent
    if (!isCall(call))
      return this.#fail(id, { code: 'unsupported', message: 'this daemon does not know that call; it may be older' })
    switch (call) {
      case 'hello':
        return this.#greet(id, sent.argument as Calls['hello']['argument'])
      case 'status':
        this.#expect('greeted', 'attached')
        return this.#reply(id, call, this.#owner.status())
      case 'attach':
        this.#expect('greeted')
        return this.#attach(id, sent.argument as Attach)
      case 'detach':
        this.#expect('attached')
        this.#state = 'detached'
        void this.#owner.leave(this).then(() => this.#reply(id, call, undefined))
        return
      case 'findRoutes':
      case 'pay':
      case 'track':
      case 'makePaths':
      case 'closePaths':
      case 'answer':
      case 'routeHints':
      case 'sharedSecret':
      case 'claimPort':
      case 'releasePort':
        this.#expect('attached')
        return this.#serve(id, call, sent.argument as Calls[typeof call]['argument'])
    }
  }

  #greet(id: number, { versions }: Calls['hello']['argument']): void {
    this.#expect('new')
    const version = VERSIONS.findLast((spoken) => versions.includes(spoken))
    if (version === undefined) {
      this.#fail(id, { code: 'unsupported', message: `this daemon speaks version ${VERSIONS.join(', ')}` })
      return this.#lines.close('no version in common', 'what was sent')
    }
    this.#state = 'greeted'
    this.#reply(id, 'hello', { version })
  }

  #attach(id: number, attach: Attach): void {
    this.session = toHex(attach.session)
    this.phantomLane = attach.phantomLane ?? false
    let attached: Attached
    try {
      attached = this.#owner.attach(this, attach)
    } catch (error) {
      return this.#fail(id, asSentError(error))
    }
    this.#state = 'attached'
    this.#reply(id, 'attach', attached)
    this.#owner.begin(this, attach)
  }

  /** Calls run side by side; each is answered when it is done. */
  #serve<Name extends ServedCall>(id: number, call: Name, argument: Calls[Name]['argument']): void {
    const counts = UNCOUNTED.has(call) ? 0 : 1
    if (this.#calls + counts > MAX_CALLS)
      return this.#fail(id, { code: 'bad-request', message: `${MAX_CALLS} calls are under way; wait for some` })
    this.#calls += counts
    this.#owner.handlers[call](this, argument)
      .finally(() => (this.#calls -= counts))
      .then((result) => this.#reply(id, call, result))
      // Also where a result has no form on the wire: that is this program's trouble, not the daemon's.
      .catch((error: unknown) => this.#fail(id, asSentError(error)))
  }

  #expect(...states: readonly ('new' | 'greeted' | 'attached')[]): void {
    if (!states.some((state) => state === this.#state)) throw new MessageError('a call out of turn')
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
