/** Runs a script of spec/vectors/scripts.json against one end of a connection, and says what was not as expected. */
import { fromHex, toHex } from '../../src/floor/bytes.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeInitiator, completeResponder, initiate, type Response, respond } from '../../src/wire/handshake.ts'
import { type DirectionKeys, ecdh, type MainKeys, paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, type Header, openPacket, type OpenHeader, sealPacket } from '../../src/wire/packets.ts'
import { toJson } from '../wire/vectors-json.ts'
import type { Script, ScriptPacket, ScriptPattern, ScriptStep } from './script.ts'
import { End, type Fate, type Incoming } from './transport.ts'

/** What stands before the scripts in the file. */
export interface ScriptHead {
  readonly responderSecret: string
  readonly responderKey: string
  readonly initiatorEphemeralSecret: string
  readonly responderEphemeralSecret: string
  readonly cid: string
  readonly directReply: string
  readonly height: number
}

/** A packet that went out, opened. */
interface SentPacket {
  readonly kind: Header['kind']
  readonly attempt: number | undefined
  readonly number: number
  readonly frames: readonly Record<string, unknown>[]
  readonly payment: NonNullable<ReturnType<End['send']>>
}

/** More packets than any script makes an end send without a word from outside. */
const MOST_PACKETS = 2_000

class Run {
  readonly #head: ScriptHead
  readonly #script: Script
  readonly #end: End
  #keys: { readonly early: DirectionKeys; readonly main: MainKeys } | undefined
  #hangs = false
  #sent: SentPacket[] = []
  #told: string[] = []
  #read = ''
  #streamEnd = 0
  readonly #named: Map<string, SentPacket> = new Map()

