import { randomFillSync } from 'node:crypto'
import type { Entropy } from '../backends/backend.ts'

/** The operating system's randomness, for backends that bring none of their own. */
export const realEntropy: Entropy = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}
