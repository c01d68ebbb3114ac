import type { RouteHint } from '../backends/backend.ts'
import { parseShortChannelId } from '../wire/bolt4/short-channel-id.ts'
import { fromHex } from '../wire/bytes.ts'
import { checkedPoint } from '../wire/keys.ts'
import { invalidOption } from './errors.ts'
import { toHex } from './hex.ts'
import { MAX_ROUTE_HINTS } from './limits.ts'

/** A node, and the private channels that lead to it where no public one does (spec §1.6). */
export interface Address {
  readonly publicKey: Uint8Array
  /** At most MAX_ROUTE_HINTS. */
  readonly hints: readonly RouteHint[]
}

/** `KEY`, or `KEY@NODE/CHANNEL/BASE/PPM/DELTA/LEAST` with further hints after commas (spec §1.6). */
export function formatAddress({ publicKey, hints }: Address): string {
  const parts = hints.map((hint) =>
    [toHex(hint.publicKey), hint.channelId, hint.feeBaseMsat, hint.feePpm, hint.cltvDelta, hint.minAmountMsat].join(
      '/',
    ),
  )
  return parts.length === 0 ? toHex(publicKey) : `${toHex(publicKey)}@${parts.join(',')}`
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
    const [base = 0, ppm = 0, delta = 0, least = 0] = numbers.split('/').map(Number)
    if (base > 0xffff_ffff || ppm > 0xffff_ffff || delta > 0xffff || least > Number.MAX_SAFE_INTEGER)
      throw invalidOption('a route hint with a fee, a delta or a least amount that no channel can have')
    return {
      publicKey: hintKey(key),
      channelId: hintChannel(channel),
      feeBaseMsat: BigInt(base),
      feePpm: ppm,
      cltvDelta: delta,
      minAmountMsat: BigInt(least),
    }
  })
}

function hintKey(hex: string): Uint8Array {
  try {
    return checkedPoint(fromHex(hex))
  } catch {
    throw invalidOption("a route hint's key is not a point of secp256k1; check it for a typing error")
  }
}

function hintChannel(text: string): string {
  try {
    parseShortChannelId(text)
    return text
  } catch {
    throw invalidOption("a route hint's channel is none; it is written as 800000x1x0")
  }
}
