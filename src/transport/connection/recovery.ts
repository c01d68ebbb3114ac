/** What becomes of attempts, and of the frames in them (spec §8). */
import { type AckFrame, MAX_ACK_RANGES } from '../../wire/frames.ts'
import type { Sent } from './attempts.ts'
import { Control } from './controls.ts'
import type { CopyJob, Core } from './core.ts'
import type { Draft } from './draft.ts'
import type { PaymentFailure, PaymentOutcome } from '../../medium/payment.ts'
import type { Code } from '../../wire/errors.ts'
import type { Grant } from './interface.ts'
import { advance, close, resetDone } from './lifecycle.ts'
import { endRefused } from './refused.ts'
import {
  LOST_UNREACHED_MS,
  MAX_HEDGES,
  MAX_STUCK_ROUND,
  OPEN_AGAIN_MS,
  PROBE_SLACK_MS,
  REFUSALS_IN_A_ROW,
  REFUSED_LEAST_MS,
  REFUSED_MOST_MS,
  ROUND_TRIP_GAIN,
  STUCK_MS,
} from './limits.ts'

const NOTHING: readonly string[] = []

export interface Registration {
  readonly grant: Grant
  readonly draft: Draft
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  readonly open: boolean
}

/** A packet was built: remembers what it carries and when it counts as late. */
export function registerAttempt(core: Core, now: number, registration: Registration): Sent {
  const { grant, draft, amountMsat, feeMsat, open } = registration
  const origin = draft.job?.origin
  // spec §8.9
  const dear = draft.creditMsat > 0n || amountMsat > 2n * grant.route.minAmountMsat
  const prepaid = core.seller !== undefined && draft.streamBytes === 0 && core.seller.takePrepaid()
  const priceMsat = prepaid ? 0n : (core.seller?.setAside(draft.streamBytes) ?? 0n)
  const sent: Sent = {
    id: core.nextId++,
    number: draft.number,
    reason: draft.reason,
    lane: grant.lane,
    sentAt: now,
    hedgeAfterMs: grant.hedgeAfterMs,
    channels: grant.route.channels,
    amountMsat,
    feeMsat,
    eliciting: draft.eliciting,
    hedgeable: !dear || grant.lane === 'phantom',
    ranges: draft.ranges,
    again: draft.again,
    controls: draft.controls,
    messages: draft.messages,
    ackNews: draft.ackNews,
    creditMsat: draft.creditMsat,
    priceMsat,
    open,
    answer: draft.kind === 'answer',
    phase: 'flying',
    delivered: false,
    settledBefore: 0,
    settledAt: 0,
    // A hedge is not hedged itself; what it was made from is (spec §8.5).
    hedges: draft.reason === 'hedge' ? MAX_HEDGES : draft.reason === 'stuck' ? (origin?.hedges ?? 0) : 0,
    stuckRounds: draft.reason === 'stuck' ? (origin?.stuckRounds ?? 0) + 1 : 0,
    priceHeld: priceMsat > 0n,
    prepaidHeld: prepaid,
    creditHeld: draft.creditMsat > 0n,
    watch: undefined,
    overdue: false,
    copies: undefined,
  }
  core.controls.sent(draft.controls, draft.number)
  core.attempts.add(sent)
  core.attemptCount++
  if (core.out.unsent === 0) core.coalesceAt = undefined
  breakSilence(core, now, draft)
  watch(core, sent)
  if (draft.job !== undefined) linkCopy(core, now, sent, draft.job)
  return sent
}

// spec §10.3: the first packet after a long silence counts as activity by being sent.
function breakSilence(core: Core, now: number, draft: Draft): void {
  const counts = draft.streamBytes > 0 || draft.messages.length > 0 || draft.creditMsat > 0n
  if (!counts || core.silenceBroken || core.idleTimeoutMs === 0) return
  if (now - core.lastActivityAt < core.idleTimeoutMs / 2) return
  core.lastActivityAt = now
  core.silenceBroken = true
}

function stuckAt(sent: Sent): number {
  return sent.sentAt + STUCK_MS * 2 ** Math.min(sent.stuckRounds, MAX_STUCK_ROUND)
}

function canHedge(sent: Sent): boolean {
  return sent.hedgeable && sent.hedges < MAX_HEDGES
}

