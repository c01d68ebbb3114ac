import { Code } from '../../wire/errors.ts'
import { Control } from './controls.ts'
import type { ConnectionFailure, State } from './interface.ts'
import { MAX_LINGER_MS, LINGER_MS, RESET_MS } from './limits.ts'
import type { Parts } from './parts.ts'
import { losesUnread, peerFailure } from './peer-failure.ts'
import { earliest, type Timed } from './timed.ts'

/** What to send as the last word, and what the application is told. */
export interface ResetOptions {
  readonly code: number
  readonly reason: string
  readonly failure: ConnectionFailure
  /** The RESET is sent once, and not again (spec §10.3). */
  readonly isOnce?: boolean
}

/** What a RESET or REFUSE says. */
interface LastWord {
  readonly code: number
  readonly reason: string
}

type Needs =
  | 'ack'
  | 'controls'
  | 'handshake'
  | 'messages'
  | 'money'
  | 'outputs'
  | 'packets'
  | 'reach'
  | 'receive'
  | 'send'
  | 'stop'

/** In which state a connection is (spec §6.1), how it ends (spec §13), and what of that the application was told. */
export class Lifecycle implements Timed {
  readonly #parts: Pick<Parts, Needs>
  state: State
  /** When lingering or resetting is over, ms. */
  #until = 0
  /** Late packets of the peer prolong lingering up to this time. */
  #lingerEnd = 0
  #lastWord: LastWord | undefined
  #isResetOnce = false
  #failure: ConnectionFailure | undefined
  #isFinishReported = false
  #isEndReported = false
  #isCloseReported = false

  constructor(parts: Pick<Parts, Needs>, state: State) {
    this.#parts = parts
    this.state = state
  }

  /** Whether both directions may still carry frames. */
  get isLive(): boolean {
    return this.state === 'opening' || this.state === 'open' || this.state === 'closing'
  }

  get isOpening(): boolean {
    return this.state === 'opening'
  }

  get isClosed(): boolean {
    return this.state === 'closed'
  }

  /** spec §9.4, §13.4: a peer that does not know yet that all came needs a way to hear of it. */
  get givesPaths(): boolean {
    return this.isLive || this.state === 'lingering'
  }

