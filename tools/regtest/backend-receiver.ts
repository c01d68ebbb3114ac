import { toHex } from '../../src/floor/bytes.ts'
import type { BackendEvent } from '../../src/backends/backend.ts'
import { createLndBackend } from '../../src/lnd.ts'
import type { LndNode } from './lnd-node.ts'

type Offer = Extract<BackendEvent, { type: 'offer' }>

/** A backend without a transport, that is paid over hidden paths. The record of a payment is its preimage. */
export class BackendReceiver {
  readonly backend: ReturnType<typeof createLndBackend>
  readonly offers: Offer[] = []
  readonly gone: string[] = []
  /** Hashes, in hex. */
  readonly confirmed: string[] = []
  readonly warnings: string[] = []
  /** Offers are answered at once unless told. */
  holds = false
  /** Called when an answer was handed over. */
  settled: () => void = () => undefined

  private constructor(backend: ReturnType<typeof createLndBackend>) {
    this.backend = backend
  }

  static async attach(node: LndNode, socket: string = node.socket): Promise<BackendReceiver> {
    const receiver = new BackendReceiver(createLndBackend({ socket, cert: node.certPath, macaroon: node.macaroonPath }))
    await receiver.backend.start({ sink: (event) => receiver.#receive(event) })
    return receiver
  }

  /** A path for this payer. */
  async path(payer: Uint8Array): Promise<Uint8Array> {
    const { paths } = await this.backend.makePaths({ count: 1, payer, relays: 1, lifetimeBlocks: 300 })
    return paths[0]?.bytes ?? new Uint8Array()
  }

  settle({ offerId, record }: Offer): void {
    void this.backend.answer(offerId, { action: 'settle', preimage: record.slice(0, 32) })
    this.settled()
  }

  #receive(event: BackendEvent): void {
    if (event.type === 'offer-gone') this.gone.push(event.offerId)
    if (event.type === 'offer-confirmed') this.confirmed.push(toHex(event.hash))
    if (event.type === 'warning') this.warnings.push(event.code)
    if (event.type !== 'offer') return
    this.offers.push(event)
    if (!this.holds) this.settle(event)
  }
}
