/**
 * The codes of spec §11 and the one error that decoders throw.
 */

/** What a peer's application sees when a RESET with the code arrives (spec §11.1). */
export type PeerError = 'ECONNRESET' | 'ECONNREFUSED' | 'ETIMEDOUT' | 'ERR_KEYSOCK_PRICE'

/** Every code of RESET, REFUSE and refusing verdicts (spec §11.1). Codes from 256 on belong to applications. */
export const codes = [
  { number: 0, name: 'NO_ERROR', meaning: 'reset by the application without a reason', peerError: 'ECONNRESET' },
  { number: 1, name: 'PROTOCOL', meaning: 'malformed or forbidden frame', peerError: 'ECONNRESET' },
  { number: 2, name: 'FLOW_CONTROL', meaning: 'data beyond the limit', peerError: 'ECONNRESET' },
  { number: 3, name: 'FINAL_OFFSET', meaning: 'data beyond the end, or another end', peerError: 'ECONNRESET' },
  { number: 4, name: 'UNSUPPORTED', meaning: 'unknown even frame or parameter', peerError: 'ECONNRESET' },
  { number: 5, name: 'NO_LISTENER', meaning: 'nobody listens on the port', peerError: 'ECONNREFUSED' },
  { number: 6, name: 'NO_ROOM', meaning: 'a bound is reached; try later', peerError: 'ECONNREFUSED' },
  { number: 7, name: 'PRICE', meaning: 'the price was not paid', peerError: 'ERR_KEYSOCK_PRICE' },
  { number: 8, name: 'CANCELLED', meaning: 'the application gave up', peerError: 'ECONNRESET' },
  { number: 9, name: 'IDLE', meaning: 'idle timeout', peerError: 'ETIMEDOUT' },
  { number: 10, name: 'COST', meaning: 'the cost cap of the sender is reached', peerError: 'ECONNRESET' },
  {
    number: 11,
    name: 'DUPLICATE',
    meaning: 'a second copy of a packet that carries money or a message',
    peerError: 'ECONNRESET',
  },
  { number: 12, name: 'STALE', meaning: 'height too old, or not yet known', peerError: 'ECONNREFUSED' },
  { number: 13, name: 'VERSION', meaning: 'version not spoken', peerError: 'ECONNREFUSED' },
  { number: 14, name: 'BUSY', meaning: 'too much at once; try again', peerError: 'ECONNREFUSED' },
  { number: 15, name: 'CLOSED', meaning: 'the connection has ended, or nobody reads', peerError: 'ECONNRESET' },
  {
    number: 16,
    name: 'INTERNAL',
    meaning: 'a fault or a limit of the implementation',
    peerError: 'ECONNRESET',
  },
  { number: 17, name: 'SHUTDOWN', meaning: 'the endpoint is closing', peerError: 'ECONNRESET' },
  { number: 18, name: 'DENIED', meaning: 'the application says no', peerError: 'ECONNREFUSED' },
  { number: 19, name: 'CONTENT', meaning: 'the content of a message is not here', peerError: 'ECONNREFUSED' },
] as const

type Row = (typeof codes)[number]

/** The number of a code of spec §11.1. What arrives on the wire may be any other number. */
export type Code = Row['number']

/** Codes by name: `Code.PROTOCOL` is 1. */
export const Code: { readonly [Each in Row as Each['name']]: Each['number'] } = Object.fromEntries(
  codes.map(({ name, number }) => [name, number]),
) as { readonly [Each in Row as Each['name']]: Each['number'] }

/** spec §11.4: from this code on, 2^24 codes say PRICE with a number of satoshi. */
const FIRST_OPENING_PRICE = 0x0100_0000
const OPENING_PRICES = 0x0100_0000
/** The highest opening price that a code can say, msat: some 0.16 bitcoin. */
export const MAX_OPENING_PRICE_MSAT: bigint = BigInt(OPENING_PRICES - 1) * 1_000n
/** spec §6.14: what an application may refuse an opening with. Below are the codes of spec §11.1, above the prices. */
export const APPLICATION_CODES: { readonly first: number; readonly last: number } = {
  first: 256,
  last: FIRST_OPENING_PRICE - 1,
}

/** The code that refuses an OPEN and says what it has to pay, rounded up to satoshi (spec §11.4). @throws RangeError */
export function openingPriceCode(priceMsat: bigint): number {
  if (priceMsat < 0n || priceMsat > MAX_OPENING_PRICE_MSAT)
    throw new RangeError(`an opening price of ${priceMsat} msat`)
  return FIRST_OPENING_PRICE + Number((priceMsat + 999n) / 1_000n)
}

/** What an OPEN has to pay by the code that refused it, msat; undefined for any other code (spec §11.4). */
export function openingPriceOf(code: number): bigint | undefined {
  const sat = code - FIRST_OPENING_PRICE
  return sat >= 0 && sat < OPENING_PRICES ? BigInt(sat) * 1_000n : undefined
}

/** The name of a code; `APPLICATION_n` from 256 on, `UNKNOWN_n` for the rest (spec §11.2). */
export function codeName(number: number): string {
  if (openingPriceOf(number) !== undefined) return 'PRICE'
  return codes[number]?.name ?? (number >= 256 ? `APPLICATION_${number}` : `UNKNOWN_${number}`)
}

/**
 * What the application is told when a code arrives in a RESET or a REFUSE (spec §11.1). Unknown codes
 * count as NO_ERROR (spec §11.2); what would be ECONNRESET is ECONNREFUSED in a REFUSE (spec §6.1).
 */
export function peerError(number: number, frame: 'reset' | 'refuse'): PeerError {
  const known = openingPriceOf(number) === undefined ? number : Code.PRICE
  const error = codes[known]?.peerError ?? 'ECONNRESET'
  return frame === 'refuse' && error === 'ECONNRESET' ? 'ECONNREFUSED' : error
}

/**
 * What came over the wire breaks the protocol. Decoders throw this and nothing else; encoders, whose
 * arguments are the program's own, throw RangeError.
 */
export class ProtocolError extends Error {
  /** The code to reset or refuse with (spec §11.1). */
  readonly code: Code

  constructor(code: Code, message: string) {
    super(message)
    this.name = 'ProtocolError'
    this.code = code
  }
}

/** A ProtocolError with code PROTOCOL: bytes that are not what the spec says. */
export function malformed(what: string): ProtocolError {
  return new ProtocolError(Code.PROTOCOL, `malformed: ${what}`)
}
