import { Admission } from '../../../floor/admission.ts'
import { BoundedMap } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import { decodeFrames, UnsupportedError } from '../../../wire/frame-reader.ts'
import type { Frame } from '../../../wire/frames.ts'
import { respond } from '../../../wire/handshake.ts'
import type { DecodedHeader } from '../../../wire/packets.ts'
import { type Backend, BackendError } from '../../backend.ts'
import { KEY_AGREEMENTS } from '../../../medium/limits.ts'
import { MAX_SECRETS } from '../protocol/limits.ts'

export interface KeyAgreementsOptions {
  readonly clock: Clock
  readonly backend: Pick<Backend, 'sharedSecret'>
  /** The node's public key, 33 bytes. */
  readonly publicKey: Uint8Array
}

/** How an OPEN came: in a settled payment ('node'), or in an offer that waits for a verdict ('phantom'). */
type OpenLane = 'node' | 'phantom'

/** An OPEN's port; 'busy' where a limit or the node forbids it for now, undefined where it is to be dropped. */
export type PortOfOpen = number | 'busy' | undefined

/**
 * Key agreements of the node. An OPEN says only to its receiver which port it is for, so the daemon opens it, behind
 * the limits of spec §14; the program that it is for then asks for the same secret, which is at hand.
 */
export class KeyAgreements {
  readonly #options: KeyAgreementsOptions
  readonly #secrets = new BoundedMap<string, Promise<Uint8Array>>(MAX_SECRETS)
  /** By lane: unpaid OPENs must not keep paid ones from being read (spec §14). */
  readonly #admission: Admission<OpenLane>
  #cancelTurn: (() => void) | undefined

  constructor(options: KeyAgreementsOptions) {
    this.#options = options
    const { clock } = options
    this.#admission = new Admission<OpenLane>({
      ...KEY_AGREEMENTS,
      now: () => clock.now(),
      wakeAt: (atMs) => this.#wakeAt(atMs),
    })
  }

  /** OPENs of the node lane that wait for their turn. */
  get waiting(): number {
    return this.#admission.waiting
  }

  /** No further turn is given. */
  stop(): void {
    this.#wakeAt(undefined)
  }

  #wakeAt(atMs: number | undefined): void {
    this.#cancelTurn?.()
    this.#cancelTurn = atMs === undefined ? undefined : this.#options.clock.schedule(atMs, () => this.#admission.wake())
  }

  /** The secret that a program asks for. @throws BackendError as the node's backend */
  sharedSecret(point: Uint8Array): Promise<Uint8Array> {
    const key = toHex(point)
    const known = this.#secrets.get(key)
    if (known !== undefined) return known
    const asked = this.#options.backend.sharedSecret(point)
    this.#secrets.set(key, asked)
    // The next call for it asks the node again.
    asked.catch(() => {
      if (this.#secrets.get(key) === asked) this.#secrets.delete(key)
    })
    return asked
  }

  async portOf(record: Uint8Array, { header, sealedOffset }: DecodedHeader, lane: OpenLane): Promise<PortOfOpen> {
    if (header.kind !== 'open') return undefined
    const isNew = !this.#secrets.has(toHex(header.ephemeral))
    const turn = isNew ? this.#admission.enter(lane) : 'known'
    if (turn === undefined) return 'busy'
    try {
      if (typeof turn === 'object') await turn
      const sharedSecret = await this.sharedSecret(header.ephemeral)
      const { cid, ephemeral } = header
      const responderKey = this.#options.publicKey
      const opened = respond({ responderKey, cid, ephemeral, sharedSecret, sealed: record.subarray(sealedOffset) })
      return opened === undefined ? undefined : portIn(opened.frames)
    } catch (error) {
      // The node is away, or refuses the point.
      return error instanceof BackendError && error.code === 'bad-point' ? undefined : 'busy'
    } finally {
      if (turn !== 'known') this.#admission.leave()
    }
  }
}

/** The port of an OPEN's frames; undefined where they are malformed (spec §5.8). */
function portIn(bytes: Uint8Array): number | undefined {
  let frames: readonly Frame[]
  try {
    frames = decodeFrames(bytes)
  } catch (error) {
    // spec §6.2: frames that are not known are refused by the program that listens.
    if (!(error instanceof UnsupportedError)) return undefined
    frames = error.frames
  }
  const [open] = frames
  return open?.type === 'open' ? open.port : undefined
}
