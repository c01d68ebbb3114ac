/** What must hold after every input; tests ask for it. */
import type { Core } from './core.ts'
import { RangeSet } from './range-set.ts'
import { want } from './sending.ts'
import { deadline, owes } from './timers.ts'

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`)
}

export function checkConsistency(core: Core, now: number): void {
  must(core.lastNow <= now, 'the time went back')
  checkTimers(core, now)
  checkStreams(core)
  checkMoney(core)
  if (core.isLive) checkNothingForgotten(core)
}

// spec §10.1
function checkTimers(core: Core, now: number): void {
  const next = deadline(core)
  must(next === undefined || next > core.lastNow, 'a deadline in the past')
  if (core.state === 'closed') {
    must(next === undefined && want(core, now) === undefined, 'a closed connection wants something')
    return
  }
  if (owes(core))
    must(
      next !== undefined || core.paused || core.creditPaused || core.endedReported,
      'something is owed and no timer runs',
    )
}

function checkStreams(core: Core): void {
  const { out } = core
  must(out.delivered <= out.sentEnd && out.sentEnd <= out.written, 'delivered <= sent <= written')
  must(out.sentEnd <= core.sendLimit, 'sent beyond the limit')
  must(core.receivedEnd <= core.window.limit, 'received beyond the limit')
  must(
    core.in.readOffset <= core.in.contiguous && core.in.contiguous <= core.receivedEnd,
    'read <= contiguous <= received',
  )
  must(core.finalOffset === undefined || core.receivedEnd <= core.finalOffset, 'received beyond the end')
}

function checkMoney(core: Core): void {
  let reserved = 0n
  for (const sent of core.attempts.flying()) reserved += sent.amountMsat + sent.feeMsat
  const account = core.account.view()
  must(reserved === account.reservedMsat, 'reserved is the sum of what has no outcome')
}

// Every byte that was sent and has not arrived is under way, kept at the peer's node, or waits to be sent again.
function checkNothingForgotten(core: Core): void {
  const { out } = core
  if (core.state === 'opening' && core.opening !== undefined && core.opening.copies > 0) return
  const known = new RangeSet()
  for (const sent of [...core.attempts.flying(), ...core.attempts.settled()]) {
    for (let i = 0; i < sent.ranges.length; i += 2) known.add(sent.ranges[i] ?? 0, sent.ranges[i + 1] ?? 0)
  }
  const parts = out.undelivered(out.delivered, out.sentEnd)
  for (let i = 0; i < parts.length; i += 2) {
    const missing = known.missing(parts[i] ?? 0, parts[i + 1] ?? 0)
    for (let k = 0; k < missing.length; k += 2) {
      must(
        out.waitsAgain(missing[k] ?? 0, missing[k + 1] ?? 0),
        `bytes ${missing[k]} to ${missing[k + 1]} are forgotten`,
      )
    }
  }
}
