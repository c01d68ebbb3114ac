import { type Destination, packetCostMsat, type Route, routeFeeMsat, type RoutePreference } from '../../medium/route.ts'
import { type Backend } from '../../backends/backend.ts'
import type { Address } from '../options/address.ts'
import { KeysockError } from '../errors.ts'
import {
  MIN_AMOUNT_MSAT,
  PACKET_OVERHEAD_BYTES,
  QUOTE_COPIES,
  QUOTE_HOP_MS,
  QUOTE_RATES,
  QUOTE_ROUTES,
  QUOTE_START_SECONDS,
} from '../limits.ts'

/** What sending bytes would cost and take, by what the backend knows now. */
export interface Quote {
  readonly packets: number
  /** All of it over the best route: what arrives, and fees. Acknowledgements that come back are the other side's. */
  readonly costMsat: bigint
  readonly feeMsat: bigint
  /** Of one packet. */
  readonly packetMsat: bigint
  readonly packetBytes: number
  /** Routes that were found, at most QUOTE_ROUTES: where there are more, packets take several. */
  readonly routes: number
  /** What it costs at most, most likely: where all packets take the dearest of these routes, with a tenth of copies. */
  readonly costToMsat: bigint
  /** How long it takes, the first answer included, on a quick network and on a slow one. */
  readonly secondsFrom: number
  readonly secondsTo: number
  /** How the other side's answers would come back; undefined where that was not asked for. */
  readonly answers: QuotedAnswers | undefined
}

/** How answers to a connection would come back. */
export type QuotedAnswers =
  /** By keysend to this node's key, which the other side learns. */
  | { readonly type: 'direct' }
  /** Over a blinded path: what the other side could tell, and what it pays, where the backend says so. */
  | {
      readonly type: 'hidden'
      /** How many nodes of the public graph could stand behind the path (spec §9.5). */
      readonly candidates: number | undefined
      /** False: at most so many; who knows how guards are chosen may exclude most of them (spec §9.12). */
      readonly fits: boolean | undefined
      readonly relays: 1 | 2 | undefined
      /** What a packet costs the other side from where the path begins, amount and fee together. */
      readonly packetMsat: bigint | undefined
    }
  /** Not at all: no path can be made, for the reason in `message`. */
  | { readonly type: 'none'; readonly message: string }

/** What a quote looks at. */
export interface QuoteOptions {
  /**
   * Also how answers would come back. A hidden way back is made for that, shown to nobody, and closed again, which
   * takes the node's HTLC interceptor as a connection would. Default true.
   */
  readonly answers?: boolean
}

export async function quoteFor(
  backend: Backend,
  {
    address,
    bytes,
    maxFeeMsat,
    prefer,
  }: {
    readonly address: Address
    readonly bytes: number
    readonly maxFeeMsat: bigint
    readonly prefer: RoutePreference
  },
): Promise<Omit<Quote, 'answers'>> {
  const found = await backend.findRoutes({
    destination: destinationOf(address),
    amountMsat: MIN_AMOUNT_MSAT,
    maxFeeMsat,
    prefer,
    count: QUOTE_ROUTES,
  })
  const sorted = found.toSorted((a, b) => Number(packetCostMsat(a) - packetCostMsat(b)))
  const [cheapest] = sorted
  if (cheapest === undefined) {
    throw new KeysockError(
      'EHOSTUNREACH',
      'quote EHOSTUNREACH: no route to this node within the fee ceiling (maxFee) is known',
      {
        syscall: 'quote',
      },
    )
  }
  // spec §9.6: the amount counts with the fee. A connection takes none of the others.
  const routes = sorted.filter((route) => packetCostMsat(route) <= maxFeeMsat)
  const [best] = routes
  if (best === undefined) {
    throw new KeysockError(
      'ERR_KEYSOCK_FEE',
      `a packet to this node costs ${packetCostMsat(cheapest)} msat, amount and fee together; maxFee allows ${maxFeeMsat}`,
      { syscall: 'quote' },
    )
  }
  const costToMsat = routes.map((each) => dearestOver(each, bytes)).reduce((most, each) => (each > most ? each : most))
  return { ...costOver(best, bytes), routes: routes.length, costToMsat, ...timeOver(routes, bytes) }
}

/** Where packets of a connection to this address go, unless it is told otherwise (spec §1.6). */
function destinationOf({ publicKey, hints, phantomLane = false }: Address): Destination {
  const to = { publicKey, hints }
  return phantomLane ? { lane: 'phantom', ...to } : { lane: 'node', ...to }
}

function costOver(
  route: Route,
  bytes: number,
): Pick<Quote, 'packets' | 'costMsat' | 'feeMsat' | 'packetMsat' | 'packetBytes'> {
  const packetMsat = packetCostMsat(route)
  const packetBytes = packetBytesOf(route)
  // The OPEN is one more, and so is the FIN where it has no room.
  const packets = Math.ceil(bytes / packetBytes) + 1
  const count = BigInt(packets)
  return {
    packets,
    costMsat: count * packetMsat,
    feeMsat: count * routeFeeMsat(route, route.minAmountMsat),
    packetMsat,
    packetBytes,
  }
}

function packetBytesOf({ recordBytes }: Route): number {
  return Math.max(1, recordBytes - PACKET_OVERHEAD_BYTES)
}

/** With all copies of packets that take long; what fails costs nothing. */
function dearestOver(route: Route, bytes: number): bigint {
  const { packets, packetMsat } = costOver(route, bytes)
  const copies = Math.min(packets, QUOTE_COPIES.first + Math.ceil(packets * QUOTE_COPIES.share))
  return BigInt(packets + copies) * packetMsat
}

/** What the slots of our own channels let through at once, each for as long as a payment takes. */
function timeOver(routes: readonly Route[], bytes: number): Pick<Quote, 'secondsFrom' | 'secondsTo'> {
  const byFirstChannel = new Map<string, Route>()
  for (const route of routes) {
    const [first = route.id] = route.channels
    if (!byFirstChannel.has(first)) byFirstChannel.set(first, route)
  }
  const rate = (hopMs: number): number => {
    let bytesPerSecond = 0
    for (const route of byFirstChannel.values()) {
      const seconds = (Math.max(1, route.channels.length) * hopMs) / 1_000
      bytesPerSecond += (route.firstChannelSlots * packetBytesOf(route)) / seconds
    }
    return Math.max(1, bytesPerSecond)
  }
  const fast = Math.min(QUOTE_RATES.max, rate(QUOTE_HOP_MS.min))
  const slow = Math.min(QUOTE_RATES.min, rate(QUOTE_HOP_MS.max))
  return { secondsFrom: QUOTE_START_SECONDS.min + bytes / fast, secondsTo: QUOTE_START_SECONDS.max + bytes / slow }
}
