import { Duplex } from 'node:stream'
import { KeysockError } from '../errors.ts'

type Callback = (error?: Error | null) => void

/**
 * `write` of a socket whose other side has ended, and which ended itself because it is not to stay half
 * open: EPIPE, as in net, where another Duplex would say "write after end".
 */
export function writeAfterEnd(socket: Duplex): Duplex['write'] {
  return (chunk: unknown, encoding?: BufferEncoding | Callback, told?: Callback): boolean => {
    const callback = typeof encoding === 'function' ? encoding : told
    if (!socket.writableEnded) {
      const name = typeof encoding === 'string' ? encoding : 'utf8'
      return Duplex.prototype.write.call(socket, chunk, name, callback)
    }
    const error = new KeysockError('EPIPE', 'This socket has been ended by the other party')
    if (callback !== undefined) process.nextTick(callback, error)
    socket.destroy(error)
    return false
  }
}
