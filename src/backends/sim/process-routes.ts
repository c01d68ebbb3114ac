import { equalBytes } from '@noble/curves/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Destination, Route, RouteRequest } from '../../medium/route.ts'
import type { Payment } from '../../medium/payment.ts'
import { routeFeeMsat } from '../../medium/route.ts'
import { BackendError } from '../backend.ts'
import { MAX_PATH_DELTA_BLOCKS } from '../paths/path-classes.ts'
import { decodePath } from '../paths/reply-path.ts'
import { MAX_PINNED_ROUTES, MAX_ROUTES_PER_REQUEST } from '../../medium/bounds.ts'
import { MAX_EXACT_MSAT } from './limits.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { findWays } from './pathfinding.ts'
import { pinRoute, recordFits, type BlindedEnd, type PinnedRoute, type RouteEnd } from './pinned-route.ts'

const HASH_BYTES = 32

/** The routes that a process has pinned on its node. */
export class ProcessRoutes {
  readonly #network: Network
  readonly #node: SimNode
  readonly #nextId: () => number
  readonly #pinned = new Map<string, PinnedRoute>()

  constructor(options: { readonly network: Network; readonly node: SimNode; readonly nextId: () => number }) {
    this.#network = options.network
    this.#node = options.node
    this.#nextId = options.nextId
  }

  get(routeId: string): PinnedRoute | undefined {
    return this.#pinned.get(routeId)
  }

  clear(): void {
    this.#pinned.clear()
  }

  /** Where a route to this destination ends. @throws BackendError 'bad-request' for bytes that are no path */
  endOf(destination: Destination): RouteEnd {
    if ('path' in destination) return this.#readPath(destination.path)
    return destination.lane
  }

  /** Finds routes and pins them. */
  find(request: RouteRequest, end: RouteEnd): Route[] {
    const network = this.#network
    const { destination } = request
    const blinded = typeof end === 'object' ? end : undefined
    const to = network.nodeByKey(
      'path' in destination ? (blinded as BlindedEnd).parts.introduction : destination.publicKey,
    )
    if (to === undefined || to === this.#node) return []
    // spec §9.6: a payee could hold what we send for as long as its path allows.
    if (blinded !== undefined && blinded.parts.totals.cltvDelta > MAX_PATH_DELTA_BLOCKS) return []
    const amountMsat = Number(request.amountMsat)
    const ways = findWays(network, {
      from: this.#node,
      to,
      amountMsat:
        amountMsat +
        (blinded === undefined
          ? 0
          : Math.ceil((amountMsat * blinded.parts.totals.feePpm) / 1e6) + blinded.parts.totals.baseFeeMsat),
      count: request.count,
      avoid: new Set(request.avoid),
      hints: 'path' in destination ? [] : (destination.hints ?? []),
    })
    const routes: Route[] = []
    for (const hops of ways) {
      const pinned = pinRoute(`r${this.#nextId()}`, hops, end, amountMsat, network.height)
      const { route } = pinned
      if (routeFeeMsat(route, request.amountMsat) > request.maxFeeMsat || route.recordBytes < 0) continue
      this.#pinned.set(route.id, pinned)
      if (this.#pinned.size > MAX_PINNED_ROUTES) this.#pinned.delete(this.#pinned.keys().next().value as string)
      routes.push(route)
    }
    return routes
  }

  #readPath(bytes: Uint8Array): BlindedEnd {
    const parts = decodePath(bytes)
    const pathKey = bytesToHex(parts.pathKey)
    const known = this.#network.paths.get(pathKey)
    // Altered bytes lead to the introduction node and no further: the onion's layers don't open.
    return { parts, pathKey, open: known !== undefined && equalBytes(known.bytes, bytes) ? known : undefined }
  }
}

/** @throws BackendError 'bad-request' */
export function checkRouteRequest(request: RouteRequest): void {
  if (!(request.count >= 1 && request.count <= MAX_ROUTES_PER_REQUEST))
    throw new BackendError('bad-request', `count is ${request.count}; ask for 1..${MAX_ROUTES_PER_REQUEST} routes`)
  if (request.amountMsat < 1n || request.amountMsat > BigInt(MAX_EXACT_MSAT))
    throw new BackendError('bad-request', `amountMsat is ${request.amountMsat}; it must be 1..${MAX_EXACT_MSAT}`)
}

/** Whether a payment is one for its route: amount, record and preimage. `height` is the chain's height now. */
export function isValidPayment(pinned: PinnedRoute, payment: Payment, height: number): boolean {
  const { route } = pinned
  if (
    payment.hash.length !== HASH_BYTES ||
    payment.amountMsat < route.minAmountMsat ||
    payment.amountMsat > route.maxAmountMsat
  )
    return false
  if (!recordFits(pinned, payment.record.length, Number(payment.amountMsat), height)) return false
  if (pinned.end !== 'node') return payment.preimage === undefined
  return payment.preimage !== undefined && equalBytes(sha256(payment.preimage), payment.hash)
}
