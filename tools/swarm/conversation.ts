/** One connection of a story: what both sides do, and what must hold of the bytes, datagrams and payments. */
import type { Socket } from '../../src/index.ts'
import type { Application } from './story.ts'

export type SideName = 'client' | 'server'

/** Each conversation has a port of its own. */
const FIRST_PORT = 100
const CHUNK_BYTES = 5_000

interface Side {
  socket: Socket | undefined
  /** Of the pattern: without the header. */
  written: number
  read: number
  hasEnded: boolean
  error: string | undefined
  isClosed: boolean
}

function newSide(): Side {
  return { socket: undefined, written: 0, read: 0, hasEnded: false, error: undefined, isClosed: false }
}

function inWords({ read, written, hasEnded, error = '', isClosed }: Side): string {
  return `wrote ${written} read ${read}${hasEnded ? ' end' : ''}${isClosed ? ' closed' : ''} ${error}`.trimEnd()
}

export interface ConversationInit {
  readonly index: number
  readonly application: Application
  readonly from: number
  readonly to: number
  readonly tell: (what: string) => void
  /** Takes what must not be. */
  readonly find: (what: string) => void
}

export class Conversation {
  readonly index: number
  readonly application: Application
  readonly from: number
  readonly to: number
  readonly sides: Readonly<Record<SideName, Side>> = { client: newSide(), server: newSide() }
  /** The story itself ended it, or one of its programs. */
  isDisturbed = false
  isConnected = false
  /** It waits for money that its side does not give. */
  isPaused = false
  readonly #tell: (what: string) => void
  readonly #find: (what: string) => void
  readonly #datagrams = new Set<string>()
  #datagramsSent = 0
  readonly #notes = new Set<string>()
  /** Notes of payments whose receipt came. */
  readonly #receipts: string[] = []
  #paymentsOpen = 0

  constructor({ index, application, from, to, tell, find }: ConversationInit) {
    this.index = index
    this.application = application
    this.from = from
    this.to = to
    this.#tell = (what) => tell(`conversation ${index} ${what}`)
    this.#find = (what) => find(`${what}: ${this.toString()}`)
  }

  get port(): number {
    return FIRST_PORT + this.index
  }

