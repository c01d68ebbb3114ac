import { toHex } from '../../floor/bytes.ts'
import { decodeFrames, UnsupportedError } from '../../wire/frame-reader.ts'
import type { Frame } from '../../wire/frames.ts'
import { respond } from '../../wire/handshake.ts'
import type { DecodedHeader } from '../../wire/packets.ts'
import type { Clock } from '../../floor/clock.ts'
import { BackendError } from '../backend.ts'
import { AGREEMENT_BURST, AGREEMENTS_PER_SECOND, MAX_AGREEMENTS, MAX_SECRETS, MAX_UNPAID_AGREEMENTS } from './bounds.ts'

export interface AgreementsNeeds {
  readonly clock: Clock
  /** The node's public key, 33 bytes. */
  readonly publicKey: Uint8Array
  /** A call to the node. */
  sharedSecret(point: Uint8Array): Promise<Uint8Array>
}

/** How an OPEN came: paid, or as an offer. */
type OpenLane = 'node' | 'phantom'

/** An OPEN's port; 'busy' where a bound or the node says not now, undefined where it is to be dropped. */
export type ReadPort = number | 'busy' | undefined

/**
 * Key agreements of the node. An OPEN says only to its receiver which port it is for, so the daemon opens it, behind
 * the bounds of spec §14; the program that it is for then asks for the same secret, which is at hand.
 */
export class Agreements {
  readonly #needs: AgreementsNeeds
  readonly #secrets = new Map<string, Promise<Uint8Array>>()
  #underWay = 0
  /** Each lane has its own: unpaid OPENs must not keep paid ones from being read (spec §14). */
  readonly #tokens: Readonly<Record<OpenLane, { left: number; atMs: number }>>

  constructor(needs: AgreementsNeeds) {
    this.#needs = needs
    const atMs = needs.clock.now()
    this.#tokens = { node: { left: AGREEMENT_BURST, atMs }, phantom: { left: AGREEMENT_BURST, atMs } }
  }

  /** For a program that asks. @throws BackendError as the node's backend */
  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    const key = toHex(point)
    const known = this.#secrets.get(key)
    if (known !== undefined) return known
    const asked = this.#needs.sharedSecret(point)
    this.#secrets.set(key, asked)
    if (this.#secrets.size > MAX_SECRETS) this.#secrets.delete(this.#secrets.keys().next().value as string)
    // Whoever asks next asks the node again.
    asked.catch(() => {
      if (this.#secrets.get(key) === asked) this.#secrets.delete(key)
    })
    return asked
  }

  async portOf(record: Uint8Array, { header, sealedOffset }: DecodedHeader, lane: OpenLane): Promise<ReadPort> {
    if (header.kind !== 'open') return undefined
    const isNew = !this.#secrets.has(toHex(header.ephemeral))
    const most = lane === 'node' ? MAX_AGREEMENTS : MAX_UNPAID_AGREEMENTS
    if (isNew && (this.#underWay >= most || !this.#mayAgree(lane))) return 'busy'
    this.#underWay += 1
    try {
      const sharedSecret = await this.sharedSecret(header.ephemeral)
      const { cid, ephemeral } = header
      const responderKey = this.#needs.publicKey
      const opened = respond({ responderKey, cid, ephemeral, sharedSecret, sealed: record.subarray(sealedOffset) })
      return opened === undefined ? undefined : portIn(opened.frames)
    } catch (error) {
      // The node is away, or the point is none that it likes.
      return error instanceof BackendError && error.code === 'bad-point' ? undefined : 'busy'
    } finally {
      this.#underWay -= 1
    }
  }

  #mayAgree(lane: OpenLane): boolean {
    const now = this.#needs.clock.now()
    const tokens = this.#tokens[lane]
    tokens.left = Math.min(AGREEMENT_BURST, tokens.left + ((now - tokens.atMs) * AGREEMENTS_PER_SECOND) / 1_000)
    tokens.atMs = now
    if (tokens.left < 1) return false
    tokens.left -= 1
    return true
  }
}

/** The port of an OPEN's frames; undefined where they are malformed (spec §5.8). */
function portIn(bytes: Uint8Array): number | undefined {
  let frames: readonly Frame[]
  try {
    frames = decodeFrames(bytes)
  } catch (error) {
    // What it does not know is refused by whoever listens (spec §6.2).
    if (!(error instanceof UnsupportedError)) return undefined
    frames = error.frames
  }
  const [open] = frames
  return open?.type === 'open' ? open.port : undefined
}
