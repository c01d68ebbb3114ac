import { BoundedMap } from '../../floor/bounded.ts'
import { toHex } from '../../floor/bytes.ts'
import type { Content } from '../../wire/notes.ts'
import { CONTENT_MS, MAX_CONTENT_BYTES, MAX_CONTENTS } from './limits.ts'

interface Kept {
  readonly bytes: Uint8Array
  readonly sinceMs: number
}

/** Contents that came as streams and wait for the payments that belong to them. Bounded in number, size and time. */
export class Contents {
  /** By port, id and hash; the oldest first. */
  readonly #kept: BoundedMap<string, Kept> = new BoundedMap(MAX_CONTENTS)

  get size(): number {
    return this.#kept.size
  }

  /** The oldest go where there is no room. */
  keep(now: number, key: string, { sha256 }: Content, bytes: Uint8Array): void {
    this.#expire(now)
    this.#kept.renew(nameOf(key, sha256), { bytes, sinceMs: now })
    for (const name of this.#kept.keys()) {
      if (this.#bytes() <= MAX_CONTENT_BYTES) return
      this.#kept.delete(name)
    }
  }

  /** What came for this message; undefined where it is not here (any more). */
  get(now: number, key: string, { sha256, length }: Content): Uint8Array | undefined {
    this.#expire(now)
    const kept = this.#kept.get(nameOf(key, sha256))
    return kept?.bytes.length === length ? kept.bytes : undefined
  }

  drop(key: string, { sha256 }: Content): void {
    this.#kept.delete(nameOf(key, sha256))
  }

  #bytes(): number {
    let sum = 0
    for (const { bytes } of this.#kept.values()) sum += bytes.length
    return sum
  }

  #expire(now: number): void {
    for (const [name, { sinceMs }] of this.#kept) {
      if (now - sinceMs <= CONTENT_MS) return
      this.#kept.delete(name)
    }
  }
}

function nameOf(key: string, sha256: Uint8Array): string {
  return `${key}/${toHex(sha256)}`
}
