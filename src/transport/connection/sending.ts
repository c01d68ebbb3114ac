import { Control } from './controls.ts'
import type { CopyJob, CopyReason } from './copy-jobs.ts'
import type { Want, WantReason } from './interface.ts'
import { EARLY_PACKETS, HEDGE_AGAIN_MS, MAX_ALONE_ATTEMPTS } from './limits.ts'
import type { Parts } from './parts.ts'

/** Vain questions for a copy in a row before data goes first for a while: enough for a driver that asks twice. */
const VAIN_QUESTIONS = 3

type Needs =
  | 'ack'
  | 'controls'
  | 'copies'
  | 'handshake'
  | 'life'
  | 'messages'
  | 'money'
  | 'packets'
  | 'payments'
  | 'probe'
  | 'reach'
  | 'recovery'
  | 'refusals'
  | 'send'

/** Whether there is something to send, and why: what `want` tells the peer controller. */
export class Sending {
  readonly #parts: Pick<Parts, Needs>
  /** What the last `want` was for, and how often in a row it asked for a copy in vain. */
  #wanted: WantReason | undefined
  #vain = 0

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  /** Controls that are due now, of those that may go in the state that the connection is in. */
  get dueControls(): number {
    const { controls, life, probe } = this.#parts
    const { due } = controls
    switch (life.state) {
      case 'opening':
        return due & Control.PATHS
      case 'open':
      case 'closing':
        // spec §8.8: without a sign of the peer, only what asks for one.
        return probe.hasNoSign ? due & (Control.PING | Control.PATHS) : due & ~Control.FIN
      case 'resetting':
        return due & (Control.RESET | Control.REFUSE)
      case 'lingering':
        // spec §13.4: paths that are on their way still have to arrive, and answers to be paid.
        return due & (Control.PATHS | Control.AGREE)
      case 'closed':
        return 0
    }
  }

  /** New stream bytes that the peer's limit and its money let pass. */
  get sendable(): number {
    if (!this.#mayOvertake) return 0
    const { money, packets, send } = this.#parts
    const { sendable } = send
    if (sendable === 0) return 0
    const paidFor = Math.min(money.affordableBytes, money.barrier - send.buffer.sentEnd)
    // What the money covers goes in full packets, or when nothing else brings more.
    if (paidFor < Math.min(sendable, send.capacity) && packets.unresolved > 0) return 0
    return Math.max(0, Math.min(sendable, paidFor))
  }

  // spec §6.6: an EARLY packet that overtakes its OPEN on the phantom lane is refused.
  get #mayGoEarly(): boolean {
    const { handshake, life, reach } = this.#parts
    return !life.isOpening || !reach.isUnblinded || handshake.opening?.hasArrived === true
  }

