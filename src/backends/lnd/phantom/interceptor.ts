import { sha256 } from '@noble/hashes/sha2.js'
import { equalBytes } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { Verdict } from '../../../medium/verdict.ts'
import { Code } from '../../../wire/errors.ts'
import { HOLD_MARGIN_BLOCKS, MAX_HELD_OFFERS, MAX_HOLD_MS, VERDICT_MS } from '../../../medium/limits.ts'
import { EAGER_MS, INTERCEPTOR_RETRY_MS, OBJECTION_MS, NODE_RECONNECT } from '../limits.ts'
import { RateLimitedWarning } from '../rate-limited-warning.ts'
import { isAway, isDenied, isInterceptorTaken, type RpcError } from '../rpc/errors.ts'
import { type DuplexStream, type LndClient } from '../rpc/client.ts'
import { AnsweredCircuits, type SettledHtlc } from './answered-circuits.ts'
import { examineOffer } from './examine-offer.ts'
import type {
  Excess,
  InterceptorCommand,
  InterceptorKey,
  InterceptorReport,
  InterceptorState,
} from './interceptor-messages.ts'
import type { Refuser } from './node-phantom.ts'
import { isOnChain, type CircuitKey, type RawOffer, type RawVerdict, hashRequest } from '../rpc/raw-messages.ts'

/** An offer that waits for its verdict. */
interface HeldOffer {
  readonly offerId: string
  readonly circuit: CircuitKey
  readonly hash: Uint8Array
  readonly amountMsat: bigint
  readonly excess: Excess
  /** Tells the payer why it is refused; absent where nobody can. */
  readonly refuser: Refuser | undefined
  readonly onChain: boolean
  readonly autoFailHeight: number
  /** Its process asked to hold it beyond the verdict's time. */
  readonly isLong: boolean
  readonly cancelDeadline: () => void
}

function excessOf(incomingMsat: string, amountMsat: bigint): Excess {
  const excessMsat = BigInt(incomingMsat) - amountMsat
  return excessMsat > 0n ? { excessMsat } : {}
}

export interface InterceptorNeeds {
  readonly client: LndClient
  readonly clock: Clock
  /** What the ids of its offers begin with: an interceptor that takes another's place must not use them again. */
  readonly offerPrefix: string
  report(report: InterceptorReport): void
}

/**
 * The interceptor stream of one lnd, which has to be read at all times: lnd blocks for the
 * whole node when nobody does (spec/lnd.md §5). Foreign forwards are resumed first and at once;
 * ours are opened, checked and offered, each gets one answer, within 3 s.
 */
export class Interceptor {
  readonly #needs: InterceptorNeeds
  /** By made-up channel. */
  readonly #keys = new Map<string, InterceptorKey>()
  /** By offer id. */
  readonly #held = new Map<string, HeldOffer>()
  readonly #answered = new AnsweredCircuits()
  #stream: DuplexStream | undefined
  #state: InterceptorState = 'down'
  #height = 0
  #offers = 0
  #eagerUntilMs = 0
  #cancelRetry: (() => void) | undefined
  #stopped = false
  /** For payments that brought less than their onions say. */
  readonly #shortWarning: RateLimitedWarning
  /** For offers whose examination threw. */
  readonly #failedWarning: RateLimitedWarning
  /** Answers written so far. */
  #answersWritten = 0

  constructor(needs: InterceptorNeeds) {
    this.#needs = needs
    this.#shortWarning = new RateLimitedWarning(needs.clock)
    this.#failedWarning = new RateLimitedWarning(needs.clock)
  }

  command(command: InterceptorCommand): void {
    switch (command.type) {
      case 'open':
        return this.#openNow()
      case 'add':
        for (const key of command.keys) this.#keys.set(key.chanId, key)
        return
      case 'remove':
        for (const chanId of command.chanIds) this.#keys.delete(chanId)
        return
      case 'answer':
        return this.#answer(command.offerId, command.verdict)
      case 'hold':
        return this.#hold(command.offerId)
      case 'height':
        this.#height = Math.max(this.#height, command.height)
        return this.#letOldGo()
      case 'stop':
        this.#stopped = true
        this.#cancelRetry?.()
        return this.cancel()
    }
  }

