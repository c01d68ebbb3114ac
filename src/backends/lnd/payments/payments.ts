import { sha256 } from '@noble/hashes/sha2.js'
import { BoundedMap, BoundedSet } from '../../../floor/bounded.ts'
import { equalBytes, fromHex, toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { FailureReason, Payment, PaymentFailure, PaymentOutcome } from '../../../medium/payment.ts'
import { recordEquivalent } from '../../../wire/bolt4/onion-size.ts'
import { areForeign } from '../../../wire/bolt4/payload.ts'
import type { BackendEvent } from '../../backend.ts'
import { GHOST_MS } from '../../../medium/limits.ts'
import { MAX_USED_HASHES, UNLISTED_MS } from '../limits.ts'
import { asBackendError, isAway, isDenied, isStarting, Status, type RpcError } from '../rpc/errors.ts'
import { type LndClient } from '../rpc/client.ts'
import { RateLimitedWarning } from '../rate-limited-warning.ts'
import type { RawAttempt, RawPayment } from '../rpc/raw-messages.ts'
import { failureOf, outcomeOf, preimageOf } from './outcome.ts'
import { spendableMsat, type OwnBalance } from '../routes/own-balance.ts'
import { idsOf, outboundMsat, type OwnChannels } from '../routes/own-channels.ts'
import { hashRequest } from '../rpc/raw-messages.ts'
import { sendToRouteRequest } from './send-to-route.ts'
import type { HopPolicy } from '../routes/policies.ts'
import { amountsFor, endsAtPhantom, recordFits, shadowed } from '../routes/route-costs.ts'
import type { PinnedRoute, Routes } from '../routes/routes.ts'

export interface PaymentsNeeds {
  readonly client: LndClient
  readonly clock: Clock
  readonly routes: Routes
  readonly channels: OwnChannels
  readonly balance: OwnBalance
  isOnline(): boolean
  height(): number
  emit(event: BackendEvent): void
  /** lnd is given this payment, by its hash: from now on it may know it. */
  given(hash: string): void
  /** ... but never got it, or the one that it knows is another program's. */
  notGiven(hash: string): void
  /** A call was cut off: the node may be gone. */
  suspect(error: unknown): void
}

type Tracked = PaymentOutcome | { readonly status: 'in-flight' } | { readonly status: 'never' }

/** Payments of this process, from sendToRouteV2 to their outcome. */
export class Payments {
  readonly #needs: PaymentsNeeds
  /** lnd refuses these, too, as long as it keeps their payments: not once they are pruned (spec/lnd.md §8). */
  readonly #used = new BoundedSet<string>(MAX_USED_HASHES)
  /** Payments under way, by hash: `resolve` ends the wait of `pay`. */
  readonly #underWay = new Map<
    string,
    { readonly firstChannel: string; readonly resolve: (outcome: PaymentOutcome) => void }
  >()
  /** Hashes of payments whose outcome lnd is asked for until it is known. */
  readonly #lost = new Map<string, number>()
  /** Hashes that lnd calls in flight although no channel holds them, and since when. */
  readonly #ghosts = new BoundedMap<string, number>(MAX_USED_HASHES)
  /** Hashes that lnd does not know, and since when. */
  readonly #absent = new BoundedMap<string, number>(MAX_USED_HASHES)
  readonly #unpermitted: RateLimitedWarning

  constructor(needs: PaymentsNeeds) {
    this.#needs = needs
    this.#unpermitted = new RateLimitedWarning(needs.clock)
  }

  get lost(): number {
    return this.#lost.size
  }

  async pay(payment: Payment): Promise<PaymentOutcome> {
    const height = this.#needs.height()
    if (!this.#needs.isOnline()) return failed('node-away')
    const pinned = this.#needs.routes.get(payment.routeId)
    if (pinned === undefined) return failed('route-gone')
    if (!isValid(pinned, payment, height)) return failed('invalid')
    const hash = toHex(payment.hash)
    // A locked hash is tried again once it has failed for certain; lnd itself refuses one that has not.
    if (this.#used.has(hash) && (payment.isLocked !== true || this.#underWay.has(hash))) return failed('duplicate-hash')
    this.#used.add(hash)
    const request = sendToRouteRequest(shadowed(pinned.plan, payment.shadowSeed), copied(payment), height)
    const feeMsat = (amountsFor(pinned.plan, payment.amountMsat)[0] ?? payment.amountMsat) - payment.amountMsat
    this.#needs.given(hash)
    return await new Promise((resolve) => {
      const firstChannel = (pinned.plan.hops[0] as HopPolicy).channel
      this.#underWay.set(hash, { firstChannel, resolve })
      this.#needs.client.call('sendToRouteV2', request).then(
        (attempt) => this.#decided(hash, pinned, attempt, { feeMsat, isLocked: payment.isLocked === true }),
        (error: unknown) => this.#cutOff(hash, error),
      )
    })
  }

  /** The node is away: payments under way become 'unknown'. */
  loseSight(): void {
    for (const hash of this.#underWay.keys()) {
      this.#markLost(hash)
      this.#finish(hash, { status: 'unknown' })
    }
  }

  /** Asks lnd for lost payments and emits 'payment-resolved' for those that are decided. True when none is left. */
  async resolveLost(): Promise<boolean> {
    for (const hash of this.#lost.keys()) {
      const outcome = await this.track(hash)
      if (outcome.status === 'in-flight' || outcome.status === 'unknown') continue
      if (!this.#lost.delete(hash)) continue
      const decided: PaymentOutcome = outcome.status === 'never' ? failed('node-away') : outcome
      this.#needs.emit({ type: 'payment-resolved', hash: fromHex(hash), outcome: decided })
    }
    return this.#lost.size === 0
  }

  /** What lnd remembers of a payment. @throws RpcError */
  async track(hash: string): Promise<Tracked> {
    const payment = await this.#first(hash)
    if (payment === undefined) {
      if (!this.#isNever(hash)) return { status: 'in-flight' }
      this.#needs.notGiven(hash)
      return { status: 'never' }
    }
    this.#absent.delete(hash)
    const outcome = outcomeOf(payment)
    if (outcome.status !== 'in-flight') {
      this.#ghosts.delete(hash)
      return outcome
    }
    if (this.#underWay.has(hash)) return outcome
    this.#lose(hash)
    return (await this.#isGhost(hash, payment)) ? failed('node-away') : outcome
  }

  /** Makes `resolveLost` ask for a payment until it is decided, also for one that a former process sent. */
  #lose(hash: string): void {
    if (this.#lost.size < MAX_USED_HASHES) this.#markLost(hash)
  }

  #markLost(hash: string): void {
    if (!this.#lost.has(hash)) this.#lost.set(hash, this.#needs.clock.now())
  }

  /**
   * lnd goes on with a payment whose connection broke, and does not know it before it is written: for a
   * moment, one that is about to go out looks like one that was never sent. So it has to be unknown
   * now and a while ago.
   */
  #isNever(hash: string): boolean {
    if (this.#underWay.has(hash)) return false
    const now = this.#needs.clock.now()
    const since = this.#absent.get(hash)
    if (since !== undefined && now - since >= GHOST_MS) return true
    this.#lose(hash)
    if (since === undefined) this.#absent.set(hash, now)
    return false
  }

  /**
   * lnd that dies within 50 ms of a call can leave a payment in flight for ever without an HTLC
   * anywhere (spec/lnd.md §7). It is one when all channels are up and none lists it, for so long that a
   * peer that hangs would have been cut off; for less where lnd has started since, for then the channel is up
   * because its peer has answered.
   * Where the channel that it was sent over is closed, the chain decides.
   */
  async #isGhost(hash: string, { htlcs }: RawPayment): Promise<boolean> {
    const channels = await this.#needs.channels.list(1_000)
    const open = new Set(channels.flatMap(idsOf))
    const sentOver = htlcs.filter(({ status }) => status === 'IN_FLIGHT').map(({ route }) => route?.hops[0]?.chan_id)
    const isOnChain = sentOver.some((chanId) => chanId === undefined || !open.has(chanId))
    const isHeld = channels.some((channel) =>
      channel.pending_htlcs.some((htlc) => !htlc.incoming && toHex(htlc.hash_lock) === hash),
    )
    if (isHeld || isOnChain || channels.some((channel) => !channel.active)) {
      this.#ghosts.delete(hash)
      return false
    }
    const now = this.#needs.clock.now()
    const since = this.#ghosts.get(hash) ?? now
    this.#ghosts.set(hash, since)
    const lostMs = now - (this.#lost.get(hash) ?? now)
    const hasStarted = channels.some(
      ({ chan_id, lifetime }) => sentOver.includes(chan_id) && hasBegunWithin(lifetime, lostMs),
    )
    return now - since >= (hasStarted ? GHOST_MS : UNLISTED_MS)
  }

  /** The first message of TrackPaymentV2; undefined where lnd knows no such payment. */
  async #first(hash: string): Promise<RawPayment | undefined> {
    try {
      return (await this.#needs.client.first('trackPaymentV2', hashRequest(hash))) as RawPayment
    } catch (error) {
      if ((error as RpcError).code === Status.notFound) return undefined
      throw error
    }
  }

  #decided(
    hash: string,
    pinned: PinnedRoute,
    attempt: RawAttempt,
    { feeMsat, isLocked }: { readonly feeMsat: bigint; readonly isLocked: boolean },
  ): void {
    if (attempt.status === 'SUCCEEDED') {
      if (!endsAtPhantom(pinned.plan)) return this.#finish(hash, { status: 'settled', feeMsat })
      const preimage = isLocked ? preimageOf(attempt.preimage) : {}
      return this.#finish(hash, { status: 'delivered', feeMsat, ...preimage })
    }
    const failure = failureOf(attempt.failure, pinned.plan)
    if (failure.reason === 'policy' && failure.channel !== undefined) this.#needs.routes.forgetChannel(failure.channel)
    if (failure.place !== 'local') return this.#finish(hash, failure)
    this.#whyLocal(pinned, feeMsat).then(
      (reason) => this.#finish(hash, { ...failure, reason: reason ?? failure.reason }),
      () => this.#finish(hash, failure),
    )
  }

  /** lnd gives the same failure for no balance and for no slot. */
  async #whyLocal({ plan, route, sizedForMsat }: PinnedRoute, feeMsat: bigint): Promise<FailureReason | undefined> {
    const first = plan.hops[0] as HopPolicy
    const ours = [...this.#underWay.values()].filter(({ firstChannel }) => firstChannel === first.channel).length
    if (ours >= route.firstChannelSlots) return 'no-slot'
    const channels = await this.#needs.channels.list(250)
    const channel = channels.find((each) => idsOf(each).includes(first.chanId))
    if (channel === undefined || !channel.active) return undefined
    const outgoing = channel.pending_htlcs.filter((htlc) => !htlc.incoming).length
    if (outgoing + ours >= route.firstChannelSlots) return 'no-slot'
    const neededMsat = sizedForMsat + feeMsat
    if (outboundMsat(channel) >= neededMsat) return undefined
    if ((spendableMsat(channels) ?? 0n) < neededMsat) this.#needs.balance.usedUp(channels)
    return 'no-balance'
  }

  #cutOff(hash: string, error: unknown): void {
    const { code, details = '' } = error as RpcError
    if (code === Status.alreadyExists) {
      this.#needs.notGiven(hash)
      return this.#finish(hash, failed('duplicate-hash'))
    }
    if (code === Status.unknown && isStarting(details)) {
      this.#unused(hash)
      return this.#finish(hash, failed('node-away'))
    }
    if (isDenied(error)) return this.#denied(hash, error)
    // lnd refused to send it at all. It may have registered the payment all the same, so it is asked.
    if (!isAway(error)) return this.#askAbout(hash)
    if (this.#underWay.has(hash)) this.#markLost(hash)
    this.#finish(hash, { status: 'unknown' })
    this.#needs.suspect(error)
  }

  /** Nothing can be sent until a person gives lnd a macaroon that permits it. */
  #denied(hash: string, error: unknown): void {
    this.#unused(hash)
    this.#finish(hash, failed('node-away'))
    this.#unpermitted.record(() => {
      const { message } = asBackendError(error)
      this.#needs.emit({ type: 'warning', code: 'permission', message })
    })
  }

  #askAbout(hash: string): void {
    this.#first(hash).then(
      (payment) => {
        const outcome = payment === undefined ? undefined : outcomeOf(payment)
        if (outcome === undefined) {
          this.#unused(hash)
          return this.#finish(hash, failed('invalid'))
        }
        if (outcome.status === 'in-flight') this.#markLost(hash)
        this.#finish(hash, outcome.status === 'in-flight' ? { status: 'unknown' } : outcome)
      },
      () => {
        if (this.#underWay.has(hash)) this.#markLost(hash)
        this.#finish(hash, { status: 'unknown' })
      },
    )
  }

  /** lnd did not get it: its hash is free again. */
  #unused(hash: string): void {
    this.#used.delete(hash)
    this.#needs.notGiven(hash)
  }

  #finish(hash: string, outcome: PaymentOutcome): void {
    const waiting = this.#underWay.get(hash)
    this.#underWay.delete(hash)
    waiting?.resolve(outcome)
  }
}

