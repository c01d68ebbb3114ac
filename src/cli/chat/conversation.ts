import type { Socket } from '../../index.ts'
import type { ChatEvent } from '../events.ts'
import { codeOf, messageOf } from '../transfer/errors.ts'
import { closed, every, type Time } from '../transfer/waiting.ts'
import { satOf } from '../words.ts'
import {
  FAREWELL_MS,
  LOOK_MS,
  MAX_CHAT_NAME_CHARACTERS,
  MAX_TEXT_CHARACTERS,
  MAX_UNSENT_BYTES_OF_CHAT,
  UNHEARD_MS,
} from './limits.ts'
import { ChatLines, ChatProtocolError, type ChatLine, writeLine } from './lines.ts'

const OTHER_SIDE = 'the other side'

interface ConversationOptions {
  /** Connected. */
  readonly socket: Socket
  readonly time: Time
  /** One's own. */
  readonly name: string
  readonly tell: (event: ChatEvent) => void
}

/** Two people over a connection (spec/chat.md). */
export class Conversation {
  /** Resolves when it is over, with the error that ended it; undefined: one of both left. */
  readonly ended: Promise<Error | undefined>
  readonly #socket: Socket
  readonly #time: Time
  readonly #ownName: string
  readonly #tell: (event: ChatEvent) => void
  readonly #lines: ChatLines = new ChatLines()
  readonly #over: PromiseWithResolvers<Error | undefined> = Promise.withResolvers()
  readonly #beganMs: number
  readonly #stopLooking: () => void
  #name: string = OTHER_SIDE
  #isThere = false
  #isAway = false
  #heardMs: number
  /** Since when something is not acknowledged, and whether that was told. */
  #unheard: { readonly sinceMs: number; isTold: boolean } | undefined
  #acknowledged = 0
  #said = 0
  #heard = 0

