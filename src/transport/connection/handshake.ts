import { equalBytes } from '../../floor/bytes.ts'
import type { AcceptFrame, IdentifyFrame } from '../../wire/frames.ts'
import { completeInitiator, completeResponder, type Response } from '../../wire/handshake.ts'
import { type DirectionKeys, ecdh, identifyProof, type MainKeys } from '../../wire/keys.ts'
import { type DecodedHeader, openPacket } from '../../wire/packets.ts'
import type { Parameters } from '../../wire/parameters.ts'
import { Control } from './controls.ts'
import { HandshakeKeys } from './handshake-keys.ts'
import { ACCEPT_MS, ACK_DELAY_MS } from './limits.ts'
import { ephemeralSecret, openDigest, Opening, type OpeningOptions } from './opening.ts'
import type { Parts } from './parts.ts'
import { isDue, type Timed } from './timed.ts'

type Needs =
  | 'connectionId'
  | 'controls'
  | 'handshake'
  | 'idle'
  | 'life'
  | 'money'
  | 'outputs'
  | 'packets'
  | 'paths'
  | 'probe'
  | 'random'
  | 'reach'
  | 'receive'
  | 'recovery'
  | 'role'
  | 'send'
  | 'settings'

/** Keys and parameters of both sides: how they come about (spec §4, §6), and who proves to be whom (spec §12.7). */
export class Handshake implements Timed {
  readonly #parts: Pick<Parts, Needs>
  /** Initiator, until the other side has accepted. */
  opening: Readonly<Opening> | undefined
  /** Undefined: an initiator that has no answer yet. */
  #keys: HandshakeKeys | undefined
  /** Responder: the OPEN brought money that no copy of it must bring again (spec §6.5). */
  openPaysOnce = false
  /** Responder: when ACCEPT goes by itself. */
  #acceptAt: number | undefined
  /** Responder: the initiator is known to have the main keys (spec §4.6). */
  isConfirmed = false
  /** The other side's; undefined until they are known. */
  parameters: Parameters | undefined
  /** Initiator: the node key to prove, and the proof once it is there. */
  #identity: { readonly key: Uint8Array; readonly proof: Uint8Array | undefined } | undefined
  /** Responder: a proof came. */
  #isIdentified = false

  constructor(parts: Pick<Parts, Needs>) {
    this.#parts = parts
  }

  /** Of what the initiator sends before it has the main keys. */
  get early(): DirectionKeys | undefined {
    return this.#keys?.early ?? this.opening?.initiation?.early
  }

  get main(): MainKeys | undefined {
    return this.#keys?.main
  }

  /** e_r: what the responder made, or what the initiator opened an ANSWER with. */
  get responderEphemeral(): Uint8Array | undefined {
    return this.#keys?.ephemeral
  }

  get peerAckDelayMs(): number {
    return this.parameters?.ackDelayMs ?? ACK_DELAY_MS
  }

  /** What this side tells the other about itself (spec §5.9). */
  get ownParameters(): Parameters {
    const { receive, settings } = this.#parts
    const directReply = this.opening?.directKey
    return {
      maxData: receive.firstLimit,
      idleTimeoutMs: settings.idleTimeoutMs,
      ackDelayMs: ACK_DELAY_MS,
      ...(directReply === undefined ? {} : { directReply }),
    }
  }

  /** The ACCEPT that is the first frame of an ANSWER; always the same. */
  get acceptFrame(): AcceptFrame {
    return { type: 'accept', parameters: this.ownParameters }
  }

  get identifyFrame(): IdentifyFrame | undefined {
    const { key, proof } = this.#identity ?? {}
    return key === undefined || proof === undefined ? undefined : { type: 'identify', key, proof }
  }

