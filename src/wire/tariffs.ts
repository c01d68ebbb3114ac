/** How a tariff stands in a PRICE (spec §12.4): as parameters, in ascending order of id. */
import { malformed } from './errors.ts'
import type { Tariff } from './frames.ts'
import type { Reader } from './reader.ts'
import { varintSize, type Writer } from './writer.ts'

// Every component of version 1. All ids are even: who does not know one must not pay by the tariff.
const table = [
  { id: 0x02, key: 'openingMsat' },
  { id: 0x04, key: 'packetMsat' },
  { id: 0x06, key: 'kilobyteMsat' },
  { id: 0x08, key: 'uploadMsat' },
  { id: 0x0a, key: 'secondMsat' },
  { id: 0x0c, key: 'messageMsat' },
] as const satisfies readonly { readonly id: number; readonly key: keyof Tariff }[]

/** The components of a tariff, in the order of their ids. */
export const TARIFF_KEYS: readonly (keyof Tariff)[] = table.map(({ key }) => key)

/** Nothing is asked. */
export const NO_TARIFF: Tariff = {
  openingMsat: 0n,
  packetMsat: 0n,
  kilobyteMsat: 0n,
  uploadMsat: 0n,
  secondMsat: 0n,
  messageMsat: 0n,
}

/** Bytes that `writeTariff` will take. @throws RangeError for an amount that no varint can say */
export function tariffSize(tariff: Tariff): number {
  let size = 0
  for (const { id, key } of table) {
    if (tariff[key] === 0n) continue
    const length = varintSize(Number(tariff[key]))
    size += varintSize(id) + varintSize(length) + length
  }
  return size
}

/** Writes what is not 0. */
export function writeTariff(writer: Writer, tariff: Tariff): void {
  for (const { id, key } of table) {
    if (tariff[key] === 0n) continue
    const value = Number(tariff[key])
    writer.varint(id)
    writer.varint(varintSize(value))
    writer.varint(value)
  }
}

/**
 * Reads a tariff up to the end of its frame. An unknown odd component is skipped; an unknown even one is skipped as
 * well and noted in `reader.unsupported` (spec §5.9).
 *
 * @throws ProtocolError PROTOCOL for wrong order, duplicates, bytes left over
 */
export function readTariff(reader: Reader): Tariff {
  const tariff: { -readonly [Key in keyof Tariff]: bigint } = { ...NO_TARIFF }
  let previous = -1
  while (reader.remaining > 0) {
    const id = reader.varint()
    if (id <= previous) throw malformed('components of a tariff out of order, or one twice')
    previous = id
    const outer = reader.enter(reader.varint())
    const row = table.find((candidate) => candidate.id === id)
    if (row === undefined) reader.skipUnknown('parameter', id)
    else tariff[row.key] = BigInt(reader.varint())
    reader.leave(outer)
  }
  return tariff
}
