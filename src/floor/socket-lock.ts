/**
 * A lock that a process holds by listening on a Unix socket. It is free again when the process ends, however it ends,
 * and whoever finds it taken can ask the holder who it is.
 */
import { once } from 'node:events'
import { link, lstat, mkdir, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { pause } from './clock.ts'

/** Each try meets a process that took the lock, or let go of it, a moment before. */
const TRIES = 5
/** More ask at once than the system lets wait, or it has no descriptor left: that says nothing of the holder. */
const CANNOT_ASK: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])
/** A holder that is busy says later who it is; that it holds the lock is certain before. */
const WORDS_MS = 1_000
/** Connections at once to who holds a lock: each lasts as long as its words take. One beyond is closed untold. */
export const MAX_ASKERS = 128

export interface SocketLock {
  release(): Promise<void>
}

export type LockAttempt =
  | { readonly isTaken: false; readonly lock: SocketLock }
  /** What the holder says of itself; empty where it did not in time. */
  | { readonly isTaken: true; readonly words: string }

/**
 * Takes the lock `path`, in a folder that is made for this user alone where it is missing.
 *
 * @param words what this process says of itself to whoever asks
 * @throws what the file system does, for a path that is too long or a folder that cannot be used
 */
export async function takeLock(path: string, words: () => string): Promise<LockAttempt> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const lock = await listenAt(path, words)
    if (lock !== undefined) return { isTaken: false, lock }
    const inode = await inodeOf(path)
    const holder = await lockHolder(path)
    if (holder !== undefined) return { isTaken: true, words: holder }
    if (inode !== undefined) await removeDead(path, inode)
  }
  return { isTaken: true, words: '' }
}

/** What the holder of a lock says of itself; empty where it says nothing, undefined where nobody holds it. */
export async function lockHolder(path: string): Promise<string | undefined> {
  const socket = net.connect(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    return CANNOT_ASK.has(codeOf(error)) ? '' : undefined
  }
  try {
    // Whoever is asked may be blocked.
    return (await Promise.race([text(socket), pause(WORDS_MS)])) ?? ''
  } catch {
    return ''
  } finally {
    socket.destroy()
  }
}

/** Counts the sockets of this process. */
let sockets = 0

/**
 * Listens under a name of its own, and then links it to `path`, which only one process can: whatever is at `path`
 * listens, or its process has died. Undefined where there is something already.
 */
async function listenAt(path: string, words: () => string): Promise<SocketLock | undefined> {
  const own = `${path}.${process.pid}-${sockets++}`
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined).end(words())
    // One that asks and stays takes no place, and nothing waits for it: no release, and no end of this process.
    socket.destroySoon()
  })
  server.maxConnections = MAX_ASKERS
  await once(server.listen(own), 'listening')
  server.unref()
  const isLinked = await isNew(link(own, path))
  // A name is enough. Where Node closes the server it finds this one gone, which is fine.
  await unlink(own)
  if (isLinked) return { release: () => released(server, path) }
  await closed(server)
  return undefined
}

/**
 * Removes what a dead process left, and nothing that another process has put there meanwhile: only who has linked that
 * file to the name of its inode may remove it. Another file may have the same inode by then, which is asked under that
 * name: as long as it has it, no later file is the same, and who lets go removes its own before it is silent.
 */
async function removeDead(path: string, inode: bigint): Promise<void> {
  const right = `${path}.d${inode.toString(36)}`
  if ((await inodeOf(path)) !== inode) return
  try {
    if (!(await isNew(link(path, right)))) return
  } catch (error) {
    // Another one has removed it.
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const isDead = (await lockHolder(right)) === undefined
  if (isDead && (await inodeOf(right)) === (await inodeOf(path))) await unlink(path)
  await unlink(right)
}

/** Whether a link was made; false where its name is taken. */
async function isNew(linking: Promise<void>): Promise<boolean> {
  try {
    await linking
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await lstat(path, { bigint: true })).ino
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** The name goes first: what is there and does not answer is dead. */
async function released(server: net.Server, path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    // Somebody has emptied the folder.
    if (codeOf(error) !== 'ENOENT') throw error
  })
  await closed(server)
}

async function closed(server: net.Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}
