/** Prices as people write and read them: satoshi for each unit of what a tariff counts. */
import type { Tariff, TariffOptions } from '../../index.ts'
import { satInWords, satOf } from '../words.ts'

/** The parts of a tariff, in the order in which they are told. */
const PARTS = [
  { key: 'kilobyteMsat', option: 'kilobyte', unit: 'kB', words: 'for each 1,000 bytes that it sends' },
  { key: 'uploadMsat', option: 'upload', unit: 'kB-up', words: 'for each 1,000 bytes that it is sent' },
  { key: 'secondMsat', option: 'second', unit: 's', words: 'for each second' },
  { key: 'packetMsat', option: 'packet', unit: 'packet', words: 'for each packet that it sends' },
  { key: 'openingMsat', option: 'opening', unit: 'connection', words: 'for each connection' },
  { key: 'messageMsat', option: 'message', unit: 'message', words: 'for each datagram that it is sent' },
] as const

/** What else a unit may be called: how many of which it is. */
const OTHER_UNITS: Readonly<Record<string, readonly [unit: string, count: bigint]>> = {
  kb: ['kB', 1n],
  MB: ['kB', 1_000n],
  'kb-up': ['kB-up', 1n],
  'MB-up': ['kB-up', 1_000n],
  min: ['s', 60n],
  h: ['s', 3_600n],
}

/** How a price is written. */
export const PRICE_FORM =
  'It is written 2/kB: satoshi for each kB or MB sent, kB-up, s, min, h, packet, connection or message.'

/** `2/kB`, `0.5/s`, `10/connection`: a part of a tariff, msat. Undefined for what is none. */
export function parsePrice(text: string): TariffOptions | undefined {
  const [, sat, given = ''] = /^(\d{1,13}(?:\.\d{1,3})?)\/([a-zA-Z-]+)$/.exec(text) ?? []
  if (sat === undefined) return undefined
  const [unit, count] = OTHER_UNITS[given] ?? [given, 1n]
  const part = PARTS.find((each) => each.unit === unit)
  const [whole = '0', decimals = ''] = sat.split('.')
  const msat = BigInt(whole) * 1_000n + BigInt(decimals.padEnd(3, '0'))
  if (part === undefined || msat % count !== 0n) return undefined
  return { [part.option]: msat / count }
}

/** `2 sat for each 1,000 bytes that it sends, 10 sat for each connection`; `nothing`. */
export function tariffInWords(tariff: Tariff): string {
  const parts = PARTS.filter(({ key }) => tariff[key] > 0n)
  return parts.length === 0
    ? 'nothing'
    : parts.map(({ key, words }) => `${satInWords(satOf(tariff[key]))} ${words}`).join(', ')
}

/** `2/kB 10/connection`: as it is written; empty where nothing is asked. */
export function tariffInShort(tariff: Tariff): string {
  return partsInShort(tariff).join(' ')
}

/** The options that accept it: `--accept-price 2/kB`. */
export function acceptOptions(tariff: Tariff): string {
  return partsInShort(tariff)
    .map((part) => `--accept-price ${part}`)
    .join(' ')
}

function partsInShort(tariff: Tariff): readonly string[] {
  return PARTS.filter(({ key }) => tariff[key] > 0n).map(({ key, unit }) => `${satOf(tariff[key])}/${unit}`)
}

/** A tariff of the parts that are given; the others are 0. */
export function tariffOf(options: TariffOptions): Tariff {
  const of = (option: keyof TariffOptions): bigint => BigInt(options[option] ?? 0n)
  return {
    openingMsat: of('opening'),
    packetMsat: of('packet'),
    kilobyteMsat: of('kilobyte'),
    uploadMsat: of('upload'),
    secondMsat: of('second'),
    messageMsat: of('message'),
  }
}

/** Whether no part is dearer. */
export function isWithin(tariff: Tariff, limit: Tariff): boolean {
  return PARTS.every(({ key }) => tariff[key] <= limit[key])
}
