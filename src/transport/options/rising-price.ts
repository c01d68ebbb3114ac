import { MAX_OPENING_PRICE_MSAT } from '../../wire/errors.ts'
import { invalidOption, kindOf } from '../errors.ts'
import { OPENING_RATE_MS, RISING_PRICE } from '../limits.ts'
import { checkAllNames, checkMsat, type Msat, type OpeningLoad } from './options.ts'

export interface RisingPriceOptions {
  /**
   * What an opening costs where there is little to do, msat: ten times what it costs the server to answer one, or
   * more. Default 100,000 (100 sat).
   */
  readonly least?: Msat
  /** So many callers, open or within a minute, pay the least; for each so many more the price doubles. Default 10. */
  readonly quiet?: number
}

/**
 * An `openingPrice` that rises with the load (spec §6.15). Callers have no address by which each could be held to a
 * share; here the nth of them within a minute pays for all that came before, and what one pays is its limit.
 *
 * @throws KeysockError ERR_KEYSOCK_INVALID_OPTION
 */
export function risingPrice(options: RisingPriceOptions = {}): (load: OpeningLoad) => bigint {
  checkAllNames(options, { least: true, quiet: true })
  const least = checkMsat(options.least ?? RISING_PRICE.leastMsat, 'least')
  const { quiet = RISING_PRICE.quiet } = options
  if (!Number.isInteger(quiet) || quiet < 1)
    throw invalidOption(`quiet must be a whole number from 1; got ${kindOf(quiet)}`)
  return ({ connections, waiting, openingsPerSecond }) => {
    const lastMinute = (openingsPerSecond * OPENING_RATE_MS) / 1_000
    const callers = Math.max(connections, lastMinute) + waiting
    const doublings = Math.max(0, (callers - quiet) / quiet)
    return BigInt(Math.round(Math.min(Number(MAX_OPENING_PRICE_MSAT), Number(least) * 2 ** doublings)))
  }
}
