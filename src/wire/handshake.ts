/**
 * The handshake: Noise_NK over secp256k1 with the departures of spec §4.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { sealInto, TAG_BYTES, unseal } from './aead.ts'
import { concat } from '../floor/bytes.ts'
import {
  deriveEarlyKeys,
  deriveMainKeys,
  type DirectionKeys,
  ecdh,
  hmacSha256,
  type MainKeys,
  publicKey,
} from './keys.ts'
import { CID_BYTES, encodeHeader, headerBytes, MAX_ATTEMPT, MAX_PACKET_BYTES, VERSION } from './packets.ts'
import { Writer } from './writer.ts'

/** What an initiator keeps from its OPEN until an ANSWER completes the handshake. */
export interface Initiation {
  /** The OPEN packet, attempt 0. Sent as it is, or as `withAttempt` makes it (spec §4.5). */
  readonly packet: Uint8Array
  /** For EARLY, and for the preimages of OPEN and EARLY. */
  readonly early: DirectionKeys
  /** ck1 (spec §4.4). */
  readonly chainingKey: Uint8Array
  readonly ephemeralSecret: Uint8Array
}

/** What a responder has of an OPEN whose tag was right. */
export interface Response {
  /** The OPEN's frames, for `decodeFrames`. */
  readonly frames: Uint8Array
  readonly early: DirectionKeys
  readonly chainingKey: Uint8Array
  /** e_i, 33 bytes. */
  readonly ephemeral: Uint8Array
}

export interface InitiateOptions {
  /** The responder's node key, 33 bytes. */
  readonly responderKey: Uint8Array
  /** 8 fresh random bytes. */
  readonly cid: Uint8Array
  /** 32 fresh random bytes in 1 .. n-1; used for one OPEN only. */
  readonly ephemeralSecret: Uint8Array
  /** The frames of the OPEN, encoded, OPEN first; at most `frameCapacity('open', 'cid', 0, ...)` bytes. */
  readonly frames: Uint8Array
}

export interface RespondOptions {
  /** The responder's own node key, 33 bytes. */
  readonly responderKey: Uint8Array
  readonly cid: Uint8Array
  /** e_i from the OPEN's header, 33 bytes. */
  readonly ephemeral: Uint8Array
  /** ECDH(s, e_i) from the responder's node, 32 bytes. */
  readonly sharedSecret: Uint8Array
  /** The OPEN's bytes from `sealedOffset` on. */
  readonly sealed: Uint8Array
}

/** Makes the OPEN packet, once and for all: it is never made again under the same ephemeral key (spec §4.3 to §4.5). */
export function initiate(options: InitiateOptions): Initiation {
  const { responderKey, cid, ephemeralSecret, frames } = options
  const ephemeral = publicKey(ephemeralSecret)
  const state = start(cid, responderKey)
  mixHash(state, ephemeral)
  const key = mixKey(state, ecdh(ephemeralSecret, responderKey))
  // spec §4.4: the frames are sealed under k1 with number 0, and the transcript so far is the associated data.
  const sealedOffset = headerBytes('open', 'cid', 0)
  const size = sealedOffset + frames.length + TAG_BYTES
  if (size > MAX_PACKET_BYTES) throw new RangeError(`an OPEN of ${size} bytes`)
  const packet = new Uint8Array(size)
  encodeHeader(new Writer(packet), { kind: 'open', cid, attempt: 0, ephemeral, number: 0 })
  sealInto(packet, sealedOffset, { key, number: 0, associated: state.h, plaintext: frames })
  mixHash(state, packet.subarray(sealedOffset))
  return { packet, early: deriveEarlyKeys(state.ck, state.h), chainingKey: state.ck, ephemeralSecret }
}

/** The transcript hash of an OPEN before its frames, h after MixHash(e_i): what a proof in it is about (spec §6.16). */
export function openTranscript(responderKey: Uint8Array, cid: Uint8Array, ephemeral: Uint8Array): Uint8Array {
  const state = start(cid, responderKey)
  mixHash(state, ephemeral)
  return state.h
}

