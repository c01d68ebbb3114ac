import type { CustomRecord, FailureReason, PaymentFailure, PaymentOutcome } from '../../medium/payment.ts'
import { CLAIM_BLOCKS } from './limits.ts'
import type { ChannelLink } from './channel.ts'
import type { EventHandler } from './event-queue.ts'
import { relayFeeMsat } from './fees.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { OpenPath } from './blinded-paths.ts'
import { observeEnd, observeHtlc } from './observations.ts'
import { END_WORK, FAIL_DELAY_MS, RELAY_DELAY_SHARE, RELAY_WORK, SETTLE_DELAY_SHARE } from './timing.ts'

const ARRIVED = 0
const FINAL_WRITTEN = 1
const BACK = 2
const HOLD_ENDS = 3

/** What is to go wrong with an attempt, decided when it is sent. Positions count nodes: the sender is 0. */
export interface Trouble {
  /** Position whose outgoing channel refuses; the last position refuses as the destination. */
  readonly failAt?: number
  readonly failReason?: FailureReason
  /** Position that holds the HTLC. */
  readonly holdAt?: number
  readonly holdMs?: number
  readonly holdThen?: 'fail' | 'land'
  /** Position of a relay that keeps this much. */
  readonly skimAt?: number
  readonly skimMsat?: number
}

export interface HtlcPlan {
  readonly links: readonly ChannelLink[]
  /** What each link is to carry, in msat. */
  readonly amounts: number[]
  /** The absolute expiry on each link. */
  readonly expiries: readonly number[]
  readonly hash: Uint8Array
  readonly hashKey: string
  readonly record: Uint8Array
  /** Of a plain keysend, in place of the record. */
  readonly records?: readonly CustomRecord[]
  /** The payer asks for the preimage. */
  readonly isLocked?: boolean
  /** What the last hop's payload says. */
  readonly amountMsat: number
  /** Somebody else's payment, without a record of ours. */
  readonly bare?: boolean
  /** The payment ends at a phantom behind the last node: that node's process decides. */
  readonly phantom: boolean
  /** Over a blinded path: position of the introduction node, and the path where the network knows it. */
  readonly blinded?: { readonly introduction: number; readonly path: OpenPath | undefined; readonly pathKey: string }
}

interface SettleOptions {
  readonly isLastHopPaid?: boolean
  readonly preimage?: Uint8Array
}

/** One payment on its way over its links and back: a chain of HTLCs, one on each link. */
export class HtlcAttempt implements EventHandler {
  readonly background = false
  readonly id: number
  readonly sender: SimNode
  readonly plan: HtlcPlan
  readonly network: Network
  trouble: Trouble | undefined
  /** Resolves the process's call; undefined once the process has lost sight of this attempt. */
  resolve: ((outcome: PaymentOutcome) => void) | undefined
  /** With what the phantom settled it. */
  preimage: Uint8Array | undefined
  /** Position of the node that holds the HTLC, or that knows by now how it ended. */
  position = 0
  /** False where the last link's HTLC fails although the payment settles: a relay keeps the money. */
  #isLastHopPaid = true
  #failure: PaymentFailure | undefined
  /** The code of the phantom's refusal: it reaches the payer on an unblinded lane (spec §2.10). */
  #refusal: number | undefined
  #holdUntilMs = 0

  constructor(
    id: number,
    network: Network,
    sender: SimNode,
    plan: HtlcPlan,
    trouble: Trouble | undefined,
    resolve: (outcome: PaymentOutcome) => void,
  ) {
    this.id = id
    this.network = network
    this.sender = sender
    this.plan = plan
    this.trouble = trouble
    this.resolve = resolve
  }

  get last(): number {
    return this.plan.links.length
  }

  /** Fees that the payer pays when it settles, in msat. */
  get feeMsat(): number {
    return (this.plan.amounts[0] as number) - this.plan.amountMsat
  }

  nodeAt(position: number): SimNode {
    return position === 0 ? this.sender : (this.plan.links[position - 1] as ChannelLink).to
  }

  /** Disk work at the node that commits this attempt's next HTLC. */
  workAt(node: SimNode): number {
    return node === this.sender && this.position === 0 ? END_WORK : RELAY_WORK
  }

  /** The process has lost sight of it: returns who waited for the outcome, once. */
  loseSight(): HtlcAttempt['resolve'] {
    const { resolve } = this
    this.resolve = undefined
    return resolve
  }

  /** Begins at the sender; a local obstacle decides at once. */
  start(): void {
    this.#passOn()
  }

  /** The link's commitment is written: the HTLC is on its way to the link's other end. */
  sentOver(link: ChannelLink): void {
    const { engine } = this.network
    this.position++
    const relayed = this.position < this.last ? 1 + RELAY_DELAY_SHARE : 1
    engine.push(engine.nowMs + this.network.hopDelayMs(link) * relayed, this, ARRIVED)
  }

