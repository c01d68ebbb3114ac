/** What can go wrong, by codes that do not change. Words are for people. */

/** Each code with what it means, as the page has it. */
export const CODES = {
  unauthorized: 'the key is unknown, the signature is wrong, or the message cannot be read',
  stale: 'the timestamp is too far from the gateway’s clock',
  replayed: 'exactly this message came before; a retry under the same id has a new timestamp',
  mismatch: 'another request came under this id before',
  invalid: 'the request lacks something, or has what it cannot have',
  'not-allowed': 'this key may not do this',
  'over-limit': 'the key would pass its limit of the day',
  busy: 'the gateway has too much to do; ask again',
  'invalid-invoice': 'this is no BOLT 11 invoice, or one of another network',
  'already-paid': 'the invoice was paid before',
  'under-way': 'another request, or another program, is paying this invoice',
  expired: 'the invoice has expired',
  'insufficient-balance': 'the node’s channels have too little on its own side',
  'no-route': 'no way leads to the payee, or none within the fee',
  refused: 'the payee turned the payment down',
  failed: 'the node gave the payment up, or lost it when it was killed',
  'timed-out': 'the payment was not decided in time',
  'node-unreachable': 'the Lightning node does not answer',
  'node-denied': 'the Lightning node does not permit it with the gateway’s macaroon',
} as const

export type Code = keyof typeof CODES

/** What a caller gets in place of a result. */
export interface Failure {
  readonly code: Code
  readonly message: string
  /**
   * True: this stays the answer to this id, and nothing was, or will be, paid for it. False: nothing is decided; ask
   * again under the same id.
   */
  readonly final: boolean
}

export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: Code
  readonly final: boolean

  constructor(code: Code, message: string = CODES[code], { final = true }: { readonly final?: boolean } = {}) {
    super(message)
    this.code = code
    this.final = final
  }

  get failure(): Failure {
    return { code: this.code, message: this.message, final: this.final }
  }
}

export function isCode(text: string): text is Code {
  return Object.hasOwn(CODES, text)
}
