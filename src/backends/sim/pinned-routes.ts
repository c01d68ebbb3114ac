import { sha256 } from '@noble/hashes/sha2.js'
import { BoundedMap } from '../../floor/bounded.ts'
import { equalBytes, toHex } from '../../floor/bytes.ts'
import {
  EXPIRY_MARGIN_BLOCKS,
  FINAL_DELTA_BLOCKS,
  MAX_PINNED_ROUTES,
  MAX_ROUTES_PER_REQUEST,
} from '../../medium/limits.ts'
import type { Payment } from '../../medium/payment.ts'
import { type Destination, type Route, routeFeeMsat, type RouteRequest } from '../../medium/route.ts'
import { type HopSize, largestRecord, onionBytes, recordEquivalent } from '../../wire/bolt4/onion-size.ts'
import { areForeign } from '../../wire/bolt4/payload.ts'
import { HOP_PAYLOADS_BYTES } from '../../wire/bolt4/onion.ts'
import { KEY_BYTES } from '../../wire/keys.ts'
import { BackendError } from '../backend.ts'
import { MAX_PATH_DELTA_BLOCKS, PHANTOM_DELTA_BLOCKS, withInboundCost } from '../paths/path-classes.ts'
import { decodePath, type PathParts, pathKeyIn } from '../paths/reply-path.ts'
import type { ChannelLink } from './channel.ts'
import { forwardedByBlindedRelay, pathFeeMsat, relayFeeMsat } from './fees.ts'
import type { HtlcPlan } from './htlc-attempt.ts'
import { MAX_EXACT_MSAT } from './limits.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { OpenPath } from './blinded-paths.ts'
import { findRouteHops, type Hop } from './pathfinding.ts'

/** The routes that a process has pinned on its node. */
export class ProcessRoutes {
  readonly #network: Network
  readonly #node: SimNode
  readonly #nextId: () => number
  readonly #pinned = new BoundedMap<string, PinnedRoute>(MAX_PINNED_ROUTES)

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
    const pathMsat = blinded === undefined ? 0 : pathFeeMsat(blinded.parts.totals, amountMsat)
    const found = findRouteHops(network, {
      from: this.#node,
      to,
      amountMsat: amountMsat + pathMsat,
      maxFeeMsat: Number(request.maxFeeMsat) - pathMsat,
      count: request.count,
      prefer: request.prefer ?? 'balanced',
      avoid: new Set(request.avoid),
      hints: 'path' in destination ? [] : (destination.hints ?? []),
    })
    const routes: Route[] = []
    for (const hops of found) {
      const pinned = pinRoute(`r${this.#nextId()}`, hops, end, amountMsat, network.height)
      const { route } = pinned
      if (routeFeeMsat(route, request.amountMsat) > request.maxFeeMsat || route.recordBytes < 0) continue
      // One channel's most is below another's least: nothing fits.
      if (route.maxAmountMsat < route.minAmountMsat) continue
      this.#pinned.set(route.id, pinned)
      routes.push(route)
    }
    return routes
  }

  #readPath(bytes: Uint8Array): BlindedEnd {
    const open = this.#network.paths.get(toHex(pathKeyIn(bytes)))
    // Bytes that this network has made need no second look at their points.
    if (open !== undefined && equalBytes(open.bytes, bytes))
      return { parts: open.parts, pathKey: toHex(open.parts.pathKey), open }
    // Altered bytes lead to the introduction node and no further: the onion's layers don't open.
    const parts = decodePath(bytes)
    return { parts, pathKey: toHex(parts.pathKey), open: undefined }
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
    payment.hash.length !== KEY_BYTES ||
    payment.amountMsat < route.minAmountMsat ||
    payment.amountMsat > route.maxAmountMsat
  )
    return false
  const { records } = payment
  if (records !== undefined && (pinned.end !== 'node' || !areForeign(records))) return false
  const recordBytes = records === undefined ? payment.record.length : recordEquivalent(records)
  if (!recordFits(pinned, recordBytes, Number(payment.amountMsat), height)) return false
  if (pinned.end !== 'node') return payment.preimage === undefined
  return payment.preimage !== undefined && equalBytes(sha256(payment.preimage), payment.hash)
}

/** The blinded end of a route: what the payer reads from the path's bytes, and where the network knows it to lead. */
export interface BlindedEnd {
  readonly parts: PathParts
  readonly pathKey: string
  readonly open: OpenPath | undefined
}

/** Where a route ends: at a node, at the phantom behind a node that does not hide (spec §2.9), or on a blinded path. */
export type RouteEnd = 'node' | 'phantom' | BlindedEnd