  /** Packets can be sealed: an OPEN needs a way to be answered, and perhaps a proof; all else needs keys. */
  get canSend(): boolean {
    const { opening } = this
    if (!this.#parts.life.isOpening) return this.#keys !== undefined
    return opening?.isAnswerable === true && !opening.waitsForSecret
  }

  dueAt(after: number): number | undefined {
    // A responder has no OPEN, an initiator no ACCEPT.
    if (this.opening !== undefined) return this.opening.dueAt(after)
    return this.#acceptAt !== undefined && this.#acceptAt > after ? this.#acceptAt : undefined
  }

  run(now: number): void {
    this.opening?.run(now)
    if (!isDue(this.#acceptAt, now)) return
    this.#acceptAt = undefined
    this.#parts.controls.ensure(Control.ACCEPT)
  }

  stop(): void {
    this.opening?.stop()
    this.#acceptAt = undefined
  }

  /** Initiator: makes the OPEN. */
  open(options: OpeningOptions, identifyKey: Uint8Array | undefined): void {
    this.opening = new Opening(this.#parts, options)
    if (identifyKey !== undefined) this.#identity = { key: identifyKey, proof: undefined }
    const { identityKey, responderKey } = options
    if (identityKey !== undefined) this.#parts.outputs.request({ type: 'shared-secret', point: responderKey })
  }

  /** Responder: its half of the handshake; e_r is made once per e_i (spec §4.6). `record` is the OPEN that came. */
  respond(session: Response, record: Uint8Array): void {
    const secret = ephemeralSecret(this.#parts.random)
    const { ephemeral, main } = completeResponder(session, secret)
    const digest = openDigest(record, this.#parts.connectionId)
    this.#keys = new HandshakeKeys(ephemeral, main, { early: session.early, secret, openDigest: digest })
  }

  /** Responder: takes the connection. `paysOnce`: the OPEN brought more than a packet has to. */
  accept(now: number, parameters: Parameters, paysOnce: boolean): void {
    this.#learn(parameters)
    this.#acceptAt = now + ACCEPT_MS
    this.openPaysOnce = paysOnce
  }

  /** Whether `record` is a copy of the OPEN that this connection came from. */
  isOwnOpen(record: Uint8Array): boolean {
    const digest = this.#keys?.openDigest
    return digest !== undefined && equalBytes(digest, openDigest(record, this.#parts.connectionId))
  }

  /** Initiator: opens an ANSWER. Any that opens completes the handshake (spec §4.6); undefined: it is not authentic. */
  openAnswer(record: Uint8Array, decoded: DecodedHeader, ephemeral: Uint8Array): Uint8Array | undefined {
    const main = this.#mainWith(ephemeral)
    if (main === undefined) return undefined
    const frames = openPacket(record, decoded, main.toInitiator)
    if (frames !== undefined) this.#keys ??= new HandshakeKeys(ephemeral, main)
    return frames
  }

  #mainWith(ephemeral: Uint8Array): MainKeys | undefined {
    if (this.#keys === undefined) {
      const initiation = this.opening?.initiation
      return initiation === undefined ? undefined : completeInitiator(initiation, ephemeral)
    }
    return equalBytes(this.#keys.ephemeral, ephemeral) ? this.#keys.main : undefined
  }

  /** Responder: a DATA packet was opened, so the initiator has the main keys (spec §4.6). */
  dataOpened(): void {
    if (this.isConfirmed || this.#parts.role !== 'responder') return
    this.isConfirmed = true
    this.#acceptAt = undefined
    this.#parts.controls.drop(Control.ACCEPT)
  }

  /**
   * Responder: an ANSWER arrived. `isTaken`: the initiator's process has it, which is certain on the phantom lane (spec
   * §4.6).
   */
  answerArrived(isTaken: boolean): void {
    if (isTaken) this.isConfirmed = true
    if (this.isConfirmed) this.#parts.controls.drop(Control.ACCEPT)
  }

  /** The peer's parameters came: an initiator is connected (spec §6.1). */
  accepted(now: number, parameters: Parameters): void {
    if (this.parameters !== undefined) return
    this.#learn(parameters)
    const { idle, life, outputs, packets, paths, probe, recovery } = this.#parts
    if (!life.isOpening) return
    idle.active(now)
    life.established()
    if (this.opening !== undefined) recovery.openAnswered(now, this.opening)
    paths.told()
    this.opening = undefined
    if (packets.unconfirmed > 0) probe.arm(now)
    if (this.#identity !== undefined && this.#keys !== undefined) {
      outputs.request({ type: 'shared-secret', point: this.#keys.ephemeral })
    }
  }

  #learn(parameters: Parameters): void {
    this.parameters = parameters
    this.#parts.send.raiseLimit(parameters.maxData)
  }

  /** Initiator: the secret that its node key shares with the responder's, or with e_r, is there. */
  prove(secret: Uint8Array): void {
    if (this.opening?.waitsForSecret === true) {
      this.opening.provideSecret(secret)
      return
    }
    if (this.#keys === undefined || this.#identity === undefined || !this.#parts.life.isLive) return
    const { key } = this.#identity
    this.#identity = { key, proof: identifyProof(secret, this.#keys.main.toResponder.transcript) }
    this.#parts.controls.want(Control.IDENTIFY)
  }

  /** Responder: whether this proof is right (spec §12.7: also after a good one). */
  isProof(frame: IdentifyFrame): boolean {
    const own = this.#keys?.secret
    if (own === undefined || this.#keys === undefined) return false
    const secret = ecdh(own, frame.key)
    return equalBytes(identifyProof(secret, this.#keys.main.toResponder.transcript), frame.proof)
  }

  /** Responder: a proof came that is right. */
  identified(key: Uint8Array): void {
    if (this.#isIdentified) return
    this.#isIdentified = true
    this.#parts.outputs.emit({ type: 'identified', publicKey: key.slice() })
  }
}
