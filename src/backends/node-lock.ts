/**
 * One process at a time has a node to itself: of two, each would refuse the other's callers, since an OPEN tells its
 * port to its receiver only. The lock is one for each node, by key and network, and user (spec/daemon.md §2.5).
 */
import { join } from 'node:path'
import { type SocketLock, takeLock } from '../floor/socket-lock.ts'
import { BackendError } from './backend.ts'

/** Which node, and who wants it. */
export interface NodeClaim {
  /** 66 hexadecimal digits. */
  readonly publicKeyHex: string
  readonly network: string
  /** `keysockHome`. */
  readonly home: string
  /** Where this process is a daemon: its socket. */
  readonly daemonSocket?: string | undefined
  /** The command line that starts a daemon for this node. */
  readonly daemonCommand: string
}

export interface NodeLock {
  release(): Promise<void>
}

/** What a holder says of itself. */
interface Holder {
  readonly pid: number
  readonly daemonSocket?: string
}

/** Locks of this process. What one process does with a node is its own affair. */
const held = new Map<string, { readonly taking: Promise<SocketLock>; users: number }>()

/** Digits of a key in the name of a file: 64 bits tell all nodes apart, and a socket's path is short. */
const KEY_DIGITS = 18

/** The name of files and folders that are of one node, by network and key. */
export function nodeName({ network, publicKeyHex }: Pick<NodeClaim, 'network' | 'publicKeyHex'>): string {
  return `${network}-${publicKeyHex.slice(0, KEY_DIGITS)}`
}

/**
 * @throws BackendError 'node-in-use' where another process has the node; and what the file system does, where no lock
 * can be made
 */
export async function lockNode(claim: NodeClaim): Promise<NodeLock> {
  const path = join(claim.home, 'nodes', `${nodeName(claim)}.lock`)
  const entry = held.get(path) ?? { taking: take(path, claim), users: 0 }
  held.set(path, entry)
  entry.users += 1
  const leave = (): boolean => {
    entry.users -= 1
    if (entry.users > 0 || held.get(path) !== entry) return false
    held.delete(path)
    return true
  }
  try {
    const lock = await entry.taking
    let isHeld = true
    return {
      release: async () => {
        if (!isHeld) return
        isHeld = false
        if (leave()) await lock.release()
      },
    }
  } catch (error) {
    leave()
    throw error
  }
}

async function take(path: string, claim: NodeClaim): Promise<SocketLock> {
  const { daemonSocket } = claim
  const holder: Holder = { pid: process.pid, ...(daemonSocket !== undefined && { daemonSocket }) }
  const attempt = await takeLock(path, () => JSON.stringify(holder))
  if (!attempt.isTaken) return attempt.lock
  throw nodeInUse(readHolder(attempt.words), claim)
}

function readHolder(words: string): Partial<Holder> {
  try {
    const { pid, daemonSocket } = JSON.parse(words) as Readonly<Record<string, unknown>>
    return {
      ...(Number.isSafeInteger(pid) && { pid: pid as number }),
      ...(typeof daemonSocket === 'string' && { daemonSocket }),
    }
  } catch {
    // It is busy, or of another version: that it has the node is certain all the same.
    return {}
  }
}

function nodeInUse({ pid, daemonSocket }: Partial<Holder>, claim: NodeClaim): BackendError {
  const who = pid === undefined ? 'another process' : `process ${pid}`
  if (daemonSocket !== undefined) {
    const what = `a keysock daemon (${who}) has this node; attach to it: KEYSOCK_DAEMON=${daemonSocket}`
    return new BackendError('node-in-use', what, { daemonSocket })
  }
  const what =
    claim.daemonSocket === undefined
      ? `${who} has this node to itself, and two programs on one node refuse each other's callers; end it, run "${claim.daemonCommand}", then start both: they attach to it`
      : `${who} has this node to itself; end it, start the daemon, then start it again: it attaches`
  return new BackendError('node-in-use', what)
}
