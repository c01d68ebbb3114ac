import type { Tariff } from '../../wire/frames.ts'
import { TARIFF_KEYS } from '../../wire/tariffs.ts'

/** Whether any component is higher than before: then the initiator has to agree (spec §12.4). */
export function isRaise(before: Tariff, after: Tariff): boolean {
  return TARIFF_KEYS.some((key) => after[key] > before[key])
}

/** A component of a tariff that is above what is allowed. */
export interface Excess {
  /** 'packet', 'kilobyte' ... */
  readonly name: string
  readonly askedMsat: bigint
  readonly allowedMsat: bigint
}

/** The first component that is higher than allowed; undefined: none is. */
export function excess(tariff: Tariff, most: Tariff): Excess | undefined {
  const key = TARIFF_KEYS.find((each) => tariff[each] > most[each])
  if (key === undefined) return undefined
  return { name: key.replace(/Msat$/, ''), askedMsat: tariff[key], allowedMsat: most[key] }
}
