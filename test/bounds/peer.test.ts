/** How many payments to a peer are under way, however well they go: docs/bounds.md names these. */
import { expect, it } from 'vitest'
import type { Route } from '../../src/medium/route.ts'
import { MAX_CHANNEL_WINDOW, MAX_WINDOW } from '../../src/transport/peer/limits.ts'
import { route } from '../peer/medium.ts'
import { peerWith } from '../peer/transfer.ts'

const SECOND = 1_000

/** The most that was under way over these routes at once: each payment takes a second, and none fails. */
function mostUnderWay(routes: readonly Route[]): number {
  const peer = peerWith(() => 0)
  let most = 0
  for (let now = 0; now < 100 * SECOND; now += SECOND) {
    // What it asks for later is not answered.
    if (peer.request(now) !== undefined && now === 0) peer.provideRoutes(now, routes)
    const tickets: number[] = []
    for (;;) {
      const grant = peer.grant(now, { reason: 'data', avoid: [] })
      if (grant === undefined) break
      peer.sent(now, grant.ticket)
      tickets.push(grant.ticket)
    }
    most = Math.max(most, tickets.length)
    for (const ticket of tickets) peer.resolve(now + SECOND, ticket, { status: 'settled', feeMsat: 0n })
  }
  return most
}

it('966 payments to a peer are under way, over however many channels', () => {
  const routes = Array.from({ length: 8 }, (_, i) => route(`r${i}`, [`own ${i}`, `other ${i}`], 483))
  expect(mostUnderWay(routes)).toBe(MAX_WINDOW)
})

it('256 payments to a peer are under way over one channel, however many slots it has', () => {
  expect(mostUnderWay([route('r', ['own', 'other'], 483)])).toBe(MAX_CHANNEL_WINDOW)
})
