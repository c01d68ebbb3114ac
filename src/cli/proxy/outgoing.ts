import type { Duplex } from 'node:stream'
import type { Socket } from '../../index.ts'
import type { Destination } from './destination.ts'
import type { Refusal } from './refusal.ts'

/** A connection that a client of the proxy wants. */
export interface Wish {
  readonly destination: Destination
  /** Connections of different names cannot be linked (spec §9.13); undefined: the client gave none. */
  readonly isolation: string | undefined
  /** The client has gone. */
  readonly signal: AbortSignal
}

/** The ways out of the proxy. */
export interface Outgoing {
  /** The address of a name. @throws KeysockError where there is none */
  resolve(name: string): string
  /** A connected socket, once its price is agreed on. Rejects with what connecting failed with. */
  dial(wish: Wish): Promise<Socket>
  /** Carries bytes both ways until both sides have ended. */
  join(local: Duplex, remote: Socket, destination: Destination): void
  /** A client got no connection. */
  refused(host: string, why: Refusal): void
}
