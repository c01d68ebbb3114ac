import { BackendError } from '../../backend.ts'

/** Errors of lnd's calls and what they mean. The one place that reads the words of lnd and of gRPC. */

/** What grpc-js rejects with. */
export interface RpcError extends Error {
  /** A gRPC status code. */
  readonly code?: number
  readonly details?: string
  /** The method that was called, as it stands in lnd's permissions. */
  readonly uri?: string
  /** lnd did not answer within the time that it was given: the call was cancelled here. */
  readonly isLate?: boolean
}

/** gRPC status codes that mean something here. */
export const Status = {
  cancelled: 1,
  unknown: 2,
  deadline: 4,
  notFound: 5,
  alreadyExists: 6,
  permission: 7,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** Whether an error means that the node cannot be reached or is not ready, rather than that it refused. */
export function isAway(error: unknown): boolean {
  const { code, details = '' } = error as RpcError
  if (code === Status.unavailable || code === Status.cancelled || code === Status.deadline) return true
  if (code === Status.unimplemented) return details.includes('unknown service')
  return code === Status.unknown && isStarting(details)
}

/** Whether a call was cancelled here because its time was over: lnd may be there, and slow at this one. */
export function isLate(error: unknown): boolean {
  return (error as RpcError).isLate === true
}

/** Whether these are lnd's words while its wallet is locked or its server is not up yet. */
export function isStarting(details: string): boolean {
  return /wallet (?:locked|not created)|starting up|not yet ready|in the process of/i.test(details)
}

export function isDenied(error: unknown): boolean {
  const { code, details = '' } = error as RpcError
  return (
    code === Status.permission ||
    code === Status.unauthenticated ||
    (code === Status.unknown && /permission denied|macaroon|verification failed/i.test(details))
  )
}

/** Whether lnd refused the interceptor because a program has it. lnd gives this refusal no status code of its own. */
export function isInterceptorTaken(error: RpcError): boolean {
  return (error.details ?? '').includes('already exists')
}

/** The error for a method that lnd does not permit, by its name in lnd's permissions. */
export function deniedError(uri: string, options?: ErrorOptions): BackendError {
  const message = `lnd does not permit ${uri} with this macaroon; spec/lnd.md has the line for lncli bakemacaroon`
  return new BackendError('permission', message, options)
}

/** The error that the caller of the backend gets for a call that failed. It never holds the request. */
export function asBackendError(error: unknown): BackendError {
  if (error instanceof BackendError) return error
  const { uri = 'the lnd backend', details } = error as RpcError
  const said = details ?? (error instanceof Error ? error.message : 'an error')
  if (isDenied(error) && isForeignMacaroon(said)) {
    const message = `lnd does not accept this macaroon (${said}): it is of another lnd, was revoked or is damaged; spec/lnd.md has the line for lncli bakemacaroon`
    return new BackendError('permission', message, { cause: error })
  }
  if (isDenied(error)) return deniedError(uri, { cause: error })
  if (isAway(error))
    return new BackendError('offline', whyAway(said), { cause: error, advice: "wait for 'online'", away: 'node' })
  return new BackendError('unsupported', `${uri} failed: ${said}`, { cause: error })
}

/** Why lnd does not answer, for a person: gRPC's words, without those that only its developers understand. */
export function whyAway(details: string): string {
  if (isCertificate(details)) return whyNotTrusted(details)
  const address = /\bE[A-Z]+ ([^\s,]+:\d+)/.exec(details)?.[1]
  if (address !== undefined) return `lnd does not answer at ${address}`
  const target = /^Name resolution failed for target (?:dns:)?([^\s,]+)/.exec(details)?.[1]
  if (target !== undefined) return `lnd does not answer at ${target}: no machine of that name was found`
  const said = details.replace(/^No connection established\. Last error: (?:Error: )?/, '')
  return `lnd does not answer (${said.replace(/[.\s]*Resolution note:\s*$/, '')})`
}

/** Whether a connection failed because of lnd's certificate. */
export function isCertificate(details: string): boolean {
  // A node that goes away in the middle of a handshake has said nothing about its certificate.
  return /certificate|self.signed|SSL|TLS/i.test(details) && !details.includes('before secure TLS connection')
}

/** What is wrong with a certificate, in the words of OpenSSL and Node.js, for a person. */
function whyNotTrusted(details: string): string {
  if (/wrong version number|packet length too long/i.test(details))
    return 'what answers there speaks no TLS, so it is not the gRPC port of lnd; give that one (lnd.conf: rpclisten)'
  if (/has expired/i.test(details))
    return 'the TLS certificate of this lnd has expired; remove tls.cert and tls.key from its folder and restart it: it makes new ones'
  if (/not yet valid/i.test(details))
    return 'the TLS certificate of this lnd is not valid yet; set the clocks of both machines'
  const names = /does not match certificate's altnames: (.*?)\.?(?: Resolution note:\s*)?$/.exec(details)?.[1]
  if (names !== undefined)
    return `the TLS certificate of this lnd is not for the name by which it was called (${names}); call it by one of its names, or add tlsextradomain or tlsextraip to lnd.conf, remove tls.cert and tls.key and restart it`
  return 'the TLS certificate is not that of this lnd; take tls.cert from its folder'
}

/** Whether lnd does not know who made a macaroon, or cannot read it: what it permits is not the matter. */
function isForeignMacaroon(details: string): boolean {
  return /verification failed|root key|cannot get macaroon|cannot determine data format|unmarshal|invalid ID/i.test(
    details,
  )
}
