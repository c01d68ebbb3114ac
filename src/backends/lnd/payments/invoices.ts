import { BackOff } from '../../../floor/back-off.ts'
import type { Clock } from '../../../floor/clock.ts'
import type { BackendEvent } from '../../backend.ts'
import { MAX_KEYSEND_RECORDS } from '../../../medium/limits.ts'
import { MAX_RECORD_BYTES, NODE_RECONNECT, SETTLED_LOOK_MS } from '../limits.ts'
import { asBackendError, isDenied } from '../rpc/errors.ts'
import { type LndClient, type ServerStream } from '../rpc/client.ts'
import { foreignRecords, recordOf, type RawInvoice } from '../rpc/raw-messages.ts'

export interface InvoicesNeeds {
  readonly client: LndClient
  readonly clock: Clock
  emit(event: BackendEvent): void
  /** Plain keysends are wanted, too. */
  readonly tellsKeysends: boolean
  suspect(error: unknown): void
}

/**
 * Keysends with our record, and plain ones where they are wanted, read from the invoice stream with an index of our
 * own: npm lightning's wrapper loses its cursor at a reconnect (spec/lnd.md §4). Everything else that
 * settles is left alone; only its index is remembered.
 */
export class Invoices {
  /**
   * Whether the node has ever settled an invoice with this index. lnd tells at once of what it has settled after an
   * index, and of the present nothing: silence for a while means that it is behind.
   */
  static hasSettled({ client, clock }: Pick<InvoicesNeeds, 'client' | 'clock'>, index: bigint): Promise<boolean> {
    // What comes after 0 cannot be asked for: to lnd that means "from now on".
    if (index <= 1n) return Promise.resolve(true)
    return new Promise((resolve) => {
      const from = (index - 1n).toString()
      const stream = client.stream('subscribeInvoices', { add_index: '0', settle_index: from })
      const cancelTimer = clock.schedule(clock.now() + SETTLED_LOOK_MS, () => done(false))
      const done = (hasSettled: boolean): void => {
        cancelTimer()
        stream.cancel()
        resolve(hasSettled)
      }
      stream.on('data', (message) => {
        if (BigInt((message as RawInvoice).settle_index) >= index) done(true)
      })
      // Where the stream is not to be had, the one that reads the invoices says why.
      stream.on('error', () => done(true))
      stream.on('end', () => done(true))
    })
  }

  readonly #needs: InvoicesNeeds
  /** The index of the last settlement seen; undefined: none so far, and earlier ones are not wanted. */
  #settleIndex: bigint | undefined
  #stream: ServerStream | undefined
  #stopped = false
  readonly #retry = new BackOff(NODE_RECONNECT)
  #cancelRetry: (() => void) | undefined

  constructor(needs: InvoicesNeeds, settleIndex: bigint | undefined) {
    this.#needs = needs
    this.#settleIndex = settleIndex
  }

  /** Opens the stream where there is none. */
  open(): void {
    if (this.#stopped || this.#stream !== undefined) return
    this.#cancelRetry?.()
    // lnd sends what comes after the index; 0 means "from now on" to it, so what comes after 0 is asked for from 1.
    const from = this.#settleIndex === undefined ? 0n : this.#settleIndex > 0n ? this.#settleIndex : 1n
    const stream = this.#needs.client.stream('subscribeInvoices', { add_index: '0', settle_index: from.toString() })
    this.#stream = stream
    stream.on('data', (message) => this.#receive(stream, message as RawInvoice))
    stream.on('error', (error) => this.#ended(stream, error))
    stream.on('end', () => this.#ended(stream, undefined))
  }

  /** Cancels a stream that may be dead; `open` makes another. */
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
    if (this.#needs.tellsKeysends && invoice.is_keysend === true) this.#tellKeysend(invoice, settleIndex)
  }

  /** One that others send. The preimage stays here. */
  #tellKeysend(invoice: RawInvoice, settleIndex: bigint): void {
    const settled = invoice.htlcs.filter(({ state }) => state === 'SETTLED')
    const records = settled
      .flatMap(({ custom_records: custom }) => foreignRecords(custom))
      .slice(0, MAX_KEYSEND_RECORDS)
    const amountMsat = BigInt(invoice.amt_paid_msat)
    const hash = Uint8Array.from(invoice.r_hash)
    this.#needs.emit({ type: 'keysend', records, amountMsat, hash, settleIndex })
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
