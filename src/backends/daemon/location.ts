import { homedir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../floor/bytes.ts'
import { lndSocket } from '../lnd/rpc/address.ts'
import { MAX_SOCKET_PATH_BYTES } from './bounds.ts'

/** The socket's name in the folder of a node. */
export const SOCKET_NAME = 'daemon.sock'

/** Where programs look for a daemon. */
export type DaemonChoice =
  /** KEYSOCK_DAEMON=off */
  | { readonly type: 'none' }
  /** KEYSOCK_DAEMON names it: without it nothing goes on. */
  | { readonly type: 'this'; readonly socket: string }
  /** If it runs. */
  | { readonly type: 'perhaps'; readonly socket: string }

/**
 * The folder of a node's daemon, one for each lnd that the environment may name: KEYSOCK_HOME, or ~/.keysock, and in it
 * host-port of lnd's gRPC.
 */
export function daemonFolder(environment: NodeJS.ProcessEnv): string {
  const named = environment['KEYSOCK_HOME'] ?? ''
  const home = named === '' ? join(homedir(), '.keysock') : named
  const node = lndSocket(undefined, environment)
    .toLowerCase()
    .replace(/^(?:127\.0\.0\.1|\[::1\])(?=:|$)/, 'localhost')
  const folder = join(home, node.replace(/[^0-9a-z.]+/g, '-'))
  // A long host name: a digest of it is as good, and shorter.
  if (fits(join(folder, SOCKET_NAME))) return folder
  return join(home, toHex(sha256(new TextEncoder().encode(node))).slice(0, 12))
}

export function daemonChoice(environment: NodeJS.ProcessEnv): DaemonChoice {
  const named = environment['KEYSOCK_DAEMON'] ?? ''
  if (named === 'off') return { type: 'none' }
  if (named !== '') return { type: 'this', socket: named }
  return { type: 'perhaps', socket: join(daemonFolder(environment), SOCKET_NAME) }
}

/** Whether the system takes a socket of this name. */
export function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
}
