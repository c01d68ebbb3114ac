import type { HtlcAttempt } from './htlc-attempt.ts'
import type { EventHandler } from './event-queue.ts'
import type { SimNode } from './node.ts'
import type { Engine } from './engine.ts'
import type { FeePolicy } from './fees.ts'
import type { ChannelPlan, NetworkPlan, Policy } from './resolve.ts'
import type { Trace } from './trace.ts'
import { mixed, poisson } from './random.ts'
import { BATCH_SIZE, COMMIT_WORK, OTHERS_HOLD_MS } from './timing.ts'

const TICK = 0
const COMMITTED = 1

/** A channel: two links that share a capacity. */
export class Channel {
  readonly index: number
  readonly id: string
  readonly capacityMsat: number
  readonly private: boolean
  /** From its first end, from its second. */
  readonly links: readonly [ChannelLink, ChannelLink]
  readonly #changed: LinkContext['changed']
  #closed = false
  #onChainFrom: number | undefined

  constructor(options: {
    readonly context: LinkContext
    readonly index: number
    readonly plan: ChannelPlan
    readonly ends: readonly [SimNode, SimNode]
  }) {
    const { context, index, plan, ends } = options
    this.index = index
    this.id = plan.id
    this.capacityMsat = plan.capacityMsat
    this.private = plan.private
    const common = { context, channel: this, hopMs: plan.hopMs ?? context.plan.latency.hopMs }
    const [from, to] = ends
    const { policies, balanceMsat, capacityMsat } = plan
    const there = new ChannelLink({ ...common, index: index * 2, from, to, policy: policies[0], balanceMsat })
    const back = new ChannelLink({
      ...common,
      index: index * 2 + 1,
      from: to,
      to: from,
      policy: policies[1],
      balanceMsat: capacityMsat - balanceMsat,
    })
    this.links = [there, back]
    this.#changed = context.changed
  }

  /** New HTLCs fail. */
  get closed(): boolean {
    return this.#closed
  }

  /** Height at which it was ended on chain, if it was. */
  get onChainFrom(): number | undefined {
    return this.#onChainFrom
  }

  /** Closes it with the consent of both ends. */
  close(): void {
    this.#closed = true
    this.#changed(this.links[0])
  }

  /** Ends it on chain at this height; false where that was done before. */
  forceClose(height: number): boolean {
    this.close()
    if (this.#onChainFrom !== undefined) return false
    this.#onChainFrom = height
    return true
  }
}

/** What a link needs of its network. */
export interface LinkContext {
  readonly engine: Engine
  readonly plan: NetworkPlan
  readonly trace: Trace
  /** Sets what other people's payments hold apart from that in networks of another seed. */
  readonly salt: number
  /** To be told of a link whose policy has changed, and of one link of a channel that was closed. */
  readonly changed: (link: ChannelLink) => void
}

/**
 * One direction of a channel: what its sender can spend, what it asks, and the
 * HTLCs that wait for the next commitment. HTLCs are collected for 50 ms or until
 * there are ten, then written by the sender's disk, then on their way.
 */
export class ChannelLink implements EventHandler {
  readonly background = false
  readonly index: number
  readonly channel: Channel
  readonly from: SimNode
  readonly to: SimNode
  readonly hopMs: number
  policy: Policy
  /** Spendable by `from`. */
  balanceMsat: number
  /** In HTLCs offered by `from` and undecided. */
  inFlightMsat = 0
  slotsUsed = 0
  readonly #context: LinkContext
  #waiting: HtlcAttempt[] = []
  #written: HtlcAttempt[] = []
  #committing = false
  #tickAt = Infinity

  constructor(options: {
    readonly context: LinkContext
    readonly index: number
    readonly channel: Channel
    readonly from: SimNode
    readonly to: SimNode
    readonly policy: Policy
    readonly balanceMsat: number
    readonly hopMs: number
  }) {
    this.#context = options.context
    this.index = options.index
    this.channel = options.channel
    this.from = options.from
    this.to = options.to
    this.policy = options.policy
    this.balanceMsat = options.balanceMsat
    this.hopMs = options.hopMs
  }

