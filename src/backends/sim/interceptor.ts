import { sha256 } from '@noble/hashes/sha2.js'
import { BoundedSet } from '../../floor/bounded.ts'
import { equalBytes } from '../../floor/bytes.ts'
import { Code } from '../../wire/errors.ts'
import type { FailureReason } from '../../medium/payment.ts'
import type { Verdict } from '../../medium/verdict.ts'
import type { HtlcAttempt } from './htlc-attempt.ts'
import { HOLD_MARGIN_BLOCKS, MAX_HELD_OFFERS, MAX_HOLD_MS, MAX_LONG_HOLDS, VERDICT_MS } from '../../medium/limits.ts'
import {
  OFFER_MARGIN_BLOCKS,
  INTERCEPTOR_LOST_FAIL_MS,
  INTERCEPTOR_RECONNECT_MS,
  MAX_REMEMBERED_HASHES,
  RESTART_MS,
  SETTLE_FORGOTTEN_MS,
  SETTLE_UNPAID_MS,
} from './limits.ts'
import type { Channel } from './channel.ts'
import type { EventHandler, QueuedEvent } from './event-queue.ts'
import type { FaultArguments } from './fault-table.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { CLEAR_INTERCEPT_WORK, INTERCEPT_WORK } from './timing.ts'

const OFFER = 0
const DEADLINE = 1
const FAIL_NOW = 2
const OFFER_AGAIN = 3
const SETTLE_NOW = 4
const EXPIRING = 5

/** lnd fails a held HTLC by itself this many blocks before it expires (verified). */
const AUTO_FAIL_BLOCKS = 19

/** An HTLC that was offered to the process. One object serves every offer of it. */
class HeldHtlc implements EventHandler {
  readonly background = false
  readonly attempt: HtlcAttempt
  readonly #interceptor: Interceptor
  /** The offers that are open for it, oldest first. */
  readonly offers: Set<string> = new Set()
  deadlineMs: number = Infinity
  /** Its process asked to hold it beyond the verdict's time: until then, whenever it asks again. */
  longUntilMs: number | undefined
  /** With what it is settled. */
  preimage: Uint8Array | undefined
  /** The event of `deadlineMs`. It stays in the queue after the verdict, so that runs of one seed stay alike. */
  deadline: QueuedEvent | undefined
  /** Authentic and worth an offer. */
  checked = false
  /** lnd is about to fail it because the stream was lost; it is not offered again. */
  doomed = false
  /** The code or reason for the payer when it fails. */
  why: number | FailureReason = 'unknown-next-peer'
  /**
   * Not false: it was settled long ago and is offered again, as lnd does with some at every restart; no money depends
   * on the verdict. 'once', or 'always': each time that the stream is opened.
   */
  readonly ghost: false | 'once' | 'always'

  constructor(attempt: HtlcAttempt, interceptor: Interceptor, ghost: false | 'once' | 'always') {
    this.attempt = attempt
    this.#interceptor = interceptor
    this.ghost = ghost
    this.checked = ghost !== false
  }

  fire(phase: number): void {
    this.#interceptor.fire(this, phase)
  }
}

/**
 * A node's HTLC interceptor with the library behind it: it holds what arrives over
 * our blinded paths, offers it to the process, carries out verdicts, and behaves as
 * lnd does when the stream is lost (spec/lnd.md §5).
 */
export class Interceptor {
  readonly node: SimNode
  readonly #network: Network
  /** By offer id. */
  readonly #open = new Map<string, HeldHtlc>()
  /** HTLCs that are held, offered or not. */
  readonly #held = new Set<HeldHtlc>()
  /** Hashes of settled HTLCs whose money has come. */
  readonly #confirmed = new BoundedSet<string>(MAX_REMEMBERED_HASHES)
  #connected = false
  #offers = 0
  #streams = 0

  constructor(network: Network, node: SimNode) {
    this.#network = network
    this.node = node
  }

  get connected(): boolean {
    return this.#connected
  }

  get heldCount(): number {
    return this.#held.size
  }

