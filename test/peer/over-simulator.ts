/** The peer object over the project's simulator: what it delivers in a time, beside bare floods of single routes. */
import { sha256 } from '@noble/hashes/sha2.js'
import { type ChannelDescription, createSimulation, type LatencyName, type NetworkDescription } from '../../src/sim.ts'
import { PeerController } from '../../src/transport/peer/peer-controller.ts'
import { SlotPool } from '../../src/transport/peer/slots.ts'

export interface Parallel {
  /** Slots of each route, from `a` over a relay of its own to `b`. */
  readonly slots: readonly number[]
  /** Which channels of a route have so few: our own, or the relay's. The others have 483. */
  readonly where: 'own' | 'relay'
  readonly latency: LatencyName
  readonly failing?: number
  readonly hanging?: number
}

/** Disjoint routes of two hops; nodes are quick, so that slots are what limits. */
export function parallel({ slots, where, latency, failing = 0, hanging = 0 }: Parallel): NetworkDescription {
  const channels: ChannelDescription[] = slots.flatMap((maxHtlcs, index) => {
    const few = { policy: { maxHtlcs } }
    const common = { capacityMsat: 1_000_000_000_000 }
    return [
      { between: ['a', `r${index}`], ...common, ...(where === 'own' ? few : {}) },
      { between: [`r${index}`, 'b'], ...common, ...(where === 'relay' ? few : {}) },
    ] as const
  })
  return {
    nodes: ['a', 'b', ...slots.map((_, index) => `r${index}`)].map((name) => ({ name })),
    nodeDefaults: { paymentsPerSecond: 5_000 },
    channels,
    latency,
    failure: failing,
    ...(hanging > 0 && { hang: hanging }),
  }
}

/** Packets that a flood over the one route of a network delivers, with so many in flight at any time. */
export async function floodOver(
  network: NetworkDescription,
  run: { readonly seed: string; readonly inFlight: number; readonly forMs: number },
): Promise<number> {
  const sim = createSimulation(network, { seed: run.seed })
  let delivered = 0
  await sim.backend('b').start({
    sink: (event) => {
      if (event.type === 'arrival') delivered += 1
    },
  })
  const payer = sim.backend('a')
  await payer.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf('b') } as const
  const [route] = await sim.drive(payer.findRoutes({ destination, amountMsat: 1n, maxFeeMsat: 1_000_000n, count: 1 }))
  if (route === undefined) throw new Error('no route')
  const endMs = sim.clock.now() + run.forMs
  const record = new Uint8Array(route.recordBytes)
  const payOn = async (): Promise<void> => {
    while (sim.clock.now() < endMs) {
      const preimage = sim.entropy.bytes(32)
      const { id: routeId, minAmountMsat: amountMsat } = route
      await payer.pay({ routeId, hash: sha256(preimage), preimage, record, amountMsat })
    }
  }
  for (let index = 0; index < run.inFlight; index++) void payOn()
  await sim.run({ until: () => sim.clock.now() >= endMs, withinMs: run.forMs + 1_000 })
  return delivered
}

export interface Delivered {
  readonly delivered: number
  readonly bytes: number
  readonly failed: number
  /** Routes known at the end. */
  readonly routes: number
  /** How long it took. */
  readonly ms: number
}

/** What the peer object delivers in this time, if there is always more to send. */
export function peerOver(network: NetworkDescription, seed: string, forMs: number): Promise<Delivered> {
  return runPeer(network, { seed, to: 'b', isEnough: ({ ms }) => ms >= forMs, withinMs: forMs + 1_000 })
}

interface PeerRun {
  readonly seed: string
  /** Where the node 'a' pays to. */
  readonly to: string
  readonly isEnough: (so: Pick<Delivered, 'bytes' | 'ms'>) => boolean
  readonly withinMs: number
}

/** Lets the peer object send until it is enough. */
export async function runPeer(network: NetworkDescription, run: PeerRun): Promise<Delivered> {
  const sim = createSimulation(network, { seed: run.seed })
  const now = (): number => sim.clock.now()
  let [delivered, bytes, failed] = [0, 0, 0]
  await sim.backend(run.to).start({
    sink: (event) => {
      if (event.type !== 'arrival') return
      delivered += 1
      bytes += event.record.length
    },
  })
  const payer = sim.backend('a')
  await payer.start({ sink: () => {} })
  const destination = { lane: 'node', publicKey: sim.keyOf(run.to) } as const
  const peer = new PeerController({
    lane: 'node',
    anonymous: false,
    random: (length) => sim.entropy.bytes(length),
    slots: new SlotPool(),
    maxFeeMsat: 1_000_000n,
  })
  const errors: unknown[] = []
  const broke = (error: unknown): void => {
    errors.push(error)
  }
  const startMs = now()
  const isDone = (): boolean => errors.length > 0 || run.isEnough({ bytes, ms: now() - startMs })
  let unarm = (): void => {}

  function pay(): boolean {
    const grant = peer.grant(now(), { reason: 'data', avoid: [] })
    if (grant === undefined) return false
    peer.sent(now(), grant.ticket)
    const preimage = sim.entropy.bytes(32)
    const record = new Uint8Array(grant.route.recordBytes)
    const { id: routeId, minAmountMsat: amountMsat } = grant.route
    payer
      .pay({ routeId, hash: sha256(preimage), preimage, record, amountMsat })
      .then((outcome) => {
        if (outcome.status === 'failed') failed += 1
        peer.resolve(now(), grant.ticket, outcome)
        pump()
      })
      .catch(broke)
    return true
  }

  function pump(): void {
    const wish = peer.request(now())
    if (wish !== undefined) {
      payer
        .findRoutes({ destination, amountMsat: 1n, maxFeeMsat: 1_000_000n, count: wish.count, avoid: wish.avoid })
        .then((routes) => {
          peer.provideRoutes(now(), routes)
          pump()
        })
        .catch(broke)
    }
    while (!isDone() && pay()) {
      /* as many as are granted */
    }
    unarm()
    const deadline = peer.deadline()
    if (deadline === undefined || isDone()) return
    unarm = sim.clock.schedule(Math.max(deadline, now()), () => {
      peer.wake(now())
      pump()
    })
  }

  peer.enqueue(destination)
  pump()
  await sim.run({ until: isDone, withinMs: run.withinMs })
  if (errors.length > 0) throw errors[0]
  return { delivered, bytes, failed, routes: peer.stats().routes, ms: now() - startMs }
}
