import { addAbortSignal } from 'node:stream'
import type { CostPause } from '../connection/interface.ts'
import { invalidOption } from '../errors.ts'
import { DEFAULT_MAX_COST_MSAT } from '../limits.ts'
import type { SocketHost } from '../driver/connection-handle.ts'
import { closedBeforeConnect, tooExpensiveToConnect } from '../driver/failures.ts'
import {
  checkConnectOptions,
  checkTarget,
  type ConnectArguments,
  type ConnectOptions,
  optionalMsat,
  type ServerOptions,
  type ConnectTarget,
} from '../options/options.ts'
import { connectTracing, hearsConnects } from './channels.ts'
import { Server } from './server.ts'
import { Socket } from './socket.ts'

/** A host that is there, or comes. */
export type HostSource = SocketHost | Promise<SocketHost>

/** What `createConnection` was called with. */
export interface CheckedConnect {
  readonly target: ConnectTarget
  readonly options: ConnectOptions
  readonly onConnect: (() => void) | undefined
}

/** (publicKey, port, options?, onConnect?) or ({ publicKey, port, ... }, onConnect?). @throws KeysockError */
export function connectArguments(given: readonly unknown[]): CheckedConnect {
  const [first] = given
  const isObject = typeof first === 'object' && first !== null && !(first instanceof Uint8Array)
  const whole = isObject ? (first as ConnectArguments) : undefined
  const third = isObject ? whole : given[2]
  const options = (typeof third === 'object' && third !== null ? third : {}) as ConnectOptions
  checkConnectOptions(options)
  const target = whole === undefined ? checkTarget(first, given[1]) : checkTarget(whole.publicKey, whole.port)
  const last = given.at(-1)
  return { target, options, onConnect: typeof last === 'function' ? (last as () => void) : undefined }
}

/** A connecting socket at once; what the host throws destroys it. */
export function createSocket(source: HostSource, { target, options, onConnect }: CheckedConnect): Socket {
  const { allowHalfOpen = false, highWaterMark, signal } = options
  const maxCost = optionalMsat(options.maxCost, 'maxCost', DEFAULT_MAX_COST_MSAT)
  const { onPrice } = options
  const socket = new Socket({ allowHalfOpen, highWaterMark, target, maxCost, onPrice })
  if (options.timeout !== undefined && options.timeout > 0) socket.setTimeout(options.timeout)
  if (onConnect !== undefined) socket.once('connect', onConnect)
  if (signal !== undefined) addAbortSignal(signal, socket)
  const attach = (host: SocketHost): void => {
    if (socket.destroyed) return
    try {
      socket.attach(host.startConnection(target, options))
    } catch (error) {
      socket.destroy(error as Error)
    }
  }
  if (source instanceof Promise) source.then(attach, (error: unknown) => socket.destroy(error as Error))
  else attach(source)
  return socket
}

/** Resolves at 'connect'; rejects with the error of a socket that closes before. */
export function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off('connect', onConnect)
      socket.off('error', onError)
      socket.off('close', onClose)
      socket.off('paused', onPaused)
      if (error === undefined) resolve(socket)
      else reject(error)
    }
    const onConnect = (): void => settle()
    const onError = (error: Error): void => settle(error)
    const onClose = (): void => settle(closedBeforeConnect(socket.endpointClosed))
    const onPaused = (_reason: string, pause: CostPause): void => {
      if (!pause.isFinal) return
      settle(tooExpensiveToConnect(pause))
      socket.destroy()
    }
    socket.on('connect', onConnect)
    socket.on('error', onError)
    socket.on('close', onClose)
    socket.on('paused', onPaused)
  })
}

/** A connected socket, as `connected`, whose call Node's tracing channels tell of where somebody listens. */
export function tracedConnect(source: HostSource, checked: CheckedConnect): Promise<Socket> {
  const connect = (): Promise<Socket> => connected(createSocket(source, checked))
  if (!hearsConnects()) return connect()
  const { publicKeyHex: publicKey, port } = checked.target
  return connectTracing.tracePromise(connect, { publicKey, port })
}

/** (options?, onConnection?). @throws KeysockError */
export function createServerOn(source: HostSource, [first, second]: readonly unknown[]): Server {
  const options = (typeof first === 'object' && first !== null ? first : {}) as ServerOptions
  const listener = typeof first === 'function' ? first : second
  if (listener !== undefined && typeof listener !== 'function')
    throw invalidOption('the connection listener must be a function')
  return new Server(source, options, listener as ((socket: Socket) => void) | undefined)
}
