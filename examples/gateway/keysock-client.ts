/** The client's side of a keysock connection to a gateway: it connects again, and asks again, by itself. */
import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import type { Endpoint, Socket } from 'keysock'
import type { Transport, TransportOptions } from './client.ts'
import { GatewayError } from './errors.ts'
import { ASK_AGAIN_MS, KEEP_ALIVE_MS, MAX_CONNECTION_MSAT, RETRY_MS, WINDOW_MS } from './limits.ts'
import { linesOf } from './lines.ts'
import { failureOf, jsonObject, readTold, type Answer, type PaidEvent } from './requests.ts'
import { isSigned, NO_SIGNATURE, readLine, signedLine } from './signature.ts'
import { pause, type Time } from './time.ts'

export interface KeysockClientOptions {
  readonly endpoint: Endpoint
  /** What the gateway's endpoint gives as its address. */
  readonly address: string
  readonly port: number
  readonly key: { readonly name: string; readonly secret: Uint8Array }
  readonly time: Time
  /** Hears why a connection ended, which is then made again. */
  readonly log?: (line: string) => void
}

interface Pending {
  readonly fields: Readonly<Record<string, unknown>>
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** What a connection fails with where another one would fail, too, and cost as much: a cap, a price, a fee. */
const FINAL: ReadonlySet<string | undefined> = new Set(['ERR_KEYSOCK_COST', 'ERR_KEYSOCK_PRICE', 'ERR_KEYSOCK_FEE'])

/** Asks by lines over one connection, which is made when there is something to ask. */
export class KeysockClient implements Transport {
  readonly #options: KeysockClientOptions
  readonly #pending = new Map<string, Pending>()
  readonly #events = new EventEmitter()
  readonly #ended = new AbortController()
  #socket: Socket | undefined
  #running: Promise<void> | undefined
  /** The last event that was heard, while somebody listens. */
  #after: number | undefined
  #followId = ''
  /** Lines from the gateway. */
  #heard = 0

  constructor(options: KeysockClientOptions) {
    this.#options = options
  }

