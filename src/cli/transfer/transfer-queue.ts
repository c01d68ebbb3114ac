import { equalBytes } from '../../floor/bytes.ts'
import { TransferError } from './errors.ts'
import { MAX_SETS, MAX_WAITING_OFFERS, SILENT_MS, TURN_MS } from './limits.ts'
import { isSameContent, type TransferOffer } from './messages.ts'
import { sleep, type Time } from './waiting.ts'

/** A connection that sends. */
export interface SendingConnection {
  /** When the last byte came that could come, ms of the clock. */
  readonly lastByteMs: number
  /** Ends it for another connection; resolves when its part is let go. */
  giveWay(): Promise<void>
}

/** A transfer that has its turn, or waits for it. */
export interface QueuedTransfer extends SendingConnection {
  readonly offer: TransferOffer
}

/**
 * The connections that are there, and which of them receives what: at most one at a time receives the same file, or the
 * same stream of one sender (file-transfer §4.4).
 */
export class TransferQueue {
  readonly #time: Time
  readonly #connections: Set<SendingConnection> = new Set()
  readonly #receiving: Set<QueuedTransfer> = new Set()
  #waiting = 0
  readonly #sets: Set<SendingConnection> = new Set()

  constructor(time: Time) {
    this.#time = time
  }

  enter(connection: SendingConnection): void {
    this.#connections.add(connection)
  }

  /**
   * A set is taken, until `leaveSet`: its list is in memory (file-transfer §7.10). Of too many, the one that was silent
   * longest gives way, where that was too long. @throws TransferError BUSY
   */
  async takeSet(connection: SendingConnection): Promise<void> {
    if (this.#sets.size < MAX_SETS) {
      this.#sets.add(connection)
      return
    }
    const silent = this.#longestSilent(this.#sets)
    if (silent === undefined) throw new TransferError('BUSY', 'the receiver takes enough folders already')
    this.#sets.delete(silent)
    this.#sets.add(connection)
    await silent.giveWay()
  }

  leaveSet(connection: SendingConnection): void {
    this.#sets.delete(connection)
  }

  /** Its turn is over as well. */
  leave(transfer: QueuedTransfer): void {
    this.#connections.delete(transfer)
    this.#receiving.delete(transfer)
  }

  /**
   * Another connection found no place: ends the one that was silent longest, where that was too long
   * (file-transfer §4.5).
   */
  makeRoom(): void {
    const silent = this.#longestSilent(this.#connections)
    if (silent === undefined) return
    this.#connections.delete(silent)
    void silent.giveWay()
  }

  /**
   * Resolves when nobody else receives what is offered: it is the transfer's turn then, until it leaves.
   * @param wait called once, where there is anything to wait for; the signal ends the waiting without a turn
   * @throws TransferError BUSY where enough wait already
   */
  async waitForTurn(
    transfer: QueuedTransfer,
    options: { readonly wait: () => void; readonly signal: AbortSignal },
  ): Promise<void> {
    const { offer } = transfer
    let isWaiting = false
    try {
      while (!options.signal.aborted) {
        const other = [...this.#receiving].find((current) => contends(current.offer, offer))
        if (other === undefined) {
          this.#receiving.add(transfer)
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

  /** Undefined where none was silent for too long. */
  #longestSilent(connections: ReadonlySet<SendingConnection>): SendingConnection | undefined {
    const [silent] = [...connections].toSorted((a, b) => a.lastByteMs - b.lastByteMs)
    return silent !== undefined && this.#isSilent(silent) ? silent : undefined
  }

  #isSilent({ lastByteMs }: SendingConnection): boolean {
    return this.#time.now() - lastByteMs >= SILENT_MS
  }
}

/** The same file, or the same stream of the same run. */
function contends(a: TransferOffer, b: TransferOffer): boolean {
  if (a.name !== b.name || !isSameContent(a.content, b.content)) return false
  return a.content !== undefined || equalBytes(a.session, b.session)
}
