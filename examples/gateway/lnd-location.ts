/** Where an lnd node is: as keysock looks for it, so that both parts of the gateway have the same one. */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { authenticatedLndGrpc, type AuthenticatedLnd } from 'lightning'

export interface LndLocation {
  /** host:port of lnd's gRPC. */
  readonly socket: string
  /** Files; the macaroon may be its hexadecimal digits. */
  readonly cert: string
  readonly macaroon: string
}

/** By the variables of lncli, and those that keysock knows besides; else lnd's own places. @throws Error */
export function ownLocation(environment: NodeJS.ProcessEnv): LndLocation {
  const set = (...names: readonly string[]): string | undefined =>
    names.map((name) => environment[name]).find((value) => value !== undefined && value !== '')
  const folder = set('LNCLI_LNDDIR', 'LND_DIR') ?? defaultFolder()
  const network = set('LNCLI_NETWORK', 'LND_NETWORK') ?? 'mainnet'
  const socket = set('LNCLI_RPCSERVER', 'LND_SOCKET') ?? 'localhost:10009'
  const location = {
    socket: socket.includes(':') ? socket : `${socket}:10009`,
    cert: set('LNCLI_TLSCERTPATH', 'LND_CERT') ?? join(folder, 'tls.cert'),
    macaroon:
      set('LNCLI_MACAROONPATH', 'LND_MACAROON') ?? join(folder, 'data/chain/bitcoin', network, 'gateway.macaroon'),
  }
  for (const file of [location.cert, location.macaroon])
    if (!existsSync(file) && !isHex(file))
      throw new Error(`there is no ${file}; LND_SOCKET, LND_CERT and LND_MACAROON say where the node is`)
  return location
}

function defaultFolder(): string {
  return process.platform === 'darwin' ? join(homedir(), 'Library/Application Support/Lnd') : join(homedir(), '.lnd')
}

/** A node of a file, as `./dev example gateway --lnd` makes: `{ NAME: { socket, cert, macaroon } }`. @throws Error */
export function locationIn(file: string, name: string): LndLocation {
  const nodes = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, LndLocation | undefined>>
  const location = nodes[name]
  if (location === undefined) throw new Error(`${file} has no node ${name}; it has ${Object.keys(nodes).join(', ')}`)
  return location
}

export function connectLnd({ socket, cert, macaroon }: LndLocation): AuthenticatedLnd {
  return authenticatedLndGrpc({
    socket,
    cert: readFileSync(cert).toString('base64'),
    macaroon: isHex(macaroon) ? macaroon : readFileSync(macaroon).toString('hex'),
  }).lnd
}

function isHex(text: string): boolean {
  return /^(?:[0-9a-f]{2})+$/i.test(text)
}