/** A copy of an OPEN under another attempt, 0 to 255 (spec §3.8). */
export function withAttempt(open: Uint8Array, attempt: number): Uint8Array {
  if (!Number.isInteger(attempt) || attempt < 0 || attempt > MAX_ATTEMPT) throw new RangeError(`attempt ${attempt}`)
  const copy = open.slice()
  copy[1 + CID_BYTES] = attempt
  return copy
}

/**
 * The initiator's main keys, by the e_r of an ANSWER (spec §4.6). They are right only if the ANSWER then
 * opens under `toInitiator`: until one does, another ANSWER may bring another e_r.
 *
 * @throws ProtocolError when `responderEphemeral` is not a point
 */
export function completeInitiator(initiation: Initiation, responderEphemeral: Uint8Array): MainKeys {
  const shared = ecdh(initiation.ephemeralSecret, responderEphemeral)
  return complete(initiation, responderEphemeral, shared)
}

/** Opens an OPEN; undefined when its tag is wrong, or it was made for another node (spec §4.3, §4.4, §6.7). */
export function respond(options: RespondOptions): Response | undefined {
  const { responderKey, cid, ephemeral, sharedSecret, sealed } = options
  const state = start(cid, responderKey)
  mixHash(state, ephemeral)
  const key = mixKey(state, sharedSecret)
  const frames = unseal(key, 0, state.h, sealed)
  if (frames === undefined) return undefined
  mixHash(state, sealed)
  return { frames, early: deriveEarlyKeys(state.ck, state.h), chainingKey: state.ck, ephemeral }
}

/**
 * The responder's e_r, 33 bytes, and main keys (spec §4.6).
 *
 * @param ephemeralSecret 32 fresh random bytes in 1 .. n-1, made once per e_i
 */
export function completeResponder(
  response: Response,
  ephemeralSecret: Uint8Array,
): { readonly ephemeral: Uint8Array; readonly main: MainKeys } {
  const ephemeral = publicKey(ephemeralSecret)
  return { ephemeral, main: complete(response, ephemeral, ecdh(ephemeralSecret, response.ephemeral)) }
}

/** The symmetric state of Noise: the chaining key and the transcript hash (spec §4.2). */
export interface SymmetricState {
  ck: Uint8Array
  h: Uint8Array
}

const text = new TextEncoder()

/** The state before the first message: protocol name, prologue and the responder's key (spec §4.2). */
function start(cid: Uint8Array, responderKey: Uint8Array): SymmetricState {
  return startNoise(concat(text.encode('keysock'), Uint8Array.of(VERSION), cid), responderKey)
}

/** The state before the first message, with this prologue. */
export function startNoise(prologue: Uint8Array, responderKey: Uint8Array): SymmetricState {
  const h = sha256(text.encode('Noise_NK_secp256k1_ChaChaPoly_SHA256'))
  const state = { ck: h, h }
  mixHash(state, prologue)
  mixHash(state, responderKey)
  return state
}

export function mixHash(state: SymmetricState, data: Uint8Array): void {
  state.h = sha256(concat(state.h, data))
}

/** Noise's MixKey: replaces the chaining key and returns `k` (spec §4.2). */
export function mixKey(state: SymmetricState, material: Uint8Array): Uint8Array {
  const t = hmacSha256(state.ck, material)
  state.ck = hmacSha256(t, Uint8Array.of(1))
  return hmacSha256(t, concat(state.ck, Uint8Array.of(2)))
}

/** Mixes e_r and the second shared secret in, which completes the handshake (spec §4.6). */
function complete(
  half: { readonly chainingKey: Uint8Array; readonly early: DirectionKeys },
  responderEphemeral: Uint8Array,
  shared: Uint8Array,
): MainKeys {
  const state = { ck: half.chainingKey, h: half.early.transcript }
  mixHash(state, responderEphemeral)
  mixKey(state, shared)
  return deriveMainKeys(state.ck, state.h)
}
