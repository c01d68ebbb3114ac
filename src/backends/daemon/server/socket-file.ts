import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rename, rm, stat, unlink } from 'node:fs/promises'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { BackendError } from '../../backend.ts'
import { MAX_SOCKET_PATH_BYTES } from '../protocol/limits.ts'
import { answers, fits } from '../protocol/socket.ts'

/** A listening socket of the file system. */
export interface SocketFile {
  /** Stops listening, and removes the file if it is still this one. */
  close(): Promise<void>
}

/**
 * Listens on a Unix socket that has its mode before anybody can see it: it is made in a folder of its own, then
 * renamed. The file of a daemon that died is replaced.
 *
 * @throws BackendError 'unsupported' where a daemon listens there, 'bad-request' for a path that cannot be used
 */
export async function listenOn(
  path: string,
  mode: number,
  onConnection: (socket: net.Socket) => void,
): Promise<SocketFile> {
  const folder = dirname(path)
  // The name under which the socket is made is about as long as its final one.
  const made = join(folder, '.ks-XXXXXX', 's')
  if (!fits(path) || !fits(made)) {
    const message = `the socket's path ${path} is too long: the system takes ${MAX_SOCKET_PATH_BYTES} bytes. Name a shorter one (--socket, or KEYSOCK_DAEMON for programs)`
    throw new BackendError('bad-request', message)
  }
  const server = net.createServer(onConnection)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await mustBeFree(path)
    await mustBeSocket(path)
    const nest = await mkdtemp(join(folder, '.ks-'))
    try {
      const first = join(nest, 's')
      await once(server.listen(first), 'listening')
      await chmod(first, mode)
      await rename(first, path)
    } finally {
      await rm(nest, { recursive: true, force: true })
    }
    const { ino } = await stat(path)
    return { close: () => closed(server, path, ino) }
  } catch (error) {
    server.close()
    if (error instanceof BackendError) throw error
    throw new BackendError('bad-request', `cannot listen on ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** @throws BackendError 'unsupported' where a daemon listens there */
export async function mustBeFree(path: string): Promise<void> {
  if (!(await answers(path))) return
  const message = `a daemon listens on ${path} already: programs can attach to it. Stop it first, or name another socket`
  throw new BackendError('unsupported', message)
}

/** @throws BackendError 'bad-request' where there is something else than a socket: nothing but a socket is replaced */
async function mustBeSocket(path: string): Promise<void> {
  try {
    if ((await stat(path)).isSocket()) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  throw new BackendError('bad-request', `${path} is there and is no socket; name another path, or remove it`)
}

async function closed(server: net.Server, path: string, ino: number): Promise<void> {
  try {
    // Another daemon may have taken the name.
    if ((await stat(path)).ino === ino) await unlink(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  } finally {
    // Not before: as long as it answers, no other daemon takes the name. Connections that are open are closed by the
    // server that serves them.
    server.close()
  }
}