  // spec §6.6, §14: a responder keeps a bounded number of packets that overtake their OPEN; the others would be paid
  // for and lost. Once the OPEN has settled, what is sent comes after it.
  get #mayOvertake(): boolean {
    const { handshake, life, reach, recovery } = this.#parts
    const { opening } = handshake
    if (!life.isOpening || opening === undefined || opening.isAwaited) return true
    if (reach.isUnblinded) return opening.hasArrived
    const { sent, failed } = recovery.counts
    return sent - opening.copies - failed < EARLY_PACKETS
  }

  /** Whether there is stream data, or the FIN, that should go now. */
  hasData(now: number): boolean {
    const { life, money, probe, send } = this.#parts
    if (probe.hasNoSign || !life.isLive || !this.#mayGoEarly || money.isUndecided) return false
    // spec §12.5: what it costs is paid first, also of the FIN and of what goes again.
    if (send.buffer.hasAgain && money.allowsPacket) return true
    const fresh = this.sendable
    return fresh === 0 ? send.isFinNext && this.mayFinish : send.isRipe(now, fresh)
  }

  /**
   * spec §12.5: the end is a part of the stream, and costs what its packet does. spec §12.8: it does not overtake a
   * datagram, and §12.9: nor a payment, which nobody would be there for.
   */
  get mayFinish(): boolean {
    const { messages, money, payments, send } = this.#parts
    if (messages.open > 0 || payments.holdsEnd || money.isUndecided) return false
    return money.allowsPacket && money.isAgreed && send.buffer.written <= money.barrier
  }

  #hasControl(now: number): boolean {
    const { ack, handshake, life, messages, money, payments, probe } = this.#parts
    const paysNow = payments.hasDueNotice || (payments.hasDuePayment && !money.isPaymentPaused)
    const isDue = this.dueControls !== 0
    if (life.state === 'lingering') return isDue || ack.isDue(now) || paysNow
    if (life.isOpening) return handshake.opening?.isDue === true || (isDue && this.#mayGoEarly)
    if (isDue) return true
    if (!life.isLive || probe.hasNoSign) return false
    return ack.isDue(now) || (messages.hasDue && !money.isUndecided) || paysNow
  }

  #reason(now: number): WantReason | undefined {
    const { copies, handshake, money } = this.#parts
    if (this.#hasControl(now)) return 'control'
    const copy = copies.next(now)
    // spec §12.4: a copy of what went before the question is not needed to keep the connection.
    if (money.isUndecided && (copy === undefined || carriesMore(copy.job))) return undefined
    // spec §12.11: the last of the caller's money is for what has to be said: the ANSWER, and then COST.
    if (!money.allowsData && (copy?.reason !== 'urgent' || handshake.isConfirmed)) return undefined
    if (copy !== undefined) return copy.reason
    return this.hasData(now) ? 'data' : undefined
  }

  /** What it has to say waits for its caller to pay for it (spec §12.11). */
  get awaitsMoney(): boolean {
    const { copies, life, money, send } = this.#parts
    if (life.isClosed || money.answers === undefined) return false
    if (money.pausedBy?.budget === money.answers.budget) return true
    return !money.allowsData && (send.sendable > 0 || send.buffer.hasAgain || copies.waiting > 0)
  }

  want(now: number): Want | undefined {
    const { copies, handshake, life, money, packets, reach, refusals } = this.#parts
    if (life.isClosed || money.isPaused || refusals.isWaiting(now) || !handshake.canSend) return undefined
    const { target } = reach
    if (target === undefined) return undefined
    let reason = this.#reason(now)
    if (reason === 'hedge' || reason === 'early') {
      // The peer controller grants these sparingly; data must not wait behind them.
      this.#vain++
      if (this.#vain > VAIN_QUESTIONS) {
        this.#vain = 0
        copies.waitUntil(reason, now + HEDGE_AGAIN_MS)
        reason = this.#reason(now)
      }
    }
    this.#wanted = reason
    if (reason === undefined) return undefined
    const copy = isCopy(reason) ? copies.next(now) : undefined
    const avoid = copy === undefined ? refusals.avoid : copies.avoid(copy.job)
    return { reason, target, avoid, isAlone: packets.unresolved <= MAX_ALONE_ATTEMPTS }
  }

  /** There is a grant: what it is used for. */
  granted(now: number): { readonly reason: WantReason; readonly job: CopyJob | undefined } {
    this.#vain = 0
    const wanted = this.#wanted
    const copy = isCopy(wanted) ? this.#parts.copies.next(now) : undefined
    if (copy !== undefined) return { reason: wanted ?? 'data', job: copy.job }
    return { reason: wanted === 'control' ? 'control' : 'data', job: undefined }
  }
}

/** Something of the stream, or datagrams. */
function carriesMore({ origin: { parts } }: CopyJob): boolean {
  return parts.ranges.length > 0 || parts.messages.length > 0 || (parts.controls & Control.FIN) !== 0
}

function isCopy(reason: WantReason | undefined): reason is CopyReason {
  return reason === 'urgent' || reason === 'hedge' || reason === 'early'
}