  constructor(head: ScriptHead, script: Script) {
    this.#head = head
    this.#script = script
    const { open, connect, settings } = script
    const shared = { height: head.height, settings }
    if (open !== undefined) {
      const initiation = initiate({
        responderKey: fromHex(head.responderKey),
        cid: fromHex(head.cid),
        ephemeralSecret: fromHex(head.initiatorEphemeralSecret),
        frames: fromHex(open.frames),
      })
      const main = completeInitiator(initiation, publicKey(fromHex(head.responderEphemeralSecret)))
      this.#keys = { early: initiation.early, main }
      this.#end = End.responder({
        ...shared,
        nodeSecret: fromHex(head.responderSecret),
        nodeKey: fromHex(head.responderKey),
        ephemeralSecret: fromHex(head.responderEphemeralSecret),
        open: this.#incoming(open),
      })
    } else if (connect !== undefined) {
      this.#end = End.initiator({
        ...shared,
        responderKey: fromHex(head.responderKey),
        connectionId: fromHex(head.cid),
        ephemeralSecret: fromHex(head.initiatorEphemeralSecret),
        port: connect.port,
        lane: connect.lane,
        directReply: connect.replies === 'direct' ? fromHex(head.directReply) : undefined,
        identify: undefined,
      })
    } else {
      throw new Error('a script has an OPEN that came, or says where to connect to')
    }
  }

  /** What was not as the step expects; empty where all was. */
  step(step: ScriptStep): string[] {
    this.#sent = []
    this.#told = []
    this.#read = ''
    if (step.medium !== undefined) this.#hangs = step.medium === 'hangs'
    this.#passTo(step.at)
    let reaction: string | undefined
    if (step.in !== undefined) reaction = this.#arrive(step.at, step.in)
    if (step.call !== undefined) this.#call(step.at, step.call)
    if (step.outcome !== undefined) this.#resolve(step.at, step.outcome)
    this.#pump(step.at)
    this.#end.check(step.at)
    return this.#compare(step, reaction)
  }

  #passTo(at: number): void {
    for (let next = this.#end.deadline(); next !== undefined && next <= at; next = this.#end.deadline()) {
      this.#end.wake(next)
      this.#pump(next)
    }
    this.#end.wake(at)
    this.#pump(at)
  }

  #pump(now: number): void {
    this.#told.push(...this.#end.told())
    for (const piece of this.#end.read(now)) this.#read += toHex(piece)
    this.#told.push(...this.#end.told())
    for (let count = 0; ; count++) {
      if (count > MOST_PACKETS) throw new Error('it never stops to send')
      const payment = this.#end.send(now)
      if (payment === undefined) break
      this.#sent.push(this.#open(payment))
      if (!this.#hangs) this.#end.resolve(now, payment, payment.lane === 'node' ? 'settled' : 'delivered')
      this.#told.push(...this.#end.told())
    }
  }

  #arrive(now: number, packet: ScriptPacket): string {
    const incoming = this.#incoming(packet)
    const { reaction, preimage: shown } = this.#end.arrive(now, incoming)
    if (shown !== undefined && toHex(paymentHash(fromHex(shown))) !== toHex(incoming.hash)) return 'a wrong preimage'
    return reaction
  }

  #call(now: number, call: NonNullable<ScriptStep['call']>): void {
    if ('write' in call)
      this.#end.write(now, new Uint8Array(call.write.count).fill(Number.parseInt(call.write.byte, 16)))
    else if ('finish' in call) this.#end.finish(now)
    else if ('stopReading' in call) this.#end.stopReading(now)
    else if ('reset' in call) this.#end.reset(now, call.reset)
    else if ('pay' in call) this.#end.pay(now, call.pay, call.answers)
    else if ('request' in call) this.#end.request(now, call.request)
    else if ('decline' in call) this.#end.decline(now, call.decline)
    else this.#end.givePath(now, call.givePath, new TextEncoder().encode(call.givePath), this.#head.height + 144)
  }

  #resolve(now: number, { of, is }: NonNullable<ScriptStep['outcome']>): void {
    const packet = this.#named.get(of)
    if (packet === undefined) throw new Error(`no packet is called ${of}`)
    const fate: Fate = is === 'settled' && packet.payment.lane === 'phantom' ? 'delivered' : is
    this.#end.resolve(now, packet.payment, fate)
  }

  /** As it arrives: the bytes of the file, or sealed here where they depend on what an initiator sent. */
  #incoming(packet: ScriptPacket): Incoming {
    const { lane, over, amountMsat } = packet
    const { record, hash } =
      packet.packet !== undefined && packet.hash !== undefined
        ? { record: fromHex(packet.packet), hash: fromHex(packet.hash) }
        : this.#seal(packet)
    return { lane, record, hash, amountMsat: BigInt(amountMsat), ...(over !== null && { pathId: over }) }
  }

  #seal({ kind, over, number, frames, damage }: ScriptPacket): {
    readonly record: Uint8Array
    readonly hash: Uint8Array
  } {
    if (this.#keys === undefined) throw new Error('no OPEN was sent yet')
    if (kind !== 'answer' && kind !== 'reply') throw new Error(`${kind} does not come to an initiator`)
    const keys = this.#keys.main.toInitiator
    const cid = over === null ? fromHex(this.#head.cid) : undefined
    const ephemeral = publicKey(fromHex(this.#head.responderEphemeralSecret))
    const header = (kind === 'answer' ? { kind, cid, ephemeral, number } : { kind, cid, number }) as Exclude<
      Header,
      OpenHeader
    >
    const record = sealPacket(header, keys, fromHex(frames))
    const hash = paymentHash(preimage(keys.settle, number, 0))
    if (damage === 'tag') record[record.length - 1] = (record.at(-1) ?? 0) ^ 1
    if (damage === 'hash') hash[0] = (hash[0] ?? 0) ^ 1
    return { record, hash }
  }

  /** Opens what it sends, as the peer would. */
  #open(payment: NonNullable<ReturnType<End['send']>>): SentPacket {
    const { record } = payment
    const decoded = decodeHeader(record, ((record[0] ?? 0) & 8) === 0 ? 'path' : 'cid')
    const { header } = decoded
    const plain =
      header.kind === 'open' ? this.#openOpen(record, header, decoded.sealedOffset) : this.#frames(record, decoded)
    const frames = decodeFrames(plain).map((frame) => this.#note(frame))
    return {
      kind: header.kind,
      attempt: header.kind === 'open' ? header.attempt : undefined,
      number: header.number,
      frames,
      payment,
    }
  }

  #note(frame: Frame): Record<string, unknown> {
    if (frame.type === 'stream') this.#streamEnd = Math.max(this.#streamEnd, frame.offset + frame.data.length)
    return toJson(frame) as Record<string, unknown>
  }

  #openOpen(record: Uint8Array, header: OpenHeader, sealedOffset: number): Uint8Array {
    const response: Response | undefined = respond({
      responderKey: fromHex(this.#head.responderKey),
      cid: header.cid,
      ephemeral: header.ephemeral,
      sharedSecret: ecdh(fromHex(this.#head.responderSecret), header.ephemeral),
      sealed: record.subarray(sealedOffset),
    })
    if (response === undefined) throw new Error('an OPEN that does not open')
    const { main } = completeResponder(response, fromHex(this.#head.responderEphemeralSecret))
    this.#keys = { early: response.early, main }
    return response.frames
  }

  #frames(record: Uint8Array, decoded: ReturnType<typeof decodeHeader>): Uint8Array {
    const keys = this.#keys
    const { kind } = decoded.header
    const direction =
      kind === 'early'
        ? keys?.early
        : this.#script.role === 'responder'
          ? keys?.main.toInitiator
          : keys?.main.toResponder
    const frames = direction === undefined ? undefined : openPacket(record, decoded, direction)
    if (frames === undefined) throw new Error(`a packet ${kind} that does not open`)
    return frames
  }

  #compare(step: ScriptStep, reaction: string | undefined): string[] {
    const { sends, sendsNot = [], told = [], toldNot = [] } = step
    const faults: string[] = []
    const expect = (holds: boolean, what: string): void => {
      if (!holds) faults.push(`at ${step.at}: ${what}`)
    }
    const types = this.#sent.flatMap(({ frames }) => frames.map(({ type }) => String(type)))
    const seen = `sent ${JSON.stringify(this.#sent.map(({ kind, attempt, frames }) => ({ kind, attempt, frames })))}`
    if (step.reaction !== undefined)
      expect(reaction === step.reaction, `the reaction is ${reaction}, not ${step.reaction}`)
    if (sends?.length === 0) expect(this.#sent.length === 0, `nothing was to be sent; ${seen}`)
    for (const pattern of sends ?? []) expect(this.#find(pattern), `${JSON.stringify(pattern)} was to be sent; ${seen}`)
    for (const type of sendsNot) expect(!types.includes(type), `no ${type} was to be sent; ${seen}`)
    if (step.streamEnd !== undefined)
      expect(this.#streamEnd === step.streamEnd, `stream was sent up to ${this.#streamEnd}, not ${step.streamEnd}`)
    if (step.reads !== undefined)
      expect(this.#read === step.reads, `the application read ${this.#read}, not ${step.reads}`)
    let from = 0
    for (const word of told) {
      const place = this.#told.indexOf(word, from)
      expect(place >= 0, `the application was to be told ${word}; it was told ${this.#told.join(', ')}`)
      from = place + 1
    }
    for (const word of toldNot) expect(!this.#told.includes(word), `the application was not to be told ${word}`)
    if (step.state !== undefined) expect(this.#end.state === step.state, `it is ${this.#end.state}, not ${step.state}`)
    return faults
  }

  #find({ amountMsat, kind, attempt, frame, as }: ScriptPattern): boolean {
    const found = this.#sent.find(
      (packet) =>
        (kind === undefined || packet.kind === kind) &&
        (attempt === undefined || packet.attempt === attempt) &&
        (amountMsat === undefined || packet.payment.amountMsat === BigInt(amountMsat)) &&
        (frame === undefined || packet.frames.some((each) => matches(each, frame))),
    )
    if (found !== undefined && as !== undefined) this.#named.set(as, found)
    return found !== undefined
  }
}

function matches(frame: Record<string, unknown>, pattern: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(pattern).every(([name, value]) => JSON.stringify(frame[name]) === JSON.stringify(value))
}

/** Every step in turn; the faults of the first that has some. */
export function runScript(head: ScriptHead, script: Script): string[] {
  const run = new Run(head, script)
  for (const step of script.steps) {
    const faults = run.step(step)
    if (faults.length > 0) return faults
  }
  return []
}
