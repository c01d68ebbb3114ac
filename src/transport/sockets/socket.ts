import { AsyncResource } from 'node:async_hooks'
import { Duplex, type Readable } from 'node:stream'
import { fromHex, toHex } from '../../floor/bytes.ts'
import { soon } from '../../floor/clock.ts'
import { Code } from '../../wire/errors.ts'
import type { ConnectionEvent, ConnectionFailure, CostPause, CreditView } from '../connection/interface.ts'
import { losesUnread } from '../connection/peer-failure.ts'
import { connectionError, ENDPOINT_CLOSED } from '../driver/failures.ts'
import { invalidOption, KeysockError } from '../errors.ts'
import { MAX_MESSAGE_BYTES, MESSAGE_ID_BYTES, PaymentKind, type Tariff } from '../../wire/frames.ts'
import { NO_TARIFF } from '../../wire/tariffs.ts'
import { DEFAULT_MAX_COST_MSAT } from '../limits.ts'
import { publishClose, publishConnect } from './channels.ts'
import { IdleTimer } from './idle-timer.ts'
import { inContext } from './in-context.ts'
import { Pings } from './pings.ts'
import { MoneyExchange, type PaymentReceipt, type PaymentRequest, type ReceivedPayment } from './money-exchange.ts'
import type { ChangeableSettings } from '../connection/connection.ts'
import type { ConnectionHandle } from '../driver/connection-handle.ts'
import { type Callback, WriteBuffer } from './write-buffer.ts'
import {
  checkMs,
  checkMsat,
  checkTariff,
  type Msat,
  type ConnectTarget,
  type TariffOptions,
} from '../options/options.ts'
import { keepAliveMs, tariffOf } from '../options/settings.ts'
import { NOTHING_DONE, type SocketStats, socketStats } from './stats.ts'
import { type PausedEvent, UnheardPause } from './unheard-pause.ts'
import { writeAfterEnd } from './write-after-end.ts'

export interface SocketAddress {
  /** This node's public key, in hexadecimal. */
  readonly address: string
  readonly family: 'keysock'
  readonly port: number
}

/** How a socket comes to be; by endpoints and servers only. */
interface SocketInit {
  readonly allowHalfOpen: boolean
  readonly highWaterMark: number | undefined
  /** What `maxCost` says before there is a connection. */
  readonly maxCost?: bigint
  /** The initiator's side: where to. */
  readonly target?: ConnectTarget
  /** The responder's side: where the connection came in. */
  readonly local?: SocketAddress
  /** The responder's side: the caller's key, where the opening has proved it. */
  readonly identified?: string | undefined
  /** Whether to pay what is above `maxTariff`. */
  readonly onPrice?: ((tariff: Tariff) => boolean | Promise<boolean>) | undefined
  /** Called once, when the socket has closed. */
  readonly closed?: () => void
}

/** What a socket emits, with the arguments of its listeners: the events of net.Socket, and some more. */
export interface SocketEvents {
  connect: []
  ready: []
  timeout: []
  data: [chunk: Buffer]
  readable: []
  end: []
  pause: []
  resume: []
  drain: []
  finish: []
  pipe: [source: Readable]
  unpipe: [source: Readable]
  error: [error: NodeJS.ErrnoException]
  close: [hadError: boolean]
  /** A cap stops it; raise `maxCost` to go on. Where nobody listens, it fails after half a minute: ERR_KEYSOCK_COST. */
  paused: [reason: 'cost', pause: CostPause]
  /** A datagram, and its id as 32 hexadecimal digits. */
  message: [data: Buffer, id: string]
  /** The other side has proved its public key, which is given in hexadecimal. */
  identified: [publicKey: string]
  /** What the other side asks, and this side pays; also when it changes. */
  price: [tariff: Tariff]
  /** Money of the other side's, beside what a tariff asks. */
  payment: [payment: ReceivedPayment]
  /** The other side asks for money. Where nobody listens, it hears that nothing comes. */
  request: [request: PaymentRequest]
}

