/** The gateway on a keysock port: signed lines of JSON in both directions. */
import type { Endpoint, Server, Socket } from 'keysock'
import type { Book } from './book.ts'
import { GatewayError } from './errors.ts'
import type { Key, Keys } from './keys.ts'
import { MAX_CONNECTIONS, MAX_UNSENT_BYTES } from './limits.ts'
import { linesOf } from './lines.ts'
import { jsonObject, keyOf, readRequest, type Answer, type Request, type Told } from './requests.ts'
import type { Service } from './service.ts'
import { isSigned, readLine, signedLine } from './signature.ts'
import type { Time } from './time.ts'

interface ServerParts {
  readonly endpoint: Endpoint
  readonly service: Service
  readonly book: Book
  readonly keys: Keys
  readonly time: Time
  readonly log: (line: string) => void
}

/** Listens until the server that it gives is closed. @throws KeysockError */
export async function serveKeysock(parts: ServerParts, port: number): Promise<Server> {
  // Whoever has asked all may end its side, and still hears the answers.
  const server = parts.endpoint.createServer({ allowHalfOpen: true }, (socket) => {
    const caller = new Caller(parts, socket)
    void caller.run()
  })
  server.maxConnections = MAX_CONNECTIONS
  return await server.listen(port)
}

/** One connection: requests of any keys, answers in the order in which they are ready, events where asked for. */
class Caller {
  readonly #parts: ServerParts
  readonly #socket: Socket
  #forget: (() => void) | undefined
  #underWay = 0
  #hasAskedAll = false

  constructor(parts: ServerParts, socket: Socket) {
    this.#parts = parts
    this.#socket = socket
  }

  async run(): Promise<void> {
    const socket = this.#socket
    // Callers come and go; what they asked goes on, and its answer waits for the next time.
    socket.on('error', (error) => this.#parts.log(`a caller is gone: ${error.message}`))
    socket.on('close', () => this.#forget?.())
    try {
      for await (const line of linesOf(socket)) if (!this.#take(line)) break
    } catch {
      socket.destroy()
      return
    }
    this.#forget?.()
    this.#hasAskedAll = true
    if (this.#underWay === 0) socket.end()
  }

  /** Returns whether the connection goes on. */
  #take(line: Buffer): boolean {
    const signed = readLine(line)
    const fields = signed === undefined ? undefined : jsonObject(signed.bytes)
    const key = fields === undefined ? undefined : this.#parts.keys.get(keyOf(fields) ?? '')
    if (
      signed === undefined ||
      fields === undefined ||
      key === undefined ||
      !isSigned(key.secret, signed.bytes, signed.signature)
    ) {
      // One answer for all of it: whoever has no key learns not even which ones there are.
      this.#socket.end(signedLine(undefined, { type: 'answer', error: new GatewayError('unauthorized').failure }))
      return false
    }
    try {
      const request = readRequest(fields)
      if (request.order.task === 'events') this.#follow(request, key, request.order.after)
      else void this.#answer(request, key, signed.signature)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const { id } = fields
      this.#tell(key, { type: 'answer', id: typeof id === 'string' ? id : '', answer: { error: error.failure } })
    }
    return true
  }

  async #answer(request: Request, key: Key, signature: string): Promise<void> {
    this.#underWay++
    const answer = await this.#parts.service.handle({ request, key, via: 'keysock', signature })
    this.#underWay--
    this.#tell(key, { type: 'answer', id: request.id, answer })
    if (this.#hasAskedAll && this.#underWay === 0) this.#socket.end()
  }

  /** Tells the events that the caller has not heard, and those to come, until the connection ends. */
  #follow({ id, timestamp }: Request, key: Key, after: number): void {
    const { service, book } = this.#parts
    const tell = (answer: Answer): void => this.#tell(key, { type: 'answer', id, answer })
    const refusal = service.refusalOf(key, 'events', timestamp)
    if (refusal !== undefined) {
      tell({ error: refusal })
      return
    }
    tell({ result: { after } })
    this.#forget?.()
    const socket = this.#socket
    let last = after
    /** On disk; what the book has beyond is not yet. */
    let newest = book.events(after).at(-1)?.event.sequence ?? after
    // No more than the caller takes: the rest stays in the book until it has.
    const tellMore = (): void => {
      for (const { key: of, event } of book.events(last)) {
        if (event.sequence > newest || socket.writableNeedDrain) return
        last = event.sequence
        if (of === key.name) this.#tell(key, { type: 'event', event })
      }
    }
    const forget = service.onEvent(({ event }) => {
      newest = Math.max(newest, event.sequence)
      tellMore()
    })
    socket.on('drain', tellMore)
    this.#forget = () => {
      forget()
      socket.off('drain', tellMore)
    }
    tellMore()
  }

  #tell({ name, secret }: Key, told: Told): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    const head = { type: told.type, key: name, timestamp: this.#parts.time.now() }
    const rest = told.type === 'event' ? { event: told.event } : { id: told.id, ...told.answer }
    socket.write(signedLine(secret, { ...head, ...rest }))
    // Whoever reads nothing asks for no more.
    if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy()
  }
}
