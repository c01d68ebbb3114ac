/**
 * The other side of an anonymous connection, which knocks at a node's public doors to find out whether it is that
 * node's.
 */
import { encodeFrames } from '../../src/wire/frame-writer.ts'
import { decodeFrames } from '../../src/wire/frame-reader.ts'
import { toHex } from '../../src/floor/bytes.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { completeInitiator, completeResponder, initiate, type Initiation, respond } from '../../src/wire/handshake.ts'
import { type DirectionKeys, ecdh, type MainKeys, paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { decodeHeader, type Header, openPacket, sealPacket } from '../../src/wire/packets.ts'
import { DEFAULT_PARAMETERS } from '../../src/wire/parameters.ts'
import type { Verdict } from '../../src/medium/verdict.ts'
import { type Paid, pass, type WatchedBackend } from './watched-node.ts'

const SECRET = new Uint8Array(32).fill(3)
export const PROBER_KEY: Uint8Array = publicKey(SECRET)
const ANSWER_SECRET = new Uint8Array(32).fill(4)

/** What the prober holds of the anonymous connection. */
export interface Anonymous {
  readonly cid: Uint8Array
  readonly early: DirectionKeys
  readonly main: MainKeys
  /** e_r of the prober's ANSWERs. */
  readonly ephemeral: Uint8Array
  /** One of the reply paths: its id at the node, which the prober does not know, and names the path by. */
  readonly pathId: string
}

/** A connection of the prober's own to the node's server. */
export interface Own extends Initiation {
  readonly cid: Uint8Array
}

export type Door = 'node' | 'unblinded'
const DOORS: readonly Door[] = ['node', 'unblinded']
export { DOORS }

/** What came of a probe, by all that its sender sees. */
export type Seen =
  /** Of a payment on a phantom lane; the code where it is one that is told. */
  | { readonly sent: number; readonly afterMs: number; readonly action: Verdict['action']; readonly code?: number }
  /** A packet of the node's server. */
  | {
      readonly kind: Header['kind']
      readonly afterMs: number
      readonly amountMsat: bigint
      readonly frames: readonly Frame[]
    }

/** Reads the OPEN that came to the prober. @throws Error where none did */
export function takeOpen(backend: WatchedBackend): Anonymous {
  for (const { record } of backend.paid) {
    const { header, sealedOffset } = decodeHeader(record, 'cid')
    if (header.kind !== 'open') continue
    const { cid, ephemeral } = header
    const sharedSecret = ecdh(SECRET, ephemeral)
    const sealed = record.subarray(sealedOffset)
    const response = respond({ responderKey: PROBER_KEY, cid, ephemeral, sharedSecret, sealed })
    if (response === undefined) continue
    const paths = decodeFrames(response.frames).flatMap((frame) => (frame.type === 'reply-paths' ? frame.paths : []))
    const pathId = backend.paths.get(toHex(paths[0]?.bytes ?? new Uint8Array()))
    if (pathId === undefined) throw new Error('an OPEN without a path of this node')
    const answer = completeResponder(response, ANSWER_SECRET)
    return { cid, early: response.early, main: answer.main, ephemeral: answer.ephemeral, pathId }
  }
  throw new Error('no OPEN came')
}

export class Prober {
  readonly #backend: WatchedBackend
  readonly #anonymous: Anonymous
  readonly #fromMs: number
  readonly #paidBefore: number
  readonly #own: Own[] = []
  readonly #sent: { readonly atMs: number; readonly offerId: string | undefined; readonly isPath: boolean }[] = []
  /** Of packets over the anonymous connection. */
  #number: number

  /** `round`: no two probers of one node use the same numbers. */
  constructor(backend: WatchedBackend, anonymous: Anonymous, round = 0) {
    this.#backend = backend
    this.#anonymous = anonymous
    this.#number = 100 * (round + 1)
    this.#fromMs = backend.clock.now()
    this.#paidBefore = backend.paid.length
  }

  get anonymous(): Anonymous {
    return this.#anonymous
  }

  // ---- Packets -----------------------------------------------------------------------------------------

  /** A packet of the anonymous connection's responder: an ANSWER or a REPLY. */
  back(kind: 'answer' | 'reply', addressing: 'cid' | 'path', frames: readonly Frame[]): [Uint8Array, Uint8Array] {
    const { main, ephemeral } = this.#anonymous
    const number = this.#number++
    const cid = addressing === 'cid' ? this.#anonymous.cid : undefined
    const header = kind === 'answer' ? ({ kind, cid, ephemeral, number } as const) : ({ kind, cid, number } as const)
    const hash = paymentHash(preimage(main.toInitiator.settle, number, 0))
    return [sealPacket(header, main.toInitiator, encodeFrames([...frames])), hash]
  }

  /** An OPEN for the node's own server. */
  open(frames: readonly Frame[] = [], cid?: Uint8Array): Own {
    const made = this.#own.length + 1
    const own = cid ?? Uint8Array.from({ length: 8 }, () => 0xa0 + made)
    const ephemeralSecret = new Uint8Array(32).fill(0x20 + made)
    ephemeralSecret[0] = this.#number
    const open = {
      type: 'open',
      port: 7,
      height: 1_000,
      parameters: { ...DEFAULT_PARAMETERS, directReply: PROBER_KEY },
    } as const
    const bytes = encodeFrames([open, ...frames])
    const initiation = initiate({ responderKey: this.#backend.publicKey, cid: own, ephemeralSecret, frames: bytes })
    this.#own.push({ ...initiation, cid: own })
    return { ...initiation, cid: own }
  }

  early(own: Own, number: number, frames: readonly Frame[]): [Uint8Array, Uint8Array] {
    const record = sealPacket({ kind: 'early', cid: own.cid, number }, own.early, encodeFrames([...frames]))
    return [record, paymentHash(preimage(own.early.settle, number, 0))]
  }

  // ---- Payments ----------------------------------------------------------------------------------------

  send(door: Door, record: Uint8Array, hash: Uint8Array): void {
    if (door === 'unblinded') return this.#offer(record, hash)
    this.#sent.push({ atMs: this.#backend.clock.now(), offerId: undefined, isPath: false })
    this.#backend.emit({
      type: 'arrival',
      record,
      amountMsat: 1_000n,
      hash: new Uint8Array(32).fill(this.#sent.length),
      settleIndex: BigInt(100 + this.#sent.length),
    })
  }

  sendOpen(door: Door, own: Own): void {
    this.send(door, own.packet, openHash(own))
  }

  /** Over the path that it was given. Who did not make it has no such path: its node refuses. */
  overPath(record: Uint8Array, hash: Uint8Array): void {
    this.#offer(record, hash, this.#anonymous.pathId)
  }

  openOverPath(own: Own): void {
    this.overPath(own.packet, openHash(own))
  }

  #offer(record: Uint8Array, hash: Uint8Array, pathId?: string): void {
    const backend = this.#backend
    const offerId = `o${backend.clock.now()}.${this.#sent.length}`
    this.#sent.push({ atMs: backend.clock.now(), offerId, isPath: pathId !== undefined })
    if (pathId !== undefined && ![...backend.paths.values()].includes(pathId)) {
      backend.verdicts.set(offerId, { atMs: backend.clock.now(), verdict: { action: 'refuse', code: 0 } })
      return
    }
    const deadlineMs = backend.clock.now() + 10_000
    const where = pathId === undefined ? {} : { pathId }
    backend.emit({ type: 'offer', offerId, ...where, record, amountMsat: 1_000n, hash, deadlineMs })
  }

  async pass(ms: number): Promise<void> {
    await pass(this.#backend, ms)
  }

  // ---- What it sees ------------------------------------------------------------------------------------

  seen(): Seen[] {
    const verdicts = this.#sent.flatMap(({ atMs, offerId, isPath }, sent): Seen[] => {
      if (offerId === undefined) return []
      const answer = this.#backend.verdicts.get(offerId)
      if (answer === undefined) return []
      const { verdict } = answer
      // Over a path every refusal looks the same.
      const code = verdict.action === 'refuse' && !isPath ? { code: verdict.code } : {}
      return [{ sent, afterMs: answer.atMs - atMs, action: verdict.action, ...code }]
    })
    return [...verdicts, ...this.#paid().flatMap((paid) => this.#fromServer(paid))]
  }

  /** What was paid on the anonymous connection meanwhile. */
  fromClient(): Header['kind'][] {
    return this.#paid().flatMap(({ record }) => {
      const { kind } = decodeHeader(record, 'cid').header
      return kind === 'answer' || kind === 'reply' ? [] : [kind]
    })
  }

  #paid(): Paid[] {
    return this.#backend.paid.slice(this.#paidBefore)
  }

  #fromServer({ record, atMs, amountMsat }: Paid): Seen[] {
    const decoded = decodeHeader(record, 'cid')
    const { header } = decoded
    if (header.kind !== 'answer' && header.kind !== 'reply') return []
    const own = this.#own.find(({ cid }) => toHex(cid) === toHex(header.cid ?? new Uint8Array()))
    if (own === undefined || header.kind !== 'answer') throw new Error(`a ${header.kind} that nobody asked for`)
    const plain = openPacket(record, decoded, completeInitiator(own, header.ephemeral).toInitiator)
    if (plain === undefined) throw new Error('an ANSWER that does not open')
    const frames = decodeFrames(plain)
    return [{ kind: header.kind, afterMs: atMs - this.#fromMs, amountMsat, frames }]
  }
}

function openHash(own: Own): Uint8Array {
  return paymentHash(preimage(own.early.settle, 0, 0))
}