  fire(phase: number): void {
    if (phase === BACK) this.#goBack()
    else if (phase === ARRIVED) this.#arrive()
    else if (phase === FINAL_WRITTEN) this.#settleAtDestination()
    else this.#endHold()
  }

  /** Settles from where the HTLC is. */
  settle({ isLastHopPaid = true, preimage }: SettleOptions = {}): void {
    this.#isLastHopPaid = isLastHopPaid
    this.preimage = preimage
    this.network.trace('settling', this.id, this.nodeAt(this.position).index)
    this.#sendBack()
  }

  /** Fails from where the HTLC is; `over` is the channel that refused. */
  fail(reason: FailureReason, over?: ChannelLink): void {
    this.#failure = this.#failureSeenBySender(reason, over)
    this.network.trace('failing', this.id, this.nodeAt(this.position).index, this.network.word(reason))
    if (over !== undefined && this.#failure.channel !== undefined)
      this.sender.refusals.set(over.channel, this.network.engine.nowMs)
    if (this.position === 0) this.network.decided(this, this.#failure)
    else this.#sendBack()
  }

  /** The phantom turns it down with a code or a reason; over a blinded path the payer hears of neither (spec §2.10). */
  refuse(why: number | FailureReason): void {
    if (this.plan.blinded !== undefined) this.fail('blinded')
    else if (typeof why === 'number') {
      this.#refusal = why
      this.fail('refused')
    } else this.fail(why)
  }

  /** Goes on: the node that it waited for is back. */
  unpark(): void {
    const { engine } = this.network
    engine.push(engine.nowMs, this, BACK)
  }

  #failureSeenBySender(reason: FailureReason, over: ChannelLink | undefined): PaymentFailure {
    const { blinded } = this.plan
    if (this.position === 0)
      return { status: 'failed', reason, place: 'local', ...(over && { channel: over.channel.id }) }
    if (blinded !== undefined && this.position >= blinded.introduction) {
      return { status: 'failed', reason: 'blinded', place: 'introduction' }
    }
    if (this.position === this.last) {
      const refusal = reason === 'refused' ? this.#refusal : undefined
      return { status: 'failed', reason, place: 'destination', ...(refusal !== undefined && { refusal }) }
    }
    return { status: 'failed', reason, place: 'route', ...(over && { channel: over.channel.id }) }
  }

  #arrive(): void {
    const node = this.nodeAt(this.position)
    this.network.trace('reached', this.id, node.index)
    if (!node.online) {
      const link = this.plan.links[this.position - 1] as ChannelLink
      this.#release(link, false)
      this.position--
      this.fail('temporary-channel-failure', link)
      return
    }
    if (this.network.observations.watches(node.name)) observeHtlc(this, node)
    if (this.trouble?.holdAt === this.position) {
      this.#holdUntilMs = this.network.engine.nowMs + (this.trouble.holdMs ?? 0)
      this.#hold(node)
    } else this.#process(node)
  }

