/**
 * A lock that a process holds by listening on a Unix socket. It is free again when the process ends, however it ends,
 * and whoever finds it taken can ask the holder who it is.
 */
import { once } from 'node:events'
import { mkdir, rename, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { pause } from './clock.ts'

/** Each try meets a process that took the lock, or let go of it, a moment before. */
const TRIES = 5
/** A holder that is busy says later who it is; that it holds the lock is certain before. */
const WORDS_MS = 1_000

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
    const server = net.createServer((socket) => socket.on('error', () => undefined).end(words()))
    if (await binds(server, path)) {
      server.unref()
      return { isTaken: false, lock: { release: () => released(server) } }
    }
    const holder = await lockHolder(path)
    if (holder !== undefined) return { isTaken: true, words: holder }
    await removeDead(path)
  }
  return { isTaken: true, words: '' }
}

/** What the holder of a lock says of itself; undefined where nobody holds it. */
export async function lockHolder(path: string): Promise<string | undefined> {
  const socket = net.connect(path)
  try {
    await once(socket, 'connect')
  } catch {
    return undefined
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

async function binds(server: net.Server, path: string): Promise<boolean> {
  try {
    await once(server.listen(path), 'listening')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}

/** Moves the file of a dead process away; if another process took the lock just then, its file is put back. */
async function removeDead(path: string): Promise<void> {
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
    if ((await lockHolder(aside)) === undefined) await unlink(aside)
    else await rename(aside, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

async function released(server: net.Server): Promise<void> {
  // Node removes the file with it.
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}
