/** A part that is looked at, before it is taken. */
export interface Look {
  /** Takes the part; false where somebody took it since the look began, also if it is free again. */
  take(): boolean
  end(): void
}

/** Which parts transfers hold, by path. */
export class PartUses {
  readonly #held: Set<string> = new Set()
  readonly #looks: Set<{ readonly path: string; isStale: boolean }> = new Set()

  isHeld(path: string): boolean {
    return this.#held.has(path)
  }

  /** False where it is held. */
  take(path: string): boolean {
    if (this.#held.has(path)) return false
    this.#held.add(path)
    for (const look of this.#looks) if (look.path === path) look.isStale = true
    return true
  }

  free(path: string): void {
    this.#held.delete(path)
  }

  /** Undefined where it is held. The look is to be ended. */
  look(path: string): Look | undefined {
    if (this.#held.has(path)) return undefined
    const look = { path, isStale: false }
    this.#looks.add(look)
    return {
      take: () => !look.isStale && this.take(path),
      end: () => void this.#looks.delete(look),
    }
  }
}