// The events of a socket by their names: another name, or a listener with other arguments, does not compile.
// It declares no field, only narrower types of methods that a Duplex has.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface Socket {
  addListener<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  on<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  once<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  prependListener<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  prependOnceListener<Name extends keyof SocketEvents>(
    name: Name,
    listener: (...args: SocketEvents[Name]) => void,
  ): this
  off<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  removeListener<Name extends keyof SocketEvents>(name: Name, listener: (...args: SocketEvents[Name]) => void): this
  emit<Name extends keyof SocketEvents>(name: Name, ...args: SocketEvents[Name]): boolean
}

/**
 * One end of a connection: a Duplex that behaves like a net.Socket. What differs is said where it does:
 *
 * - `write` calls back when the bytes are in the send buffer, also before 'connect': they are early data then.
 * - A clean 'close' (hadError false) after 'end' and 'finish' says more than in TCP: the other process took every
 *   byte, unless this side reset or destroyed the socket, or the other one had ended and left before.
 * - `destroy()` with bytes that were written and not handed on resets, so that the other side never takes a
 *   part for the whole.
 *
 * Under Node's tls, give it `allowHalfOpen: true` at both ends: tls writes its last records after the end of what
 * it reads, and takes a Duplex for what it is, where it looks into a net.Socket.
 */
export class Socket extends Duplex {
  /** Whether 'connect' is still to come. */
  connecting: boolean
  /** What `setTimeout` was given, ms. */
  timeout: number | undefined
  readonly #target: ConnectTarget | undefined
  readonly #local: SocketAddress | undefined
  readonly #closed: (() => void) | undefined
  readonly #maxCost: bigint
  readonly #onPrice: SocketInit['onPrice']
  /** Who waits for money, and for a sign of life; undefined until somebody does. */
  #exchange: MoneyExchange | undefined
  #pings: Pings | undefined
  #handle: ConnectionHandle | undefined
  /** The connection has ended; nothing that is done here reaches it. */
  #over = false
  /** What came is held back for one turn after 'connect', so that whoever waits for that sees all of it. */
  #mayRead = false
  #wantsData = false
  #hasRead = false
  /** `_final` was called: no further byte will be written. */
  #finished = false
  #peerFinished = false
  #resetting = false
  #holds = true
  #bytesRead = 0
  readonly #writeBuffer: WriteBuffer
  /** The context in which the socket was made: what it tells runs there, whoever's packet brought it, as in net. */
  readonly #context = new AsyncResource('KEYSOCK_SOCKET')
  #cancelFinish: (() => void) | undefined
  /** What waits for the connection's clean end. */
  #onceOver: Callback | undefined
  #identified: string | undefined
  #idle: IdleTimer | undefined
  #unheardPause: UnheardPause | undefined
  /** It has failed, for reads and for writes, and what had arrived before is still read. */
  #failing: { readonly read: KeysockError; readonly write: KeysockError } | undefined
  /** @internal Why it closed without an 'error': the endpoint did. */
  endpointClosed = false
  /** Settings that were made before there was a connection. */
  #settings: ChangeableSettings | undefined

  /** @internal Sockets come from `connect`, `createConnection` and servers. */
  constructor(init: SocketInit) {
    super({
      allowHalfOpen: init.allowHalfOpen,
      emitClose: false, // 'close' carries hadError, as in net
      autoDestroy: true,
      decodeStrings: true,
      ...(init.highWaterMark === undefined ? {} : { highWaterMark: init.highWaterMark }),
    })
    this.connecting = init.target !== undefined
    this.#target = init.target
    this.#local = init.local
    this.#identified = init.identified
    this.#closed = init.closed
    this.#onPrice = init.onPrice
    this.#maxCost = init.maxCost ?? DEFAULT_MAX_COST_MSAT
    this.#writeBuffer = new WriteBuffer(this.writableHighWaterMark)
    this.on('end', onEnd)
  }

  // ---- As in net.Socket ------------------------------------------------------------------------------

