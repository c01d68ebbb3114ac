/**
 * The key that blocks are mined to, and the signatures that spend them. A key outside of every wallet means that no
 * node is the rich one, and that the chain is ready before the first node starts.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'

/** An output of a transaction that is to be spent. */
export interface Coin {
  readonly transactionId: string
  readonly output: number
}

/** The private key is 1, so its public key is the generator of the curve: worth nothing outside regtest. */
const PRIVATE_KEY = hexToBytes('1'.padStart(64, '0'))
const PUBLIC_KEY = secp256k1.getPublicKey(PRIVATE_KEY)

/** Its pay-to-public-key-hash address on test networks. */
export const MINER_ADDRESS = 'mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r'

/** DUP HASH160 <hash of the public key> EQUALVERIFY CHECKSIG */
const SCRIPT = hexToBytes('76a914751e76e8199196d454941c45d1b3a323f1433bd688ac')

const VERSION_BYTES = 4
/** Transaction id, output number, length of the empty script, sequence number. */
const OUTPOINT_BYTES = 36
const UNSIGNED_INPUT_BYTES = OUTPOINT_BYTES + 1 + 4
const SIGHASH_ALL = 1
const NO_SCRIPT = Uint8Array.of(0)

/** Signs every input of a transaction (in hex, with up to 252 inputs) as a coin of this key. */
export function signInputs(unsigned: string): string {
  const bytes = hexToBytes(unsigned)
  const count = bytes[VERSION_BYTES] ?? 0
  const start = VERSION_BYTES + 1
  const head = bytes.subarray(0, start)
  const tail = bytes.subarray(start + count * UNSIGNED_INPUT_BYTES)
  const inputs = Array.from({ length: count }, (_, index) =>
    bytes.subarray(start + index * UNSIGNED_INPUT_BYTES, start + (index + 1) * UNSIGNED_INPUT_BYTES),
  )
  const signed = inputs.map((input, index) => {
    // What is signed has the spent script in the place of this input's, and none in the others.
    const shown = inputs.map((each, other) => (other === index ? withScript(each, prefixed(SCRIPT)) : each))
    const message = concatBytes(head, ...shown, tail, Uint8Array.of(SIGHASH_ALL, 0, 0, 0))
    const signature = secp256k1.sign(sha256(sha256(message)), PRIVATE_KEY, { prehash: false, format: 'der' })
    const script = concatBytes(prefixed(concatBytes(signature, Uint8Array.of(SIGHASH_ALL))), prefixed(PUBLIC_KEY))
    return withScript(input, prefixed(script))
  })
  return bytesToHex(concatBytes(head, ...signed, tail))
}

function withScript(input: Uint8Array, script: Uint8Array): Uint8Array {
  return concatBytes(input.subarray(0, OUTPOINT_BYTES), script, input.subarray(OUTPOINT_BYTES + NO_SCRIPT.length))
}

/** With its length in front: for what is shorter than 76 bytes a push in a script, below 253 also a script's size. */
function prefixed(bytes: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(bytes.length), bytes)
}
