import type { Clock } from '../../floor/clock.ts'
import type { Entropy } from '../../floor/entropy.ts'
import type { Backend, NodeInfo, OutOfReach } from '../../backends/backend.ts'
import type { Connection } from '../connection/connection.ts'
import type { ConnectionFailure } from '../connection/interface.ts'
import type { KeysockError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { ConnectionDefaults } from '../options/settings.ts'
import type { Store, StoredState } from '../store/store.ts'

/** Sees every connection after each round; for tests. */
export type OnStep = (connections: Iterable<Connection>) => void

/** Why the node was or is out of reach, in words, and whether it is the node itself or the daemon that owns it. */
export interface Absence {
  readonly detail: string
  readonly away: OutOfReach
}

/** What an endpoint gives its driver: checked options, and a backend and a store that were started. */
export interface DriverOptions {
  readonly backend: Backend
  readonly info: NodeInfo
  readonly store: Store
  readonly stored: StoredState
  readonly clock: Clock
  readonly entropy: Entropy
  readonly logger: Logger
  readonly defaults: ConnectionDefaults & { readonly replies: 'phantom' | 'direct' }
  readonly maxFeeMsat: bigint
  readonly peerCapMsat: bigint
  readonly processCapMsat: bigint
  readonly relays: 1 | 2
  /** Take packets at the phantom of the node, too (spec §2.9). */
  readonly phantomLane: boolean
  readonly warn: (code: string, message: string) => void
  /** The node went away or came back. */
  readonly nodeIs: (state: 'online' | 'offline', absence: Absence) => void
  /** The store cannot go on: everything ends. */
  readonly fail: (error: KeysockError) => void
  readonly onStep?: OnStep | undefined
}

export interface DriverCounts {
  packetsStray: number
  strayMsat: bigint
  opensRefused: number
  connectionsOpened: number
  connectionsAccepted: number
}

/** What the sockets of an endpoint that closes are told. */
export const ENDPOINT_CLOSED: ConnectionFailure = {
  code: 'ERR_KEYSOCK_ENDPOINT_CLOSED',
  message: 'the endpoint was closed before the connection had ended',
}
