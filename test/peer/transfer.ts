import type { PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route } from '../../src/medium/route.ts'
import type { PeerOptions } from '../../src/transport/peer/interface.ts'
import { PeerController } from '../../src/transport/peer/peer-controller.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'
import { type Random, type World, seeded } from './medium.ts'

export type Pay = (routeId: string, done: (outcome: PaymentOutcome) => void) => void

export interface Progress {
  delivered: number
  failed: number
  /** Time of each delivery, ms. */
  readonly times: number[]
}

/** Keeps `window` payments in flight, whatever happens. */
export function flood(world: World, window: number, pay: Pay, routeId: string): Progress {
  const progress: Progress = { delivered: 0, failed: 0, times: [] }
  const send = (): void =>
    pay(routeId, (outcome) => {
      if (outcome.status === 'failed') progress.failed += 1
      else {
        progress.delivered += 1
        progress.times.push(world.now)
      }
      const local = outcome.status === 'failed' && outcome.place === 'local'
      if (local) world.at(world.now + 100, send)
      else send()
    })
  for (let index = 0; index < window; index++) send()
  return progress
}

export interface Sender extends Progress {
  readonly peer: PeerController
  /** Packets that wait to be sent. Infinity: as many as go. */
  backlog: number
  /** Sends what can be sent. */
  readonly pump: () => void
  wakes: number
}

/** A peer with a known key over the node lane, whose chance is that of `random`. */
export function peerWith(random: Random, options: Partial<PeerOptions> = {}): PeerController {
  return new PeerController({
    lane: 'node',
    anonymous: false,
    random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
    slots: new SlotPool(),
    maxFeeMsat: 10_000n,
    ...options,
  })
}

/** The driver's part: turns, grants, requests for routes and the one deadline. */
export function sender(
  world: World,
  pay: Pay,
  findRoutes: () => readonly Route[],
  options: Partial<PeerOptions> & { readonly backlog?: number } = {},
): Sender {
  const random = seeded(Math.floor(world.random() * 2 ** 32))
  const { backlog = Infinity, ...peerOptions } = options
  const peer = peerWith(random, peerOptions)
  const token = {}
  let armedAt: number | undefined
  const result: Sender = { peer, backlog, pump, wakes: 0, delivered: 0, failed: 0, times: [] }

  function finish(ticket: number, outcome: PaymentOutcome): void {
    peer.resolve(world.now, ticket, outcome)
    if (outcome.status === 'failed') {
      result.failed += 1
      result.backlog += 1
    } else if (outcome.status !== 'unknown') {
      result.delivered += 1
      result.times.push(world.now)
    }
    pump()
  }

  function pump(): void {
    if (peer.request(world.now) !== undefined) {
      world.at(world.now + 15, () => {
        peer.provideRoutes(world.now, findRoutes())
        pump()
      })
    }
    while (result.backlog > 0) {
      peer.enqueue(token)
      peer.nextTurn()
      const grant = peer.grant(world.now, { reason: 'data', avoid: [] })
      if (grant === undefined) {
        peer.enqueue(token)
        break
      }
      result.backlog -= 1
      peer.sent(world.now, grant.ticket)
      pay(grant.route.id, (outcome) => finish(grant.ticket, outcome))
    }
    arm()
  }

  function arm(): void {
    const deadline = peer.deadline()
    if (deadline === undefined || (armedAt !== undefined && armedAt <= deadline && armedAt > world.now)) return
    armedAt = deadline
    world.at(deadline, () => {
      if (armedAt !== deadline) return
      armedAt = undefined
      result.wakes += 1
      peer.wake(world.now)
      pump()
    })
  }

  world.at(world.now, pump)
  return result
}

/** Time until so many were delivered, ms. */
export function timeTo(progress: Progress, count: number): number {
  return progress.times[count - 1] ?? Infinity
}

/** Deliveries per second between two times. */
export function rateBetween(progress: Progress, from: number, to: number): number {
  return (progress.times.filter((time) => time >= from && time < to).length * 1000) / (to - from)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
