import { checkPlaces, decodeFrames, UnsupportedError } from '../../wire/frame-reader.ts'
import { FrameWriter, frameSize, lastStreamDataRoom } from '../../wire/frame-writer.ts'
import type { Frame } from '../../wire/frames.ts'
import { initiate, type Initiation, openTranscript, respond, type Response, withAttempt } from '../../wire/handshake.ts'
import { backOffMs } from '../../floor/back-off.ts'
import { Code } from '../../wire/errors.ts'
import { hmacSha256, openIdentityProof, publicKey } from '../../wire/keys.ts'
import { decodeHeader, frameCapacity } from '../../wire/packets.ts'
import type { OpenIdentity, Parameters } from '../../wire/parameters.ts'
import { Control } from './controls.ts'
import type { ConnectionFailure, RandomBytes } from './interface.ts'
import {
  INITIAL_LIMIT,
  MAX_OPEN_COPIES,
  MAX_OPENING_PRICES,
  MAX_UNANSWERED,
  OPEN_AGAIN_MS,
  OPEN_SLACK_BYTES,
} from './limits.ts'
import type { Parts } from './parts.ts'
import { earliest, isDue, type Timed } from './timed.ts'
import { validateOpen } from './validation.ts'

// The connect timeout ends it.
const AGAIN = { minMs: OPEN_AGAIN_MS, maxMs: Infinity }

/** An OPEN that is authentic and well-formed: what the endpoint decides on (spec §6.2). */
export interface OpenedPacket {
  readonly frames: readonly Frame[]
  readonly port: number
  readonly height: number
  readonly parameters: Parameters
  readonly connectionId: Uint8Array
  /** e_i, 33 bytes: what the table of OPENs seen is about. */
  readonly ephemeral: Uint8Array
  /** The keys so far, for `Connection.accept` and `Connection.refuse`. */
  readonly session: Response
  /** It has to be refused with this code: an unknown even frame or parameter, or a stream that breaks a rule. */
  readonly refusal: Code | undefined
}

/**
 * Opens an OPEN with ECDH(node key, e_i). Undefined: it is to be dropped (wrong tag, malformed frames, or
 * no way to answer; spec §6.2). `record` may come over either lane.
 */
export function openOpen(options: {
  readonly record: Uint8Array
  readonly responderKey: Uint8Array
  readonly sharedSecret: Uint8Array
}): OpenedPacket | undefined {
  const { record, responderKey, sharedSecret } = options
  try {
    const { header, sealedOffset } = decodeHeader(record, 'cid')
    if (header.kind !== 'open') return undefined
    const { cid, ephemeral } = header
    const session = respond({ responderKey, cid, ephemeral, sharedSecret, sealed: record.subarray(sealedOffset) })
    if (session === undefined) return undefined
    const { frames, refusal } = readOpen(session.frames)
    checkPlaces('open', frames)
    const open = frames[0]
    if (open?.type !== 'open') return undefined
    const answerable = open.parameters.directReply !== undefined || frames.some((frame) => frame.type === 'reply-paths')
    if (!answerable) return undefined
    const { port, height, parameters } = open
    const asked = { port, height, parameters, connectionId: cid, ephemeral }
    return { ...asked, frames, session, refusal: refusal ?? validateOpen(frames) }
  } catch {
    // A malformed OPEN has no effect but a count, which is the endpoint's.
    return undefined
  }
}

function readOpen(bytes: Uint8Array): { frames: readonly Frame[]; refusal: Code | undefined } {
  try {
    return { frames: decodeFrames(bytes), refusal: undefined }
  } catch (error) {
    if (error instanceof UnsupportedError) return { frames: error.frames, refusal: Code.UNSUPPORTED }
    throw error
  }
}

/** A secret key: 32 bytes that are 1 .. n-1, which random bytes but for one in 2^127 are. */
export function ephemeralSecret(random: RandomBytes): Uint8Array {
  for (;;) {
    const secret = random(32)
    const high = secret.subarray(0, 16)
    if (!high.every((byte) => byte === 0xff) && !secret.every((byte) => byte === 0)) return secret
  }
}

/** What tells copies of one OPEN from others: all bytes but the attempt (spec §3.8). */
export function openDigest(record: Uint8Array, connectionId: Uint8Array): Uint8Array {
  return hmacSha256(connectionId, withAttempt(record, 0))
}

