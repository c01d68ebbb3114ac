import { encodeFrames } from '../../src/wire/frame-writer.ts'
import type { Frame } from '../../src/wire/frames.ts'
import { type Initiation, initiate, withAttempt } from '../../src/wire/handshake.ts'
import { paymentHash, preimage, publicKey } from '../../src/wire/keys.ts'
import { DEFAULT_PARAMETERS } from '../../src/wire/parameters.ts'
import type { ScriptedBackend } from './scripted-backend.ts'

export interface OpenOptions {
  readonly port?: number
  readonly height?: number
  readonly cid?: Uint8Array
  /** What follows OPEN in its packet. */
  readonly frames?: readonly Frame[]
}

export type ForeignOpen = Initiation & { readonly cid: Uint8Array }

/** OPENs as other nodes' processes make them, each with a key of its own; they ask for direct replies. */
export class Opens {
  readonly #backend: ScriptedBackend
  #made = 0
  #settleIndex = 0n

  constructor(backend: ScriptedBackend) {
    this.#backend = backend
  }

  make({ port = 7, height = 1_000, cid, frames = [] }: OpenOptions = {}): ForeignOpen {
    this.#made += 1
    const made = this.#made
    const connectionId = cid ?? Uint8Array.from({ length: 8 }, (_, i) => (made >>> (8 * (i % 3))) & 0xff)
    const ephemeralSecret = new Uint8Array(32).fill(1)
    ephemeralSecret.set([made >>> 8, made & 0xff], 3)
    const directReply = publicKey(new Uint8Array(32).fill(9))
    const parameters = { ...DEFAULT_PARAMETERS, directReply }
    const initiation = initiate({
      responderKey: this.#backend.publicKey,
      cid: connectionId,
      ephemeralSecret,
      frames: encodeFrames([{ type: 'open', port, height, parameters }, ...frames]),
    })
    return { ...initiation, cid: connectionId }
  }

  /** Node lane. */
  arrive(record: Uint8Array): void {
    this.#settleIndex += 1n
    this.#backend.emit({
      type: 'arrival',
      record,
      amountMsat: 1_000n,
      hash: new Uint8Array(32).fill(Number(this.#settleIndex & 0xffn)),
      settleIndex: this.#settleIndex,
    })
  }

  /** The node tells again of what came last. */
  arriveAgain(record: Uint8Array): void {
    this.#settleIndex -= 1n
    this.arrive(record)
  }

  /** A copy on the unblinded phantom lane, or over a path. */
  offer(offerId: string, open: Initiation, attempt = 0, pathId?: string): void {
    const hash = paymentHash(preimage(open.early.settle, 0, attempt))
    const record = withAttempt(open.packet, attempt)
    const deadlineMs = this.#backend.clock.now() + 10_000
    const over = pathId === undefined ? {} : { pathId }
    this.#backend.emit({ type: 'offer', offerId, ...over, record, amountMsat: 1_000n, hash, deadlineMs })
  }

  /** What was answered to offers: `id settle`, or `id` and the code. */
  get verdicts(): string[] {
    return this.#backend.answers.map(
      ({ offerId, verdict }) => `${offerId} ${verdict.action === 'settle' ? 'settle' : verdict.code}`,
    )
  }
}