/** A route as its payer's node keeps it: with the policies of the time when it was found. */
export interface PinnedRoute {
  readonly route: Route
  readonly hops: readonly Hop[]
  readonly links: readonly ChannelLink[]
  readonly end: RouteEnd
  /** Records of the route's `recordBytes` fit for amounts up to this. */
  readonly askedMsat: number
}

/** Pins a route with the policies of now. `height` is the chain's height now. */
export function pinRoute(
  id: string,
  hops: readonly Hop[],
  end: RouteEnd,
  askedMsat: number,
  height: number,
): PinnedRoute {
  const blinded = blindedEnd(end)
  const links = [...hops.map((hop) => hop.link), ...(blinded?.open?.links ?? [])]
  const { baseFeeMsat, feePpm } = wholeFee(hops, blinded)
  const channels = hops.map((hop) => hop.link.channel.id)
  // What lies behind an introduction node is hidden; two paths behind the same one share it for all we know.
  if (blinded !== undefined) channels.push(`behind ${(hops.at(-1) as Hop).link.to.publicHex}`)
  const range = amountRange(hops, blinded)
  const route: Route = {
    id,
    recordBytes: largestRecord(hopSizes(hops, end, Math.max(askedMsat, range.min), height)),
    minAmountMsat: BigInt(range.min),
    maxAmountMsat: BigInt(range.max),
    feeBaseMsat: baseFeeMsat,
    feePpm,
    channels,
    firstChannelSlots: (hops[0] as Hop).link.policy.maxHtlcs,
    cltvDelta: hops.slice(1).reduce((sum, hop) => sum + hop.cltvDelta, finalDelta(end)),
  }
  return { route, hops, links, end, askedMsat: Math.max(askedMsat, range.min) }
}

/** The blinded part of a route, if it has one. */
function blindedEnd(end: RouteEnd): BlindedEnd | undefined {
  return typeof end === 'object' ? end : undefined
}

/** What each channel carries, so that `amountMsat` arrives: the payer's own channel first. Clear channels only. */
function amountsFor(hops: readonly Hop[], blinded: BlindedEnd | undefined, amountMsat: number): number[] {
  const amounts = Array.from({ length: hops.length }, () => 0)
  let amount = amountMsat + (blinded === undefined ? 0 : pathFeeMsat(blinded.parts.totals, amountMsat))
  for (let i = hops.length - 1; i >= 0; i--) {
    amounts[i] = amount
    if (i > 0) amount += relayFeeMsat(hops[i] as Hop, amount, hops[i - 1]?.inbound)
  }
  return amounts
}

/** Whether a record of this length fits, for this amount. */
function recordFits(pinned: PinnedRoute, recordBytes: number, amountMsat: number, height: number): boolean {
  if (amountMsat <= pinned.askedMsat) return recordBytes <= pinned.route.recordBytes
  return onionBytes(hopSizes(pinned.hops, pinned.end, amountMsat, height), recordBytes) <= HOP_PAYLOADS_BYTES
}

/** Lays a payment out over its channels. */
export function planAttempt(pinned: PinnedRoute, payment: Payment, hashKey: string, height: number): HtlcPlan {
  const { hops, end } = pinned
  const blinded = blindedEnd(end)
  const amountMsat = Number(payment.amountMsat)
  const amounts = amountsFor(hops, blinded, amountMsat)
  const expiries = expiriesFor(hops, end, height)
  const open = blinded?.open
  if (open !== undefined) {
    // The onion tells blinded relays no amounts: each takes its fee from what comes in.
    let incoming = amounts[hops.length - 1] as number
    let expiry = expiries[hops.length - 1] as number
    for (const cost of open.costs) {
      incoming = forwardedByBlindedRelay(cost, incoming)
      expiry -= cost.cltvDelta
      amounts.push(incoming)
      expiries.push(expiry)
    }
  }
  return {
    links: pinned.links,
    amounts,
    expiries,
    hash: payment.hash.slice(),
    hashKey,
    record: payment.record.slice(),
    ...(payment.records && { records: payment.records.map(({ type, value }) => ({ type, value: value.slice() })) }),
    ...(payment.isLocked === true && { isLocked: true }),
    amountMsat,
    phantom: end !== 'node',
    ...(blinded && { blinded: { introduction: hops.length, path: open, pathKey: blinded.pathKey } }),
  }
}

function finalDelta(end: RouteEnd): number {
  if (typeof end === 'object') return EXPIRY_MARGIN_BLOCKS + end.parts.totals.cltvDelta
  return EXPIRY_MARGIN_BLOCKS + (end === 'phantom' ? PHANTOM_DELTA_BLOCKS : FINAL_DELTA_BLOCKS)
}

