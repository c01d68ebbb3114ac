import { bytesToHex } from '@noble/hashes/utils.js'
import type { HtlcAttempt } from './htlc-attempt.ts'
import type { ChannelLink } from './channel.ts'
import type { SimNode } from './node.ts'
import type { Observation } from './observations.ts'

/** Logs what a node sees of an HTLC that has come in: its two channels, and no more of the route than its onion layer tells. */
export function observeHtlc(attempt: HtlcAttempt, node: SimNode): void {
  const { plan, position, network } = attempt
  const incoming = plan.links[position - 1] as ChannelLink
  const outgoing = plan.links[position]
  const blinded = plan.blinded !== undefined && position >= plan.blinded.introduction ? plan.blinded : undefined
  const observation: Observation = {
    timeMs: network.engine.nowMs,
    kind: 'htlc',
    hash: bytesToHex(plan.hash),
    amountMsat: plan.amounts[position - 1] as number,
    expiry: plan.expiries[position - 1] as number,
    incomingChannel: incoming.channel.id,
    previousPeer: incoming.from.publicHex,
    ...(outgoing && { outgoingChannel: outgoing.channel.id, nextPeer: outgoing.to.publicHex }),
    // Each relay derives the next path key, so what it sees tells nothing about what the others see.
    ...(blinded && { pathKey: position === blinded.introduction ? blinded.pathKey : `${blinded.pathKey}+${position}` }),
    ...(position === attempt.last && { record: bytesToHex(plan.record) }),
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
      hash: bytesToHex(attempt.plan.hash),
      settled,
      channel: link.channel.id,
    })
  }
}
