import type { Code } from '../../wire/errors.ts'
import type { AccountView, ConnectionEvent, ConnectionSettings, ConnectionStats } from '../connection/interface.ts'
import type { Deadline } from './deadlines.ts'
import type { ConnectOptions, ConnectTarget } from '../options/options.ts'
import type { ConnectionDefaults } from '../options/settings.ts'

/** What a connection lets its owner change while it lives. */
export type HandleSettings = Partial<Pick<ConnectionSettings, 'keepAliveMs' | 'noDelay' | 'capMsat'>>

/** A connection as its socket sees it: the driver's side of the edge between streams and packets. */
export interface ConnectionHandle {
  /** Bytes that were written and never sent. */
  readonly unsentBytes: number
  /** Bytes that were written and are not acknowledged yet. */
  readonly bufferedBytes: number
  readonly account: AccountView
  /** A cap stands against what it would send. */
  readonly isPaused: boolean
  readonly stats: ConnectionStats
  /** Nodes that could stand behind this side's reply paths, by what the payer can compute; undefined: no paths. */
  readonly candidates: number | undefined
  now(): number
  /** Who hears what happens, one event after the other; undefined: nobody is interested any more. */
  setListener(listener: ((event: ConnectionEvent) => void) | undefined): void
  /** Takes ownership of `data`. */
  write(data: Uint8Array): void
  finish(): void
  /** Bytes that can be read now; also of a connection that failed. */
  readonly readableBytes: number
  read(): Uint8Array | undefined
  stopReading(): void
  reset(code: Code, reason: string): void
  sendMessage(id: Uint8Array, data: Uint8Array): void
  configure(settings: HandleSettings): void
  /** Whether the process stays alive for this connection. */
  hold(holds: boolean): void
  addDeadline(fire: () => void): Deadline
  /** `atMs`: undefined disarms. */
  setDeadline(deadline: Deadline, atMs: number | undefined): void
  /** Calls back in a later turn of the event loop; the result cancels that. */
  soon(callback: () => void): () => void
  /** Unpredictable bytes. */
  random(length: number): Uint8Array
}

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
