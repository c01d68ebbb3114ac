import { networkInWords } from '../../floor/network.ts'
import type { BenchEvent } from '../events.ts'
import { bytesInWords, durationInWords, keyInWords, satInWords } from '../words.ts'

type Part = Extract<BenchEvent, { readonly event: 'bench' }>

const LIMITS: Readonly<Record<NonNullable<Part['limit']>, string>> = {
  money: 'money: what may be spent, or is to be paid for',
  window: 'the window: so many payments at once are what the way bears',
  slots: 'slots: the channels on the way take no more payments at once',
  routes: 'routes: too few, or they rest after failures',
}

/** What a person reads, a row for each part. */
export function benchInWords(event: BenchEvent): readonly string[] {
  switch (event.event) {
    case 'bench-listening':
      return [`on ${networkInWords(event.network)}, waiting for whoever measures, and types:`]
    case 'benching':
      return [`measuring ${keyInWords(event.publicKey)}, port ${event.port}, on ${networkInWords(event.network)}`]
    case 'bench':
      return partInWords(event)
    case 'bench-served': {
      const { part, bytes, seconds, sat, receivedSat } = event
      const money = `${satInWords(receivedSat)} came in, ${satInWords(sat)} for answers`
      return [`served ${part.padEnd(4)}  ${bytesInWords(bytes)} in ${durationInWords(seconds)}; ${money}`]
    }
  }
}

function partInWords(event: Part): readonly string[] {
  const { part, bytes, seconds, bytesPerSecond, sat, satPerMegabyte, latency, failed, copies, limit } = event
  const label = part.padEnd(9)
  if (part === 'latency') {
    const times = [latency?.min, latency?.avg, latency?.max].map((ms) => String(Math.round(ms ?? 0))).join('/')
    return [`${label}min/avg/max ${times} ms; ${satInWords(sat)}`]
  }
  const cost = satPerMegabyte === null ? satInWords(sat) : `${satInWords(sat)}, ${satInWords(satPerMegabyte)} a MB`
  const trouble = failed + copies === 0 ? '' : `, ${failed} payments failed, ${copies} copies`
  const rate = `${bytesInWords(bytesPerSecond)}/s`
  return [
    `${label}${rate} (${bytesInWords(bytes)} in ${durationInWords(seconds)}); ${cost}${trouble}`,
    ...(limit === null ? [] : [`${''.padEnd(9)}limited by ${LIMITS[limit]}`]),
  ]
}
