import { toHex } from '../../floor/bytes.ts'
import type { ChannelLink } from './channel.ts'
import type { HtlcAttempt } from './htlc-attempt.ts'
import { MAX_OBSERVATIONS } from './limits.ts'
import type { SimNode } from './node.ts'

/** What one node, or the process on it, got to see. Bytes are hex, nodes are public keys, amounts are millisatoshi. */
export type Observation =
  /** An HTLC that came in. A blinded hop's next node is known by its blinded id only. */
  | {
      readonly timeMs: number
      readonly kind: 'htlc'
      readonly hash: string
      readonly amountMsat: number
      readonly expiry: number
      readonly incomingChannel: string
      readonly previousPeer: string
      readonly outgoingChannel?: string
      readonly nextPeer?: string
      /** The path key that came with a blinded HTLC. */
      readonly pathKey?: string
      /** The record, where the onion of this node carries it. */
      readonly record?: string
    }
  /**
   * An HTLC that was failed or settled at or through this node. Failures of others are sealed for the payer: seen as
   * sizes only.
   */
  | {
      readonly timeMs: number
      readonly kind: 'htlc-end'
      readonly hash: string
      readonly settled: boolean
      readonly channel: string
    }
  /** Something that the process asked its backend, with the answer where there is one. */
  | {
      readonly timeMs: number
      readonly kind: 'call'
      readonly call: string
      readonly argument: unknown
      readonly result?: unknown
    }
  /** Something that the backend told the process. */
  | { readonly timeMs: number; readonly kind: 'event'; readonly event: unknown }

/** Logs of what the nodes that are watched saw. */
export class Observations {
  readonly #logs = new Map<string, Observation[]>()
  readonly #all: boolean

  constructor(watched: readonly string[] | 'all') {
    this.#all = watched === 'all'
    if (watched !== 'all') for (const name of watched) this.#logs.set(name, [])
  }

  watches(name: string): boolean {
    return this.#all || this.#logs.has(name)
  }

  add(name: string, observation: Observation): void {
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = []
      this.#logs.set(name, log)
    }
    if (log.length < MAX_OBSERVATIONS) log.push(observation)
  }

  of(name: string): readonly Observation[] {
    return this.#logs.get(name) ?? []
  }
}

/**
 * Logs what a node sees of an HTLC that came in: its two channels, and what its layer of the onion says of the route.
 */
export function observeHtlc(attempt: HtlcAttempt, node: SimNode): void {
  const { plan, position, network } = attempt
  const incoming = plan.links[position - 1] as ChannelLink
  const outgoing = plan.links[position]
  const blinded = plan.blinded !== undefined && position >= plan.blinded.introduction ? plan.blinded : undefined
  const observation: Observation = {
    timeMs: network.engine.nowMs,
    kind: 'htlc',
    hash: toHex(plan.hash),
    amountMsat: plan.amounts[position - 1] as number,
    expiry: plan.expiries[position - 1] as number,
    incomingChannel: incoming.channel.id,
    previousPeer: incoming.from.publicHex,
    ...(outgoing && { outgoingChannel: outgoing.channel.id, nextPeer: outgoing.to.publicHex }),
    // Each relay derives the next path key, so what it sees tells nothing about what the others see.
    ...(blinded && { pathKey: position === blinded.introduction ? blinded.pathKey : `${blinded.pathKey}+${position}` }),
    ...(position === attempt.last && { record: toHex(plan.record) }),
  }
  network.observations.add(node.name, observation)
}

/** Logs at both ends of a link that an HTLC on it is over. */
export function observeEnd(attempt: HtlcAttempt, link: ChannelLink, settled: boolean): void {
  const { observations, engine } = attempt.network
  for (const node of [link.from, link.to]) {
    if (!observations.watches(node.name)) continue
    observations.add(node.name, {
      timeMs: engine.nowMs,
      kind: 'htlc-end',
      hash: toHex(attempt.plan.hash),
      settled,
      channel: link.channel.id,
    })
  }
}
