import { codeOf, messageOf } from '../transfer/errors.ts'

/** Why a client of the proxy gets no connection. */
export type RefusalKind =
  /** A host of the internet. */
  | 'elsewhere'
  /** An IP address in place of a name. */
  | 'ip-address'
  /** A name that stands for no node. */
  | 'name'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  /** A price that nobody agreed to, a cap, or a policy. */
  | 'money'
  | 'busy'
  | 'failed'

/** What a refusal is called in the protocols: a reply of SOCKS 5 (RFC 1928 §6) and a status of HTTP. */
const CALLED: Readonly<Record<RefusalKind, { readonly socks: number; readonly status: number }>> = {
  elsewhere: { socks: 0x02, status: 403 },
  'ip-address': { socks: 0x08, status: 403 },
  name: { socks: 0x04, status: 502 },
  refused: { socks: 0x05, status: 502 },
  unreachable: { socks: 0x04, status: 502 },
  timeout: { socks: 0x06, status: 504 },
  money: { socks: 0x02, status: 403 },
  busy: { socks: 0x01, status: 503 },
  failed: { socks: 0x01, status: 502 },
}

const KINDS: Readonly<Record<string, RefusalKind>> = {
  ERR_CLI_NAMES: 'name',
  ERR_KEYSOCK_HOST_NAME: 'name',
  ERR_KEYSOCK_INVALID_OPTION: 'name',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ERR_KEYSOCK_FEE: 'unreachable',
  ETIMEDOUT: 'timeout',
  ERR_KEYSOCK_PRICE: 'money',
  ERR_KEYSOCK_COST: 'money',
  ERR_KEYSOCK_POLICY: 'money',
  ERR_KEYSOCK_TOO_MANY_CONNECTIONS: 'busy',
}

/** A connection that a client asked for and does not get; the message is for a person. */
export class Refusal extends Error {
  readonly kind: RefusalKind
  /** The error's code. */
  readonly code: string

  constructor(kind: RefusalKind, message: string, code = 'ERR_CLI_PROXY') {
    super(message)
    this.name = 'Refusal'
    this.kind = kind
    this.code = code
  }

  /** The reply of RFC 1928 §6. */
  get socksReply(): number {
    return CALLED[this.kind].socks
  }

  get httpStatus(): number {
    return CALLED[this.kind].status
  }

  /** What connecting failed with. */
  static of(error: unknown): Refusal {
    if (error instanceof Refusal) return error
    const code = codeOf(error)
    return new Refusal(KINDS[code] ?? 'failed', messageOf(error), code)
  }
}