function watch(core: Core, sent: Sent): void {
  const late = stuckAt(sent)
  const dueAt = canHedge(sent) || sent.ackNews > 0 ? Math.min(late, sent.sentAt + sent.hedgeAfterMs) : late
  core.overdue.watch(sent, Math.max(dueAt, core.lastNow + 1))
}

// `copy` carries what `job.origin` carries.
function linkCopy(core: Core, now: number, copy: Sent, job: CopyJob): void {
  const { origin } = job
  const group = (origin.copies ??= [origin])
  group.push(copy)
  copy.copies = group
  const whole = (job.rest?.length ?? 0) === 0
  if (whole) {
    core.hedges = core.hedges.filter((each) => each !== job)
    core.stuck = core.stuck.filter((each) => each !== job)
  }
  if (copy.reason === 'stuck') {
    // spec §8.6: from now on the new copy's delays count.
    core.overdue.unwatch(origin)
    return
  }
  core.hedgedCount++
  // A copy over a route with smaller packets takes several; they are one hedge (spec §8.5).
  if (whole) origin.hedges++
  const next = canHedge(origin) ? now + copy.hedgeAfterMs : Infinity
  core.overdue.watch(origin, Math.min(next, stuckAt(origin)))
}

/** Whether something that `sent` carries is still to arrive, and no newer packet took it over. */
export function isWaiting(core: Core, sent: Sent): boolean {
  if (sent.phase !== 'flying' || sent.delivered) return false
  if (sent.open) return core.state === 'opening' && core.opening?.arrived !== true
  for (let i = 0; i < sent.ranges.length; i += 2) {
    if (core.out.undelivered(sent.ranges[i] ?? 0, sent.ranges[i + 1] ?? 0).length > 0) return true
  }
  if (core.controls.waiting(sent.controls, sent.number) !== 0) return true
  return sent.messages.some((message) => message.state === 'sent')
}

/** Attempts whose delay is over: spec §8.5 and §8.6. */
export function onOverdue(core: Core, now: number): void {
  for (;;) {
    const sent = core.overdue.take(now)
    if (sent === undefined) return
    if (sent.phase !== 'flying') continue
    for (const each of sent.copies ?? [sent]) {
      if (now - each.sentAt >= each.hedgeAfterMs) each.overdue = true
    }
    if (sent.ackNews > 0) core.ack.fail(now, sent.ackNews)
    const isStuck = now >= stuckAt(sent)
    if (isStuck) dropHold(core, sent)
    if (!isWaiting(core, sent)) {
      if (!isStuck && (sent.creditHeld || sent.priceHeld || sent.prepaidHeld)) core.overdue.watch(sent, stuckAt(sent))
      continue
    }
    if (isStuck) {
      core.hedges = core.hedges.filter((job) => job.origin !== sent)
      core.stuck.push({ origin: sent, rest: undefined })
    } else {
      if (canHedge(sent)) core.hedges.push({ origin: sent, rest: undefined })
      core.overdue.watch(sent, stuckAt(sent))
    }
  }
}

// What failed, or hangs for long, neither uses the peer's credit up nor counts as credit paid (spec §12.5).
function dropHold(core: Core, sent: Sent): void {
  if (sent.creditHeld) core.buyer?.failed(sent.creditMsat)
  sent.creditHeld = false
  if (sent.priceHeld) core.seller?.putBack(sent.priceMsat)
  sent.priceHeld = false
  if (sent.prepaidHeld) core.seller?.returnPrepaid()
  sent.prepaidHeld = false
}

/** The outcome of an attempt (spec §8.2). */
export function resolve(core: Core, now: number, attemptId: number, outcome: PaymentOutcome): void {
  const sent = core.attempts.get(attemptId)
  // The money stays reserved; the frames go again by their timers.
  if (sent === undefined || outcome.status === 'unknown') return
  core.attempts.resolved(sent)
  core.overdue.unwatch(sent)
  resume(core)
  if (outcome.status === 'failed') {
    core.account.release(sent.amountMsat, sent.feeMsat)
    core.failedCount++
    onFailure(core, now, sent, outcome)
    return
  }
  core.account.spend(sent.amountMsat, sent.feeMsat, outcome.feeMsat)
  forgetRefusals(core)
  core.avoid = NOTHING
  sample(core, now - sent.sentAt)
  if (outcome.status === 'delivered') {
    deliver(core, now, sent)
    return
  }
  onSettled(core, now, sent)
}

