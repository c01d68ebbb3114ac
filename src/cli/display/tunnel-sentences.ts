/** What a person reads of tunnels: of services, connections and what they cost. */
import { networkInWords } from '../../floor/network.ts'
import type { CliEvent } from '../events.ts'
import { bytesInWords, durationInWords, keyInWords, printable, satInWords, wholeNumber } from '../words.ts'

type TunnelEvent = Extract<
  CliEvent,
  { event: 'exposing' | 'forwarding' | 'proxying' | 'connection' | 'summary' | 'price' | 'paused' }
>

export function tunnelLines(event: TunnelEvent): readonly string[] {
  switch (event.event) {
    case 'exposing': {
      const price = event.price === '' ? 'for nothing' : `at ${event.price.replaceAll(' ', ' and ')}`
      return [
        `on ${networkInWords(event.network)}, ${event.service} is port ${event.port} of this node, ${price}; who wants it types:`,
      ]
    }
    case 'forwarding':
      return [
        `on ${networkInWords(event.network)}, ${event.local} is port ${event.port} of ${keyInWords(event.publicKey)}`,
      ]
    case 'proxying': {
      const ways = [
        event.socks === null ? [] : [`SOCKS at ${event.socks}`],
        event.http === null ? [] : [`HTTP at ${event.http} (for browsers: http://${event.http}/proxy.pac)`],
      ]
      return [`on ${networkInWords(event.network)}, a proxy to NAME.keysock: ${ways.flat().join(', ')}`]
    }
    case 'connection':
      return connectionLines(event)
    case 'summary':
      return summaryLines(event)
    case 'price':
      // Whoever was asked has read it.
      return event.by === 'asked' ? [] : [event.message]
    case 'paused':
      return [event.message]
  }
}

/** Connections come and go: those that ended in order are in the numbers only. */
function connectionLines(event: Extract<CliEvent, { event: 'connection' }>): readonly string[] {
  const { state, connection, publicKey, port, by, message, code = '' } = event
  if (state !== 'reset' || message === undefined) return []
  const whom = publicKey === null ? '' : ` with ${keyInWords(publicKey)}`
  const who = by === 'remote' ? 'the other side' : 'this side'
  return [`connection ${connection}${whom}, port ${port}, was broken off by ${who}: ${printable(message)} (${code})`]
}

function summaryLines(event: Extract<CliEvent, { event: 'summary' }>): readonly string[] {
  const { connections, broken, bytesOut, bytesIn, sat, receivedSat, seconds, role } = event
  const count = `${wholeNumber(connections)} ${connections === 1 ? 'connection' : 'connections'}`
  const bad = broken === 0 ? '' : `, ${wholeNumber(broken)} of them broken off`
  const earned = role === 'seller' ? `${satInWords(receivedSat)} came in, ` : ''
  return [
    `${count} in ${durationInWords(seconds)}${bad}: ${bytesInWords(bytesOut)} out, ${bytesInWords(bytesIn)} in; ${earned}${satInWords(sat)} paid`,
  ]
}
