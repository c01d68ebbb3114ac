/**
 * Why a connection failed, in the words and codes that an application gets: the one place outside of the state machine
 * that decides them.
 */
import type { ConnectionFailure, CostPause } from '../connection/interface.ts'
import { KeysockError } from '../errors.ts'

/** What the sockets of an endpoint that closes are told. */
export const ENDPOINT_CLOSED: ConnectionFailure = {
  code: 'ERR_KEYSOCK_ENDPOINT_CLOSED',
  message: 'the endpoint was closed before the connection had ended',
}

/** What a driver knows of a connection that failed, and the connection itself does not. */
export interface FailureContext {
  /** The endpoint closed before the connection had ended. */
  readonly isShutDown: boolean
  /** An initiator that has made no attempt: nobody can have answered. */
  readonly sentNothing: boolean
}

/** The failure that the application hears of, for the one that the state machine reports. */
export function failureFor(failure: ConnectionFailure, context: FailureContext): ConnectionFailure {
  if (context.isShutDown) return ENDPOINT_CLOSED
  if (!context.sentNothing || failure.code !== 'ETIMEDOUT') return failure
  // spec §6.1: without any route the connect timeout says that there is no way, as a router would.
  return { ...failure, code: 'EHOSTUNREACH', message: 'no route to this node was found' }
}

/** Where a connection was to lead: stands in errors before it is connected. */
export interface FailurePlace {
  readonly publicKeyHex: string
  readonly port: number
}

/** The error of a failure, as net words it. `place`: where a connection that was never made was to lead. */
export function connectionError(
  { code, message, wireCode, openingPriceMsat }: ConnectionFailure,
  syscall: 'connect' | 'read' | 'write',
  place: FailurePlace | undefined,
): KeysockError {
  const where = place === undefined ? '' : ` ${place.publicKeyHex}:${place.port}`
  const why = message === '' ? '' : ` - ${message}`
  const from = place === undefined ? {} : { address: place.publicKeyHex, port: place.port }
  const said = { peerCode: wireCode, openingPriceMsat }
  return new KeysockError(code, `${syscall} ${code}${where}${why}`, { syscall, ...from, ...said })
}

/** For a `connect` that a cap stops for good: nobody has the socket yet, so nobody could raise its cap. */
export function tooExpensiveToConnect({ priceMsat, capMsat }: CostPause): KeysockError {
  const message = `the packet that opens the connection costs ${priceMsat} msat with its fee, and the cap is ${capMsat} msat; raise maxCost or the endpoint's caps`
  return new KeysockError('ERR_KEYSOCK_COST', message, { syscall: 'connect' })
}

/** For a connection that a cap stops where nobody listens for 'paused'. */
export function tooExpensiveToGoOn({ priceMsat, capMsat }: CostPause): KeysockError {
  const message = `the next packet costs ${priceMsat} msat with its fee, which the cap of ${capMsat} msat does not let pass; listen for 'paused' and raise maxCost or the endpoint's caps, or set them higher from the start`
  return new KeysockError('ERR_KEYSOCK_COST', message, { syscall: 'write' })
}

/** For a `connect` whose socket closed without an error. */
export function closedBeforeConnect(endpointClosed: boolean): KeysockError {
  return endpointClosed
    ? new KeysockError(ENDPOINT_CLOSED.code, 'the endpoint was closed before the socket was connected')
    : new KeysockError('ERR_SOCKET_CLOSED', 'the socket was closed before it was connected')
}
