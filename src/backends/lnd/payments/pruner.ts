import { toHex } from '../../../floor/bytes.ts'
import { BoundedSet } from '../../../floor/bounded.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { MAX_USED_HASHES, PRUNE_AGAIN_MS, PRUNE_AT_ONCE, PRUNE_END_MS, PRUNE_TRIES } from '../limits.ts'
import { DELETE_PAYMENT_URI, type LndClient } from '../rpc/client.ts'
import { isDenied } from '../rpc/errors.ts'
import { hashRequest } from '../rpc/raw-messages.ts'

export interface PrunerNeeds {
  readonly client: LndClient
  readonly clock: Clock
  emit(event: BackendEvent): void
}

/** The hash of no payment: SHA-256 has no known preimage for it. */
const NO_PAYMENT = '00'.repeat(32)

/**
 * Deletes decided payments from lnd's database, by hash: those of this program alone, and each only when its outcome is
 * stored, since lnd knows no more of it afterwards (spec/lnd.md §8). lnd itself refuses to delete what is under way.
 */
export class Pruner {
  readonly #needs: PrunerNeeds
  /** Hashes that lnd was given here, or that were asked after for the store: no other is deleted, whoever asks. */
  readonly #own = new BoundedSet<string>(MAX_USED_HASHES)
  /** Those to be deleted, with how often that failed. A bound: what is dropped stays in lnd. */
  readonly #waiting = new Map<string, number>()
  #running = 0
  #isPermitted = true
  #isStopped = false
  #cancelAgain: (() => void) | undefined
  #whenIdle: (() => void) | undefined

  constructor(needs: PrunerNeeds) {
    this.#needs = needs
  }

  /** Whether the macaroon permits it; a warning says so where it does not. Deletes nothing. */
  async probe(): Promise<void> {
    try {
      await this.#needs.client.call('deletePayment', hashRequest(NO_PAYMENT))
    } catch (error) {
      // lnd knows no such payment: then it was allowed to look.
      if (isDenied(error)) this.#denied()
    }
  }

  /** A payment of this program. */
  own(hash: string): void {
    this.#own.add(hash)
  }

  /** lnd does not know it, or it is another program's: there is nothing to delete. */
  disown(hash: string): void {
    this.#own.delete(hash)
  }

  /** The outcome of a payment is stored: lnd need not know it any more. */
  forget(hash: Uint8Array): void {
    const text = toHex(hash)
    if (!this.#isPermitted || this.#isStopped || !this.#own.has(text)) return
    this.#own.delete(text)
    if (this.#waiting.size < MAX_USED_HASHES) this.#waiting.set(text, 0)
    this.#more()
  }

  /** Deletes what is left, for PRUNE_END_MS at most. */
  async stop(): Promise<void> {
    const { clock } = this.#needs
    this.#cancelAgain?.()
    this.#cancelAgain = undefined
    this.#more()
    if (!this.#isIdle) {
      await new Promise<void>((resolve) => {
        const cancel = clock.schedule(clock.now() + PRUNE_END_MS, resolve, { ref: true })
        this.#whenIdle = () => {
          cancel()
          resolve()
        }
      })
    }
    this.#isStopped = true
    this.#waiting.clear()
  }

  get #isIdle(): boolean {
    return this.#running === 0 && this.#waiting.size === 0
  }

  #more(): void {
    if (this.#cancelAgain !== undefined) return
    for (const [hash, failures] of this.#waiting) {
      if (this.#running >= PRUNE_AT_ONCE || this.#isStopped) return
      this.#waiting.delete(hash)
      this.#running += 1
      this.#needs.client.call('deletePayment', hashRequest(hash)).then(
        () => this.#done(),
        (error: unknown) => this.#failed(hash, failures + 1, error),
      )
    }
  }

  #failed(hash: string, failures: number, error: unknown): void {
    if (isDenied(error)) this.#denied()
    else if (failures < PRUNE_TRIES && !this.#isStopped) {
      // lnd has an outcome a moment before its database does; or it is away.
      this.#waiting.set(hash, failures)
      this.#again()
    }
    this.#done()
  }

  #again(): void {
    const { clock } = this.#needs
    this.#cancelAgain ??= clock.schedule(clock.now() + PRUNE_AGAIN_MS, () => {
      this.#cancelAgain = undefined
      this.#more()
    })
  }

  #done(): void {
    this.#running -= 1
    this.#more()
    if (this.#isIdle) this.#whenIdle?.()
  }

  #denied(): void {
    this.#waiting.clear()
    if (!this.#isPermitted) return
    this.#isPermitted = false
    const message = `lnd does not permit payments to be deleted with this macaroon, so they stay: bake one that also permits uri:${DELETE_PAYMENT_URI} (docs/own-node.md)`
    this.#needs.emit({ type: 'warning', code: 'prune-denied', message })
  }
}
