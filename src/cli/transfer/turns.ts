import { SILENT_MS, TURN_MS } from './bounds.ts'
import { sameBytes } from './hashing.ts'
import type { Offer } from './messages.ts'
import { sleep, type Time } from './time.ts'

/** A transfer that has its turn. */
export interface Turn {
  readonly offer: Offer
  /** When the last byte came, ms of the clock. */
  readonly lastByteMs: number
  /** Ends it for another connection; resolves when its part is let go. */
  giveWay(): Promise<void>
}

/** Who writes what: one connection for each file, and for each stream of one sender (file-transfer §4.4). */
export class Turns {
  readonly #time: Time
  readonly #turns: Set<Turn> = new Set()

  constructor(time: Time) {
    this.#time = time
  }

  /**
   * Takes the turn when nobody else receives what is offered.
   * @param wait told once, where it takes longer than at once; the signal ends the waiting, and the turn is not taken
   */
  async take(turn: Turn, options: { readonly wait: () => void; readonly signal: AbortSignal }): Promise<void> {
    const { offer } = turn
    let told = false
    while (!options.signal.aborted) {
      const other = [...this.#turns].find((held) => contends(held.offer, offer))
      if (other === undefined) {
        this.#turns.add(turn)
        return
      }
      const isSilent = this.#time.now() - other.lastByteMs >= SILENT_MS
      if (isSilent || sameBytes(other.offer.session, offer.session)) {
        await other.giveWay()
        continue
      }
      if (!told) options.wait()
      told = true
      await sleep(this.#time, TURN_MS, options.signal)
    }
  }

  remove(turn: Turn): void {
    this.#turns.delete(turn)
  }
}

/** The same file, or the same stream of the same run. */
function contends(a: Offer, b: Offer): boolean {
  if (a.name !== b.name) return false
  if (a.content === undefined || b.content === undefined) {
    return a.content === b.content && sameBytes(a.session, b.session)
  }
  return a.content.size === b.content.size && sameBytes(a.content.sha256, b.content.sha256)
}