// Money came free: what was paused may fit now.
function resume(core: Core): void {
  core.paused = false
  core.creditPaused = false
}

function sample(core: Core, roundTripMs: number): void {
  // spec §8.6: a stuck attempt says nothing about the round trip.
  if (roundTripMs >= STUCK_MS) return
  const before = core.smoothedRoundTripMs
  core.smoothedRoundTripMs = before === undefined ? roundTripMs : before + ROUND_TRIP_GAIN * (roundTripMs - before)
}

// At the peer's node: its process will read it, unless something happens to it (spec §8.7, §8.8).
function onSettled(core: Core, now: number, sent: Sent): void {
  if (sent.ackNews > 0) core.ack.confirm(sent.ackNews)
  if ((sent.controls & (Control.RESET | Control.REFUSE)) !== 0) resetDone(core)
  if (sent.phase !== 'flying' || sent.delivered || !core.isLive) return
  if (!sent.eliciting) {
    // Nothing will acknowledge it: what an ACK alone says is taken as told (spec §8.4).
    deliver(core, now, sent)
    return
  }
  core.attempts.settle(sent, now, core.nextNumber)
  const { opening } = core
  if (sent.open && opening !== undefined) opening.againAt ??= now + (opening.againDelayMs ||= OPEN_AGAIN_MS)
  if (core.state === 'opening') return
  core.signWaitSince ??= now
  armProbe(core, now)
}

/** How long an acknowledgement may take: that of a complete stream is not held back (spec §8.13). */
export function confirmationMs(core: Core): number {
  return PROBE_SLACK_MS + (core.finSent ? 0 : core.peerAckDelayMs)
}

/** Something settled on the node lane: its acknowledgement will be asked for. */
export function armProbe(core: Core, now: number): void {
  // It is being asked for already, at growing distances.
  if (core.probeAt !== undefined && core.probeDelayMs > 0) return
  const at = now + confirmationMs(core)
  core.probeAt = Math.min(core.probeAt ?? at, at)
}

function onFailure(core: Core, now: number, sent: Sent, failure: PaymentFailure): void {
  const { place, reason, channel, refusal } = failure
  // The receiving process, or something that cannot be told from it, turned the packet down (spec §8.10).
  const refused = place === 'destination' || (place === 'introduction' && reason === 'blinded')
  if (refused) {
    core.refusedCount++
    // spec §8.10: what was under way when the last one came adds nothing to it.
    if (sent.sentAt >= core.refusedAt) countRefusal(core, now, sent)
  }
  if (channel !== undefined) core.avoid = [channel]
  requeue(core, now, sent)
  if (refused && sent.lane === 'phantom') endRefused(core, sent, refusal as Code | undefined)
}

function countRefusal(core: Core, now: number, { open }: Sent): void {
  core.refusals++
  core.refusedAt = now
  const free = open ? 0 : REFUSALS_IN_A_ROW
  if (core.refusals <= free) return
  const delayMs = REFUSED_LEAST_MS * 2 ** (core.refusals - free - 1)
  core.refusedUntil = now + Math.min(delayMs, REFUSED_MOST_MS)
}

/** What has to go does not fit the route of this grant: another one may come (spec §2.7). */
export function avoidShort(core: Core, now: number, grant: Grant): void {
  core.avoid = grant.route.channels
  core.refusedUntil = Math.max(core.refusedUntil, now + REFUSED_LEAST_MS)
}

/** A payment settled, or there are other paths to pay over (spec §8.10). */
export function forgetRefusals(core: Core): void {
  core.refusals = 0
  core.refusedAt = -Infinity
  core.refusedUntil = 0
}