  #process(node: SimNode): void {
    if (this.position < this.last) {
      this.#passOn()
      return
    }
    if (this.trouble?.failAt === this.position) this.fail(this.trouble.failReason ?? 'temporary-channel-failure')
    else if (this.plan.phantom) node.interceptor.receive(this)
    else this.network.engine.push(node.writeUntil(this.network.engine.nowMs, END_WORK), this, FINAL_WRITTEN)
  }

  /** Node lane: the destination settles by itself, or says why not. */
  #settleAtDestination(): void {
    const node = this.nodeAt(this.position)
    const { plan, network } = this
    if (!node.plan.keysend) this.fail('rejected-by-node')
    else if ((plan.amounts[this.last - 1] as number) < plan.amountMsat) this.fail('rejected-by-node')
    else if ((plan.expiries[this.last - 1] as number) <= network.height) this.fail('expiry')
    else {
      // lnd takes a second payment with a settled hash, and its payload is lost.
      if (!node.hasSettled(plan.hashKey)) {
        node.recordSettled(plan.hashKey)
        if (plan.bare !== true) network.arrived(node, this)
      }
      this.settle()
    }
  }

  /** Offers the HTLC on the next link, or fails it for what its node finds wrong. */
  #passOn(): void {
    const { plan, position } = this
    const link = plan.links[position] as ChannelLink
    const refusal = this.#refusalAt(link)
    if (refusal !== undefined) {
      this.fail(refusal, link)
      return
    }
    const amountMsat = plan.amounts[position] as number
    this.network.trace('offered', this.id, link.index, amountMsat, plan.expiries[position])
    link.offer(this, amountMsat)
  }

  /** The HTLC that led here is over. */
  #release(link: ChannelLink, settled: boolean): void {
    const { links, amounts } = this.plan
    link.release(amounts[this.position - 1] as number, settled)
    const incoming = links[this.position - 2]
    if (incoming !== undefined) link.from.relayLimits?.remove(incoming, link)
  }

  #refusalAt(link: ChannelLink): FailureReason | undefined {
    const { plan, position, trouble } = this
    if (trouble?.failAt === position) return trouble.failReason ?? 'temporary-channel-failure'
    if (trouble?.skimAt === position) this.#skim(position, trouble.skimMsat ?? 0)
    if (link.channel.closed) return 'unknown-next-peer'
    if (!link.to.online || link.policy.disabled) return 'temporary-channel-failure'
    // A node that requires its interceptor forwards nothing while there is none (spec/lnd.md §5).
    if (position > 0 && link.from.plan.requireInterceptor && !link.from.interceptor.connected)
      return 'temporary-channel-failure'
    const { policy } = link
    const amountMsat = plan.amounts[position] as number
    if (amountMsat < policy.minHtlcMsat || amountMsat > policy.maxHtlcMsat) return 'policy'
    if (position > 0) {
      // spec/lnd.md §5: a relay sends nothing on over the channel by which it came.
      if (plan.links[position - 1]?.channel === link.channel) return 'temporary-channel-failure'
      const incomingMsat = plan.amounts[position - 1] as number
      const delta = (plan.expiries[position - 1] as number) - (plan.expiries[position] as number)
      const feeMsat = relayFeeMsat(policy, amountMsat, plan.links[position - 1]?.inbound)
      if (incomingMsat < amountMsat + feeMsat || delta < policy.cltvDelta) return 'policy'
    }
    if ((plan.expiries[position] as number) <= this.network.height) return 'expiry'
    const obstacle = link.obstacle(amountMsat)
    if (position === 0) return obstacle
    if (obstacle !== undefined) return 'temporary-channel-failure'
    const incoming = plan.links[position - 1] as ChannelLink
    const isLetPass = link.from.relayLimits?.add(incoming, link, this.network.engine.nowMs) ?? true
    return isLetPass ? undefined : 'temporary-channel-failure'
  }

  #skim(position: number, skimMsat: number): void {
    for (let i = position; i < this.last; i++) {
      this.plan.amounts[i] = Math.max(1, (this.plan.amounts[i] as number) - skimMsat)
    }
  }

  /** Holds the HTLC until its time is up or it expires, whichever comes first; a block may come early or late. */
  #hold(node: SimNode): void {
    const { engine } = this.network
    const untilExpiry = this.network.chain.msUntilHeight(this.plan.expiries[this.position - 1] as number)
    const forMs = Math.min(this.#holdUntilMs - engine.nowMs, untilExpiry + 1)
    this.network.trace('held', this.id, node.index, forMs)
    engine.push(engine.nowMs + forMs, this, HOLD_ENDS)
  }

  #endHold(): void {
    const node = this.nodeAt(this.position)
    const expired = (this.plan.expiries[this.position - 1] as number) <= this.network.height
    if (expired) this.fail('timeout', this.plan.links[this.position])
    else if (this.network.engine.nowMs < this.#holdUntilMs) this.#hold(node)
    else if (this.trouble?.holdThen === 'land') this.#process(node)
    else this.fail('temporary-channel-failure', this.plan.links[this.position])
  }

  /** On a channel that was ended on chain a claim takes blocks, and what is not claimed stays until it expires. */
  #waitsForChain({ channel }: ChannelLink): boolean {
    if (channel.onChainFrom === undefined) return false
    const { engine, height } = this.network
    const decidedAt =
      this.#failure === undefined
        ? channel.onChainFrom + CLAIM_BLOCKS
        : (this.plan.expiries[this.position - 1] as number) + CLAIM_BLOCKS
    if (height >= decidedAt) return false
    engine.push(engine.nowMs + this.network.chain.msUntilHeight(decidedAt) + 1, this, BACK)
    return true
  }

  #sendBack(): void {
    const { engine, plan: networkPlan } = this.network
    const delayMs = this.network.hopDelayMs(this.plan.links[this.position - 1] as ChannelLink)
    // A settlement is passed on as it comes, a failure only when committed on both sides.
    const ms =
      this.#failure === undefined
        ? delayMs * SETTLE_DELAY_SHARE
        : delayMs + networkPlan.latency.batchMs + (delayMs > 0 ? FAIL_DELAY_MS : 0)
    engine.push(engine.nowMs + ms, this, BACK)
  }

  #goBack(): void {
    const { network, plan } = this
    const link = plan.links[this.position - 1] as ChannelLink
    const away = link.from.online ? (link.to.online ? undefined : link.to) : link.from
    if (away !== undefined) {
      away.park(this)
      return
    }
    if (this.#waitsForChain(link)) return
    const isLast = this.position === this.last
    const settled = this.#failure === undefined && !(isLast && !this.#isLastHopPaid)
    this.#release(link, settled)
    network.trace('back', this.id, link.index, settled ? 1 : 0)
    observeEnd(this, link, settled)
    if (isLast && settled && plan.phantom) link.to.interceptor.confirm(this)
    this.position--
    if (this.position > 0) this.#sendBack()
    else network.decided(this, this.#failure)
  }
}