function expiriesFor(hops: readonly Hop[], end: RouteEnd, height: number): number[] {
  const expiries = Array.from({ length: hops.length }, () => 0)
  let expiry = height + finalDelta(end)
  for (let i = hops.length - 1; i >= 0; i--) {
    expiries[i] = expiry
    if (i > 0) expiry += (hops[i] as Hop).cltvDelta
  }
  return expiries
}

/** The payloads of the route's onion, the payer's first peer first. */
function hopSizes(hops: readonly Hop[], end: RouteEnd, amountMsat: number, height: number): HopSize[] {
  const blinded = blindedEnd(end)
  const amounts = amountsFor(hops, blinded, amountMsat)
  const expiries = expiriesFor(hops, end, height)
  const sizes: HopSize[] = []
  for (let i = 1; i < hops.length; i++)
    sizes.push({ kind: 'clear', amountMsat: amounts[i] as number, expiry: expiries[i] as number })
  const expiry = expiries.at(-1) as number
  if (end === 'phantom') {
    // Its node hands on what comes in; a made-up channel, and no fee.
    sizes.push({ kind: 'clear', amountMsat, expiry })
    sizes.push({ kind: 'clear-phantom', amountMsat, expiry: height + EXPIRY_MARGIN_BLOCKS })
  }
  if (blinded === undefined) {
    if (end === 'node') sizes.push({ kind: 'keysend', amountMsat, expiry })
    return sizes
  }
  const { data } = blinded.parts
  for (const [i, { length: encryptedBytes }] of data.entries()) {
    const last = i === data.length - 1
    if (last) sizes.push({ kind: 'phantom', amountMsat, expiry: height + EXPIRY_MARGIN_BLOCKS, encryptedBytes })
    else sizes.push({ kind: 'blinded', encryptedBytes, introduction: i === 0 })
  }
  return sizes
}

/** A bound on the sum of all fees, as one linear function of the amount: exact fractions, rounded up once. */
function wholeFee(
  hops: readonly Hop[],
  blinded: BlindedEnd | undefined,
): { readonly baseFeeMsat: bigint; readonly feePpm: number } {
  const MILLION = 1_000_000n
  // amount -> (amount x factor + base) / scale
  let scale = 1n
  let factor = 1n
  let base = 0n
  const add = (baseFeeMsat: number, feePpm: number): void => {
    factor *= MILLION + BigInt(feePpm)
    base = base * (MILLION + BigInt(feePpm)) + BigInt(baseFeeMsat) * scale * MILLION
    scale *= MILLION
  }
  if (blinded !== undefined) {
    // The payer rounds a blinded fee up by less than 1 msat.
    add(blinded.parts.totals.baseFeeMsat + (blinded.parts.totals.feePpm > 0 ? 1 : 0), blinded.parts.totals.feePpm)
  }
  for (const [i, hop] of [...hops.entries()].slice(1).toReversed()) {
    // A discount is left out: this is a bound.
    const inbound = (hops[i - 1] as Hop).inbound
    const { baseFeeMsat, feePpm } = withInboundCost({ ...hop.link.policy, ...hop }, inbound)
    add(baseFeeMsat, feePpm)
  }
  return { baseFeeMsat: (base + scale - 1n) / scale, feePpm: Number(((factor - scale) * MILLION + scale - 1n) / scale) }
}

/** The smallest and the largest amount to deliver that every policy of the route lets pass. */
function amountRange(
  hops: readonly Hop[],
  blinded: BlindedEnd | undefined,
): { readonly min: number; readonly max: number } {
  const pathMin = blinded === undefined ? 1 : Math.max(1, blinded.parts.totals.minHtlcMsat)
  const min = firstWhere(pathMin, (amount) =>
    amountsFor(hops, blinded, amount).every((sum, i) => sum >= (hops[i] as Hop).link.policy.minHtlcMsat),
  )
  // What a channel carries is never less than what is to arrive.
  const most = Math.min(MAX_EXACT_MSAT, ...hops.map(({ link }) => link.policy.maxHtlcMsat + 1))
  const tooMuch = firstWhere(
    1,
    (amount) => amountsFor(hops, blinded, amount).some((sum, i) => sum > (hops[i] as Hop).link.policy.maxHtlcMsat),
    most,
  )
  return { min, max: Math.max(0, tooMuch - 1) }
}

/** The smallest whole number of `from` to `most` for which a monotonous condition holds; else `most`. */
function firstWhere(from: number, holds: (value: number) => boolean, most: number = MAX_EXACT_MSAT): number {
  if (from >= most || holds(from)) return from
  let low = from
  let high = most
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
