import { BoltError } from './errors.ts'

/** Where a channel's funding output stands (BOLT 7 "Definition of short_channel_id"). */
export interface ChannelPosition {
  /** Block height, 24 bits. */
  readonly block: number
  /** Index of the transaction in its block, 24 bits. */
  readonly transaction: number
  /** Index of the output, 16 bits. */
  readonly output: number
}

const MAX_24_BITS = 0xff_ffff
const MAX_16_BITS = 0xffff

/**
 * The channel id as the number that BOLT messages and lnd carry: 0 to 2^64 - 1.
 *
 * @throws RangeError when a part does not fit
 */
export function packShortChannelId({ block, transaction, output }: ChannelPosition): bigint {
  return (part(block, MAX_24_BITS) << 40n) | (part(transaction, MAX_24_BITS) << 16n) | part(output, MAX_16_BITS)
}

/** The parts of a channel id. @throws RangeError unless 0 <= id < 2^64. */
export function unpackShortChannelId(id: bigint): ChannelPosition {
  if (id < 0n || id >= 1n << 64n) throw new RangeError(`not a short channel id: ${id}`)
  return { block: Number(id >> 40n), transaction: Number((id >> 16n) & 0xff_ffffn), output: Number(id & 0xffffn) }
}

/** `block x transaction x output`, without the spaces: `539268x845x1`. @throws RangeError unless 0 <= id < 2^64. */
export function formatShortChannelId(id: bigint): string {
  const { block, transaction, output } = unpackShortChannelId(id)
  return `${block}x${transaction}x${output}`
}

/** The channel id that `formatShortChannelId` writes this way. @throws BoltError `syntax` for anything else. */
export function parseShortChannelId(written: string): bigint {
  const [, block, transaction, output] = /^(0|[1-9]\d{0,7})x(0|[1-9]\d{0,7})x(0|[1-9]\d{0,4})$/.exec(written) ?? []
  const position = { block: Number(block), transaction: Number(transaction), output: Number(output) }
  if (!(position.block <= MAX_24_BITS && position.transaction <= MAX_24_BITS && position.output <= MAX_16_BITS)) {
    throw new BoltError('syntax', `not a short channel id: ${written}`)
  }
  return packShortChannelId(position)
}

function part(value: number, max: number): bigint {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new RangeError(`not 0 to ${max}: ${value}`)
  return BigInt(value)
}