  get pending(): boolean {
    return this.connecting || this.destroyed
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  /** Bytes that the application wrote, sent or not. */
  get bytesWritten(): number {
    return this.#writeBuffer.takenBytes + this.writableLength
  }

  /** The other side's public key. The one who connects is anonymous, unless it identified itself. */
  get remoteAddress(): string | undefined {
    return this.connecting ? undefined : (this.#target?.publicKeyHex ?? this.#identified)
  }

  get remotePort(): number | undefined {
    return this.connecting ? undefined : this.#target?.port
  }

  get remoteFamily(): string | undefined {
    return this.remoteAddress === undefined ? undefined : 'keysock'
  }

  /** The side that connects has no address: that is what the transport is for. */
  get localAddress(): string | undefined {
    return this.#local?.address
  }

  get localPort(): number | undefined {
    return this.#local?.port
  }

  get localFamily(): string | undefined {
    return this.#local?.family
  }

  address(): SocketAddress | Record<string, never> {
    return this.#local ?? {}
  }

  /** 'timeout' after `timeoutMs` without activity; 0: never. The socket goes on. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (this.destroyed) return this
    const ms = checkMs(timeoutMs, 'the timeout')
    this.timeout = ms
    if (callback !== undefined) {
      if (ms === 0) this.removeListener('timeout', callback)
      else this.once('timeout', callback)
    }
    this.#applyTimeout()
    return this
  }

  /** Each sign of life is a payment, so less than a minute between them is taken as a minute. */
  setKeepAlive(enable = false, initialDelayMs = 0): this {
    this.#configure({ keepAliveMs: enable ? keepAliveMs(initialDelayMs) : undefined })
    return this
  }

  setNoDelay(noDelay = true): this {
    this.#configure({ noDelay })
    return this
  }

  ref(): this {
    this.#holds = true
    if (!this.#over) this.#handle?.hold(true)
    return this
  }

  unref(): this {
    this.#holds = false
    this.#handle?.hold(false)
    return this
  }

  /** Ends, and destroys when everything is handed on. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', this.destroy.bind(this, undefined))
  }

  /**
   * Closes at once, with ECONNRESET at the other side; also where both sides have ended and only that is not
   * acknowledged.
   */
  resetAndDestroy(): this {
    if (this.destroyed) {
      const closing = this.#onceOver
      this.#onceOver = undefined
      if (closing !== undefined) this.#handle?.reset(Code.NO_ERROR, '')
      closing?.()
      return this
    }
    if (this.connecting) {
      this.once('connect', () => this.resetAndDestroy())
      return this
    }
    this.#resetting = true
    return this.destroy()
  }

  /**
   * For callers that connect a socket they were given, as pg does: it connects by itself, so only a callback, as the
   * last argument, counts. @throws KeysockError ERR_SOCKET_CLOSED: none connects again
   */
  connect(...given: readonly unknown[]): this {
    if (this.destroyed || this.#target === undefined) {
      throw new KeysockError('ERR_SOCKET_CLOSED', 'a socket connects once; make another with createConnection()')
    }
    const callback = given.at(-1)
    if (typeof callback === 'function') this.once('connect', callback as () => void)
    return this
  }

  // ---- keysock's own ---------------------------------------------------------------------------------

  /**
   * What this side pays at most, msat, fees included. Raise it to go on after 'paused'. Before there is an endpoint,
   * whose own default may be another one: the option that was given, or the default.
   */
  get maxCost(): bigint {
    return this.#handle?.account.capMsat ?? this.#settings?.capMsat ?? this.#maxCost
  }

  set maxCost(msat: Msat) {
    this.#configure({ capMsat: checkMsat(msat, 'maxCost') })
  }

  /**
   * Nodes that the other side cannot tell this one from, by the public graph; undefined until that was read. At most so
   * many where no guard fits (spec §9.12), which the warning ERR_KEYSOCK_FEW_CANDIDATES says.
   */
  get candidates(): number | undefined {
    return this.#handle?.candidates
  }

  /**
   * Blinded relays before this node on the way of the other side's packets: the second leaves each of them 83 bytes
   * less. Undefined until the paths are made, and where there are none.
   */
  get relays(): 1 | 2 | undefined {
    return this.#handle?.relays
  }

  /** Bytes, packets, round trip and money of this connection; nothing but zeros before it has an endpoint. */
  get stats(): SocketStats {
    return this.#handle === undefined ? NOTHING_DONE : socketStats(this.#handle)
  }

  /**
   * What was paid for what the server asks, what all that was had costs, and what is left; by this side's count, which
   * differs from the other one's by what is under way (spec §12.3).
   */
  get credit(): CreditView {
    return this.#handle?.credit ?? NO_CREDIT
  }

  /**
   * A server's socket: what its caller pays from now on. Bytes that were sent, or asked for already, keep their price;
   * where it rises, the stream goes on when the caller has agreed (spec §12.4).
   */
  setTariff(tariff: TariffOptions): this {
    checkTariff(tariff, 'tariff')
    if (this.#target !== undefined) throw invalidOption('the side that connects asks nothing; a server has a tariff')
    if (!this.#over) this.#handle?.setTariff(tariffOf(tariff, NO_TARIFF))
    return this
  }

  /**
   * Pays the other side beside what it asks, and says what for: a note of at most 256 bytes, which its 'payment' has.
   * Resolves when the money is there; rejects with ERR_SOCKET_CLOSED, or the connection's error, where it ends before:
   * then the money may still be under way.
   */
  pay(msat: Msat, note?: string): Promise<PaymentReceipt> {
    return this.#money.pay(this.#open, { kind: PaymentKind.PAYMENT, msat, note })
  }

  /** As `pay`, as a refund: the other side's 'payment' says so. */
  refund(msat: Msat, note?: string): Promise<PaymentReceipt> {
    return this.#money.pay(this.#open, { kind: PaymentKind.REFUND, msat, note })
  }

  /**
   * Asks the other side for money. Resolves with its payment, whose amount is its decision; rejects with
   * ERR_KEYSOCK_DECLINED where it says no.
   */
  request(msat: Msat, note?: string): Promise<ReceivedPayment> {
    return this.#money.request(this.#open, { msat, note })
  }

  /**
   * Asks the other process for a sign of life, by a packet of its own: one payment, and where it goes to the node's
   * key one for the answer. Resolves with the time until it was known to have arrived, ms, tries that failed
   * included. Several at once may have one answer. Rejects with ERR_SOCKET_CLOSED, or the connection's error, where it
   * ends before.
   */
  ping(): Promise<number> {
    return (this.#pings ??= new Pings()).send(this.#open)
  }

  /**
   * Sends a datagram beside the stream: at most 512 bytes, delivered once, in no order, as the other side's
   * 'message' event. A connection, and a server over all of its connections, delivers an `id` (32 hexadecimal digits)
   * once. Returns the id.
   */
  sendMessage(data: Uint8Array | string, id?: string): string {
    const handle = this.#handle
    if (handle === undefined || this.#over || this.destroyed) {
      throw new KeysockError(
        'ERR_SOCKET_CLOSED',
        'a message needs a socket with a connection; send it before the socket ends',
      )
    }
    const bytes = Uint8Array.from(typeof data === 'string' ? Buffer.from(data) : data)
    if (bytes.length > MAX_MESSAGE_BYTES)
      throw invalidOption(`a message holds ${MAX_MESSAGE_BYTES} bytes; got ${bytes.length}`)
    if (id !== undefined && !/^[0-9a-fA-F]{32}$/.test(id)) throw invalidOption('a message id is 32 hexadecimal digits')
    const idBytes = id === undefined ? handle.random(MESSAGE_ID_BYTES) : fromHex(id)
    handle.sendMessage(idBytes, bytes)
    return toHex(idBytes)
  }

  /** @internal Gives the socket its connection. */
  attach(handle: ConnectionHandle): void {
    if (this.destroyed) return handle.reset(Code.CANCELLED, '')
    this.#handle = handle
    handle.setListener(this)
    handle.hold(this.#holds)
    if (this.#settings !== undefined) handle.configure(this.#settings)
    this.#settings = undefined
    this.#applyTimeout()
    this.#handOn()
    if (this.#finished) handle.finish()
    if (!this.connecting) this.#start()
  }

  /** @internal What happens to its connection, told in its own context. */
  hear(event: ConnectionEvent): void {
    this.#context.runInAsyncScope(() => this.#handleEvent(event))
  }

  // ---- The Duplex's inside ---------------------------------------------------------------------------

  /** As in any Duplex; the last read before a failure has it told. */
  override read(size?: number): ReturnType<Duplex['read']> {
    const chunk: unknown = super.read(size)
    if (this.#failing !== undefined) this.#failSoon()
    return chunk
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    if (this.#over || this.#failing !== undefined) return callback(this.#failing?.write ?? brokenPipe())
    this.#writeBuffer.put(chunk, { owned: false, callback })
    this.#handOn()
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: Callback): void {
    if (this.#over || this.#failing !== undefined) return callback(this.#failing?.write ?? brokenPipe())
    const data = Buffer.concat(chunks.map(({ chunk }) => chunk))
    this.#writeBuffer.put(data, { owned: true, callback })
    this.#handOn()
  }

  override _final(callback: Callback): void {
    this.#finished = true
    if (!this.#over) this.#handle?.finish()
    if (this.connecting) this.#writeBuffer.onceConnected(callback)
    else this.#finishSoon(callback)
  }

  override _read(): void {
    this.#wantsData = true
    // As in net, what comes first, and an end, come in no call of the application's.
    if (this.#hasRead && !this.#peerFinished) this.#pull()
    else this.#afterTurns(() => this.#pull())
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const wasConnecting = this.connecting
    this.connecting = false
    this.#idle?.stop()
    this.#unheardPause?.end()
    const cleanly = error === null && this.readableEnded && this.writableFinished
    const cut = this.#writeBuffer.cut()
    this.#cancelFinish?.()
    const done: Callback = (failure) => this.#finishDestroy(failure ?? null, callback)
    if (this.#over && this.#failing !== undefined) this.#handle?.stopReading()
    if (this.#over || this.#handle === undefined) done(error)
    else if (cleanly) this.#onceOver = done
    else {
      this.#leave(this.#handle, wasConnecting)
      done(error)
    }
    cut?.(error ?? new KeysockError('ERR_SOCKET_CLOSED', 'the socket was destroyed before this was sent'))
  }

  /**
   * 'finish' comes when all that the application does in this turn is done: what destroys the socket before is first,
   * as in net. Not in a later turn: http2, whose session may end by then, does not write while a shutdown is pending.
   */
  #finishSoon(callback: Callback): void {
    if (this.#handle === undefined || this.#over) return callback()
    let isCancelled = false
    this.#cancelFinish = () => (isCancelled = true)
    const afterRounds = (rounds: number): void => {
      if (isCancelled) return
      if (rounds === 0) return callback()
      process.nextTick(() => queueMicrotask(() => afterRounds(rounds - 1)))
    }
    afterRounds(FINISH_ROUNDS)
  }

  /** Calls back in a later turn, in the socket's context; the result cancels that. */
  #soon(callback: () => void): () => void {
    const inside = inContext(this.#context, callback)
    return this.#handle === undefined ? soon(inside) : this.#handle.soon(inside)
  }

  #finishDestroy(error: Error | null, callback: Callback): void {
    this.#over = true
    this.#exchange?.end(error ?? undefined)
    this.#pings?.end(error ?? undefined)
    const handle = this.#handle
    handle?.setListener(undefined)
    callback(error)
    // As in net, not in this turn: who waits for 'end', or has caught the error, can still begin to wait for it.
    this.#soon(() => {
      publishClose(this, error)
      this.emit('close', error !== null)
      this.#closed?.()
    })
  }

  /** The application goes; the connection ends as net's would. */
  #leave(handle: ConnectionHandle, wasConnecting: boolean): void {
    if (this.#resetting) handle.reset(Code.NO_ERROR, '')
    else if (wasConnecting || (this.writableLength > 0 && !this.writableFinished)) handle.reset(Code.CANCELLED, '')
    else {
      handle.finish()
      handle.stopReading()
    }
  }

  #handOn(): void {
    if (this.#handle !== undefined && this.#writeBuffer.handOn(this.#handle, this.connecting)) this.#idle?.touch()
  }

  #pull(): void {
    const handle = this.#handle
    if (handle === undefined || !this.#mayRead) return
    while (this.#wantsData && !this.destroyed) {
      this.#hasRead = true
      const data = handle.read()
      if (data === undefined) break
      this.#bytesRead += data.length
      this.#idle?.touch()
      this.#wantsData = this.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    }
    if (this.#peerFinished) this.#handleEnd()
    if (this.#failing !== undefined) this.#failSoon()
  }

  #handleEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case 'connected':
        return this.#becomeConnected()
      case 'readable':
        return this.#pull()
      case 'end':
        return this.#handleEnd()
      case 'writable':
        return this.#handOn()
      case 'activity':
        return this.#idle?.touch()
      case 'message':
        this.emit('message', Buffer.from(event.data), toHex(event.id))
        return
      case 'identified':
        this.#identified = toHex(event.publicKey)
        this.emit('identified', this.#identified)
        return
      case 'price':
        this.emit('price', event.tariff)
        return
      case 'price-asked':
        return this.#askPrice(event.serial, event.tariff)
      case 'paid':
        return this.#exchange?.paid(event)
      case 'payment':
        this.emit('payment', this.#money.came(event))
        return
      case 'requested':
        return this.#handleRequest(event)
      case 'declined':
        return this.#exchange?.declined(event)
      case 'pong':
        return this.#pings?.answered(this.#handle?.now() ?? 0)
      case 'paused':
        if (!this.emit('paused', event.reason, event.pause)) this.#pausedUnheard(event)
        return
      case 'ended':
        return this.#handleEnded(event.error)
      case 'finished':
      case 'closed':
        return
    }
  }

  #handleRequest({ amountMsat, id, note }: Extract<ConnectionEvent, { type: 'requested' }>): void {
    const decline = (reason = ''): void => this.#handle?.decline(id, reason)
    const pay = (msat: Msat = amountMsat): Promise<PaymentReceipt> =>
      this.#money.pay(this.#open, { kind: PaymentKind.ANSWER, reference: id, msat, note })
    if (!this.emit('request', { id, amountMsat, note, pay, decline })) decline('nobody answers')
  }

  get #money(): MoneyExchange {
    return (this.#exchange ??= new MoneyExchange())
  }

  /** The connection, while it can carry something more. */
  get #open(): ConnectionHandle | undefined {
    return this.#over || this.destroyed || this.connecting ? undefined : this.#handle
  }

  /** The application says whether it pays; what it throws ends the socket. */
  #askPrice(serial: number, tariff: Tariff): void {
    const answer = async (): Promise<boolean> => (await this.#onPrice?.(tariff)) === true
    answer().then(
      (isAgreed) => this.#handle?.answerPrice(serial, isAgreed),
      (error: unknown) => this.destroy(error as Error),
    )
  }

  /** Nobody can raise the cap who does not know that it is reached. */
  #pausedUnheard(event: PausedEvent): void {
    if (this.#handle === undefined || this.destroyed) return
    if (this.#unheardPause !== undefined) return this.#unheardPause.begin(event)
    this.#unheardPause = new UnheardPause(this.#handle, event, (error) => this.#fail({ read: error, write: error }))
  }

  #becomeConnected(): void {
    if (!this.connecting) return
    this.connecting = false
    this.#idle?.touch()
    publishConnect(this)
    this.emit('connect')
    // Between the two, as in net.
    this.#writeBuffer.connected()
    this.#handOn()
    this.emit('ready')
    this.#start()
  }

  /** As in net, a socket that is paused by now reads nothing, not even an end, before it is asked to. */
  #start(): void {
    if (!this.isPaused()) this.read(0)
    this.#afterTurns(() => {
      this.#mayRead = true
      this.#pull()
    })
  }

  /** In the turn after the next one: what a kernel tells of this side, such as 'finish', comes before what it reads. */
  #afterTurns(callback: () => void): void {
    this.#soon(() => this.#soon(callback))
  }

  #handleEnd(): void {
    this.#peerFinished = true
    if (!this.#mayRead || !this.#wantsData || this.destroyed) return
    this.#wantsData = false
    this.#idle?.touch()
    this.push(null)
    // As in net: without unread bytes, 'end' needs no reader.
    this.read(0)
  }

  #handleEnded(failure: ConnectionFailure | undefined): void {
    this.#over = true
    const error = failure === undefined ? undefined : this.#errorOf(failure)
    this.#exchange?.end(error)
    this.#pings?.end(error)
    const closing = this.#onceOver
    this.#onceOver = undefined
    // Only the FIN is not known to be delivered: the other side has every byte, and 'end' came from it.
    if (closing !== undefined) closing(this.#handle?.bufferedBytes === 0 ? undefined : error)
    // The application closed the endpoint: for what was open that is as if it had destroyed the socket.
    else if (error?.code === ENDPOINT_CLOSED.code) {
      this.endpointClosed = true
      this.destroy()
    } else if (this.#peerFinished && isGone(failure)) this.#handlePeerGone()
    else if (failure !== undefined && error !== undefined) {
      if (losesUnread(failure)) this.destroy(error)
      else this.#fail({ read: error, write: connectionError(failure, 'write', undefined) })
    }
  }

  /**
   * It is over but for what had arrived: that is read first. As in net, a write tells at once, and who destroys it
   * gives that up. Until then it holds what lies unread, as it would if it went on.
   */
  #fail(errors: { readonly read: KeysockError; readonly write: KeysockError }): void {
    if (this.connecting || this.#writeBuffer.isWaiting) return void this.destroy(errors.read)
    if (this.#failing !== undefined) return
    this.#failing = errors
    // At once: what ends this side, too, comes next.
    this.once('end', () => this.#failIfRead())
    this.#failIfRead()
  }

  get #hasUnread(): boolean {
    if (this.#peerFinished && !this.readableEnded) return true
    return this.readableLength > 0 || (this.#handle?.readableBytes ?? 0) > 0
  }

  #failIfRead(): void {
    if (!this.#hasUnread) this.destroy(this.#failing?.read)
  }

  /** In a later turn, as a kernel tells the next reader; and in a tick, so that 'error' comes before 'close'. */
  #failSoon(): void {
    if (!this.destroyed && !this.#hasUnread) this.#soon(() => process.nextTick(() => this.#failIfRead()))
  }

  /** As in net: after the other side's end nobody hears that it has gone too, until there is more to write. */
  #handlePeerGone(): void {
    if (this.#writeBuffer.isWaiting) this.destroy(brokenPipe())
  }

  #errorOf(failure: ConnectionFailure): KeysockError {
    return connectionError(failure, this.connecting ? 'connect' : 'read', this.connecting ? this.#target : undefined)
  }

  #applyTimeout(): void {
    const handle = this.#handle
    if (handle === undefined || this.timeout === undefined) return
    if (this.timeout === 0) return this.#idle?.stop()
    this.#idle ??= new IdleTimer(
      handle,
      inContext(this.#context, () => void this.emit('timeout')),
    )
    this.#idle.start(this.timeout)
  }

  #configure(settings: ChangeableSettings): void {
    if (this.#handle !== undefined) this.#handle.configure(settings)
    else this.#settings = { ...this.#settings, ...settings }
  }
}

/** Of a socket without a connection. */
const NO_CREDIT: CreditView = { paidMsat: 0n, dueMsat: 0n, balanceMsat: 0n }

/** Rounds of the queues of ticks and promises that 'finish' waits for: streams and iterators take one or two. */
const FINISH_ROUNDS = 4

/** Whether a connection failed for no more than that the other side's application has left. */
function isGone(failure: ConnectionFailure | undefined): boolean {
  return failure?.wireCode === Code.CLOSED || failure?.wireCode === Code.NO_ERROR
}

/** Of a write to an other side that has gone. */
function brokenPipe(): KeysockError {
  return new KeysockError('EPIPE', 'write EPIPE', { syscall: 'write' })
}

/** Writing after the other side ended, on a socket that is not to stay half open: EPIPE, as in net. */
function onEnd(this: Socket): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd(this)
}