/** The packet never left, or came back, or was lost at the process: its frames go again, at once. */
export function requeue(core: Core, now: number, sent: Sent): void {
  core.attempts.finish(sent)
  if (!sent.delivered) dropHold(core, sent)
  if (sent.delivered || core.state === 'closed') return
  if (sent.ackNews > 0) core.ack.fail(now, sent.ackNews)
  if (sent.open && core.opening?.arrived === false && core.state === 'opening') core.opening.due = true
  const { copies } = sent
  const fresh = copies?.filter((each) => each !== sent && each.phase === 'flying' && !each.overdue) ?? []
  if (core.isLive) {
    for (let i = 0; i < sent.ranges.length; i += 2) core.out.markLost(sent.ranges[i] ?? 0, sent.ranges[i + 1] ?? 0)
    for (const each of fresh) {
      for (let i = 0; i < each.ranges.length; i += 2) core.out.covered(each.ranges[i] ?? 0, each.ranges[i + 1] ?? 0)
    }
    core.messages.lost(sent.messages, sent.number)
  }
  // Said once, or never (spec §10.3).
  if (core.resetOnce && (sent.controls & Control.RESET) !== 0) close(core, undefined)
  core.controls.lost(sent.controls, sent.number)
  promote(core, sent)
}

// Another copy takes its place as what may be hedged.
function promote(core: Core, sent: Sent): void {
  const heir = sent.copies?.findLast((each) => each !== sent && each.phase === 'flying')
  if (heir === undefined || heir.hedges <= sent.hedges) return
  heir.hedges = sent.hedges
  watch(core, heir)
}

/** The packet arrived: settled on the phantom lane, or acknowledged (spec §8.2). */
export function deliver(core: Core, now: number, sent: Sent): void {
  core.attempts.finish(sent)
  core.overdue.unwatch(sent)
  if (sent.delivered) return
  sent.delivered = true
  if (sent.open && core.opening !== undefined) {
    core.opening.arrived = true
    core.opening.due = false
  }
  if (sent.creditMsat > 0n) core.buyer?.arrived(sent.creditHeld ? 0n : sent.creditMsat)
  sent.creditHeld = false
  if (sent.priceMsat > 0n) core.seller?.charge(sent.priceMsat, sent.priceHeld)
  sent.priceHeld = false
  sent.prepaidHeld = false
  if (sent.ackNews > 0) core.ack.confirm(sent.ackNews)
  if (core.state === 'closed') return
  // spec §4.6
  if (sent.answer && sent.lane === 'phantom') core.confirmed = true
  if (sent.answer && core.confirmed) core.controls.drop(Control.ACCEPT)
  let news = sent.creditMsat > 0n || (sent.controls & Control.KEEPALIVE) !== 0
  for (let i = 0; i < sent.ranges.length; i += 2) {
    if (core.out.markDelivered(sent.ranges[i] ?? 0, sent.ranges[i + 1] ?? 0)) news = true
  }
  if (core.messages.delivered(sent.messages)) news = true
  core.controls.delivered(sent.controls, sent.number)
  if ((sent.controls & Control.FIN) !== 0 && finArrived(core)) news = true
  if (news) onProgress(core, now)
  if ((sent.controls & (Control.RESET | Control.REFUSE)) !== 0) resetDone(core)
  advance(core, now)
}

function finArrived(core: Core): boolean {
  if (core.finDelivered) return false
  core.finDelivered = true
  core.controls.drop(Control.FIN)
  return true
}

function onProgress(core: Core, now: number): void {
  core.touch(now)
  core.emit({ type: 'writable', bufferedBytes: core.out.buffered })
}

/** An ACK that was checked against what was sent (spec §5.4). */
export function onAck(core: Core, now: number, ack: AckFrame): void {
  const end = Math.min(ack.delivered, core.out.sentEnd)
  let news = core.out.markDelivered(0, end)
  // spec §13.2
  if (core.finSent && ack.delivered > core.out.written && finArrived(core)) news = true
  for (const { smallest, largest } of ack.ranges) {
    core.attempts.within(smallest, largest, (sent) => deliver(core, now, sent))
  }
  if (news) onProgress(core, now)
  const largest = ack.ranges[0]?.largest ?? 0
  // An ACK that has room for more ranges names all there are (spec §5.4).
  const smallest = ack.ranges.length < MAX_ACK_RANGES ? -1 : (ack.ranges.at(-1)?.smallest ?? 0)
  for (const sent of core.attempts.takeLost(smallest, largest, now - LOST_UNREACHED_MS)) requeue(core, now, sent)
  if (core.attempts.unconfirmed === 0) core.probeAt = undefined
  advance(core, now)
}
