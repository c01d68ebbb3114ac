/** Payments that queue take longer the more are in flight: none of them is late for that (spec §8.5). */
import { expect, test } from 'vitest'
import type { PaymentOutcome } from '../../src/medium/payment.ts'
import { BusyMachine } from './busy-machine.ts'
import { blindedRates, oneHopRates, route, seeded, twoHopRates, World } from './medium.ts'
import { peerWith } from './transfer.ts'

const PACKETS = 1_000
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
/** Of the packets, what may be taken for late where nothing hangs: the free copies of a new peer are 16. */
const FEW = 0.02

/** A share of the packets of a transfer that would have been copied. */
function lateShare(rates: readonly (readonly [number, number])[], seed: number): number {
  const world = new World(seed)
  const machine = new BusyMachine(world, rates, [{ fromMs: 0, share: 1 }])
  const peer = peerWith(seeded(seed))
  peer.request(world.now)
  peer.provideRoutes(world.now, [route('a', ['c', 'd'], 483)])
  let delivered = 0
  let late = 0

  function send(): void {
    for (;;) {
      const grant = peer.grant(world.now, { reason: 'data', avoid: [] })
      if (grant === undefined) return
      const sentAt = world.now
      let isOut = true
      peer.sent(sentAt, grant.ticket)
      machine.pay((outcome: PaymentOutcome) => {
        isOut = false
        delivered++
        peer.resolve(world.now, grant.ticket, outcome)
        send()
      })
      const look = (): void => {
        if (!isOut) return
        const lateAt = sentAt + Math.max(grant.hedgeAfterMs, grant.pace?.hedgeAfterMs ?? 0)
        if (world.now < lateAt) world.at(lateAt, look)
        else late++
      }
      world.at(sentAt + grant.hedgeAfterMs, look)
    }
  }

  send()
  world.run(600_000, () => delivered >= PACKETS)
  return late / PACKETS
}

test.each([
  ['one hop', oneHopRates],
  ['two hops', twoHopRates],
  ['a blinded path', blindedRates],
] as const)('over %s hardly any packet of a transfer that fills the machines is late', (_name, rates) => {
  for (const seed of SEEDS) expect(lateShare(rates, seed)).toBeLessThanOrEqual(FEW)
})
