/** The process's edge to real chance: the one file of src that asks the operating system for random bytes. */
import { randomFillSync } from 'node:crypto'

/** A source of unpredictable bytes. */
export interface Entropy {
  /** `length` fresh random bytes. */
  bytes(length: number): Uint8Array
}

/** The operating system's randomness. */
export const processEntropy: Entropy = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}
