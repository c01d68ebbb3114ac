import { findGo, isBuilt } from '../lnd-build/binaries.ts'

export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/**
 * Whether real nodes can be started here, and in words why not. Only CI builds them without being asked to.
 * KEYSOCK_REAL_NODES=0 leaves them out.
 */
export function lndAvailable(): Availability {
  if (process.env['KEYSOCK_REAL_NODES'] === '0')
    return { ok: false, reason: 'KEYSOCK_REAL_NODES=0 leaves real nodes out' }
  if (isBuilt()) return { ok: true }
  if (findGo() === undefined) return { ok: false, reason: 'lnd is not built, and Go, which builds it, is missing' }
  if (isSet(process.env['CI'])) return { ok: true }
  return { ok: false, reason: 'lnd is not built: run ./dev lnd-build (about four minutes, once)' }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0'
}
