import { Random } from '../../src/backends/sim/random.ts'
import { counters, numbers, placesCounted, words } from './instrument.ts'
import { mutate } from './mutate.ts'
import type { Target } from './target.ts'

/** Of new inputs, those that change what was found last: that is where new ways are. */
const RECENT_SHARE = 0.5
const RECENT_PART = 4
/** Executions to make a finding or an input smaller. */
const MAX_TRIMS = 2_000

/** An input for which the target threw. */
export interface Finding {
  readonly input: Uint8Array
  readonly error: Error
}

/** Throws changed inputs at a target and keeps those that go new ways. The same seed does the same. */
export class Fuzzer {
  readonly #target: Target
  readonly #random: Random
  readonly #corpus: Uint8Array[] = []
  /** By place: the counts that were seen, as bits. */
  readonly #seen: Uint8Array = new Uint8Array(counters.length)
  /** Of the sources that the target has loaded. */
  readonly #words: readonly string[] = [...words]
  readonly #numbers: readonly bigint[] = [...numbers]
  executions = 0

  constructor(target: Target, seed: number) {
    this.#target = target
    this.#random = new Random(String(seed), `fuzz ${target.name}`)
  }

  get corpus(): readonly Uint8Array[] {
    return this.#corpus
  }

  /** Places that ran with these inputs, at whatever count. */
  get places(): number {
    let places = 0
    for (const bits of this.#seen) if (bits !== 0) places++
    return places
  }

  /** Takes an input in if it goes a new way. */
  async add(input: Uint8Array): Promise<Finding | undefined> {
    const error = await this.#execute(input)
    if (error !== undefined) return { input, error }
    if (this.#learn()) this.#corpus.push(input)
    return undefined
  }

  /** One new input. */
  async step(): Promise<Finding | undefined> {
    const { maxBytes, fields } = this.#target
    const random = this.#random
    const input = mutate(this.#chosen(), {
      random,
      maxBytes,
      words: this.#words,
      numbers: this.#numbers,
      other: this.#chosen(),
      fields,
    })
    return await this.add(input)
  }

  /** The smallest input found that throws as this one does. */
  async smaller({ input, error }: Finding): Promise<Finding> {
    const small = await this.#trim(input, async (each) => {
      const thrown = await this.#execute(each)
      return thrown !== undefined && sameFault(thrown, error)
    })
    return { input: small, error: (await this.#execute(small)) ?? error }
  }

  /** Few and small inputs that go all the ways which the corpus goes. */
  async minimized(): Promise<readonly Uint8Array[]> {
    this.#seen.fill(0)
    const kept: Uint8Array[] = []
    for (const input of this.#corpus.toSorted((a, b) => a.length - b.length || Buffer.compare(a, b))) {
      await this.#execute(input)
      if (this.#learn()) kept.push(input)
    }
    return kept
  }

  #chosen(): Uint8Array {
    const { length } = this.#corpus
    const recent = Math.ceil(length / RECENT_PART)
    const at = this.#random.chance(RECENT_SHARE)
      ? length - 1 - this.#random.below(Math.max(1, recent))
      : this.#random.below(Math.max(1, length))
    return this.#corpus[at] ?? new Uint8Array()
  }

  async #execute(input: Uint8Array): Promise<Error | undefined> {
    this.executions++
    counters.fill(0, 0, placesCounted())
    try {
      // A copy: a target may keep it, or write into it.
      await this.#target.run(Uint8Array.from(input))
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** Whether the last execution went a way, or so often, as none before. */
  #learn(): boolean {
    let isNew = false
    const most = placesCounted()
    for (let place = 0; place < most; place++) {
      const count = counters[place] ?? 0
      if (count === 0) continue
      const bit = bitOf(count)
      const seen = this.#seen[place] ?? 0
      if ((seen & bit) !== 0) continue
      this.#seen[place] = seen | bit
      isNew = true
    }
    return isNew
  }

  /** Leaves pieces out, the larger ones first, while `stays` says so. */
  async #trim(input: Uint8Array, stays: (input: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
    let small = input
    let tries = 0
    for (let size = small.length >> 1; size > 0 && tries < MAX_TRIMS; size >>= 1) {
      for (let at = 0; at < small.length && tries < MAX_TRIMS; tries++) {
        const without = Buffer.concat([small.subarray(0, at), small.subarray(at + size)])
        if (await stays(without)) small = without
        else at += size
      }
    }
    return small
  }
}

/** 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more: a loop that runs once more often is no new way. */
function bitOf(count: number): number {
  if (count <= 3) return 1 << (count - 1)
  if (count < 8) return 8
  if (count < 16) return 16
  if (count < 32) return 32
  return count < 128 ? 64 : 128
}

/** Of the same kind, thrown at the same place. */
function sameFault(a: Error, b: Error): boolean {
  return a.name === b.name && firstFrame(a) === firstFrame(b)
}

function firstFrame({ stack = '' }: Error): string {
  return stack.split('\n').find((line) => line.startsWith('    at ')) ?? ''
}
