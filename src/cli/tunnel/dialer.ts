import type { ConnectOptions, Endpoint, Socket } from '../../index.ts'
import { codeOf } from '../transfer/errors.ts'
import { priceRefused, type Prices, type Seller } from './prices.ts'
import type { About, Tunnel } from './tunnel.ts'
import { publicKeyOf } from '../words.ts'

/** Where a connection goes: an address of spec §1.6, and a port. */
export interface DialTarget {
  readonly address: string
  readonly port: number
}

interface DialerOptions {
  readonly endpoint: Endpoint
  readonly tunnel: Tunnel
  readonly prices: Prices
  readonly idleTimeoutMs: number
  /** Say who calls, with the packet that opens the connection: for servers that have a list. */
  readonly isIdentified: boolean
}

/** Makes the connections of a buyer, all in the same way: half open, and at prices that somebody has accepted. */
export class Dialer {
  readonly #options: DialerOptions

  constructor(options: DialerOptions) {
    this.#options = options
  }

  /** @throws KeysockError ERR_KEYSOCK_COST where the cap of the hour is filled */
  dial({ address, port }: DialTarget, more: ConnectOptions = {}): Socket {
    const { endpoint, tunnel, prices, idleTimeoutMs, isIdentified } = this.#options
    tunnel.checkHour()
    return endpoint.createConnection(address, port, {
      allowHalfOpen: true,
      idleTimeout: idleTimeoutMs,
      ...(isIdentified && { identify: 'open' as const }),
      ...prices.optionsFor(sellerOf({ address, port })),
      ...more,
    })
  }

  /** What a tunnel tells of a connection to there. */
  about(target: DialTarget): About {
    const seller = sellerOf(target)
    const explain = (error: Error): string | undefined =>
      codeOf(error) === 'ERR_KEYSOCK_PRICE' ? priceRefused(seller, this.#options.prices.of(seller)) : undefined
    return { ...seller, explain }
  }
}

function sellerOf({ address, port }: DialTarget): Seller {
  return { publicKey: publicKeyOf({ address }), port }
}
