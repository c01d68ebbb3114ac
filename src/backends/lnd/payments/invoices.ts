import { BackOff } from '../../../floor/back-off.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { MAX_RECORD_BYTES, NODE_RECONNECT } from '../limits.ts'
import { asBackendError, isDenied } from '../rpc/errors.ts'
import { type LndClient, type ServerStream } from '../rpc/client.ts'
import { recordOf, type RawInvoice } from '../rpc/raw-messages.ts'

export interface InvoicesNeeds {
  readonly client: LndClient
  readonly clock: Clock
  emit(event: BackendEvent): void
  suspect(error: unknown): void
}

/**
 * Keysends with our record, read from the invoice stream with an index of our own: npm
 * lightning's wrapper loses its cursor at a reconnect (spec/lnd.md §4). Everything else that
 * settles is left alone; only its index is remembered.
 */
export class Invoices {
  readonly #needs: InvoicesNeeds
  /** The last settlement that was seen; undefined: none yet, and none before is wanted. */
  #settleIndex: bigint | undefined
  #stream: ServerStream | undefined
  #stopped = false
  readonly #retry = new BackOff(NODE_RECONNECT)
  #cancelRetry: (() => void) | undefined

  constructor(needs: InvoicesNeeds, settleIndex: bigint | undefined) {
    this.#needs = needs
    this.#settleIndex = settleIndex
  }

  /** Opens the stream; one that stands stays. */
  open(): void {
    if (this.#stopped || this.#stream !== undefined) return
    this.#cancelRetry?.()
    // 0 means "from now on" to lnd; what is after 0 begins at 1, of which lnd tells what follows.
    const from = this.#settleIndex === undefined ? 0n : this.#settleIndex > 0n ? this.#settleIndex : 1n
    const stream = this.#needs.client.stream('subscribeInvoices', { add_index: '0', settle_index: from.toString() })
    this.#stream = stream
    stream.on('data', (message) => this.#receive(stream, message as RawInvoice))
    stream.on('error', (error) => this.#ended(stream, error))
    stream.on('end', () => this.#ended(stream, undefined))
  }

  /** Lets go of a stream that may be dead; `open` makes another. */
  drop(): void {
    const stream = this.#stream
    this.#stream = undefined
    stream?.cancel()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelRetry?.()
    this.drop()
  }

  #receive(stream: ServerStream, invoice: RawInvoice): void {
    if (stream !== this.#stream) return
    this.#retry.reset()
    const settleIndex = BigInt(invoice.settle_index)
    if (invoice.state !== 'SETTLED' || settleIndex <= (this.#settleIndex ?? 0n)) return
    this.#settleIndex = settleIndex
    for (const htlc of invoice.htlcs) {
      const record = htlc.state === 'SETTLED' ? recordOf(htlc.custom_records) : undefined
      if (record === undefined || record.length > MAX_RECORD_BYTES) continue
      this.#needs.emit({
        type: 'arrival',
        record,
        amountMsat: BigInt(invoice.amt_paid_msat),
        hash: Uint8Array.from(invoice.r_hash),
        settleIndex,
      })
      return
    }
  }

  #ended(stream: ServerStream, error: unknown): void {
    if (stream !== this.#stream) return
    this.#stream = undefined
    if (this.#stopped) return
    this.#needs.suspect(error)
    if (error !== undefined && isDenied(error) && this.#retry.times === 0) {
      const { message } = asBackendError(error)
      this.#needs.emit({ type: 'warning', code: 'permission', message })
    }
    const { clock } = this.#needs
    this.#cancelRetry = clock.schedule(clock.now() + this.#retry.next(), () => this.open())
  }
}
