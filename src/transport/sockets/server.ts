import { AsyncResource } from 'node:async_hooks'
import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { invalidOption, KeysockError } from '../errors.ts'
import { DEFAULT_BACKLOG } from '../limits.ts'
import type {
  ConnectionHandle,
  OpeningDecision,
  OpeningFacts,
  PortListener,
  SocketHost,
} from '../driver/connection-handle.ts'
import {
  checkNames,
  checkPort,
  checkServerOptions,
  checkSignal,
  checkTariff,
  openingPriceFor,
  type ServerOptions,
  type TariffOptions,
} from '../options/options.ts'
import { responderSettings } from '../options/settings.ts'
import { OpeningRequest } from './opening-request.ts'
import { publishAccept } from './channels.ts'
import { Socket, type SocketAddress } from './socket.ts'

export interface ListenOptions {
  /** 0, or absent: any free port. */
  readonly port?: number
  /** Connections that are being accepted at once, at most. 0, or absent: 511. */
  readonly backlog?: number
  /** Closes the server; one that is aborted already lets it close without listening, as in net. */
  readonly signal?: AbortSignal | undefined
}

/** What a server emits, with the arguments of its listeners. */
export interface ServerEvents {
  connection: [socket: Socket]
  /**
   * Somebody wants to connect: `refuse` it, or return a promise to take some time (spec §6.14). Who does neither
   * agrees.
   */
  opening: [request: OpeningRequest]
  listening: []
  /** It listens no more, and the last of its connections has closed. */
  close: []
  error: [error: NodeJS.ErrnoException]
  /** A connection beyond `maxConnections` was refused; empty while it does not listen. */
  drop: [local: SocketAddress | Record<string, never>]
}

/** What listens for 'opening' may return a promise, which is waited for. */
type OpeningListener = (request: OpeningRequest) => void | Promise<void>

// As the events of every emitter, but that a listener of 'opening' may take its time.
// It declares no field, only narrower types of methods that an EventEmitter has.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface Server {
  addListener(name: 'opening', listener: OpeningListener): this
  addListener<Name extends keyof ServerEvents>(name: Name, listener: (...args: ServerEvents[Name]) => void): this
  on(name: 'opening', listener: OpeningListener): this
  on<Name extends keyof ServerEvents>(name: Name, listener: (...args: ServerEvents[Name]) => void): this
  once(name: 'opening', listener: OpeningListener): this
  once<Name extends keyof ServerEvents>(name: Name, listener: (...args: ServerEvents[Name]) => void): this
}

/**
 * Takes connections, as net.Server does.
 *
 * `listen` returns a promise of the server, where net returns the server: a failure is then thrown where the
 * caller stands (`await server.listen(7)`). Like net it emits 'error' for the same failure if anybody listens
 * for that, and then the promise may be left alone.
 */
export class Server extends EventEmitter<ServerEvents> {
  readonly #host: SocketHost | Promise<SocketHost>
  readonly #options: ServerOptions
  #binding: Binding | undefined
  #starting = false
  #closing = false
  #connections = 0
  #connectionLimit: number | undefined
  #holds = true
  #release: (() => void) | undefined

  /** @internal Servers come from `createServer`. @throws KeysockError ERR_KEYSOCK_INVALID_OPTION */
  constructor(host: SocketHost | Promise<SocketHost>, options: ServerOptions, onConnection?: (socket: Socket) => void) {
    super()
    checkServerOptions(options)
    this.#host = host
    this.#options = options
    if (onConnection !== undefined) this.on('connection', onConnection)
  }

  /** More connections than this are refused, with 'drop'. */
  get maxConnections(): number | undefined {
    return this.#connectionLimit
  }

  set maxConnections(count: number | undefined) {
    this.#connectionLimit = count
  }

  get listening(): boolean {
    return this.#binding !== undefined
  }

