import { InvalidArgumentError } from 'commander'
import { DEFAULT_PORT } from './transfer/bounds.ts'

/** What the command line's words mean. Each throws InvalidArgumentError, which names the option. */

/** Satoshi with up to three decimals, as msat. */
export function satArgument(text: string): bigint {
  const match = /^(\d{1,13})(?:\.(\d{1,3}))?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('It is an amount in satoshi, such as 500 or 1.5.')
  return BigInt(match[1] ?? '0') * 1_000n + BigInt((match[2] ?? '').padEnd(3, '0'))
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
}

/** Bytes: 500, 20k, 1.5M, 2G, 1Gi. */
export function sizeArgument(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(text)
  const unit = SIZE_UNITS[(match?.[2] ?? '?').toLowerCase()]
  const bytes = Math.floor(Number(match?.[1]) * (unit ?? Number.NaN))
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('It is a size, such as 500k, 20M or 1G.')
  return bytes
}

const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, min: 60, h: 3_600, d: 86_400 }

/** A duration in ms: 30s, 10m, 2h, 1d; a bare number is seconds. */
export function durationArgument(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(|s|m|min|h|d)$/.exec(text)
  const unit = TIME_UNITS[match?.[2] ?? '?']
  if (match === null || unit === undefined) {
    throw new InvalidArgumentError('It is a duration, such as 30s, 10m or 2h.')
  }
  return Math.round(Number(match[1]) * unit * 1_000)
}

export function portArgument(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw new InvalidArgumentError('A port is a whole number from 1 to 65535.')
}

/** A whole number from 1 to `most`. */
export function countArgument(most: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (count >= 1 && count <= most) return count
    throw new InvalidArgumentError(`It is a whole number from 1 to ${most}.`)
  }
}

/** Where to send. */
export interface TargetArgument {
  /** A public key, or an address with route hints, as the library takes it. */
  readonly address: string
  readonly port: number
}

/** PUBKEY[:PORT], where an address with route hints may stand for the key. */
export function targetArgument(text: string): TargetArgument {
  const match = /^(0[23][0-9a-f]{64}(?:@[0-9a-fx/,]+)?)(?::(\d+))?$/i.exec(text)
  if (match?.[1] === undefined) throw new InvalidArgumentError(targetComplaint(text))
  return { address: match[1], port: match[2] === undefined ? DEFAULT_PORT : portArgument(match[2]) }
}

function targetComplaint(text: string): string {
  if (/^0[23][0-9a-f]{64}@/i.test(text)) {
    return 'Behind the public key there is no host: keysock needs none. Leave out everything from the @ on.'
  }
  return `It is a node's public key (66 hexadecimal digits that begin with 02 or 03), or PUBKEY:PORT; keysock receive prints it.`
}
