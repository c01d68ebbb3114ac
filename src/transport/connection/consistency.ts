/** What must hold after every input; tests ask for it. */
import type { Parts } from './parts.ts'
import { RangeSet } from './range-set.ts'

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`)
}

/** `deadline`: what the connection says, after the input at `lastNow`. Throws when something does not hold. */
export function checkConsistency(
  parts: Parts,
  { now, lastNow, deadline }: { readonly now: number; readonly lastNow: number; readonly deadline: number | undefined },
): void {
  must(lastNow <= now, 'the time went back')
  // spec §10.1: no state without a timer.
  must(deadline === undefined || deadline > lastNow, 'a deadline in the past')
  must((parts.copies.nextLateAt ?? Infinity) > lastNow, 'what was late by the last input still counts as flying')
  checkTimers(parts, now, deadline)
  checkStreams(parts)
  checkMoney(parts)
  if (parts.life.isLive) checkNothingForgotten(parts)
}

function checkTimers({ life, money, outputs, owes, sending }: Parts, now: number, deadline: number | undefined): void {
  if (life.isClosed) {
    must(deadline === undefined && sending.want(now) === undefined, 'a closed connection wants something')
    return
  }
  const waitsForOthers = money.isPaused || money.isPricePaused || money.isPaymentPaused || outputs.hasEnded
  must(!owes || deadline !== undefined || waitsForOthers, 'something is owed and no timer runs')
}

function checkStreams({ receive, send }: Parts): void {
  const { buffer } = send
  const { reassembly, receivedEnd, finalOffset } = receive
  must(buffer.delivered <= buffer.sentEnd && buffer.sentEnd <= buffer.written, 'delivered <= sent <= written')
  must(buffer.sentEnd <= send.limit, 'sent beyond the limit')
  must(receivedEnd <= receive.limit, 'received beyond the limit')
  must(
    reassembly.readOffset <= reassembly.contiguous && reassembly.contiguous <= receivedEnd,
    'read <= contiguous <= received',
  )
  must(finalOffset === undefined || receivedEnd <= finalOffset, 'received beyond the end')
}

function checkMoney({ money, packets }: Parts): void {
  let reserved = 0n
  for (const { parts } of packets.flying()) reserved += parts.amountMsat + parts.feeMsat
  must(reserved === money.budget.view().reservedMsat, 'reserved is the sum of what has no outcome')
}

// Every byte that was sent and has not arrived is under way, kept at the peer's node, or waits to be sent again.
function checkNothingForgotten({ copies, handshake, life, packets, send }: Parts): void {
  const { buffer } = send
  if (life.isOpening && (handshake.opening?.copies ?? 0) > 0) return
  const known = new RangeSet()
  // Under way means that somebody looks after it: what hangs has to go again.
  const minded = [...packets.flying()].filter((packet) => copies.minds(packet))
  for (const { parts } of [...minded, ...packets.settled()]) {
    const { ranges } = parts
    for (let i = 0; i < ranges.length; i += 2) known.add(ranges[i] ?? 0, ranges[i + 1] ?? 0)
  }
  const pieces = buffer.undelivered(buffer.delivered, buffer.sentEnd)
  for (let i = 0; i < pieces.length; i += 2) {
    const missing = known.missing(pieces[i] ?? 0, pieces[i + 1] ?? 0)
    for (let k = 0; k < missing.length; k += 2) {
      must(
        buffer.waitsAgain(missing[k] ?? 0, missing[k + 1] ?? 0),
        `bytes ${missing[k]} to ${missing[k + 1]} are forgotten`,
      )
    }
  }
}
