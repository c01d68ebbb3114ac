/** The Unix socket between programs and their daemon: where it is, and how it is reached. */
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../../floor/bytes.ts'
import { pause, processClock } from '../../../floor/clock.ts'
import { lockHolder } from '../../../floor/socket-lock.ts'
import { BackendError } from '../../backend.ts'
import { keysockHome } from '../../../floor/home.ts'
import { lndSocket } from '../../lnd/rpc/address.ts'
import { DAEMON_LOOK_MS, DAEMON_START_MS, MAX_SOCKET_PATH_BYTES } from './limits.ts'

/** The socket's name in the folder of a node. */
export const SOCKET_NAME = 'daemon.sock'

/** Where programs look for a daemon. */
export type DaemonChoice =
  /** KEYSOCK_DAEMON=off */
  | { readonly type: 'none' }
  /** KEYSOCK_DAEMON names it: it has to run. */
  | { readonly type: 'this'; readonly socket: string }
  /** It is used if it runs. */
  | { readonly type: 'perhaps'; readonly socket: string }

/**
 * The folder of a node's daemon, one for each lnd that the environment may name: KEYSOCK_HOME, or ~/.keysock, and in it
 * host-port of lnd's gRPC.
 */
export function daemonFolder(environment: NodeJS.ProcessEnv): string {
  const home = keysockHome(environment)
  const node = lndSocket(undefined, environment)
    .toLowerCase()
    .replace(/^(?:127\.0\.0\.1|\[::1\])(?=:|$)/, 'localhost')
  const folder = join(home, node.replace(/[^0-9a-z.]+/g, '-'))
  // The host's name is too long for a socket's path: its digest is shorter.
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

/** Connects to a daemon. @throws BackendError 'offline', 'permission' */
async function connectTo(path: string): Promise<net.Socket> {
  const socket = net.connect(path)
  try {
    await once(socket, 'connect')
    return socket
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      throw new BackendError('permission', `this user may not use the daemon at ${path} (its --mode says who may)`)
    const what = `no daemon answers at ${path} (${code}); start one: keysock daemon`
    throw new BackendError('offline', what, { away: 'daemon' })
  }
}

/** The lock of a daemon's socket, which it holds from the start of its start to its end. */
export function startLock(path: string): string {
  return `${path}.lock`
}

/**
 * Waits for a daemon that is starting, or ending, within a bound. Resolves with whether one listens there.
 */
export async function untilStarted(path: string): Promise<boolean> {
  const untilMs = processClock.now() + DAEMON_START_MS
  while (!(await answers(path))) {
    if (!fits(startLock(path)) || (await lockHolder(startLock(path))) === undefined) return await answers(path)
    if (processClock.now() >= untilMs) return false
    await pause(DAEMON_LOOK_MS)
  }
  return true
}

/** Connects to a daemon, and waits for one that is starting. @throws BackendError 'offline', 'permission' */
export async function reach(path: string): Promise<net.Socket> {
  await untilStarted(path)
  return await connectTo(path)
}

/** Whether a daemon listens there, also one that this user may not use. */
export async function answers(path: string): Promise<boolean> {
  try {
    const socket = await connectTo(path)
    socket.destroy()
    return true
  } catch (error) {
    return error instanceof BackendError && error.code === 'permission'
  }
}

/**
 * Two ends of a connection inside of this process, in place of a socket. Each ends with the other, which Node 22 does
 * not see to when one is destroyed.
 */
export function streamPair(): readonly [Duplex, Duplex] {
  const [one, two] = duplexPair()
  // Where Node has ended the stream already, a second end changes nothing.
  one.once('close', () => two.push(null))
  two.once('close', () => one.push(null))
  return [one, two]
}