function isValid(pinned: PinnedRoute, payment: Payment, height: number): boolean {
  const { plan, route, sizedForMsat } = pinned
  const { amountMsat, hash, record, records, preimage } = payment
  if (hash.length !== 32 || amountMsat < route.minAmountMsat || amountMsat > route.maxAmountMsat) return false
  if (records !== undefined && (endsAtPhantom(plan) || !areForeign(records))) return false
  const recordBytes = records === undefined ? record.length : recordEquivalent(records)
  const fits =
    amountMsat <= sizedForMsat ? recordBytes <= route.recordBytes : recordFits(plan, amountMsat, height, recordBytes)
  if (!fits) return false
  if (endsAtPhantom(plan)) return preimage === undefined
  return preimage !== undefined && equalBytes(sha256(preimage), hash)
}

/**
 * Whether lnd has watched a channel for less than this time: it does so from its start on. It tells whole seconds, and
 * what it told may be a second old.
 */
function hasBegunWithin(lifetime: string | undefined, ms: number): boolean {
  return lifetime !== undefined && (Number(lifetime) + 2) * 1_000 < ms
}

/** The caller may use its arrays again. */
function copied(payment: Payment): Payment {
  const { hash, record, records, preimage } = payment
  return {
    ...payment,
    hash: hash.slice(),
    record: record.slice(),
    ...(records && { records: records.map(({ type, value }) => ({ type, value: value.slice() })) }),
    ...(preimage && { preimage: preimage.slice() }),
  }
}

/** Nothing has left this node. */
function failed(reason: FailureReason): PaymentFailure {
  return { status: 'failed', reason, place: 'local' }
}
