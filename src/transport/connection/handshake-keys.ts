import { concat } from '../../floor/bytes.ts'
import { type DirectionKeys, KEY_BYTES, type MainKeys, POINT_BYTES } from '../../wire/keys.ts'

/** What a responder keeps beside the main keys; 32 bytes each. */
interface ResponderParts {
  readonly early: DirectionKeys
  /** Of e_r, for IDENTIFY. */
  readonly secret: Uint8Array
  /** Of the OPEN with attempt 0, to know its copies. */
  readonly openDigest: Uint8Array
}

/**
 * What of the handshake a connection holds as long as it lives, in one array: one for each would take 200 bytes beside
 * the 32 that are in it. Every look at a part makes a view of it.
 */
export class HandshakeKeys {
  /** e_r, seal and settle to the responder, then to the initiator, h2; and of a responder the rest. */
  readonly #bytes: Uint8Array

  /** `ephemeral`: e_r. `own`: a responder's. */
  constructor(ephemeral: Uint8Array, main: MainKeys, own?: ResponderParts) {
    const { toResponder, toInitiator } = main
    const parts = [ephemeral, toResponder.seal, toResponder.settle, toInitiator.seal, toInitiator.settle]
    parts.push(toResponder.transcript)
    if (own !== undefined) {
      const { early, openDigest, secret } = own
      parts.push(early.seal, early.settle, early.transcript, secret, openDigest)
    }
    this.#bytes = concat(...parts)
  }

  /** e_r. */
  get ephemeral(): Uint8Array {
    return this.#bytes.subarray(0, POINT_BYTES)
  }

  get main(): MainKeys {
    return { toResponder: new PackedKeys(this.#bytes, 0, 4), toInitiator: new PackedKeys(this.#bytes, 2, 4) }
  }

  /** Undefined: an initiator has none any more. */
  get early(): DirectionKeys | undefined {
    return this.#isResponder ? new PackedKeys(this.#bytes, 5, 7) : undefined
  }

  get secret(): Uint8Array | undefined {
    return this.#isResponder ? part(this.#bytes, 8) : undefined
  }

  get openDigest(): Uint8Array | undefined {
    return this.#isResponder ? part(this.#bytes, 9) : undefined
  }

  get #isResponder(): boolean {
    return this.#bytes.length > POINT_BYTES + 5 * KEY_BYTES
  }
}

/** Part `index` of those behind e_r. */
function part(bytes: Uint8Array, index: number): Uint8Array {
  const from = POINT_BYTES + index * KEY_BYTES
  return bytes.subarray(from, from + KEY_BYTES)
}

/** The seal key, the settle key behind it, and a transcript. */
class PackedKeys implements DirectionKeys {
  readonly #bytes: Uint8Array
  readonly #index: number
  readonly #transcriptIndex: number

  constructor(bytes: Uint8Array, index: number, transcriptIndex: number) {
    this.#bytes = bytes
    this.#index = index
    this.#transcriptIndex = transcriptIndex
  }

  get seal(): Uint8Array {
    return part(this.#bytes, this.#index)
  }

  get settle(): Uint8Array {
    return part(this.#bytes, this.#index + 1)
  }

  get transcript(): Uint8Array {
    return part(this.#bytes, this.#transcriptIndex)
  }
}
