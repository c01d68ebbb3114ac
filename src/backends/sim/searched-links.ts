import type { ChannelLink } from './channel.ts'
import type { SimNode } from './node.ts'
import type { Hop } from './pathfinding.ts'

/** Numbers in a row of `fields`, in this order: as many as a line of a processor's cache holds. */
export const LINK_FIELDS = 8
/** Index of the node that sends over the link. */
export const FROM = 0
/** The largest amount; -1 where the link is closed or out of use. */
export const MOST_MSAT = 1
export const LEAST_MSAT = 2
export const BASE_FEE_MSAT = 3
export const FEE_PPM = 4
export const DELTA_BLOCKS = 5
/** What the link's receiver asks for what comes in over it and goes on (bLIP 18). */
export const INBOUND_BASE_MSAT = 6
export const INBOUND_PPM = 7

/**
 * What a search for a route reads of the links, side by side: it looks at thousands of them, and finds one by one
 * through objects it would wait for memory most of the time. Links stand by the node that they lead to, in the order
 * of that node's channels.
 */
export class SearchedLinks {
  /** Rows of LINK_FIELDS numbers. */
  readonly fields: Float64Array
  /** By row: 1 where gossip does not know the channel. */
  readonly isPrivate: Uint8Array
  /** By row: index of the link. */
  readonly indexes: Int32Array
  /** Rows of the links to node i: from offsets[i] to offsets[i + 1]. */
  readonly offsets: Int32Array
  /** By index of the link. */
  readonly #rows: Int32Array
  /** By index of the link: what a route over it keeps, the same for all routes that were found at one policy. */
  readonly #hops: (Hop | undefined)[] = []
  #version = 0
  #changes = 0

  constructor(nodes: readonly SimNode[], links: readonly ChannelLink[]) {
    this.fields = new Float64Array(links.length * LINK_FIELDS)
    this.isPrivate = new Uint8Array(links.length)
    this.indexes = new Int32Array(links.length)
    this.offsets = new Int32Array(nodes.length + 1)
    this.#rows = new Int32Array(links.length)
    let row = 0
    for (const node of nodes) {
      for (const { reverse: link } of node.links) {
        this.indexes[row] = link.index
        this.#rows[link.index] = row
        this.isPrivate[row] = link.channel.private ? 1 : 0
        this.#write(row, link)
        row++
      }
      this.offsets[node.index + 1] = row
    }
  }

  /** Changes when a link becomes cheaper, or passes more: what ways cost at least is no longer what it was. */
  get version(): number {
    return this.#version
  }

  /** Changes with every policy, and when a channel is closed. */
  get changes(): number {
    return this.#changes
  }

  rowOf(link: ChannelLink): number {
    return this.#rows[link.index] as number
  }

  /** The link as a route has it that is found now: with the policy of now. */
  hopOver(link: ChannelLink): Hop {
    let hop = this.#hops[link.index]
    if (hop === undefined) {
      const { baseFeeMsat, feePpm, cltvDelta } = link.policy
      hop = { link, baseFeeMsat, feePpm, cltvDelta, inbound: link.inbound }
      this.#hops[link.index] = hop
    }
    return hop
  }

  /** What the link's sender asks has changed, or its channel was closed. */
  update(link: ChannelLink): void {
    this.#write(this.#rows[link.index] as number, link)
    // What is asked for what comes in stands with the other direction.
    this.#write(this.#rows[link.reverse.index] as number, link.reverse)
  }

  #write(row: number, link: ChannelLink): void {
    const { channel, policy, inbound } = link
    this.#hops[link.index] = undefined
    this.#set(row, FROM, link.from.index)
    let isMore = this.#set(row, MOST_MSAT, channel.closed || policy.disabled ? -1 : policy.maxHtlcMsat) > 0
    isMore = this.#set(row, LEAST_MSAT, policy.minHtlcMsat) < 0 || isMore
    isMore = this.#set(row, BASE_FEE_MSAT, policy.baseFeeMsat) < 0 || isMore
    isMore = this.#set(row, FEE_PPM, policy.feePpm) < 0 || isMore
    isMore = this.#set(row, DELTA_BLOCKS, policy.cltvDelta) < 0 || isMore
    isMore = this.#set(row, INBOUND_BASE_MSAT, inbound.baseFeeMsat) < 0 || isMore
    isMore = this.#set(row, INBOUND_PPM, inbound.feePpm) < 0 || isMore
    if (isMore) this.#version++
  }

  /** By how much it changes. */
  #set(row: number, field: number, value: number): number {
    const at = row * LINK_FIELDS + field
    const before = this.fields[at] as number
    this.fields[at] = value
    if (value !== before) this.#changes++
    return value - before
  }
}
