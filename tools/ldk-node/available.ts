import { type Availability, lndAvailable } from '../regtest/available.ts'
import { findCargo, isLdkBuilt } from './build.ts'

/** Whether nodes of LDK can be started beside lnds here, and in words why not. Nobody builds them unasked. */
export function ldkAvailable(): Availability {
  const lnd = lndAvailable()
  if (!lnd.ok || isLdkBuilt()) return lnd
  if (findCargo() === undefined)
    return { ok: false, reason: 'the LDK node is not built, and cargo (1.85 or newer), which builds it, is missing' }
  return { ok: false, reason: 'the LDK node is not built: run ./dev ldk-build (some minutes, once)' }
}
