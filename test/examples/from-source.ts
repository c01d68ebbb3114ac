/** Loaded before an example: there `keysock` means the sources, not what was built last. */
import { registerHooks } from 'node:module'

const sources = new URL('../../src/', import.meta.url)
const SOURCES: Readonly<Record<string, string>> = {
  keysock: 'index.ts',
  'keysock/daemon': 'daemon.ts',
  'keysock/lnd': 'lnd.ts',
  'keysock/sim': 'sim.ts',
  'keysock/backend-contract': 'backends/contract/index.ts',
}

registerHooks({
  resolve(specifier, context, next) {
    const source = SOURCES[specifier]
    return next(source === undefined ? specifier : new URL(source, sources).href, context)
  },
})
