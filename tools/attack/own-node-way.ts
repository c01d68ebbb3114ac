/**
 * What a responder finds out that tries (spec §9.5): a node sends nothing on over the channel by which it came. A way
 * to the introduction node of a reply path whose last channel is the path's next one, from its other end, fails there,
 * and every other way works. Each packet to the path tests one neighbour of the introduction node.
 */
import { toHex } from '../../src/floor/bytes.ts'
import { MAX_ROUTES_PER_REQUEST } from '../../src/medium/limits.ts'
import type { Payment, PaymentOutcome } from '../../src/medium/payment.ts'
import type { Route, RouteRequest } from '../../src/medium/route.ts'
import type { Backend } from '../../src/backends/backend.ts'
import { crowdBehind, type GraphView, graphView } from '../../src/backends/paths/candidates.ts'
import { decodePath, type PublicGraph } from '../../src/sim.ts'

/** It costs what it costs: far above what a connection pays, msat. */
const MOST_FEE_MSAT = 1_000_000n
/** Packets are made shorter by so much: a way over a neighbour has more channels, each of which takes 52 bytes. */
const DETOUR_BYTES = 4 * 52
/** A way that fails for another reason is tried again, so often. */
const TRIES = 3

/** What is known of a channel between the introduction node and a neighbour of it. */
interface Channel {
  readonly id: string
  readonly neighbour: string
  state: 'untested' | 'asked' | 'passes' | 'fails'
  tries: number
}

export class OwnNodeWay {
  /** The responder's backend: whoever uses it pays as before, but over ways that tell. */
  readonly backend: Backend
  readonly #real: Backend
  readonly #graph: PublicGraph
  readonly #view: GraphView<string>
  readonly #responder: string
  /** Reply paths of the routes that were found, by the routes' ids. */
  readonly #pathOf = new Map<string, Uint8Array>()
  /** Channels of introduction nodes that could come next on a path, by what everybody sees of it. */
  readonly #channels = new Map<string, readonly Channel[]>()
  #payments = 0

  constructor(backend: Backend, graph: PublicGraph, responder: Uint8Array) {
    this.#real = backend
    this.#graph = graph
    this.#view = graphView(graph)
    this.#responder = toHex(responder)
    const own: Partial<Backend> = {
      findRoutes: (request) => this.#findRoutes(request),
      pay: (payment) => this.#pay(payment),
    }
    // Its methods use private fields, so they must run on the backend itself.
    this.backend = new Proxy(backend, {
      get: (target, name) => {
        if (name in own) return own[name as keyof Backend]
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  /** How many payments went over ways that tell. */
  get payments(): number {
    return this.#payments
  }

  /**
   * Which neighbours of the introduction node may stand next on the path: the one over whose channel nothing came;
   * while there is none, those that could not be tested.
   */
  nextHops(path: Uint8Array): string[] {
    const channels = this.#channelsOf(path)
    const fails = channels.filter(({ state }) => state === 'fails')
    const left = fails.length > 0 ? fails : channels.filter(({ state }) => state !== 'passes')
    return [...new Set(left.map(({ neighbour }) => neighbour))].toSorted()
  }

  /** Who is left to be the path's maker: behind one relay its next hop, behind two whoever could stand behind that. */
  makers(path: Uint8Array): string[] {
    return [...new Set(this.nextHops(path).flatMap((through) => this.#makersBehind(path, through)))].toSorted()
  }

  /** Whom the graph lets stand there, where this neighbour of the introduction node comes next. */
  #makersBehind(path: Uint8Array, through: string): string[] {
    const { introduction, blindedIds, totals } = decodePath(path)
    const shape = { introduction: toHex(introduction), relays: blindedIds.length - 1, totals, through }
    return [...crowdBehind(this.#view, shape, this.#responder)]
  }

  async #findRoutes(request: RouteRequest): Promise<readonly Route[]> {
    const routes = await this.#real.findRoutes(request)
    if (!('path' in request.destination)) return routes
    for (const { id } of routes) this.#pathOf.set(id, request.destination.path)
    return routes.map((route) => ({ ...route, recordBytes: Math.max(0, route.recordBytes - DETOUR_BYTES) }))
  }

  async #pay(payment: Payment): Promise<PaymentOutcome> {
    const path = this.#pathOf.get(payment.routeId)
    const channel = path && this.#channelsOf(path).find(({ state, tries }) => state === 'untested' && tries < TRIES)
    if (path === undefined || channel === undefined) return this.#real.pay(payment)
    channel.tries++
    channel.state = 'asked'
    const route = await this.#wayOver(channel, path, payment)
    if (route === undefined) {
      channel.state = 'untested'
      return this.#real.pay(payment)
    }
    this.#payments++
    const amountMsat = payment.amountMsat > route.minAmountMsat ? payment.amountMsat : route.minAmountMsat
    const outcome = await this.#real.pay({ ...payment, routeId: route.id, amountMsat })
    channel.state = stateAfter(outcome)
    return outcome
  }

  /** A way for this payment whose last channel before the path is this one. */
  async #wayOver({ id }: Channel, path: Uint8Array, { amountMsat, record }: Payment): Promise<Route | undefined> {
    const introduction = toHex(decodePath(path).introduction)
    const others = this.#graph.channels.filter((channel) => channel.ends.includes(introduction) && channel.id !== id)
    const routes = await this.#real.findRoutes({
      destination: { lane: 'phantom', path },
      amountMsat,
      maxFeeMsat: MOST_FEE_MSAT,
      count: MAX_ROUTES_PER_REQUEST,
      avoid: others.map((channel) => channel.id),
    })
    // The last of a route's channels stands for what is behind the introduction node.
    return routes.find(
      ({ channels, recordBytes, maxAmountMsat }) =>
        channels.at(-2) === id && record.length <= recordBytes && amountMsat <= maxAmountMsat,
    )
  }

  #channelsOf(path: Uint8Array): readonly Channel[] {
    const { introduction: point, blindedIds, totals } = decodePath(path)
    const introduction = toHex(point)
    const look = JSON.stringify([introduction, blindedIds.length, totals])
    let channels = this.#channels.get(look)
    if (channels === undefined) {
      channels = this.#graph.channels.flatMap(({ id, ends }): Channel[] => {
        const neighbour = ends[0] === introduction ? ends[1] : ends[0]
        const isNext = ends.includes(introduction) && this.#makersBehind(path, neighbour).length > 0
        return !isNext ? [] : [{ id, neighbour, state: 'untested', tries: 0 }]
      })
      this.#channels.set(look, channels)
    }
    return channels
  }
}

/** What fails before the introduction node, or is lost sight of, tells nothing. */
function stateAfter(outcome: PaymentOutcome): Channel['state'] {
  if (outcome.status === 'delivered') return 'passes'
  return outcome.status === 'failed' && outcome.place === 'introduction' ? 'fails' : 'untested'
}
