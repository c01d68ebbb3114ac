import { MAX_WAITING_OFFERS, SILENT_MS, TURN_MS } from './limits.ts'
import { TransferError } from './errors.ts'
import { equalBytes } from '../../floor/bytes.ts'
import type { TransferOffer } from './messages.ts'
import { sleep, type Time } from './waiting.ts'

/** A connection that sends. */
export interface SendingConnection {
  /** When the last byte came, ms of the clock. */
  readonly lastByteMs: number
  /** Ends it for another connection; resolves when its part is let go. */
  giveWay(): Promise<void>
}

/** A transfer that has its turn. */
export interface QueuedTransfer extends SendingConnection {
  readonly offer: TransferOffer
}

/** Who is there, and who writes what: one connection for each file, and for each stream of one sender (file-transfer §4.4). */
export class TransferQueue {
  readonly #time: Time
  readonly #guests: Set<SendingConnection> = new Set()
  readonly #turns: Set<QueuedTransfer> = new Set()
  #waiting = 0

  constructor(time: Time) {
    this.#time = time
  }

  enter(guest: SendingConnection): void {
    this.#guests.add(guest)
  }

  /** Its turn is over as well. */
  leave(turn: QueuedTransfer): void {
    this.#guests.delete(turn)
    this.#turns.delete(turn)
  }

  /** Ends the connection that was silent longest, where that was too long: another one found no place (file-transfer §4.5). */
  makeRoom(): void {
    const [silent] = [...this.#guests].toSorted((a, b) => a.lastByteMs - b.lastByteMs)
    if (silent === undefined || !this.#isSilent(silent)) return
    this.#guests.delete(silent)
    void silent.giveWay()
  }

  /**
   * Takes the turn when nobody else receives what is offered.
   * @param wait told once, where it takes longer than at once; the signal ends the waiting, and the turn is not taken
   * @throws TransferError BUSY where enough wait already
   */
  async waitForTurn(
    turn: QueuedTransfer,
    options: { readonly wait: () => void; readonly signal: AbortSignal },
  ): Promise<void> {
    const { offer } = turn
    let isWaiting = false
    try {
      while (!options.signal.aborted) {
        const other = [...this.#turns].find((held) => contends(held.offer, offer))
        if (other === undefined) {
          this.#turns.add(turn)
          return
        }
        if (this.#isSilent(other) || equalBytes(other.offer.session, offer.session)) {
          await other.giveWay()
          continue
        }
        if (!isWaiting) {
          if (this.#waiting >= MAX_WAITING_OFFERS)
            throw new TransferError('BUSY', 'enough senders wait for their turn already')
          this.#waiting++
          isWaiting = true
          options.wait()
        }
        await sleep(this.#time, TURN_MS, options.signal)
      }
    } finally {
      if (isWaiting) this.#waiting--
    }
  }

  #isSilent({ lastByteMs }: SendingConnection): boolean {
    return this.#time.now() - lastByteMs >= SILENT_MS
  }
}

/** The same file, or the same stream of the same run. */
function contends(a: TransferOffer, b: TransferOffer): boolean {
  if (a.name !== b.name) return false
  if (a.content === undefined || b.content === undefined) {
    return a.content === b.content && equalBytes(a.session, b.session)
  }
  return a.content.size === b.content.size && equalBytes(a.content.sha256, b.content.sha256)
}