  /**
   * Listens on a port, 0 or none for a free one; `callback` hears 'listening'.
   *
   * @throws KeysockError for arguments that are none and for a server that listens already; all else rejects.
   */
  listen(port?: number, backlog?: number, callback?: () => void): Promise<this>
  listen(port: number, callback?: () => void): Promise<this>
  listen(options: ListenOptions, callback?: () => void): Promise<this>
  listen(callback: () => void): Promise<this>
  listen(...given: readonly unknown[]): Promise<this> {
    if (this.#starting || this.#binding !== undefined) {
      throw new KeysockError('ERR_SERVER_ALREADY_LISTEN', 'the server listens already; close it first')
    }
    const options = listenOptions(given)
    const callback = given.at(-1)
    if (typeof callback === 'function') this.once('listening', callback as () => void)
    this.#starting = true
    this.#closing = false
    const result = this.#start(options).catch((error: unknown) => {
      if (this.listenerCount('error') > 0) {
        // Told there, so the promise may be left alone; without a listener nobody but the promise tells.
        result.catch(() => undefined)
        process.nextTick(() => this.emit('error', error as Error))
      }
      throw error
    })
    return result
  }

  /** What the server listens on, or null. */
  address(): SocketAddress | null {
    return this.#binding?.address ?? null
  }

  /** Stops to listen. 'close', and the callback, when the last connection has closed. */
  close(callback?: (error?: Error) => void): this {
    const ran = this.#starting || this.#binding !== undefined
    // As in net, what is no function is nobody to tell.
    if (typeof callback === 'function') {
      if (ran) this.once('close', callback)
      else {
        this.once('close', () => callback(new KeysockError('ERR_SERVER_NOT_RUNNING', 'the server does not listen')))
      }
    }
    this.#closing = true
    this.#binding?.end()
    this.#binding = undefined
    this.#letGo()
    this.#emitCloseIfDone()
    return this
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections)
    return this
  }

  /** Open connections that came in here. */
  get connections(): number {
    return this.#connections
  }

  ref(): this {
    this.#holds = true
    if (this.#binding !== undefined) this.#release ??= this.#binding.host.hold()
    return this
  }

  unref(): this {
    this.#holds = false
    this.#letGo()
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#binding === undefined) return
    await new Promise<void>((resolve) => {
      this.close(() => resolve())
    })
  }

  async #start(options: CheckedListen): Promise<this> {
    if (options.signal?.aborted === true) return this.#closeUnheard()
    try {
      // A host that is there binds at once, as net does.
      const host = this.#host instanceof Promise ? await this.#host : this.#host
      if (this.#closing) throw new KeysockError('ERR_SERVER_NOT_RUNNING', 'the server was closed before it listened')
      const binding = this.#bind(host, options)
      this.#binding = binding instanceof Promise ? await binding : binding
    } finally {
      this.#starting = false
    }
    await new Promise<void>((resolve) => {
      process.nextTick(() => {
        if (this.#binding !== undefined) this.emit('listening')
        resolve()
      })
    })
    return this
  }

  /** The signal of `listen` is aborted already: 'close', and never 'listening'. */
  #closeUnheard(): this {
    this.#starting = false
    return this.close()
  }

  #bind(host: SocketHost, options: CheckedListen): Binding | Promise<Binding> {
    let port = options.port
    let local: SocketAddress | undefined
    // What comes of it runs in the context of `listen`, whoever's packet brings it, as in net.
    const context = new AsyncResource('KEYSOCK_SERVER')
    const connections = (): number => this.#connections
    const listener: PortListener = {
      get connections() {
        return connections()
      },
      settings: responderSettings(this.#options, host.defaults),
      backlog: options.backlog,
      admit: context.bind(() => this.#admit()),
      openingPriceMsat: context.bind(openingPriceFor(this.#options.openingPrice)),
      decide: context.bind((facts) => this.#decide(facts)),
      accept: context.bind((handle, remoteKey) =>
        this.#accept(handle, (local ??= { address: host.publicKeyHex, family: 'keysock', port }), remoteKey),
      ),
    }
    const taken = host.listen(port, listener)
    if (typeof taken === 'number') {
      port = taken
      return this.#bound(host, taken, listener, options)
    }
    return taken.then((claimed) => {
      port = claimed
      if (!this.#closing) return this.#bound(host, claimed, listener, options)
      host.unlisten(claimed, listener)
      throw new KeysockError('ERR_SERVER_NOT_RUNNING', 'the server was closed before it listened')
    })
  }

  #bound(host: SocketHost, port: number, listener: PortListener, { signal }: CheckedListen): Binding {
    const close = (): void => {
      this.close()
    }
    const forget = host.onClose(close)
    signal?.addEventListener('abort', close, { once: true })
    if (this.#holds) this.#release = host.hold()
    const end = (): void => {
      host.unlisten(port, listener)
      forget()
      signal?.removeEventListener('abort', close)
    }
    return { host, address: { address: host.publicKeyHex, family: 'keysock', port }, end }
  }

  #admit(): boolean {
    if (this.#connectionLimit === undefined || this.#connections < this.#connectionLimit) return true
    this.emit('drop', this.address() ?? {})
    return false
  }

  #decide(facts: OpeningFacts): OpeningDecision | Promise<OpeningDecision> {
    // Called one by one, as `emit` does, for what they return. `once` is kept: raw listeners take themselves away.
    const listeners = this.rawListeners('opening')
    return listeners.length === 0 ? undefined : new OpeningRequest(facts).ask(listeners, this)
  }

  #accept(handle: ConnectionHandle, local: SocketAddress, identified: string | undefined): void {
    this.#connections += 1
    const socket = new Socket({
      identified,
      allowHalfOpen: this.#options.allowHalfOpen ?? false,
      highWaterMark: this.#options.highWaterMark,
      local,
      closed: this.#onSocketClosed,
    })
    if (this.#options.pauseOnConnect === true) socket.pause()
    socket.attach(handle)
    this.#sayTariff(socket, handle, local)
    publishAccept(this, socket, this.#options)
    this.emit('connection', socket)
  }

  /** What this caller pays, where that is for the application to say; nothing is sent to it before. */
  #sayTariff(socket: Socket, handle: ConnectionHandle, { port }: SocketAddress): void {
    const { tariff } = this.#options
    if (typeof tariff !== 'function') return
    const { receivedMsat, pendingIncomeMsat } = handle.account
    const openingMsat = receivedMsat + pendingIncomeMsat
    const context = { port, remoteAddress: socket.remoteAddress, openingMsat, connections: this.#connections }
    const say = (said: TariffOptions): void => {
      checkTariff(said, 'tariff')
      if (!socket.destroyed) socket.setTariff(said)
    }
    try {
      const said = tariff(context)
      if (said instanceof Promise) said.then(say).catch((error: unknown) => socket.destroy(error as Error))
      else say(said)
    } catch (error) {
      socket.destroy(error as Error)
    }
  }

  // One function for all sockets of the server.
  readonly #onSocketClosed = (): void => {
    this.#connections -= 1
    if (this.#closing) this.#emitCloseIfDone()
  }

  #emitCloseIfDone(): void {
    if (this.#binding !== undefined || this.#connections > 0) return
    process.nextTick(() => this.emit('close'))
  }

  #letGo(): void {
    this.#release?.()
    this.#release = undefined
  }
}

/** As in net, where `events.captureRejections` is set: what an async 'connection' listener throws ends its socket. */
function onRejection(this: Server, error: Error, event: string, socket: unknown): void {
  if (event === 'connection' && socket instanceof Socket) socket.destroy(error)
  else this.emit('error', error)
}
// Not in the class: a declaration of it could not name the symbol.
Object.defineProperty(Server.prototype, captureRejectionSymbol, { value: onRejection })

interface Binding {
  readonly host: SocketHost
  readonly address: SocketAddress
  readonly end: () => void
}

interface CheckedListen {
  readonly port: number
  readonly backlog: number
  readonly signal: AbortSignal | undefined
}

const LISTEN_NAMES: Readonly<Record<keyof ListenOptions, true>> = { port: true, backlog: true, signal: true }

/** (port?, backlog?, callback?), (options, callback?) or (callback). */
function listenOptions([first, second]: readonly unknown[]): CheckedListen {
  const options = (typeof first === 'object' && first !== null ? first : { port: first }) as ListenOptions
  checkNames(options, LISTEN_NAMES)
  const port: unknown = typeof first === 'function' ? undefined : options.port
  const backlog = options.backlog ?? (typeof second === 'number' ? second : 0)
  if (!Number.isInteger(backlog) || backlog < 0) throw invalidOption('backlog must be a whole number, 0 or more')
  const { signal } = options
  checkSignal(signal)
  // As in net, 0 does not mean that nobody is let in.
  return { port: port === undefined ? 0 : checkPort(port, 0), backlog: backlog || DEFAULT_BACKLOG, signal }
}