  constructor({ socket, time, name, tell }: ConversationOptions) {
    this.#socket = socket
    this.#time = time
    this.#ownName = name
    this.#tell = tell
    this.#beganMs = this.#heardMs = time.now()
    const over = this.#over
    this.ended = over.promise
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => socket.end())
    socket.on('error', (error: Error) => over.resolve(error))
    socket.on('close', () => over.resolve(undefined))
    socket.on('identified', (publicKey) => this.#presence('identified', `has proved to be the node ${publicKey}`))
    socket.on('payment', ({ amountMsat, note }) =>
      tell({ event: 'tip', by: 'them', name: this.#name, sat: satOf(amountMsat), note }),
    )
    socket.on('paused', (_reason, { capMsat }) =>
      tell({
        event: 'chat-remark',
        message: `the cap of ${satOf(capMsat)} sat is reached, and lines wait; begin again with a higher --max-cost`,
      }),
    )
    this.#stopLooking = every(time, LOOK_MS, () => this.#look())
    void over.promise.then(() => this.#stopLooking())
    this.#send({ type: 'name', name })
  }

  /** The other side's; one's own, and an empty one, stand for nobody. */
  get name(): string {
    return this.#name
  }

  /** What it has cost so far. */
  get sat(): number {
    return this.#socket.stats.satPaid
  }

  get summary(): Omit<Extract<ChatEvent, { readonly event: 'chat-over' }>, 'event'> {
    const { satPaid, satReceived } = this.#socket.stats
    const seconds = (this.#time.now() - this.#beganMs) / 1_000
    return { name: this.#name, seconds, said: this.#said, heard: this.#heard, sat: satPaid, receivedSat: satReceived }
  }

  /** Who is there, in words. */
  get whoInWords(): string {
    const silent = Math.round((this.#time.now() - this.#heardMs) / 1_000)
    if (!this.#isThere) return 'nobody has said hello yet'
    return `${this.#name} is ${this.#isAway ? 'away' : 'there'}, and was heard ${silent} s ago`
  }

  /** @returns why it was not sent; undefined: it is on its way */
  say(text: string): string | undefined {
    if (text.length > MAX_TEXT_CHARACTERS)
      return `not sent: a line has ${MAX_TEXT_CHARACTERS} characters at most, and this one ${text.length}`
    if (this.#socket.writableLength > MAX_UNSENT_BYTES_OF_CHAT) return 'not sent: so much is under way; wait a moment'
    if (!this.#send({ type: 'text', text: text.toWellFormed() })) return 'not sent: the connection has ended'
    this.#said += 1
    this.#tell({ event: 'said', by: 'me', name: this.#ownName, text })
    return undefined
  }

  setAway(isAway: boolean): void {
    this.#send({ type: 'away', isAway })
  }

  /** Resolves with why nothing was paid; undefined: the money is there. */
  async pay(msat: bigint, note: string): Promise<string | undefined> {
    const { capMsat, paidMsat, reservedMsat } = this.#socket.stats
    const leftMsat = capMsat - paidMsat - reservedMsat
    if (msat >= leftMsat) return `not paid: the cap of this chat leaves ${satOf(leftMsat)} sat; --max-cost sets it`
    try {
      const { amountMsat } = await this.#socket.pay(msat, note)
      this.#tell({ event: 'tip', by: 'me', name: this.#ownName, sat: satOf(amountMsat), note })
      return undefined
    } catch (error) {
      return `it is not known to be paid: ${messageOf(error)} (${codeOf(error)})`
    }
  }

  /** Says goodbye, and waits until the other side has all that was said. */
  async leave(): Promise<void> {
    if (this.#socket.destroyed) return
    this.#socket.end()
    this.#socket.resume()
    await closed(this.#socket, this.#time, FAREWELL_MS)
  }

  #send(line: ChatLine): boolean {
    if (!this.#socket.writable) return false
    this.#unheard ??= { sinceMs: this.#time.now(), isTold: false }
    this.#socket.write(writeLine(line))
    return true
  }

  #take(chunk: Buffer): void {
    this.#heardMs = this.#time.now()
    try {
      for (const line of this.#lines.read(chunk)) this.#hear(line)
    } catch (error) {
      if (!(error instanceof ChatProtocolError)) throw error
      this.#over.resolve(error)
      this.#socket.resetAndDestroy()
    }
  }

  #hear(line: ChatLine): void {
    switch (line.type) {
      case 'name':
        return this.#named(line.name)
      case 'text':
        this.#heard += 1
        this.#tell({ event: 'said', by: 'them', name: this.#name, text: line.text })
        return
      case 'away':
        if (line.isAway === this.#isAway) return
        this.#isAway = line.isAway
        return this.#presence(line.isAway ? 'away' : 'back', line.isAway ? 'is away' : 'is back')
    }
  }

  #named(given: string): void {
    const before = this.#name
    const name = given.trim().slice(0, MAX_CHAT_NAME_CHARACTERS)
    // spec/chat.md §3.1: nobody looks like oneself.
    this.#name = name === '' || name === this.#ownName ? OTHER_SIDE : name
    if (!this.#isThere) {
      this.#isThere = true
      this.#presence('joined', 'is there')
    } else if (before !== this.#name)
      this.#tell({ event: 'presence', state: 'renamed', name: before, message: `is ${this.#name} now` })
  }

  #presence(state: Extract<ChatEvent, { readonly event: 'presence' }>['state'], message: string): void {
    this.#tell({ event: 'presence', state, name: this.#name, message })
  }

  /** Whether what was said arrives. */
  #look(): void {
    const { bytesAcknowledged, bytesWritten } = this.#socket.stats
    const now = this.#time.now()
    if (bytesAcknowledged > this.#acknowledged) {
      if (this.#unheard?.isTold === true) this.#presence('heard', 'is heard from again')
      this.#acknowledged = bytesAcknowledged
      this.#unheard = bytesAcknowledged < bytesWritten ? { sinceMs: now, isTold: false } : undefined
    }
    if (bytesAcknowledged >= bytesWritten) this.#unheard = undefined
    if (this.#unheard === undefined || this.#unheard.isTold || now - this.#unheard.sinceMs < UNHEARD_MS) return
    this.#unheard.isTold = true
    this.#presence('unheard', 'has not received your latest lines yet')
  }
}