  async ask(fields: Readonly<Record<string, unknown>>, { id, signal }: TransportOptions): Promise<Answer> {
    signal?.throwIfAborted()
    if (this.#pending.has(id)) throw new Error(`a request under the id ${id} waits for its answer already`)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const give = (): void => reject(signal?.reason as Error)
    signal?.addEventListener('abort', give, { once: true })
    this.#pending.set(id, { fields, resolve, reject })
    // A new connection begins with all that waits.
    if (this.#running === undefined) this.#running = this.#run()
    else this.#send(id, fields)
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', give)
      this.#pending.delete(id)
    }
  }

  async *events(after: number, signal: AbortSignal): AsyncGenerator<PaidEvent> {
    if (this.#after !== undefined) throw new Error('somebody listens for events already')
    this.#after = after
    if (this.#running === undefined) this.#running = this.#run()
    else this.#follow()
    try {
      for await (const [event] of on(this.#events, 'event', { signal })) yield event as PaidEvent
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      this.#after = undefined
      this.#socket?.setKeepAlive(false)
    }
  }

  async close(): Promise<void> {
    this.#ended.abort()
    this.#socket?.end()
    await this.#running
  }

  /** Keeps a connection as long as somebody waits for something. */
  async #run(): Promise<void> {
    const { endpoint, address, port, time } = this.#options
    const { signal } = this.#ended
    for (let waitMs: number = RETRY_MS.least; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      // It lasts for as long as somebody asks: the caps of the endpoint bound what it costs.
      const socket = endpoint.createConnection(address, port, { maxCost: MAX_CONNECTION_MSAT })
      this.#socket = socket
      socket.on('error', (error) => this.#onError(error))
      socket.once('connect', () => (waitMs = RETRY_MS.least))
      for (const [id, { fields }] of this.#pending) this.#send(id, fields)
      this.#follow()
      void this.#insist(socket)
      try {
        for await (const line of linesOf(socket)) this.#take(line)
      } catch {
        socket.destroy()
      }
      if (this.#socket === socket) this.#socket = undefined
      if (!this.#isNeeded()) break
      await pause(time, waitMs, signal)
    }
    this.#running = undefined
    // Somebody asked in the moment between.
    if (!signal.aborted && this.#isNeeded()) this.#running = this.#run()
  }

  /** Asks again where nothing is heard: a gateway that died says nothing, and its next process knows no connection. */
  async #insist(socket: Socket): Promise<void> {
    const { time } = this.#options
    for (let waitMs: number = ASK_AGAIN_MS.least; ;) {
      const heard = this.#heard
      await pause(time, waitMs, this.#ended.signal)
      if (this.#socket !== socket || this.#ended.signal.aborted) return
      if (this.#pending.size === 0 || this.#heard !== heard) waitMs = ASK_AGAIN_MS.least
      else if (waitMs >= ASK_AGAIN_MS.most) {
        socket.destroy()
        return
      } else {
        for (const [id, { fields }] of this.#pending) this.#send(id, fields)
        waitMs *= 2
      }
    }
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (!FINAL.has(error.code)) {
      this.#options.log?.(`the gateway is asked again: ${error.message}`)
      return
    }
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    this.#endEvents(error)
  }

  #endEvents(error: Error): void {
    if (this.#after === undefined) return
    this.#after = undefined
    this.#events.emit('error', error)
  }

  #isNeeded(): boolean {
    return this.#pending.size > 0 || this.#after !== undefined
  }

  /** Each try has a timestamp of its own: the same bytes twice would be a replay. */
  #send(id: string, fields: Readonly<Record<string, unknown>>): void {
    const { key, time } = this.#options
    const socket = this.#socket
    if (socket === undefined || socket.destroyed || socket.writableEnded) return
    socket.write(signedLine(key.secret, { type: 'request', key: key.name, timestamp: time.now(), id, ...fields }))
  }

  #follow(): void {
    if (this.#after === undefined) return
    // It may hear nothing for days, and is to know whether the gateway is there.
    this.#socket?.setKeepAlive(true, KEEP_ALIVE_MS)
    this.#followId = randomUUID()
    this.#send(this.#followId, { task: 'events', after: this.#after })
  }

  #take(line: Buffer): void {
    this.#heard++
    const { key, time } = this.#options
    const signed = readLine(line)
    const fields = signed === undefined ? undefined : jsonObject(signed.bytes)
    if (signed === undefined || fields === undefined) return
    if (!isSigned(key.secret, signed.bytes, signed.signature)) {
      // It can only be the gateway: keysock has proved its node. Without a secret in common it cannot sign.
      const error = signed.signature === NO_SIGNATURE ? failureOf(fields['error']) : undefined
      if (error !== undefined) for (const { resolve } of this.#pending.values()) resolve({ error })
      return
    }
    const told = readTold(fields)
    if (told?.key !== key.name) return
    const isNow = Math.abs(time.now() - told.timestamp) <= WINDOW_MS
    // Dropped, it would be asked for again, and paid for, until one of the clocks is set.
    if (told.type === 'answer') this.#hear(told.id, isNow ? told.answer : this.#stale(told.timestamp, told.answer))
    else if (!isNow) return
    else if (this.#after !== undefined && told.event.sequence > this.#after) {
      this.#after = told.event.sequence
      this.#events.emit('event', told.event)
    }
  }

  /** In place of an answer whose time is not now. What the gateway did it would say again under the same id. */
  #stale(timestamp: number, answer: Answer): Answer {
    const [theirs, ours] = [timestamp, this.#options.time.now()].map((ms) => new Date(ms).toISOString())
    const message = `the gateway's clock says ${theirs}, and the one here ${ours}`
    const final = 'error' in answer && answer.error.code === 'stale'
    return { error: new GatewayError('stale', message, { final }).failure }
  }

  #hear(id: string, answer: Answer): void {
    this.#pending.get(id)?.resolve(answer)
    if (id !== this.#followId || !('error' in answer)) return
    const { code, message, final } = answer.error
    this.#endEvents(new GatewayError(code, message, { final }))
  }
}
