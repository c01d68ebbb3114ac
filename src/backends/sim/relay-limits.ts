import { TokenBucket } from '../../floor/token-bucket.ts'
import type { ChannelLink } from './channel.ts'
import { LEAST_PAIR_SLOTS, PEER_LIMIT_BURST, SHARED_SLOTS } from './limits.ts'
import type { SimNode } from './node.ts'
import type { PeerLimits } from './resolve.ts'

const HOUR_S = 3_600

/**
 * What a relay lets others have of its channels beside their slots: a share for each pair of channels, and limits for
 * each peer that sends to it. Counts hold only what is under way.
 */
export class RelayLimits {
  /** 0: a pair may have all slots. */
  readonly #pairShare: number
  readonly #peerLimits: PeerLimits
  /** HTLCs under way, by the link that they came over and the one that they leave on. */
  readonly #ofPair = new Map<ChannelLink, Map<ChannelLink, number>>()
  readonly #ofPeer = new Map<SimNode, number>()
  readonly #rates = new Map<SimNode, TokenBucket>()

  constructor(options: { readonly pairShare: number; readonly peerLimits: PeerLimits }) {
    this.#pairShare = options.pairShare
    this.#peerLimits = options.peerLimits
  }

  /** Whether an HTLC may pass; one that may counts as under way until `remove`. */
  add(incoming: ChannelLink, outgoing: ChannelLink, nowMs: number): boolean {
    const ofPair = this.#ofPair.get(incoming)?.get(outgoing) ?? 0
    const ofPeer = this.#ofPeer.get(incoming.from) ?? 0
    if (this.#pairShare > 0 && ofPair >= pairSlots(outgoing.policy.maxHtlcs, this.#pairShare)) return false
    if (ofPeer >= this.#peerLimits.maxPending) return false
    if (!this.#takeToken(incoming.from, nowMs)) return false
    this.#count(incoming, outgoing, ofPair + 1, ofPeer + 1)
    return true
  }

  remove(incoming: ChannelLink, outgoing: ChannelLink): void {
    const ofPair = this.#ofPair.get(incoming)?.get(outgoing) ?? 1
    const ofPeer = this.#ofPeer.get(incoming.from) ?? 1
    this.#count(incoming, outgoing, ofPair - 1, ofPeer - 1)
  }

  #takeToken(peer: SimNode, nowMs: number): boolean {
    const { perHour } = this.#peerLimits
    if (perHour === Infinity) return true
    let rate = this.#rates.get(peer)
    if (rate === undefined) {
      rate = new TokenBucket({ perSecond: perHour / HOUR_S, burst: Math.min(perHour, PEER_LIMIT_BURST), now: nowMs })
      this.#rates.set(peer, rate)
    }
    return rate.take(nowMs)
  }

  #count(incoming: ChannelLink, outgoing: ChannelLink, ofPair: number, ofPeer: number): void {
    const pairs = this.#ofPair.get(incoming) ?? new Map<ChannelLink, number>()
    if (ofPair > 0) pairs.set(outgoing, ofPair)
    else pairs.delete(outgoing)
    if (pairs.size > 0) this.#ofPair.set(incoming, pairs)
    else this.#ofPair.delete(incoming)
    if (ofPeer > 0) this.#ofPeer.set(incoming.from, ofPeer)
    else this.#ofPeer.delete(incoming.from)
  }
}

/**
 * Slots of a channel that one pair may have (BOLTs #1280, general bucket): its share of what is open to everybody. 5 %
 * are 10 of 193 (of 483), 6 of 114, and never fewer than 5.
 */
export function pairSlots(maxHtlcs: number, share: number): number {
  const shared = Math.min(maxHtlcs, SHARED_SLOTS)
  return Math.min(maxHtlcs, Math.max(LEAST_PAIR_SLOTS, Math.round(shared * share)))
}