  /** What the RESET or REFUSE says. */
  get lastWord(): LastWord {
    if (this.#lastWord === undefined) throw new Error('there is no last word')
    return this.#lastWord
  }

  dueAt(after: number): number | undefined {
    if (this.state === 'lingering') return earliest(after, this.#until, this.#lingerEnd)
    return this.state === 'resetting' ? earliest(after, this.#until) : undefined
  }

  run(now: number): void {
    if (this.state === 'lingering' && (now >= this.#until || now >= this.#lingerEnd)) this.close()
    if (this.state === 'resetting' && now >= this.#until) this.close()
  }

  /** Anything may have completed a direction. */
  settle(now: number): void {
    const { money, outputs, receive, send } = this.#parts
    if (this.isLive && send.isDelivered && !this.#isFinishReported) {
      this.#isFinishReported = true
      outputs.emit({ type: 'finished' })
    }
    if (this.state === 'open' && send.isFinSent && receive.finalOffset !== undefined) this.state = 'closing'
    if (this.state === 'closing' && send.isDelivered && receive.isComplete) {
      money.done(now)
      // spec §12.10: what is still to be paid is, for a moment; the end of that may be a reset.
      if (this.isLive && money.isSettled) this.#linger(now)
    }
    this.#reportEnd()
  }

  // Its own times belong to the states that are left.
  stop(): void {}

  /** The other side has accepted. */
  established(): void {
    this.state = 'open'
    this.#parts.outputs.emit({ type: 'connected' })
  }

  /** The application is told of the end of the stream, and of the connection, once it has read everything. */
  #reportEnd(): void {
    const { outputs, receive } = this.#parts
    receive.giveWindowBack(this.isLive)
    if (receive.isRead && this.#failure === undefined && !outputs.hasEnded) this.#emitEnd()
    const isOver = this.state === 'lingering' || this.state === 'closed'
    if (isOver && (receive.isRead || receive.isStopped)) outputs.emit({ type: 'ended', error: undefined })
    if (this.state === 'closed' && outputs.hasEnded && !this.#isCloseReported) {
      this.#isCloseReported = true
      outputs.emit({ type: 'closed' })
    }
  }

  #emitEnd(): void {
    if (this.#isEndReported) return
    this.#isEndReported = true
    this.#parts.outputs.emit({ type: 'end' })
  }

  /** spec §13.4: everything is done, late packets are still answered. */
  #linger(now: number): void {
    this.state = 'lingering'
    this.#until = now + LINGER_MS
    this.#lingerEnd = now + MAX_LINGER_MS
    // spec §13.4: paths that are on their way still have to arrive.
    this.#stop(Control.PATHS)
    // What the peer waits for goes at once: nobody would ask for it later.
    if (this.#parts.ack.hasNews) this.#parts.ack.hurry(now)
  }

  /** spec §6.1: a late packet shows that the peer has not heard that all is done. */
  answerLate(now: number): void {
    if (this.state !== 'lingering') return
    this.#until = Math.min(now + LINGER_MS, this.#lingerEnd)
    if (this.#parts.ack.hasNews) this.#parts.ack.hurry(now)
  }

  // Nothing is sent, repeated or waited for any more. Attempts without outcome stay in the account.
  #stop(keptControls = 0): void {
    const parts = this.#parts
    parts.controls.drop(~keptControls)
    parts.packets.clear()
    parts.messages.clear()
    parts.stop(this.state)
  }

  /** Ends it for good. `failure` undefined: as it was, or cleanly. */
  close(failure?: ConnectionFailure): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.#stop()
    if (failure !== undefined) this.#fail(failure)
    this.#reportEnd()
  }

  /** The peer has reset the connection, or does not know it any more. `reason`: text of the peer's. */
  peerReset(code: number, reason = ''): void {
    this.close(this.#isSoundEnd(code) ? undefined : peerFailure(code, 'reset', reason))
  }

  // Whether a reset is no error: all of the peer's stream came, and nothing of ours is known to be missing by it.
  #isSoundEnd(code: number): boolean {
    // spec §13.4: whoever lingers has said and heard all.
    if (this.state === 'lingering') return true
    const { money, receive, send } = this.#parts
    // spec §13.7: what arrived and was not paid for is not used.
    if (money.keepsUnpaid || (code === Code.PRICE && money.buyer !== undefined)) return false
    // spec §13.7: only the FIN can be missing, or the application has left after its last word, as in TCP.
    return this.state === 'closing' && receive.isComplete && (send.buffer.buffered === 0 || code === Code.CLOSED)
  }

  #fail(failure: ConnectionFailure): void {
    const { money, outputs, receive } = this.#parts
    if (this.#failure !== undefined) return
    this.#failure = failure
    // spec §13.3: the peer's word takes what is unread away; a side that gives up by itself has it all the same, but
    // for what was not paid (§12.4): that will never be read, and without it there is no end.
    const isLost = losesUnread(failure) || !money.allowsReading
    if (isLost) receive.drop()
    else receive.dropGaps()
    receive.giveWindowBack(this.isLive)
    const { readOffset, readable } = receive.reassembly
    if (readOffset + readable === receive.finalOffset && !isLost) this.#emitEnd()
    outputs.emit({ type: 'ended', error: failure })
  }

  /** Resets (spec §13.3): the application is told at once, the RESET goes out for a minute at most. */
  reset(now: number, options: ResetOptions): void {
    if (this.state === 'resetting' || this.state === 'closed') return
    if (this.state === 'lingering') {
      // spec §13.4: both directions are complete, there is nothing to reset.
      this.close()
      return
    }
    const { code, reason, failure, isOnce = false } = options
    const { controls, handshake, reach } = this.#parts
    // Nothing was ever sent: nobody knows of this connection.
    const isUnknown = this.state === 'opening' && (handshake.opening?.copies ?? 0) === 0
    this.#lastWord = { code, reason }
    this.#isResetOnce = isOnce
    if (isUnknown || reach.target === undefined) {
      this.close(failure)
      return
    }
    this.state = 'resetting'
    this.#until = now + RESET_MS
    this.#stop()
    controls.want(Control.RESET)
    this.#fail(failure)
  }

  /** Says no to an OPEN (spec §5.10) and nothing else; the application never knew of it. */
  refuse(now: number, lastWord: LastWord): void {
    const { controls, outputs, reach } = this.#parts
    this.#lastWord = lastWord
    this.#until = now + RESET_MS
    outputs.mute()
    controls.want(Control.REFUSE)
    if (reach.target === undefined) this.close()
  }

  /** The RESET or REFUSE on its way has served. */
  lastWordArrived(): void {
    if (this.state === 'resetting') this.close()
  }

  /** Its last word goes again, as data does, until it arrives (spec §13.3). */
  get repeatsReset(): boolean {
    return this.state === 'resetting' && !this.#isResetOnce
  }

  /** A packet with RESET did not arrive. One that is said once is not said again (spec §10.3). */
  resetLost(): void {
    if (this.#isResetOnce) this.close()
  }
}
