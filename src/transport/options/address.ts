import { MAX_ROUTE_HINTS, type RouteHint } from '../../medium/route.ts'
import { parseShortChannelId } from '../../wire/bolt4/short-channel-id.ts'
import { fromHex, toHex } from '../../floor/bytes.ts'
import { checkedPoint, POINT_BYTES } from '../../wire/keys.ts'
import { invalidOption, kindOf } from '../errors.ts'
import { formatHostName, isHostName, parseHostName } from './host-name.ts'

/** A node, and the private channels that lead to it where no public one does (spec §1.6). */
export interface Address {
  readonly publicKey: Uint8Array
  /** At most MAX_ROUTE_HINTS. */
  readonly hints: readonly RouteHint[]
  /** Packets are taken at the node's phantom, too (spec §2.9). Absent: nothing is said of that. */
  readonly phantomLane?: boolean
}

/** What ends the address of a node whose process takes packets at its phantom (spec §1.6). */
const PHANTOM = '+phantom'

/** `KEY`, or `KEY@NODE/CHANNEL/BASE/PPM/DELTA/LEAST` with further hints after commas, and `+phantom` (spec §1.6). */
export function formatAddress({ publicKey, hints, phantomLane = false }: Address): string {
  return toHex(publicKey) + formatHints(hints) + (phantomLane ? PHANTOM : '')
}

/** What follows the public key. */
export function formatHints(hints: readonly RouteHint[]): string {
  const parts = hints.map(({ publicKey, channelId, feeBaseMsat, feePpm, cltvDelta, minAmountMsat = 0n }) =>
    [toHex(publicKey), channelId, feeBaseMsat, feePpm, cltvDelta, minAmountMsat].join('/'),
  )
  return parts.length === 0 ? '' : `@${parts.join(',')}`
}

/**
 * The host name of a node, `KEY.keysock`: its public key in base32, which fits a DNS label. It has nothing of route
 * hints and lanes (spec §1.7).
 *
 * @param address or a public key, as text or its 33 bytes
 * @throws KeysockError ERR_KEYSOCK_INVALID_OPTION
 */
export function toHostName(address: string | Uint8Array): string {
  return formatHostName(checkAddress(address).publicKey)
}

/**
 * The public key, 66 hexadecimal digits, of the node with the host name `KEY.keysock`. Letters count in either case;
 * labels before the key, and a dot at the end, change nothing (spec §1.7).
 *
 * @throws KeysockError ERR_KEYSOCK_HOST_NAME
 */
export function fromHostName(name: string): string {
  return toHex(parseHostName(name))
}

/**
 * A public key as text or bytes, an address as text, or a host name (spec §1.6, §1.7).
 *
 * @throws KeysockError ERR_KEYSOCK_INVALID_OPTION, ERR_KEYSOCK_HOST_NAME
 */
export function checkAddress(given: unknown): Address {
  if (typeof given === 'string' && given.endsWith(PHANTOM) && !isHostName(given.slice(0, -PHANTOM.length)))
    return { ...checkPlainAddress(given.slice(0, -PHANTOM.length)), phantomLane: true }
  return checkPlainAddress(given)
}

function checkPlainAddress(given: unknown): Address {
  if (typeof given === 'string' && isHostName(given)) return { publicKey: parseHostName(given), hints: [] }
  const at = typeof given === 'string' ? given.indexOf('@') : -1
  if (typeof given !== 'string' || at < 0) return { publicKey: checkPublicKey(given), hints: [] }
  return { publicKey: checkPublicKey(given.slice(0, at)), hints: parseHints(given.slice(at + 1)) }
}

function checkPublicKey(key: unknown, name = 'the public key'): Uint8Array {
  const expected = `${name} must be a node's public key: 66 hexadecimal digits that begin with 02 or 03, or its 33 bytes`
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) throw invalidOption(`${expected}; got ${kindOf(key)}`)
  if (typeof key === 'string' && !/^0[23][0-9a-fA-F]{64}$/.test(key)) throw invalidOption(expected)
  const bytes = typeof key === 'string' ? fromHex(key) : Uint8Array.from(key)
  if (bytes.length !== POINT_BYTES || (bytes[0] !== 2 && bytes[0] !== 3)) throw invalidOption(expected)
  try {
    return checkedPoint(bytes)
  } catch {
    throw invalidOption(`${name} is not a point of secp256k1, so no node has it; check it for a typing error`)
  }
}

const HINT = /^(?<key>0[23][0-9a-f]{64})\/(?<channel>\d{1,8}x\d{1,8}x\d{1,5})\/(?<numbers>\d+\/\d+\/\d+\/\d+)$/iu

/** @throws KeysockError ERR_KEYSOCK_INVALID_OPTION for what spec §1.6 doesn't allow */
export function parseHints(text: string): RouteHint[] {
  const parts = text.split(',', MAX_ROUTE_HINTS + 1)
  if (parts.length > MAX_ROUTE_HINTS) throw invalidOption(`an address has at most ${MAX_ROUTE_HINTS} route hints`)
  return parts.map((part) => {
    const { key, channel, numbers } = HINT.exec(part)?.groups ?? {}
    if (key === undefined || channel === undefined || numbers === undefined)
      throw invalidOption('a route hint is written NODE/CHANNEL/BASE/PPM/DELTA/LEAST, the channel as 800000x1x0')
    const [base = 0, ppm = 0, delta = 0, minAmount = 0] = numbers.split('/').map(Number)
    if (base > 0xffff_ffff || ppm > 0xffff_ffff || delta > 0xffff || minAmount > Number.MAX_SAFE_INTEGER)
      throw invalidOption('a route hint with a fee, a delta or a least amount that no channel can have')
    return {
      publicKey: checkPublicKey(key, "a route hint's key"),
      channelId: hintChannel(channel),
      feeBaseMsat: BigInt(base),
      feePpm: ppm,
      cltvDelta: delta,
      minAmountMsat: BigInt(minAmount),
    }
  })
}

function hintChannel(text: string): string {
  try {
    parseShortChannelId(text)
    return text
  } catch {
    throw invalidOption("a route hint's channel is none; it is written as 800000x1x0")
  }
}