/** What an initiator's OPEN says. */
export interface OpeningOptions {
  readonly now: number
  readonly responderKey: Uint8Array
  readonly port: number
  /** Answers come to this node key; undefined: over paths of ours. */
  readonly directKey: Uint8Array | undefined
  readonly ephemeralSecret: Uint8Array
  /** The most that it pays for the opening (spec §6.15). */
  readonly maxOpeningPriceMsat: bigint
  /** Our node key, where the OPEN proves it (spec §6.16). */
  readonly identityKey?: Uint8Array
}

type Needs = 'connectionId' | 'controls' | 'handshake' | 'life' | 'money' | 'paths' | 'reach' | 'send' | 'settings'

/** An initiator's OPEN: one record for ever (spec §4.5). It is kept until the other side has accepted. */
export class Opening implements Timed {
  readonly #parts: Pick<Parts, Needs>
  readonly #options: OpeningOptions
  /** Undefined until the first route is known. */
  initiation: Initiation | undefined
  /** The secret that our node key shares with the responder's; undefined until our node has told. */
  #identitySecret: Uint8Array | undefined
  /** What its copies pay at least, msat: the opening price that was named last. */
  priceMsat = 0n
  #prices = 0
  /** Copies made so far, the first one included. */
  copies = 0
  #failedCopies = 0
  /** A copy has to go. */
  isDue = true
  /** A copy was settled on the phantom lane: the responder has it. */
  hasArrived = false
  /** Copies in a row that met nobody at the phantom of the responder's node (spec §6.9). */
  #unanswered = 0
  /** On the node lane, settled without an answer: when to send it again, and how often that was so. */
  #againAt: number | undefined
  #againTimes = 0
  /** Stream bytes from 0 on, and perhaps FIN, in it. */
  earlyEnd = 0
  hasFin = false

  constructor(parts: Pick<Parts, Needs>, options: OpeningOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Its record is fixed. */
  get isMade(): boolean {
    return this.initiation !== undefined
  }

  get directKey(): Uint8Array | undefined {
    return this.#options.directKey
  }

  /** A copy is at the responder's node, and its answer is awaited. */
  get isAwaited(): boolean {
    return this.#againAt !== undefined
  }

  /** The other side can answer: by a node key, or over paths. */
  get isAnswerable(): boolean {
    return this.directKey !== undefined || this.#parts.paths.own?.newest !== undefined
  }

  /** The OPEN proves our node key, and cannot be made before our node has helped. */
  get waitsForSecret(): boolean {
    return this.#options.identityKey !== undefined && this.#identitySecret === undefined
  }

  /** Our node shares this secret with the responder's. */
  provideSecret(secret: Uint8Array): void {
    this.#identitySecret = secret
  }

  get #timeoutAt(): number | undefined {
    const { life, settings } = this.#parts
    return life.isOpening ? this.#options.now + settings.connectTimeoutMs : undefined
  }