  /** The other direction. */
  get reverse(): ChannelLink {
    return this.channel.links[this.index % 2 === 0 ? 1 : 0]
  }

  /** What the receiver asks for what comes in over this link and goes on. */
  get inbound(): FeePolicy {
    const { inboundBaseFeeMsat, inboundFeePpm } = this.reverse.policy
    return { baseFeeMsat: inboundBaseFeeMsat, feePpm: inboundFeePpm }
  }

  /** What the sender asks from now on. */
  setPolicy(policy: Policy): void {
    this.policy = policy
    this.#context.changed(this)
  }

  /** Why an HTLC of this amount can't be added now, as far as balance and slots go. */
  obstacle(amountMsat: number): 'no-balance' | 'no-slot' | undefined {
    if (this.balanceMsat < amountMsat) return 'no-balance'
    if (this.inFlightMsat + amountMsat > this.policy.maxInFlightMsat) return 'no-slot'
    return this.slotsUsed + this.#othersHtlcs() >= this.policy.maxHtlcs ? 'no-slot' : undefined
  }

  /** Slots that other people's payments hold now: a Poisson number, another one each OTHERS_HOLD_MS. */
  #othersHtlcs(): number {
    const { othersHtlcs } = this.policy
    if (othersHtlcs === 0) return 0
    const { engine, salt } = this.#context
    const draw = mixed(salt, this.index, Math.floor(engine.nowMs / OTHERS_HOLD_MS))
    return poisson(othersHtlcs, draw)
  }

  /** Adds an HTLC: its amount is in flight, its slot in use. The caller has looked for an obstacle. */
  offer(attempt: HtlcAttempt, amountMsat: number): void {
    this.balanceMsat -= amountMsat
    this.inFlightMsat += amountMsat
    this.slotsUsed++
    this.#waiting.push(attempt)
    if (this.#committing) return
    if (this.#waiting.length >= BATCH_SIZE) this.#commit()
    else if (this.#tickAt === Infinity) this.#startTick()
  }

  /** Removes an HTLC: its amount goes to the other end, or back. */
  release(amountMsat: number, settled: boolean): void {
    this.inFlightMsat -= amountMsat
    this.slotsUsed--
    if (settled) this.reverse.balanceMsat += amountMsat
    else this.balanceMsat += amountMsat
  }

  /** Moves balance to the other end; returns what was moved. */
  shift(amountMsat: number): number {
    const moved = Math.min(amountMsat, this.balanceMsat)
    this.balanceMsat -= moved
    this.reverse.balanceMsat += moved
    return moved
  }

  fire(phase: number): void {
    if (phase === COMMITTED) this.#committed()
    else if (this.#context.engine.nowMs >= this.#tickAt && !this.#committing && this.#waiting.length > 0) this.#commit()
  }

  #startTick(): void {
    const { engine, plan } = this.#context
    this.#tickAt = engine.nowMs + plan.latency.batchMs
    engine.push(this.#tickAt, this, TICK)
  }

  #commit(): void {
    const { engine, trace } = this.#context
    this.#tickAt = Infinity
    this.#committing = true
    const batch = this.#waiting
    this.#waiting = this.#written
    this.#written = batch
    let work = COMMIT_WORK
    for (const attempt of batch) work += attempt.workAt(this.from)
    trace.add(engine.nowMs, 'committed', this.index, batch.length)
    engine.push(this.from.writeUntil(engine.nowMs, work), this, COMMITTED)
  }

  #committed(): void {
    const batch = this.#written
    for (const attempt of batch) attempt.sentOver(this)
    batch.length = 0
    this.#committing = false
    if (this.#waiting.length >= BATCH_SIZE) this.#commit()
    else if (this.#waiting.length > 0) this.#startTick()
  }
}
