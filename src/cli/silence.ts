import { DEAD_MS } from './transfer/bounds.ts'

/** How long the other process has given no sign although something is owed to this one (file-transfer §5.2). */
export class Silence {
  #acknowledged = 0
  #signMs: number

  constructor(nowMs: number) {
    this.#signMs = nowMs
  }

  /** Bytes of one connection: what was written to it, and what the other process has acknowledged. */
  update({
    written,
    acknowledged,
    nowMs,
  }: {
    readonly written: number
    readonly acknowledged: number
    readonly nowMs: number
  }): void {
    if (acknowledged > this.#acknowledged || acknowledged >= written) this.#signMs = nowMs
    this.#acknowledged = acknowledged
  }

  /** A pause of our own is no fault of the other side. */
  excuse(nowMs: number): void {
    this.#signMs = nowMs
  }

  isTooLong(nowMs: number): boolean {
    return nowMs - this.#signMs >= DEAD_MS
  }
}