  dueAt(after: number): number | undefined {
    return earliest(after, this.#timeoutAt, this.#againAt)
  }

  run(now: number): void {
    if (isDue(this.#timeoutAt, now)) this.#parts.life.close(this.#timeout())
    if (!isDue(this.#againAt, now)) return
    this.#againAt = undefined
    this.#againTimes++
    this.isDue = true
  }

  stop(): void {
    this.#againAt = undefined
  }

  #timeout(): ConnectionFailure {
    const after = `within ${this.#parts.settings.connectTimeoutMs} ms`
    const { money } = this.#parts
    if (money.isPaused) {
      const [cap, it] = money.isPausedByOwnCap ? ['the cost cap', 'maxCost'] : ["the endpoint's caps", 'them']
      return { code: 'ERR_KEYSOCK_COST', message: `${cap} let no packet pass ${after}; raise ${it}` }
    }
    if (this.copies === 0) return { code: 'EHOSTUNREACH', message: `no route to the peer was found ${after}` }
    return { code: 'ETIMEDOUT', message: `the peer did not answer ${after}` }
  }

  /**
   * The next copy, for a route with room for `recordBytes`: the record is made for the first route that comes, and
   * copied
   * ever after (spec §4.5). 'too-long': it does not fit. 'none-left': all copies were made, and the connect timeout
   * ends it, or that the last of them fails.
   */
  next(recordBytes: number): { readonly record: Uint8Array; readonly attempt: number } | 'too-long' | 'none-left' {
    if (this.copies >= MAX_OPEN_COPIES) {
      // spec §3.8: the number of an attempt is one byte.
      this.isDue = false
      return 'none-left'
    }
    this.initiation ??= this.#make(recordBytes)
    const packet = this.initiation?.packet
    if (packet === undefined || packet.length > recordBytes) return 'too-long'
    const attempt = this.copies++
    this.isDue = false
    this.#againAt = undefined
    return { record: attempt === 0 ? packet : withAttempt(packet, attempt), attempt }
  }

  // spec §4.3; the frames are OPEN, REPLY_PATHS, and as much early data as there is and fits.
  #make(recordBytes: number): Initiation | undefined {
    const { connectionId, controls, handshake, paths, reach } = this.#parts
    const { responderKey, port, ephemeralSecret: secret } = this.#options
    const identity = this.#identity
    const parameters = { ...handshake.ownParameters, ...(identity === undefined ? {} : { identity }) }
    const open = { type: 'open', port, height: reach.height, parameters } as const
    const ours = paths.own?.frame()
    const minBytes = frameSize(open) + (ours === undefined ? 0 : frameSize(ours))
    const capacity = frameCapacity('open', 'cid', 0, recordBytes)
    if (minBytes > capacity) return undefined
    const writer = new FrameWriter(Math.max(minBytes, capacity - OPEN_SLACK_BYTES))
    writer.add(open)
    if (ours !== undefined && writer.add(ours)) controls.drop(Control.PATHS)
    this.#addEarlyData(writer)
    return initiate({ responderKey, cid: connectionId, ephemeralSecret: secret, frames: writer.bytes() })
  }

  get #identity(): OpenIdentity | undefined {
    const { identityKey: key, responderKey, ephemeralSecret: ephemeral } = this.#options
    const secret = this.#identitySecret
    if (key === undefined || secret === undefined) return undefined
    const transcript = openTranscript(responderKey, this.#parts.connectionId, publicKey(ephemeral))
    return { key, proof: openIdentityProof(secret, transcript) }
  }

  #addEarlyData(writer: FrameWriter): void {
    const { controls, send } = this.#parts
    const { buffer } = send
    const piece = buffer.take(lastStreamDataRoom(0, writer.remaining), INITIAL_LIMIT)
    if (piece === undefined) return
    const fin = send.isFinDue && piece.end === buffer.written
    if (!writer.addLast({ type: 'stream', offset: piece.start, data: buffer.bytes(piece), fin })) {
      throw new Error('early data that does not fit')
    }
    this.earlyEnd = piece.end
    if (!fin) return
    send.finSent()
    controls.sent(Control.FIN, 0)
    this.hasFin = true
  }

  /** A copy settled on the node lane. */
  settled(now: number): void {
    this.#againAt ??= now + backOffMs(AGAIN, this.#againTimes)
  }

  /** A copy is known to have arrived. */
  arrived(): void {
    this.hasArrived = true
    this.isDue = false
  }

  /** A copy did not arrive. */
  lost(): void {
    const { life } = this.#parts
    this.#failedCopies++
    if (this.hasArrived || !life.isOpening) return
    this.isDue = this.copies < MAX_OPEN_COPIES
    // spec §3.8: none is left that could be answered.
    if (this.#failedCopies < MAX_OPEN_COPIES) return
    const message = `all ${MAX_OPEN_COPIES} attempts to reach the peer failed`
    life.close({ code: 'ETIMEDOUT', message })
  }

  /**
   * A copy that paid `paidMsat` was refused, and this price named (spec §6.15). Undefined: the next copy pays it, at
   * once.
   */
  asked(priceMsat: bigint, paidMsat: bigint): ConnectionFailure | undefined {
    const { maxOpeningPriceMsat } = this.#options
    const failure = { code: 'ERR_KEYSOCK_PRICE', wireCode: Code.PRICE, openingPriceMsat: priceMsat }
    if (priceMsat > maxOpeningPriceMsat) {
      const message = `the peer asks ${priceMsat} msat for the opening; maxOpeningPrice allows ${maxOpeningPriceMsat}`
      return { ...failure, message }
    }
    // A copy that was under way when a higher price was named.
    if (paidMsat < this.priceMsat && priceMsat <= this.priceMsat) return undefined
    this.#prices++
    if (paidMsat >= priceMsat || this.#prices > MAX_OPENING_PRICES) {
      return { ...failure, message: `the peer asks ${priceMsat} msat for the opening, again and again` }
    }
    this.priceMsat = priceMsat
    return undefined
  }

  /**
   * A copy to the phantom of the responder's node was refused; `code` undefined: nobody was there to say why. True when
   * nobody can be expected there any more (spec §6.9).
   */
  refused(code: number | undefined): boolean {
    this.#unanswered = code === undefined ? this.#unanswered + 1 : 0
    return this.#unanswered >= MAX_UNANSWERED
  }
}
