import { networkInWords } from '../../floor/network.ts'
import type { PingEvent } from '../events.ts'
import { durationInWords, keyInWords, satInWords } from '../words.ts'

/** Of the onion that every payment carries, whatever is in it (BOLT 4). */
const PAYMENT_ONION_BYTES = 1_366

/** What a person reads, as ping prints it. */
export function pingInWords(event: PingEvent): string {
  switch (event.event) {
    case 'pinging': {
      const where = `PING ${keyInWords(event.publicKey)} on ${networkInWords(event.network)}`
      if (event.port === null) return `${where}: probes, which cost nothing`
      return `${where}, port ${event.port}: connected in ${durationInWords(event.seconds)}, for ${satInWords(event.sat)}`
    }
    case 'pong': {
      const hops = event.hops === null ? '' : ` hops=${event.hops}`
      const from = `${PAYMENT_ONION_BYTES} bytes from ${keyInWords(event.publicKey)}`
      const who = event.answeredBy === 'node' ? ' (the node; no keysock at its phantom)' : ''
      return `${from}: seq=${event.seq} time=${millisecondsInWords(event.ms)}${hops} cost=${satInWords(event.sat)}${who}`
    }
    case 'lost':
      return `no answer: seq=${event.seq} ${event.message} (${event.code})`
    case 'pinged':
      return statistics(event)
  }
}

function statistics(event: Extract<PingEvent, { readonly event: 'pinged' }>): string {
  const { sent, received, min, avg, max, mdev } = event
  const lost = sent === 0 ? 0 : Math.round(((sent - received) / sent) * 100)
  const counts = `${sent} sent, ${received} received, ${lost}% loss, ${durationInWords(event.seconds)}, ${satInWords(event.sat)}`
  if (min === null || avg === null || max === null || mdev === null) return counts
  const times = [min, avg, max, mdev].map((ms) => digitsOf(ms)).join('/')
  return `${counts}; rtt min/avg/max/mdev = ${times} ms`
}

function millisecondsInWords(ms: number): string {
  return `${digitsOf(ms)} ms`
}

/** Three digits or so: what is below a tenth of a millisecond is noise. */
function digitsOf(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : String(Math.round(ms))
}
