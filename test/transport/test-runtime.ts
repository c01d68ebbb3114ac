import type { Clock } from '../../src/floor/clock.ts'
import { silentLogger } from '../../src/transport/logger.ts'
import { Runtime } from '../../src/transport/driver/runtime.ts'
import { MemoryStore } from '../../src/transport/store/memory.ts'

/** What parts of a driver stand on, without one: random bytes are zeros, nothing is logged or kept. */
export function testRuntime(clock: Clock): Runtime {
  const ignore = (): void => undefined
  const entropy = { bytes: (length: number): Uint8Array => new Uint8Array(length) }
  return new Runtime({ clock, entropy, logger: silentLogger, store: new MemoryStore(), warn: ignore, fail: ignore })
}
