import { Admission } from '../../../floor/admission.ts'
import { BoundedMap } from '../../../floor/bounded.ts'
import { toHex } from '../../../floor/bytes.ts'
import type { Clock } from '../../../floor/clock.ts'
import { decodeFrames, UnsupportedError } from '../../../wire/frame-reader.ts'
import type { Frame } from '../../../wire/frames.ts'
import { ProtocolError } from '../../../wire/errors.ts'
import { respond } from '../../../wire/handshake.ts'
import { type NoteHeader, noteHeader, noteKeys, openNote } from '../../../wire/notes.ts'
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

  portOf(record: Uint8Array, { header, sealedOffset }: DecodedHeader, lane: OpenLane): Promise<PortOfOpen> {
    if (header.kind !== 'open') return Promise.resolve(undefined)
    const { cid, ephemeral } = header
    const responderKey = this.#options.publicKey
    return this.#read(ephemeral, lane, (sharedSecret) => {
      const opened = respond({ responderKey, cid, ephemeral, sharedSecret, sealed: record.subarray(sealedOffset) })
      return opened === undefined ? undefined : portIn(opened.frames)
    })
  }

  /** The port of a message (spec §18). */
  portOfNote(record: Uint8Array, lane: OpenLane): Promise<PortOfOpen> {
    let header: NoteHeader
    try {
      header = noteHeader(record)
    } catch (error) {
      if (error instanceof ProtocolError) return Promise.resolve(undefined)
      throw error
    }
    const { ephemeral } = header
    return this.#read(ephemeral, lane, (sharedSecret) => {
      try {
        return openNote(record, header, noteKeys(this.#options.publicKey, ephemeral, sharedSecret))?.port
      } catch (error) {
        if (error instanceof ProtocolError) return undefined
        throw error
      }
    })
  }

  /** What a packet says to whoever has the secret that its key leads to. */
  async #read(
    ephemeral: Uint8Array,
    lane: OpenLane,
    portBy: (sharedSecret: Uint8Array) => number | undefined,
  ): Promise<PortOfOpen> {
    const isNew = !this.#secrets.has(toHex(ephemeral))
    const turn = isNew ? this.#admission.enter(lane) : 'known'
    if (turn === undefined) return 'busy'
    try {
      if (typeof turn === 'object') await turn
      return portBy(await this.sharedSecret(ephemeral))
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
