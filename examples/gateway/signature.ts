/** HMAC-SHA256 over exactly the bytes that travel, and the line that carries them over keysock. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Hexadecimal digits of an HMAC-SHA256. */
export const SIGNATURE_LENGTH = 64
/** In place of a signature where gateway and caller share no secret: such a line says why the caller is turned away. */
export const NO_SIGNATURE: string = '0'.repeat(SIGNATURE_LENGTH)

export function sign(secret: Uint8Array, bytes: Uint8Array): string {
  return createHmac('sha256', secret).update(bytes).digest('hex')
}

/** In constant time, whatever `signature` is. Hexadecimal digits are lower case. */
export function isSigned(secret: Uint8Array, bytes: Uint8Array, signature: string): boolean {
  const given = Buffer.from(signature, 'latin1')
  const right = Buffer.from(sign(secret, bytes), 'latin1')
  return given.length === right.length && timingSafeEqual(given, right)
}

export interface SignedLine {
  readonly signature: string
  /** What was signed: JSON in UTF-8. */
  readonly bytes: Buffer
}

/** `SIGNATURE JSON\n`. */
export function signedLine(secret: Uint8Array | undefined, message: object): string {
  const json = JSON.stringify(message)
  return `${secret === undefined ? NO_SIGNATURE : sign(secret, Buffer.from(json))} ${json}\n`
}

/** A line without its line feed, taken apart; undefined where it is none of ours. */
export function readLine(line: Buffer): SignedLine | undefined {
  if (line.length <= SIGNATURE_LENGTH + 1 || line[SIGNATURE_LENGTH] !== 0x20) return undefined
  return { signature: line.toString('latin1', 0, SIGNATURE_LENGTH), bytes: line.subarray(SIGNATURE_LENGTH + 1) }
}

/** What a line says, whoever signed it. */
export function jsonOfLine(line: SignedLine | undefined): unknown {
  return line === undefined ? undefined : JSON.parse(line.bytes.toString('utf8'))
}
