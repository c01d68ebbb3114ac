import type { Lane } from '../../medium/payment.ts'
import type { ConnectionSettings } from '../connection/interface.ts'
import type { ConnectOptions, ConnectTarget, OpeningLoad } from '../options/options.ts'
import type { ConnectionDefaults } from '../options/settings.ts'
import type { DrivenConnection } from './driven-connection.ts'

/** A connection as its socket sees it: the driver's side of the edge between streams and packets. */
export type ConnectionHandle = Pick<
  DrivenConnection,
  | 'unsentBytes'
  | 'sendAheadBytes'
  | 'bufferedBytes'
  | 'account'
  | 'isPaused'
  | 'isAsked'
  | 'stats'
  | 'hungAttempts'
  | 'obstacle'
  | 'candidates'
  | 'relays'
  | 'now'
  | 'setListener'
  | 'write'
  | 'finish'
  | 'readableBytes'
  | 'read'
  | 'stopReading'
  | 'reset'
  | 'sendMessage'
  | 'configure'
  | 'credit'
  | 'pay'
  | 'ping'
  | 'request'
  | 'decline'
  | 'setTariff'
  | 'answerPrice'
  | 'hold'
  | 'addDeadline'
  | 'setDeadline'
  | 'soon'
  | 'random'
>

/** What is known of a connection before it is taken (spec §6.14). */
export interface OpeningFacts extends OpeningLoad {
  readonly port: number
  readonly lane: Lane
  /** What came with the OPEN; on the phantom lane it is refused with it. */
  readonly amountMsat: bigint
  /** Bytes of early data in the OPEN. */
  readonly bytes: number
  /** The caller's node key in hexadecimal, where the OPEN has proved it. */
  readonly remoteAddress: string | undefined
  /** Whether a decision still counts. */
  readonly isOpen: () => boolean
}

/** Undefined: the connection is taken. */
export type OpeningDecision = { readonly code: number; readonly reason: string } | undefined

/** Who gets the connections of a port. */
export interface PortListener {
  readonly settings: ConnectionSettings
  /** Connections that are being accepted at once, at most. */
  readonly backlog: number
  /** Whether there is room for one more; called once for each connection that would come. */
  admit(): boolean
  /** Connections that it has. */
  readonly connections: number
  /** What an opening costs now, msat. */
  openingPriceMsat(load: OpeningLoad): bigint
  /** Whether the application takes a connection. A promise never rejects. */
  decide(facts: OpeningFacts): OpeningDecision | Promise<OpeningDecision>
  /** `remoteKey`: of the node, where the OPEN has proved it. */
  accept(handle: ConnectionHandle, remoteKey: string | undefined): void
}

/** What sockets and servers need of their endpoint. */
export interface SocketHost {
  readonly publicKeyHex: string
  readonly defaults: ConnectionDefaults
  /**
   * @returns the port that was taken: `port`, or a free one for 0; a promise where other programs of the node are asked
   * @throws KeysockError EADDRINUSE, ERR_KEYSOCK_ENDPOINT_CLOSED
   */
  listen(port: number, listener: PortListener): number | Promise<number>
  unlisten(port: number, listener: PortListener): void
  /** @throws KeysockError ERR_KEYSOCK_ENDPOINT_CLOSED, ERR_KEYSOCK_TOO_MANY_CONNECTIONS */
  startConnection(target: ConnectTarget, options: ConnectOptions): ConnectionHandle
  /** Keeps the process alive for a server; the result lets go. */
  hold(): () => void
  /** For a server that closes with its endpoint. */
  onClose(close: () => void): () => void
}