  #must(holds: boolean, what: string): void {
    if (!holds) this.#find(what)
  }

  /** Bytes of the pattern that a side writes in all. */
  #length(name: SideName): number {
    const { type } = this.application
    if (type === 'datagrams' || type === 'payments') return 0
    const { bytes } = this.application
    const isWriter = name === 'client' ? type !== 'download' : type !== 'upload'
    return isWriter ? bytes : 0
  }

  get isOver(): boolean {
    const { client, server } = this.sides
    return client.isClosed && (server.socket === undefined || server.isClosed)
  }

  /** All that it is about was done. */
  get isDone(): boolean {
    const { client, server } = this.sides
    const isRead = client.read === this.#length('server') && server.read === this.#length('client')
    return isRead && this.#paymentsOpen === 0 && (this.isOver || (client.hasEnded && server.hasEnded))
  }

  /** How far it is, for a reader. */
  toString(): string {
    const { client, server } = this.sides
    return `conversation ${this.index} (${this.application.type}, ${this.from} to ${this.to}): client ${inWords(client)}; server ${inWords(server)}`
  }

  join(name: SideName, socket: Socket): void {
    const side = this.sides[name]
    if (side.socket !== undefined) {
      this.#must(this.isDisturbed || this.sides.client.isClosed, 'it was accepted twice')
      // An OPEN that is told again to the next process: nobody is behind it.
      socket.on('error', () => undefined).destroy()
      return
    }
    side.socket = socket
    socket.on('error', (error: NodeJS.ErrnoException) => {
      side.error = error.code ?? error.message
      this.#tell(`${name}: ${side.error} ${error.message}`)
    })
    socket.on('close', () => {
      side.isClosed = true
      this.#tell(`${name} closed`)
    })
    socket.on('paused', () => {
      this.isPaused = true
      this.#tell(`${name} paused at its cap`)
    })
    socket.on('end', () => {
      side.hasEnded = true
      this.#tell(`${name} read the end, after ${side.read} bytes`)
      const whole = this.#length(name === 'client' ? 'server' : 'client')
      this.#must(this.isDisturbed || side.read === whole, `${name} read an end before all bytes`)
    })
    socket.on('data', (data: Buffer) => this.#heard(name, data))
    socket.on('message', (data: Buffer) => this.#datagram(data))
    socket.on('payment', ({ note }) => {
      this.#must(!this.#notes.has(note), `the payment ${note} was told twice`)
      this.#notes.add(note)
    })
    if (name === 'client') {
      socket.on('connect', () => {
        this.isConnected = true
        this.#tell('is connected')
      })
    }
    this.#begin(name, socket)
  }

  #begin(name: SideName, socket: Socket): void {
    const { application } = this
    switch (application.type) {
      case 'echo':
        if (name === 'client') this.#write(name, application.bytes)
        return
      case 'upload':
      case 'download':
      case 'talk':
        this.#write(name, this.#length(name))
        socket.end()
        return
      case 'datagrams':
        if (name === 'client') socket.once('connect', () => this.#sendDatagrams(socket, application))
        else socket.once('end', () => socket.end())
        return
      case 'payments':
        if (name === 'client') socket.once('connect', () => this.#pay(socket, application.amountsMsat))
        else socket.once('end', () => socket.end())
    }
  }

  #write(name: SideName, bytes: number): void {
    const side = this.sides[name]
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      const length = Math.min(left, CHUNK_BYTES)
      if (side.socket?.writable !== true) return
      side.socket.write(this.#pattern(name, side.written, length))
      side.written += length
    }
  }

  /** Which bytes a side writes: no two conversations, and no two offsets nearby, have the same. */
  #pattern(name: SideName, offset: number, length: number): Buffer {
    const salt = this.index * 13 + (name === 'client' ? 0 : 101)
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) {
      const at = offset + i
      bytes[i] = (at * 31 + (at >> 8) * 7 + (at >> 16) * 3 + salt) & 0xff
    }
    return bytes
  }

  #heard(name: SideName, data: Buffer): void {
    const side = this.sides[name]
    const from = name === 'client' ? 'server' : 'client'
    // An echo has what the client wrote.
    const pattern = this.application.type === 'echo' ? 'client' : from
    const expected = this.#pattern(pattern, side.read, data.length)
    this.#must(data.equals(expected), `${name} read other bytes than were written, from offset ${side.read}`)
    side.read += data.length
    this.#must(side.read <= this.#length(from), `${name} read more than was written`)
    if (this.application.type !== 'echo') return
    if (name === 'server') {
      if (side.socket?.writable === true) side.socket.write(data)
      side.written += data.length
      if (side.read === this.application.bytes) side.socket?.end()
    } else if (side.read === this.application.bytes) side.socket?.end()
  }

  #sendDatagrams(socket: Socket, { count, bytes }: { readonly count: number; readonly bytes: number }): void {
    for (let i = 0; i < count; i++) {
      if (!socket.writable) return
      const data = Buffer.alloc(bytes, i)
      data.writeUInt32BE(i)
      try {
        socket.sendMessage(data)
        this.#datagramsSent++
      } catch (error) {
        // More than its queue takes at once.
        this.#tell(`datagram ${i}: ${(error as NodeJS.ErrnoException).code}`)
      }
    }
    socket.end()
  }

  #datagram(data: Buffer): void {
    const { application } = this
    if (application.type !== 'datagrams') return this.#find('a datagram in a conversation without')
    const index = data.readUInt32BE(0)
    const expected = Buffer.alloc(application.bytes, index)
    expected.writeUInt32BE(index)
    this.#must(index < application.count && data.equals(expected), 'a datagram came that was never sent')
    const key = String(index)
    this.#must(!this.#datagrams.has(key), `datagram ${index} came twice`)
    this.#datagrams.add(key)
  }

  #pay(socket: Socket, amountsMsat: readonly number[]): void {
    for (const [i, amountMsat] of amountsMsat.entries()) {
      const note = `note ${this.index}.${i}`
      this.#paymentsOpen++
      socket
        .pay(amountMsat, note)
        .then(
          () => this.#receipts.push(note),
          (error: NodeJS.ErrnoException) => this.#tell(`payment ${i}: ${error.code}`),
        )
        .finally(() => {
          if (--this.#paymentsOpen === 0) socket.end()
        })
        .catch(() => undefined)
    }
  }

  /**
   * What must hold when all is over.
   *
   * @param isKept a relay may have kept what was settled: its payer has a receipt, and its payee nothing
   */
  checkEnd(isKept: boolean): void {
    if (this.isDisturbed) return
    const { client, server } = this.sides
    const isClean = this.isDone && client.error === undefined && server.error === undefined
    const lost = this.#datagramsSent - this.#datagrams.size
    this.#must(!isClean || lost === 0, `${lost} datagrams never came, and it ended in order`)
    if (isKept) return
    for (const note of this.#receipts) this.#must(this.#notes.has(note), `${note} has a receipt, and was never told`)
  }
}
