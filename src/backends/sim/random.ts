import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

/** So far above twice the mean nothing is drawn: 1 in 10^9 at a mean of 5. */
const POISSON_TAIL = 20

/**
 * A seeded stream of randomness: xoshiro128** over a state that SHA-256 derives
 * from a seed and a name. Streams with different names are independent, so one
 * more consumer never shifts what another draws. Not for secrets.
 */
export class Random {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: string, name: string) {
    this.#seed = `${seed}/${name}`
    const state = new DataView(sha256(utf8ToBytes(`keysock simulator/${this.#seed}`)).buffer)
    this.#a = state.getUint32(0)
    this.#b = state.getUint32(4)
    this.#c = state.getUint32(8)
    this.#d = state.getUint32(12) | 1 // never all zero
  }

  /** An independent stream below this one; draws nothing from it. */
  child(name: string): Random {
    return new Random(this.#seed, name)
  }

  /** 0 .. 2^32 - 1. */
  uint32(): number {
    const x = Math.imul(this.#b, 5)
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  /** 0 <= x < 1. */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** A whole number, 0 <= x < `bound`; `bound` up to 2^32. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  /** One of these; there is at least one. */
  oneOf<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  /** Whether an event of this probability happened. Draws nothing for 0. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability
  }

  /** An interval of a Poisson process with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction())
  }

  /** A log-normal sample with this median; `sigma` is the deviation of its logarithm. Draws nothing for 0. */
  logNormal(median: number, sigma: number): number {
    if (sigma === 0) return median
    const radius = Math.sqrt(-2 * Math.log(1 - this.fraction()))
    return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * this.fraction()))
  }

  /** Between `low` and `high`, every factor equally likely. */
  logUniform(low: number, high: number): number {
    return low * (high / low) ** this.fraction()
  }

  /** `length` bytes, four from each draw. */
  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i += 4) {
      const word = this.uint32()
      out[i] = word
      out[i + 1] = word >>> 8
      out[i + 2] = word >>> 16
      out[i + 3] = word >>> 24
    }
    return out
  }
}

/** 0 <= x < 1 from three whole numbers: for what is looked at now and then, and must not depend on how often. */
export function mixed(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ Math.imul(b + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(c + 1, 0xc2b2ae35), 0x27d4eb2f)
  hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}

/** The number of a Poisson distribution with this mean below which `fraction` of it lies. `mean` up to some 500. */
export function poisson(mean: number, fraction: number): number {
  let count = 0
  let share = Math.exp(-mean)
  let sum = share
  while (sum < fraction && count < mean * 2 + POISSON_TAIL) {
    count++
    share *= mean / count
    sum += share
  }
  return count
}
