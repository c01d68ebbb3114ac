import { encodeFailure, sealFailure, type Failure } from '../../../wire/bolt4/failure.ts'
import { phantomOf } from '../../../wire/bolt4/phantom.ts'
import { Code } from '../../../wire/errors.ts'

/** The key that opens payments to a phantom. Plain data; holds a secret. */
export interface NodePhantomKey {
  /** The made-up channel by which lnd names it, in decimal. */
  readonly chanId: string
  /** 32 bytes: peels the onion. */
  readonly privateKey: Uint8Array
}

const MAX_32_BITS = 0xffff_ffff

/** The key of the phantom of a node that does not hide (spec §2.9). `node`: 33 bytes. */
export function nodePhantomKey(node: Uint8Array): NodePhantomKey {
  const { channelId, secretKey } = phantomOf(node)
  return { chanId: channelId.toString(), privateKey: secretKey }
}

/** Makes the failures by which a phantom that does not hide tells its payer why it refuses (spec §2.10). */
export class Refuser {
  readonly #sharedSecret: Uint8Array
  readonly #htlcMsat: bigint

  /** `sharedSecret`: of the onion's last layer, 32 bytes; `htlcMsat`: what came. */
  constructor(sharedSecret: Uint8Array, htlcMsat: bigint) {
    this.#sharedSecret = sharedSecret
    this.#htlcMsat = htlcMsat
  }

  /** A refusal with a code of spec §11: 292 bytes. */
  refusal(code: number): Uint8Array {
    const height = code >= 0 && code <= MAX_32_BITS ? code : Code.NO_ERROR
    return this.failure({ name: 'incorrect_or_unknown_payment_details', htlcMsat: this.#htlcMsat, height })
  }

  failure(failure: Failure): Uint8Array {
    return sealFailure(this.#sharedSecret, encodeFailure(failure))
  }
}
