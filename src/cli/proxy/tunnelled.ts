import { once } from 'node:events'
import { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { turn } from '../../floor/clock.ts'
import type { ConnectOptions, Socket } from '../../index.ts'
import type { AddressBook } from '../home/address-book.ts'
import { localSocket, type LocalStreams } from '../tunnel/bridge.ts'
import type { Dialer } from '../tunnel/dialer.ts'
import type { Prices } from '../tunnel/prices.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import { printable, publicKeyOf } from '../words.ts'
import type { Destination } from './destination.ts'
import type { Outgoing, Wish } from './outgoing.ts'
import type { Refusal } from './refusal.ts'

interface TunnelledParts {
  readonly book: Pick<AddressBook, 'resolve'>
  readonly tunnel: Tunnel
  readonly dialer: Dialer
  readonly prices: Prices
  /** Tells a person why a client got nothing. */
  readonly warn: (code: string, message: string) => void
}

/** The proxy's ways out: connections of a tunnel, at prices that somebody has accepted. */
export class TunnelledOutgoing implements Outgoing {
  readonly #parts: TunnelledParts
  #hasToldElsewhere = false

  constructor(parts: TunnelledParts) {
    this.#parts = parts
  }

  resolve(name: string): string {
    return this.#parts.book.resolve(name)
  }

  async dial({ destination, isolation, signal }: Wish): Promise<Socket> {
    const { dialer, prices } = this.#parts
    const { address, port } = destination
    let agreement: Promise<boolean> | undefined
    const onPrice: ConnectOptions['onPrice'] = (tariff) =>
      (agreement = prices.agrees({ publicKey: publicKeyOf(destination), port }, tariff))
    const socket = dialer.dial({ address, port }, { onPrice, signal, ...(isolation !== undefined && { isolation }) })
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => undefined)
    socket.once('error', failed.reject)
    await Promise.race([once(socket, 'connect'), failed.promise])
    // A tariff comes with the word that the connection stands: the client hears "connected" when it is agreed on.
    await turn()
    if (agreement !== undefined && !(await agreement)) await failed.promise
    socket.off('error', failed.reject)
    return socket
  }

  join(local: Duplex, remote: Socket, { address, port }: Destination): void {
    const { tunnel, dialer } = this.#parts
    void tunnel.join(streamsOf(local), remote, dialer.about({ address, port }))
  }

  refused(host: string, { kind, message, code }: Refusal): void {
    const { warn } = this.#parts
    // A browser asks for many of these by itself.
    if (kind !== 'elsewhere') return warn(code, host === '' ? message : `${printable(host)}: ${message}`)
    if (this.#hasToldElsewhere) return
    this.#hasToldElsewhere = true
    warn(code, `${message}; further ones are refused without a word`)
  }
}

function streamsOf(local: Duplex): LocalStreams {
  if (local instanceof TcpSocket) return localSocket(local)
  return { input: local, output: local, closes: true, reset: () => void local.destroy() }
}