  /** A process attached, or its stream came back: what is still held is offered. */
  connect(): void {
    this.#connected = true
    for (const held of this.#held)
      if (held.checked && !held.doomed && held.offers.size === 0) this.#schedule(0, held, OFFER_AGAIN)
  }

  /** The stream is lost. Offers are gone; lnd fails what it holds, unless it requires an interceptor. */
  disconnect(): void {
    if (!this.#connected) return
    this.#connected = false
    this.#streams++
    for (const [offerId, held] of this.#open) {
      held.offers.delete(offerId)
      if (this.node.isListening) this.node.process?.emit({ type: 'offer-gone', offerId })
    }
    this.#open.clear()
    for (const held of this.#held) {
      held.deadlineMs = Infinity
      this.#letDeadlineGo(held)
      if (!held.checked || held.ghost !== false) continue
      if (this.node.plan.requireInterceptor) this.#keepUntilExpiry(held)
      else {
        held.doomed = true
        this.#schedule(INTERCEPTOR_LOST_FAIL_MS, held, FAIL_NOW)
      }
    }
  }

  /** What is held from a channel that was ended on chain is offered once more. */
  closedOnChain(channel: Channel): void {
    for (const held of this.#held) {
      const { plan, last } = held.attempt
      const isOver = plan.links[last - 1]?.channel === channel
      if (isOver && held.checked && held.ghost === false && !held.doomed) this.#schedule(0, held, OFFER_AGAIN)
    }
  }

  /** The stream is lost, and opened again after `forMs`. */
  drop(forMs: number): void {
    this.disconnect()
    const stream = this.#streams
    this.#network.after(forMs, () => {
      if (stream === this.#streams && this.node.process !== undefined && this.node.online) this.connect()
    })
  }

  /**
   * An HTLC came in for a phantom behind the node: over a blinded path, which the node may know or not, or without
   * blinding.
   */
  receive(attempt: HtlcAttempt): void {
    const { blinded } = attempt.plan
    const isOpen =
      blinded === undefined ||
      (blinded.path?.maker === this.node && !blinded.path.closed && this.#network.height < blinded.path.expiryHeight)
    const takes = isOpen && this.#hasKeys(attempt) && (this.#connected || this.node.plan.requireInterceptor)
    if (!takes || this.#held.size >= MAX_HELD_OFFERS) {
      attempt.refuse(takes ? Code.BUSY : 'unknown-next-peer')
      return
    }
    const held = new HeldHtlc(attempt, this, false)
    this.#held.add(held)
    const { engine } = this.#network
    const work = blinded === undefined ? CLEAR_INTERCEPT_WORK : INTERCEPT_WORK
    engine.push(this.node.writeUntil(engine.nowMs, work), held, OFFER)
  }

  /**
   * Whether the process can open it: the keys of a path end with the process that made it, those of the node's own
   * phantom are known to every process.
   */
  #hasKeys({ plan }: HtlcAttempt): boolean {
    const { process } = this.node
    return plan.blinded === undefined ? process?.phantomLane === true : plan.blinded.path?.process === process
  }

  /** The money of a settled HTLC has come: the process hears of it, once per hash. */
  confirm(attempt: HtlcAttempt): void {
    const { hashKey, hash, amountMsat, amounts } = attempt.plan
    if (this.#confirmed.has(hashKey)) return
    this.#confirmed.add(hashKey)
    this.#network.trace('confirmed', attempt.id, this.node.index, amountMsat)
    if (!this.node.isListening) return
    const excessMsat = BigInt(amounts[attempt.last - 1] as number) - BigInt(amountMsat)
    const more = excessMsat > 0n ? { excessMsat } : {}
    this.node.process?.emit({ type: 'offer-confirmed', hash: hash.slice(), amountMsat: BigInt(amountMsat), ...more })
  }

  /** The process's answer. One that comes late, twice or for an unknown offer changes nothing. */
  answer(offerId: string, verdict: Verdict): void {
    const held = this.#open.get(offerId)
    if (held === undefined || !this.#connected) return
    this.#network.trace('verdict', this.node.index, Number(offerId.slice(1)), verdict.action === 'settle' ? 1 : 0)
    if (verdict.action === 'settle' && !equalBytes(sha256(verdict.preimage), held.attempt.plan.hash)) {
      this.#network.after(0, () => this.#wrongPreimage())
      return
    }
    this.#closeOffers(held)
    held.deadlineMs = Infinity
    this.#letDeadlineGo(held)
    if (held.ghost !== false) this.#endGhost(held)
    else if (verdict.action === 'refuse') {
      held.why = verdict.code
      this.#schedule(0, held, FAIL_NOW)
    } else {
      held.preimage = verdict.preimage
      this.#schedule(0, held, SETTLE_NOW)
    }
  }

  /** Keeps an offer for longer; the new deadline, or undefined where it is gone or too many are kept. */
  hold(offerId: string): number | undefined {
    const held = this.#open.get(offerId)
    if (held === undefined || !this.#connected) return undefined
    const { nowMs } = this.#network.engine
    if (held.longUntilMs === undefined && this.#longHolds >= MAX_LONG_HOLDS) return undefined
    held.longUntilMs ??= nowMs + MAX_HOLD_MS
    held.deadlineMs = held.longUntilMs
    this.#letDeadlineGo(held)
    held.deadline = this.#schedule(Math.max(0, held.deadlineMs - nowMs), held, DEADLINE)
    return held.deadlineMs
  }

  get #longHolds(): number {
    return [...this.#held].filter(({ longUntilMs }) => longUntilMs !== undefined).length
  }

  /** What is held for long is let go before the node fails it by itself. */
  block(height: number): void {
    for (const held of this.#held)
      if (held.longUntilMs !== undefined && held.offers.size > 0 && height >= this.#holdHeight(held))
        this.#refuse(held, Code.BUSY)
  }

  #holdHeight({ attempt }: HeldHtlc): number {
    return (attempt.plan.expiries[attempt.last - 1] as number) - AUTO_FAIL_BLOCKS - HOLD_MARGIN_BLOCKS
  }

  fire(held: HeldHtlc, phase: number): void {
    switch (phase) {
      case OFFER:
        this.#check(held)
        break
      case OFFER_AGAIN:
        if (this.#connected && !held.doomed && this.#held.has(held)) this.#offer(held)
        break
      case DEADLINE:
        if (this.#network.engine.nowMs >= held.deadlineMs) this.#refuse(held, Code.BUSY)
        break
      case FAIL_NOW:
        if (this.#held.delete(held)) held.attempt.refuse(held.why)
        break
      case SETTLE_NOW:
        if (this.#held.delete(held)) this.#settle(held)
        break
      case EXPIRING:
        if (this.#held.has(held) && held.offers.size === 0) this.#refuse(held, 'temporary-channel-failure')
        break
    }
  }

  /** The checks of the library before it offers anything to the process. */
  #check(held: HeldHtlc): void {
    const { plan, last } = held.attempt
    held.checked = true
    const incomingMsat = plan.amounts[last - 1] as number
    const expiry = plan.expiries[last - 1] as number
    if (incomingMsat < plan.amountMsat) {
      const message = `a payment of ${plan.amountMsat} msat came with ${incomingMsat} msat: a relay of the path keeps money. It was refused.`
      if (this.node.isListening) this.node.process?.emit({ type: 'warning', code: 'short-amount', message })
      this.#refuse(held, 'rejected-by-node')
    } else if (expiry < this.#network.height + OFFER_MARGIN_BLOCKS) this.#refuse(held, 'expiry')
    else if (this.#connected) {
      this.#offer(held)
      if (this.#network.faults.consume('duplicate-offer', this.node) !== undefined) this.#schedule(1, held, OFFER_AGAIN)
    } else if (this.node.plan.requireInterceptor) this.#keepUntilExpiry(held)
    else this.#refuse(held, 'unknown-next-peer')
  }

  #offer(held: HeldHtlc): void {
    const { plan, id } = held.attempt
    // A process cannot open what came for the keys of a former one.
    if (!this.#hasKeys(held.attempt)) {
      this.#refuse(held, 'unknown-next-peer')
      return
    }
    const now = this.#network.engine.nowMs
    const offerId = `o${++this.#offers}`
    held.offers.add(offerId)
    held.deadlineMs = now + VERDICT_MS
    this.#open.set(offerId, held)
    this.#letDeadlineGo(held)
    held.deadline = this.#schedule(VERDICT_MS, held, DEADLINE)
    this.#network.trace('intercepted', id, this.node.index, this.#offers)
    this.node.process?.emit({
      type: 'offer',
      offerId,
      ...(plan.blinded?.path && { pathId: plan.blinded.path.pathId }),
      record: plan.record.slice(),
      amountMsat: BigInt(plan.amountMsat),
      hash: plan.hash.slice(),
      deadlineMs: held.deadlineMs,
      holdHeight: this.#holdHeight(held),
    })
  }

  #keepUntilExpiry(held: HeldHtlc): void {
    const expiry = held.attempt.plan.expiries[held.attempt.last - 1] as number
    this.#schedule(this.#network.chain.msUntilHeight(expiry - AUTO_FAIL_BLOCKS), held, EXPIRING)
  }

  #refuse(held: HeldHtlc, why: number | FailureReason): void {
    for (const offerId of this.#closeOffers(held)) {
      if (this.node.isListening) this.node.process?.emit({ type: 'offer-gone', offerId })
    }
    if (held.ghost !== false) this.#endGhost(held)
    else if (this.#held.delete(held)) held.attempt.refuse(why)
  }

  #settle(held: HeldHtlc): void {
    const { attempt } = held
    const lost = this.#network.faults.consume('verdict-lost', this.node)
    const killed = this.#network.faults.consume('killed-after-settle', this.node)
    attempt.preimage = held.preimage
    if (killed !== undefined) this.#settleAndDie(attempt, killed)
    else if (lost !== undefined && lost.end === 'offered-again') {
      this.#held.add(held)
      this.#schedule(INTERCEPTOR_RECONNECT_MS, held, OFFER_AGAIN)
    } else if (lost !== undefined && lost.end !== 'relay-keeps') attempt.refuse('unknown-next-peer')
    else {
      const { preimage } = held
      attempt.settle({ isLastHopPaid: lost === undefined, ...(preimage && { preimage }) })
      const zombie = this.#network.faults.consume('offered-again', this.node)
      if (zombie !== undefined) this.#schedule(zombie.afterMs ?? 60_000, this.#ghostOf(attempt, 'once'), OFFER_AGAIN)
      if (this.#network.faults.consume('zombie-offers', this.node) !== undefined) this.#ghostOf(attempt, 'always')
    }
  }

  /** The node is killed after it took a settle; how soon decides who is paid. */
  #settleAndDie(
    attempt: HtlcAttempt,
    { afterMs = 0, forMs = RESTART_MS }: FaultArguments['killed-after-settle'],
  ): void {
    if (afterMs < SETTLE_FORGOTTEN_MS) attempt.refuse('unknown-next-peer')
    else {
      attempt.settle({ isLastHopPaid: afterMs >= SETTLE_UNPAID_MS })
    }
    this.#network.after(afterMs, () => this.#network.outages.goOffline(this.node, forMs))
  }

  #ghostOf(attempt: HtlcAttempt, ghost: 'once' | 'always'): HeldHtlc {
    const held = new HeldHtlc(attempt, this, ghost)
    this.#held.add(held)
    return held
  }

  #endGhost(held: HeldHtlc): void {
    if (held.ghost === 'once') this.#held.delete(held)
  }

  /** lnd ends the stream over a wrong preimage, and everything held goes with it. */
  #wrongPreimage(): void {
    const message =
      'a verdict had a preimage that does not hash to its payment: lnd ended the stream and let go of every held offer'
    if (this.node.isListening) this.node.process?.emit({ type: 'warning', code: 'wrong-preimage', message })
    this.drop(INTERCEPTOR_RECONNECT_MS)
  }

  #closeOffers(held: HeldHtlc): string[] {
    const offers = [...held.offers]
    for (const offerId of offers) this.#open.delete(offerId)
    held.offers.clear()
    return offers
  }

  /** It has its verdict, or waits for one no more: a process need not stay alive for the deadline. */
  #letDeadlineGo(held: HeldHtlc): void {
    if (held.deadline !== undefined) this.#network.engine.letGo(held.deadline)
    held.deadline = undefined
  }

  #schedule(afterMs: number, held: HeldHtlc, phase: number): QueuedEvent {
    const { engine } = this.#network
    return engine.push(engine.nowMs + afterMs, held, phase)
  }
}