  /** Ends the stream: lnd lets go of what is held. A cancelled stream is safe, a stalled one is not. */
  cancel(): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#lost('the stream was cancelled')
    stream.cancel()
  }

  #openNow(): void {
    this.#eagerUntilMs = this.#needs.clock.now() + EAGER_MS
    if (this.#stream === undefined) this.#open()
    else if (this.#state === 'open') this.#setState('open', 'the stream stands')
  }

  #open(): void {
    if (this.#stopped || this.#stream !== undefined) return
    this.#cancelRetry?.()
    const stream = this.#needs.client.interceptor()
    this.#stream = stream
    this.#answered.begin()
    stream.on('data', (message) => {
      if (stream === this.#stream) this.#receive(message as RawOffer)
    })
    stream.on('error', (error) => this.#ended(stream, error))
    stream.on('end', () => this.#ended(stream, undefined))
    this.#probe(stream)
  }

  /**
   * The interceptor is in place when a call that was made after it has been answered; where another
   * program has it, lnd says so at about the same time.
   */
  #probe(stream: DuplexStream): void {
    const { client, clock } = this.#needs
    const answered = (): void => {
      clock.schedule(clock.now() + OBJECTION_MS, () => {
        if (stream === this.#stream) this.#setState('open', 'the stream stands')
      })
    }
    client.first('trackPaymentV2', hashRequest('00'.repeat(32))).then(answered, (error: unknown) => {
      // Whatever lnd answers to this, it has read what came before it.
      if (!isAway(error)) return answered()
      clock.schedule(clock.now() + NODE_RECONNECT.maxMs, () => {
        if (stream === this.#stream) this.#probe(stream)
      })
    })
  }

  #ended(stream: DuplexStream, error: RpcError | undefined): void {
    if (stream !== this.#stream) return
    const detail = error?.details ?? 'lnd ended the stream'
    this.#lost(detail)
    if (this.#stopped) return
    const now = this.#needs.clock.now()
    const isTaken = error !== undefined && isInterceptorTaken(error)
    const state = error !== undefined && isDenied(error) ? 'denied' : isTaken ? 'taken' : 'down'
    // In the first seconds an interceptor that exists may be our own, which lnd has not yet given up.
    const isEager = now < this.#eagerUntilMs
    if (!isTaken || !isEager) this.#setState(state, detail)
    const delayMs = state !== 'denied' && isEager ? NODE_RECONNECT.minMs : INTERCEPTOR_RETRY_MS
    this.#cancelRetry = this.#needs.clock.schedule(now + delayMs, () => this.#open())
  }

  #lost(detail: string): void {
    this.#stream = undefined
    for (const { offerId, cancelDeadline } of this.#held.values()) {
      cancelDeadline()
      this.#needs.report({ type: 'offer-gone', offerId })
    }
    this.#held.clear()
    if (this.#state === 'open') {
      this.#eagerUntilMs = this.#needs.clock.now() + EAGER_MS
      this.#setState('down', detail)
    }
  }

  #setState(state: InterceptorState, detail: string): void {
    this.#state = state
    this.#needs.report({ type: 'state', state, detail })
  }

  /** No content of an offer may end the stream or its reader: lnd would fail all HTLCs that are held. */
  #receive(offer: RawOffer): void {
    const before = this.#answersWritten
    try {
      this.#handle(offer)
    } catch (error) {
      const circuit = offer.incoming_circuit_key
      this.#withdraw(nameOf(circuit))
      if (this.#answersWritten === before && !isOnChain(offer)) this.#fail(circuit, undefined)
      this.#failedWarning.record((count) => {
        const message = `offers could not be looked at, and were refused (${count} since the last such warning); please report this: ${String(error)}`
        this.#needs.report({ type: 'warning', code: 'offer-failed', message })
      })
    }
  }

  #handle(offer: RawOffer): void {
    const key = this.#keys.get(offer.outgoing_requested_chan_id)
    const onChain = isOnChain(offer)
    const circuit = offer.incoming_circuit_key
    const name = nameOf(circuit)
    const settled = this.#answered.settledOn(name, offer.payment_hash)
    if (key === undefined && settled === undefined) {
      if (!onChain) this.#write({ incoming_circuit_key: circuit, action: 'RESUME' })
      return
    }
    // What went to the chain waits for an answer again, whatever was answered before.
    if (onChain) this.#withdraw(name)
    else if (this.#answered.isMet(name)) return
    this.#answered.meet(name)
    if (settled !== undefined) return this.#settleAgain(offer, onChain, settled)
    if (key === undefined) return
    const examined = examineOffer(offer, key, this.#height)
    if (!examined.ok || this.#held.size >= MAX_HELD_OFFERS) {
      if (!onChain) this.#fail(circuit, examined.ok ? examined.refuser?.refusal(Code.BUSY) : examined.failure)
      // At the node's own phantom anybody can claim to have sent more, at no cost.
      if (!examined.ok && (examined.shortMsat ?? 0n) > 0n && 'pathId' in key) this.#warnOfShort()
      return
    }
    const { record, amountMsat, refuser } = examined
    const hash = Uint8Array.from(offer.payment_hash)
    const offerId = `${this.#needs.offerPrefix}o${++this.#offers}`
    const { clock } = this.#needs
    const cancelDeadline = clock.schedule(clock.now() + VERDICT_MS, () => this.#late(offerId), { ref: true })
    const autoFailHeight = offer.auto_fail_height
    const excess = excessOf(offer.incoming_amount_msat, amountMsat)
    const [isLong, holdHeight] = [false, autoFailHeight - HOLD_MARGIN_BLOCKS]
    const answerable = { refuser, onChain, autoFailHeight, isLong, cancelDeadline }
    this.#held.set(offerId, { offerId, circuit, hash, amountMsat, excess, ...answerable })
    const path = 'pathId' in key ? { pathId: key.pathId } : {}
    this.#needs.report({ type: 'offer', offerId, ...path, record, amountMsat, hash, holdHeight })
  }

  /** Its process wants more time: as much as MAX_HOLD_MS from the first time on, and as `#letOldGo` leaves. */
  #hold(offerId: string): void {
    const held = this.#held.get(offerId)
    if (held === undefined || held.isLong) return
    held.cancelDeadline()
    const { clock } = this.#needs
    const cancelDeadline = clock.schedule(clock.now() + MAX_HOLD_MS, () => this.#late(offerId), { ref: true })
    this.#held.set(offerId, { ...held, isLong: true, cancelDeadline })
    this.#letOldGo()
  }

  /** What is held for long is refused before lnd fails it by itself. */
  #letOldGo(): void {
    for (const { offerId, isLong, autoFailHeight } of this.#held.values())
      if (isLong && this.#height >= autoFailHeight - HOLD_MARGIN_BLOCKS) this.#late(offerId)
  }

  #answer(offerId: string, verdict: Verdict): void {
    const held = this.#held.get(offerId)
    if (held === undefined) return
    this.#held.delete(offerId)
    held.cancelDeadline()
    // lnd fails it by itself at that height; an answer after it ends the stream.
    if (!held.onChain && this.#height >= held.autoFailHeight) return
    if (verdict.action === 'refuse') {
      if (!held.onChain) this.#fail(held.circuit, held.refuser?.refusal(verdict.code))
      return
    }
    if (!equalBytes(sha256(verdict.preimage), held.hash)) {
      const message = 'a verdict had a preimage that does not hash to its payment; the payment was refused'
      this.#needs.report({ type: 'warning', code: 'wrong-preimage', message })
      if (!held.onChain) this.#fail(held.circuit, held.refuser?.refusal(Code.INTERNAL))
      return
    }
    this.#write({ incoming_circuit_key: held.circuit, action: 'SETTLE', preimage: verdict.preimage })
    const { hash, amountMsat, excess } = held
    this.#answered.settle(nameOf(held.circuit), { hash, preimage: verdict.preimage, amountMsat, excess })
    this.#needs.report({ type: 'settled', hash, amountMsat, ...excess, chanId: held.circuit.chan_id })
  }

  #settleAgain(offer: RawOffer, onChain: boolean, known: SettledHtlc): void {
    if (!onChain && this.#height >= offer.auto_fail_height) return
    const { preimage, amountMsat, excess } = known
    const { incoming_circuit_key: circuit, payment_hash: hash } = offer
    this.#write({ incoming_circuit_key: circuit, action: 'SETTLE', preimage })
    const settled = { hash: Uint8Array.from(hash), amountMsat, ...excess, chanId: circuit.chan_id }
    this.#needs.report({ type: 'settled', ...settled })
  }

  /** Nobody can answer the offers of this circuit any more. */
  #withdraw(name: string): void {
    for (const { offerId, circuit, cancelDeadline } of this.#held.values()) {
      if (nameOf(circuit) !== name) continue
      cancelDeadline()
      this.#held.delete(offerId)
      this.#needs.report({ type: 'offer-gone', offerId })
    }
  }

  #late(offerId: string): void {
    this.#answer(offerId, { action: 'refuse', code: Code.BUSY })
    this.#needs.report({ type: 'offer-gone', offerId })
  }

  /** On a blinded lane the payer sees invalid_onion_blinding from the introduction node, whatever is said here. */
  #fail(circuit: CircuitKey, sealed: Uint8Array | undefined): void {
    const failure = sealed === undefined ? { failure_code: 'TEMPORARY_CHANNEL_FAILURE' } : { failure_message: sealed }
    this.#write({ incoming_circuit_key: circuit, action: 'FAIL', ...failure })
  }

  #write(verdict: RawVerdict): void {
    this.#answersWritten += 1
    this.#stream?.write(verdict)
  }

  #warnOfShort(): void {
    this.#shortWarning.record((count) => {
      const message = `payments over hidden paths came with less than their onions say (${count} since the last such warning): a relay of the path keeps money, or their payer sends less than it says. They were refused.`
      this.#needs.report({ type: 'warning', code: 'short-amount', message })
    })
  }
}

function nameOf({ chan_id, htlc_id }: CircuitKey): string {
  return `${chan_id}/${htlc_id}`
}
