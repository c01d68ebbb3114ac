import type { ConnectionSettings } from '../connection/interface.ts'
import type { ConnectOptions, ConnectTarget } from '../options/options.ts'
import type { ConnectionDefaults } from '../options/settings.ts'
import type { DrivenConnection } from './driven-connection.ts'

/** A connection as its socket sees it: the driver's side of the edge between streams and packets. */
export type ConnectionHandle = Pick<
  DrivenConnection,
  | 'unsentBytes'
  | 'bufferedBytes'
  | 'account'
  | 'isPaused'
  | 'stats'
  | 'hungAttempts'
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
  | 'hold'
  | 'addDeadline'
  | 'setDeadline'
  | 'soon'
  | 'random'
>

/** Who gets the connections of a port. */
export interface PortListener {
  readonly settings: ConnectionSettings
  /** Connections that are being accepted at once, at most. */
  readonly backlog: number
  /** Whether there is room for one more; called once for each connection that would come. */
  admit(): boolean
  accept(handle: ConnectionHandle): void
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
