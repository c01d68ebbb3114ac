import { constants } from 'node:os'

/** The codes that a net.Socket has for the same thing. */
export type SystemCode = 'ECONNREFUSED' | 'ECONNRESET' | 'ETIMEDOUT' | 'EPIPE' | 'EHOSTUNREACH' | 'EADDRINUSE'

/** What has no like in net. */
export type OwnCode =
  /** The default endpoint was asked for and nothing says which backend it has. */
  | 'ERR_KEYSOCK_NO_BACKEND'
  /** KEYSOCK_BACKEND names a module that cannot be used. */
  | 'ERR_KEYSOCK_BAD_BACKEND'
  /** An argument or option is not what the documentation says. */
  | 'ERR_KEYSOCK_INVALID_OPTION'
  /** A host name that ends with .keysock has no public key. */
  | 'ERR_KEYSOCK_HOST_NAME'
  /** The endpoint is closed, or closing. */
  | 'ERR_KEYSOCK_ENDPOINT_CLOSED'
  /** The endpoint has as many connections as it can hold. */
  | 'ERR_KEYSOCK_TOO_MANY_CONNECTIONS'
  /** No reply path can be made that hides this node. */
  | 'ERR_KEYSOCK_NO_PATH'
  /** The other side's price is above what this side pays. */
  | 'ERR_KEYSOCK_PRICE'
  /** The other side does not pay what it was asked for (`request`). */
  | 'ERR_KEYSOCK_DECLINED'
  /** Too many requests wait for an answer of the other side. */
  | 'ERR_KEYSOCK_TOO_MANY_REQUESTS'
  /** Every way to the other side costs more for each packet than `maxFee` allows. */
  | 'ERR_KEYSOCK_FEE'
  /** The node did not help to prove its key in the packet that opens the connection. */
  | 'ERR_KEYSOCK_IDENTIFY'
  /** The receiver's application refused a message; nothing was paid. `peerCode` is its code. */
  | 'ERR_KEYSOCK_REFUSED'
  /** A message with this id was taken before. */
  | 'ERR_KEYSOCK_DUPLICATE'
  /** A payment of a message has no outcome yet. */
  | 'ERR_KEYSOCK_UNDECIDED'
  /** Nothing can be said about a message any more: its payment went one way or the other. */
  | 'ERR_KEYSOCK_MESSAGE_OVER'
  /** The policy does not allow it, or cannot be read. */
  | 'ERR_KEYSOCK_POLICY'
  /** The cost cap ended the connection. */
  | 'ERR_KEYSOCK_COST'
  /** The store could not be read or written: nothing is paid without it. */
  | 'ERR_KEYSOCK_STORE'
  /** Another process uses the store's folder. */
  | 'ERR_KEYSOCK_STORE_LOCKED'
  /** A file of the store is not what this library writes. */
  | 'ERR_KEYSOCK_STORE_CORRUPT'
  /** The store holds the state of another node. */
  | 'ERR_KEYSOCK_STORE_OTHER_NODE'
  /** The trace that was asked for cannot be written. */
  | 'ERR_KEYSOCK_TRACE'
  /** Metrics cannot be served on that address. */
  | 'ERR_KEYSOCK_METRICS'
  /** A server listens already, or does not. */
  | 'ERR_SERVER_ALREADY_LISTEN'
  | 'ERR_SERVER_NOT_RUNNING'
  /** net's code for a port that is none. */
  | 'ERR_SOCKET_BAD_PORT'
  /** The socket is closed. */
  | 'ERR_SOCKET_CLOSED'

/** Every error of this library: a stable `code` and a message that says what to do. */
export class KeysockError extends Error {
  readonly code: string
  /** The call that failed, as net names it: connect, read, listen ... */
  readonly syscall?: string
  /** The system's (negative) number for `code`, as in net. */
  readonly errno?: number
  /** The other side's public key, in hexadecimal, where it is known. */
  readonly address?: string
  readonly port?: number
  /**
   * What the other side refused or reset the connection with, where it did (spec §11): numbers from 256 on are its
   * application's own.
   */
  readonly peerCode?: number
  /** What the other side asks for an opening, msat, where that is more than `maxOpeningPrice`. */
  readonly openingPriceMsat?: bigint

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'KeysockError'
    this.code = code
    const errno = (constants.errno as Readonly<Record<string, number>>)[code]
    if (errno !== undefined) this.errno = -errno
    if (details.syscall !== undefined) this.syscall = details.syscall
    if (details.address !== undefined) this.address = details.address
    if (details.port !== undefined) this.port = details.port
    if (details.peerCode !== undefined) this.peerCode = details.peerCode
    if (details.openingPriceMsat !== undefined) this.openingPriceMsat = details.openingPriceMsat
  }
}

export interface ErrorDetails {
  readonly syscall?: string
  readonly address?: string
  readonly port?: number
  readonly peerCode?: number | undefined
  readonly openingPriceMsat?: bigint | undefined
  readonly cause?: unknown
}

/** An argument that is not what the documentation says. */
export function invalidOption(message: string): KeysockError {
  return new KeysockError('ERR_KEYSOCK_INVALID_OPTION', message)
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** What a value is, for a message about it. */
export function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
