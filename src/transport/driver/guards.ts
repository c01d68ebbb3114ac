import { GUARD_TRUST_MS, MAX_AVOIDED_GUARDS } from '../limits.ts'

/** Relays of a reply path, in hexadecimal: the introduction node first, the peer of the own node last. */
type Chain = readonly string[]

/**
 * The relays over which the reply paths of the own node lead, by what came over them in this process (spec §9.5). A
 * chain is kept for as long as it brings anything: every other that is tried tells a payer more about who hides behind.
 */
export class Guards {
  readonly #byPath: Map<string, Chain> = new Map()
  /** Those that stood on a path over which something came: few, as a chain is kept. */
  readonly #heardAt: Map<string, number> = new Map()
  /** Relays that stood before another one, and peers of the own node. */
  readonly #fronts: Set<string> = new Set()
  readonly #peers: Set<string> = new Set()
  /** How often chains were given up, MAX_AVOIDED_GUARDS at most. */
  #givenUp = 0

  /** Over which no paths are made any more; undefined: none. */
  get avoided(): readonly string[] | undefined {
    const all = new Set([...this.#fronts, ...this.#peers])
    return all.size === 0 ? undefined : [...all]
  }

  /** These paths were made over `chain`. */
  made(pathIds: readonly string[], chain: Chain): void {
    for (const pathId of pathIds) this.#byPath.set(pathId, chain)
  }

  closed(pathId: string): void {
    this.#byPath.delete(pathId)
  }

  /** Something authentic came over this path. */
  heard(now: number, pathId: string): void {
    for (const relay of this.#byPath.get(pathId) ?? []) this.#heardAt.set(relay, now)
  }

  /**
   * What was to come over `chain` did not. True: from now on it is avoided, with every relay that it may be due to:
   * nobody can tell which of them it was.
   */
  silent(now: number, chain: Chain): boolean {
    if (chain.some((relay) => this.#fronts.has(relay) || this.#peers.has(relay))) return true
    const suspects = chain.filter((relay) => !this.#isTrusted(now, relay))
    if (suspects.length === 0 || this.#givenUp >= MAX_AVOIDED_GUARDS) return false
    this.#givenUp++
    for (const relay of suspects) (relay === chain.at(-1) ? this.#peers : this.#fronts).add(relay)
    return true
  }

  /** There is no way without them: peers that brought nothing are taken again, then also those in front of them. */
  forgive(): void {
    if (this.#fronts.size > 0 && this.#peers.size > 0) return this.#peers.clear()
    this.#peers.clear()
    this.#fronts.clear()
    this.#givenUp = 0
  }

  #isTrusted(now: number, relay: string): boolean {
    const heardAt = this.#heardAt.get(relay)
    return heardAt !== undefined && now - heardAt < GUARD_TRUST_MS
  }
}
