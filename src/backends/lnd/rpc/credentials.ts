import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { BackendError } from '../../backend.ts'
import { lndSocket } from './address.ts'
import { fromText, readCertificates, readMacaroon, type Content } from './secrets.ts'

/** Shorter texts are names of files. */
const LEAST_TEXT = 64

/** How to reach a node. What is not given comes from the environment, then from lnd's own defaults. */
export interface LndLocation {
  /** lnd's folder; default ~/.lnd. */
  readonly lndDir?: string
  /** mainnet, testnet, signet, regtest ...; default mainnet. It names the folder of the macaroon. */
  readonly network?: string
  /** host:port of lnd's gRPC; default localhost:10009. */
  readonly socket?: string
  /** A file's name, PEM, hex or base64; default tls.cert in `lndDir`. */
  readonly cert?: string
  /**
   * A file's name, hex or base64; default keysock.macaroon, else admin.macaroon, in the network's folder of `lndDir`.
   */
  readonly macaroon?: string
}

/**
 * What a connection to lnd needs, read and decoded. Holds a secret: never to be logged. Plain data: it may cross to a
 * thread.
 */
export interface LndCredentials {
  readonly socket: string
  /** PEM in base64; undefined: the system's authorities. */
  readonly cert: string | undefined
  /** Hex; undefined where lnd runs without macaroons. */
  readonly macaroon: string | undefined
}

/**
 * Reads where a node is. The environment: LNCLI_LNDDIR, LNCLI_NETWORK, LNCLI_RPCSERVER, LNCLI_TLSCERTPATH and
 * LNCLI_MACAROONPATH as lncli reads them, and LND_DIR, LND_NETWORK, LND_SOCKET, LND_CERT and LND_MACAROON (files),
 * LND_CERT_BASE64, LND_MACAROON_BASE64, LND_CERT_HEX and LND_MACAROON_HEX.
 *
 * @throws BackendError 'bad-request' naming the file or variable that can't be read
 */
export function readCredentials(location: LndLocation, environment: NodeJS.ProcessEnv = {}): LndCredentials {
  const variable = (...names: string[]): string | undefined =>
    names.map((name) => environment[name]).find((value) => value !== undefined && value !== '')
  const lndDir = tilde(location.lndDir ?? variable('LNCLI_LNDDIR', 'LND_DIR') ?? defaultDir())
  const network = location.network ?? variable('LNCLI_NETWORK', 'LND_NETWORK') ?? 'mainnet'
  const socket = lndSocket(location.socket, environment)
  const isNamed = location.socket !== undefined || variable('LNCLI_RPCSERVER', 'LND_SOCKET') !== undefined
  const cert =
    location.cert ??
    variable('LNCLI_TLSCERTPATH', 'LND_CERT', 'LND_CERT_BASE64', 'LND_CERT_HEX') ??
    defaultCertificate(lndDir, isNamed)
  const macaroon =
    location.macaroon ??
    variable('LNCLI_MACAROONPATH', 'LND_MACAROON', 'LND_MACAROON_BASE64', 'LND_MACAROON_HEX') ??
    defaultMacaroon(join(lndDir, 'data', 'chain', 'bitcoin', network))
  return {
    socket,
    cert: cert === undefined ? undefined : readCertificates(contentOf('the TLS certificate', cert)).toString('base64'),
    macaroon: readMacaroon(contentOf('the macaroon', macaroon)).toString('hex'),
  }
}

function defaultDir(): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Lnd')
  return join(homedir(), '.lnd')
}

/**
 * Undefined where there is none and a node elsewhere was named: one whose certificate an authority has signed needs no
 * file here.
 *
 * @throws BackendError 'bad-request' where it is not there
 */
function defaultCertificate(lndDir: string, isNamed: boolean): string | undefined {
  const file = join(lndDir, 'tls.cert')
  if (existsSync(file)) return file
  if (isNamed) return undefined
  throw new BackendError(
    'bad-request',
    `no lnd at ${lndDir} (there is no ${file}); give its folder (--lnddir), or for one elsewhere --rpcserver, --tlscertpath and --macaroonpath`,
  )
}

function defaultMacaroon(folder: string): string {
  const own = join(folder, 'keysock.macaroon')
  return existsSync(own) ? own : join(folder, 'admin.macaroon')
}

function tilde(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** A file's content, or the text itself. The value is in no message: it may be a secret. */
function contentOf(what: string, value: string): Content {
  const text = value.trim()
  if (text.includes('-----BEGIN')) return { what, bytes: Buffer.from(text, 'utf8') }
  const file = tilde(text)
  if (existsSync(file)) {
    try {
      return { what: `${what} at ${file}`, bytes: readFileSync(file) }
    } catch (error) {
      throw new BackendError('bad-request', `${what} at ${file} cannot be read: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  // A long text that names no file is the content itself, in hex or base64.
  const bytes = text.length >= LEAST_TEXT && !text.startsWith('/') ? fromText(text) : undefined
  if (bytes !== undefined) return { what, bytes }
  const shown = /[/\\.]/.test(text) && text.length < 256 ? ` (${file})` : ''
  throw new BackendError('bad-request', `${what}${shown} is neither a file that exists nor hex or base64`)
}
