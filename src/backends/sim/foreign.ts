import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../floor/bytes.ts'
import { MAX_FOREIGN_PAYMENTS } from './limits.ts'
import type { FaultArguments, Forgery } from './fault-table.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { findRouteHops } from './pathfinding.ts'
import { pinRoute, planAttempt, type PinnedRoute } from './pinned-routes.ts'
import type { Random } from './random.ts'

/** What strangers put under our type: noise; former packets of the node: cut, changed in a byte, or whole. */
const FORGERIES: readonly Forgery[] = ['random', 'truncated', 'altered', 'replayed']

const FORGED_MSAT = 1_000
const MAX_FORGED_BYTES = 1_200

/** Payments of others: HTLCs over the same channels, slots and disks that none of our processes asked for. */
export class ForeignPayments {
  readonly #network: Network
  readonly #random: Random

  constructor(network: Network) {
    this.#network = network
    this.#random = network.random('foreign payments')
  }

  /** Payments without a record of ours. */
  pay(options: FaultArguments['foreign-payments']): void {
    const { count = 200, overMs = 60_000, msat = 10_000 } = options
    this.#spread(Math.min(count, MAX_FOREIGN_PAYMENTS), overMs, () => {
      const [from, to] = this.#ends(options.from, options.to)
      this.#send(from, to, msat, undefined)
    })
  }

  /** Keysends whose record is of our type and no packet that anybody waits for. */
  forge(options: FaultArguments['foreign-bytes']): void {
    const { count = 1_000, overMs = 60_000, lane = 'node' } = options
    let sent = 0
    this.#spread(Math.min(count, MAX_FOREIGN_PAYMENTS), overMs, () => {
      const [from, to] = this.#ends(options.from, options.node)
      const kind = options.kind ?? FORGERIES[sent++ % FORGERIES.length] ?? 'random'
      this.#send(from, to, FORGED_MSAT, { record: this.#forged(to, kind), lane })
    })
  }

  #spread(count: number, overMs: number, act: () => void): void {
    for (let i = 0; i < count; i++) this.#network.after((overMs * i) / count, act)
  }

  #ends(from: string | undefined, to: string | undefined): [SimNode, SimNode] {
    const network = this.#network
    const draw = (): SimNode => network.nodes[this.#random.below(network.nodes.length)] as SimNode
    const target = to === undefined ? draw() : network.node(to)
    if (from !== undefined) return [network.node(from), target]
    const others = network.nodes.length - 1
    if (others === 0) return [target, target]
    const drawn = this.#random.below(others)
    return [network.nodes[drawn < target.index ? drawn : drawn + 1] as SimNode, target]
  }

  #forged(target: SimNode, kind: Forgery): Uint8Array {
    const random = this.#random
    const former = target.arrivalAt(random.below(Math.max(1, target.keptArrivals)))?.record
    if (kind === 'random' || former === undefined) return random.bytes(random.below(MAX_FORGED_BYTES))
    if (kind === 'truncated') return former.slice(0, random.below(former.length + 1))
    const copy = former.slice()
    if (kind === 'altered') copy[random.below(copy.length)] = random.below(256)
    return copy
  }

  #send(
    from: SimNode,
    to: SimNode,
    amountMsat: number,
    bytes: { readonly record: Uint8Array; readonly lane: 'node' | 'phantom' } | undefined,
  ): void {
    if (from === to || !from.online) return
    const pinned = this.#route(from, to, amountMsat, bytes?.lane ?? 'node')
    const preimage = this.#random.bytes(32)
    if (pinned === undefined) return
    const hash = sha256(preimage)
    const record = (bytes?.record ?? new Uint8Array()).subarray(0, Math.max(0, pinned.route.recordBytes))
    const payment = { routeId: '', hash, record, amountMsat: BigInt(amountMsat) }
    const plan = planAttempt(pinned, payment, toHex(hash), this.#network.height)
    this.#network.sendForeign(from, { ...plan, bare: bytes === undefined })
  }

  #route(from: SimNode, to: SimNode, amountMsat: number, lane: 'node' | 'phantom'): PinnedRoute | undefined {
    const [hops] = findRouteHops(this.#network, {
      from,
      to,
      amountMsat,
      count: 1,
      avoid: new Set(),
      hints: [],
      prefer: 'balanced',
    })
    return hops && pinRoute('', hops, lane, amountMsat, this.#network.height)
  }
}
